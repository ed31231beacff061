"""The few record types, and the three identities, that more than one package speaks of.

A *document* is a place, a *content* is the text that stands there, a *sample* is a question asked of a model. Each has
one name that is a function of what it is and of nothing else, so that a copy, a move or another machine changes none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypedDict

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


class Message(TypedDict):
    """One turn of a chat: who speaks (`system`, `user` or `assistant`), and what."""

    role: str
    content: str


CHECKERS = ("exact", "numeric", "choice", "pattern", "json", "schema", "f1", "unit_test")
"""The checkers of closed-ended answers that a sample may name; `evaluation/checkers.py` says what each compares."""

CHECKED_BY = ("pattern", "schema", "unit_test")
"""The checkers whose reference is what an answer is held against, and no answer itself."""

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""The column type of a chat: a list of messages."""


class Progress(Protocol):
    """Told how far a piece of work is; the receiver makes rate and time left of it, and says `beside` as it is.

    The unit `bytes` is shown in MB.
    """

    def __call__(self, done: int, total: int | None = None, unit: str = "rows", beside: str = "") -> None: ...


def silent(done: int, total: int | None = None, unit: str = "rows", beside: str = "") -> None:
    """The progress that nobody watches."""


class Picture(NamedTuple):
    """A plot or an image that an asset shows beside its table: what it is called, and the SVG."""

    title: str
    svg: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage made of its input, with the books: taken in = kept + dropped + failed.

    `table` is the new table. `kept` is how many units of the input came through (the rows of `table` when None);
    `dropped` and `failed` count the others by reason. `others` are further tables of the same stage, by name.
    `checks` says of each of the stage's own checks what is wrong, or "" when nothing is.
    `notes` are facts that a person wants to see beside the table (numbers, short texts, markdown), never text of the data.
    """

    table: pl.DataFrame
    kept: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    checks: Mapping[str, str] = field(default_factory=dict)


def digest(*parts: str | bytes) -> str:
    """A 128-bit BLAKE2b digest (32 hexadecimal digits) of the parts, each framed by its length.

    Lone surrogates are hashed as they are, so that text which is not valid Unicode has a name too.
    """
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def digests(*parts: str | pl.Series, of: pl.Series) -> pl.Series:
    """`digest` of the parts and `of`, row by row: a part is one string for all rows, or a column; no column has nulls.

    The rows are hashed where they lie in Arrow's memory, so that no text becomes an object.
    """
    hashes: list[str] = []
    rows = slice_rows(of.to_frame(), _SLICE_ROWS, _SLICE_BYTES)
    for start in range(0, len(of), rows):
        own = (part.slice(start, rows) if isinstance(part, pl.Series) else part for part in parts)
        hashes += _hex_digests([*own], of.slice(start, rows))
    return pl.Series("digest", hashes, dtype=pl.String)


_SLICE_ROWS, _SLICE_BYTES = 20_000, 4 << 20
_FEWEST_ROWS = 64


def slice_rows(frame: pl.DataFrame, most_rows: int, most_bytes: int) -> int:
    """How many rows of a frame are about so many bytes, but no more rows than given: pieces of it that are copied or held."""
    fitting = frame.height * most_bytes // max(1, int(frame.estimated_size()))
    return max(_FEWEST_ROWS, min(most_rows, fitting))


def _hex_digests(parts: Sequence[str | pl.Series], of: pl.Series) -> Iterator[str]:
    before = [_pieces(part) if isinstance(part, pl.Series) else (_framed(part.encode()),) for part in parts]
    sizes, texts = _pieces(of)
    for head, text in zip(concatenated([*chain.from_iterable(before), sizes]), concatenated([texts]), strict=True):
        state = hashlib.blake2b(head, digest_size=16)
        state.update(text)
        yield state.hexdigest()


def _pieces(values: pl.Series) -> tuple[pa.Array, pa.Array]:
    """The length of each value (8 bytes, little-endian), and the value."""
    binary = values.cast(pl.Binary)
    sizes = binary.bin.size("b").cast(pl.UInt64).to_numpy()
    return fixed(sizes.view("u1").reshape(-1, 8)), large_binary(binary)


def canonical_json(values: pl.Series) -> pl.Series:
    """Each value of a column as bytes of JSON: keys sorted, no blanks, UTF-8; null as `null`.

    For text, whole numbers, truth values and what is nested of these (`is_plain`); a float has no one form.
    """
    framed = pl.struct(v=_sorted(pl.col("v"), values.dtype)).struct.json_encode().cast(pl.Binary)
    inner = framed.bin.slice(len('{"v":'), framed.bin.size() - len('{"v":}'))
    return values.alias("v").to_frame().select(inner.alias(values.name)).to_series()


def is_plain(dtype: pl.DataType) -> bool:
    """Whether values have one form in JSON."""
    if isinstance(dtype, pl.List):
        return is_plain(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return all(is_plain(field.dtype) for field in dtype.fields)  # type: ignore[arg-type]
    return dtype == pl.String or dtype == pl.Boolean or (dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128))


def _sorted(values: pl.Expr, dtype: Any) -> pl.Expr:
    """With the fields of all structs by their names."""
    if isinstance(dtype, pl.List):
        return values.list.eval(_sorted(pl.element(), dtype.inner))
    if isinstance(dtype, pl.Struct) and dtype.fields:
        fields = sorted(dtype.fields, key=lambda field: field.name)
        named = [_sorted(values.struct.field(field.name), field.dtype).alias(field.name) for field in fields]
        return pl.when(values.is_not_null()).then(pl.struct(named))
    return values


def large_binary(values: pl.Series) -> pa.Array:
    """A column of bytes as Arrow's `large_binary`."""
    import pyarrow as pa

    array = values.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    return array if pa.types.is_large_binary(array.type) else array.cast(pa.large_binary())


def fixed(rows: Any) -> pa.Array:
    """A matrix of bytes (numpy, rows x width) as Arrow's `large_binary`, a value per row."""
    import numpy as np
    import pyarrow as pa

    count, width = rows.shape
    offsets = np.arange(count + 1, dtype=np.int64) * width
    data = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(rows))]
    return pa.Array.from_buffers(pa.large_binary(), count, data)


def series(column: pa.Array) -> pl.Series:
    """An array as Polars has it: as a table of one column, for to take a bare array Polars imports all of PyArrow's functions."""
    import pyarrow as pa

    return pl.DataFrame(pl.from_arrow(pa.Table.from_arrays([column], [""]))).to_series()


def ready_to_digest() -> None:
    """Import what digests of columns need, before processes are forked."""
    import_module("pyarrow._compute")


def taken(rows: Any, numbers: npt.NDArray[np.int64]) -> Any:
    """Some rows of what Arrow has, by number; its own `take` imports all of PyArrow's functions."""
    from pyarrow._compute import TakeOptions, call_function

    return call_function("take", [rows, whole_numbers(numbers)], TakeOptions())


def as_type(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values of another type; its own `cast` imports all of PyArrow's functions. Raises ArrowInvalid for what has no place in
    it, as bytes have none in strings that are no UTF-8."""
    from pyarrow._compute import CastOptions, call_function

    return values if values.type == kind else call_function("cast", [values], CastOptions.safe(kind))


def concatenated(pieces: Sequence[bytes | pa.Array]) -> Iterator[memoryview]:
    """Row by row the bytes of all pieces, one after the other; `bytes` hold for all rows, and one piece is a column.

    PyArrow's function is called by its name: `pyarrow.compute` writes a Python function with its documentation for each,
    which takes a tenth of a second.
    """
    import numpy as np
    from pyarrow._compute import JoinOptions, call_function

    columns = [_scalar(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    joined = [*columns, _scalar(b"")]
    rows = columns[0] if len(columns) == 1 else call_function("binary_join_element_wise", joined, JoinOptions())
    _, offsets, data = rows.buffers()
    ends = np.frombuffer(offsets, np.int64)[rows.offset : rows.offset + len(rows) + 1].tolist()
    view = memoryview(data if data is not None else b"")
    return (view[start:end] for start, end in pairwise(ends))


def _scalar(data: bytes) -> pa.Scalar:
    """Bytes as Arrow has them; `pyarrow.scalar` would import pandas, if it is there, for a third of a second."""
    import numpy as np

    return fixed(np.frombuffer(data, np.uint8).reshape(1, -1))[0]


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data


def doc_id(source: str, locator: str) -> str:
    """The name of a place: the source as `headwater.yaml` calls it, and the locator relative to its root."""
    return digest("document", source, locator)


def content_digest(text: str) -> str:
    """The name of a content: of the text alone, wherever it stands."""
    return digest("content", text)


def sample_id(task: str, messages: Sequence[Mapping[str, str]]) -> str:
    """The name of a sample: its task and its prompt; never its place, reference or split."""
    turns = [[message["role"], message["content"]] for message in messages]
    return digest("sample", task, json.dumps(turns, ensure_ascii=False))


def sample_ids(task: str, messages: pl.Series) -> pl.Series:
    """`sample_id` of each prompt of a column."""
    said = (pl.element().struct.field(name) for name in ("role", "content"))
    words = (pl.struct(v=each).struct.json_encode() for each in said)
    role, content = (
        each.str.head(each.str.len_chars() - 1).str.tail(each.str.len_chars() - len('{"v":}')) for each in words
    )
    turns = pl.col("v").list.eval(pl.format("[{}, {}]", role, content)).list.join(", ")
    return digests("sample", task, of=messages.alias("v").to_frame().select(pl.format("[{}]", turns)).to_series())


def numbers_in(column: pa.Array) -> npt.NDArray[np.uint64]:
    """The two numbers of each digest in a column of 16 bytes each; anything where a value is not there."""
    import numpy as np

    held = np.frombuffer(column.buffers()[1] or b"", np.uint64)
    return held[2 * column.offset : 2 * (column.offset + len(column))].reshape(-1, 2)


def whole_numbers(values: npt.NDArray[np.int64]) -> pa.Array:
    """Whole numbers as they lie in memory; `pyarrow.array` would import pandas first."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def valid_in(column: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Which values of a column are there, from the bits themselves; None if all are. PyArrow's own way imports pandas."""
    import numpy as np

    if not column.null_count:
        return None
    bits = np.unpackbits(np.frombuffer(column.buffers()[0], np.uint8), bitorder="little")
    return bits[column.offset : column.offset + len(column)].view(np.bool_)

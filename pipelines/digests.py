"""The digest of a table: what Dagster calls its data version, and what memoisation compares.

A table's version must not depend on row order, file layout, machine or time, and must be cheap to keep up to date as rows
come and go. So each row gets a 128-bit hash over a canonical encoding (names, types, nulls and lengths included), and the
table's digest is taken over the sum of those hashes modulo 2^128, the number of rows and the schema: adding rows adds,
removing rows subtracts. Polars' own `hash_rows` is 64-bit and not promised stable between versions, hence this module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import xxhash

from records import canonical_json, concatenated, digest, fixed, is_plain, large_binary, series, slice_rows

MODULUS = 1 << 128
ROW_HASH = "row_hash"
"""The stored column (16 bytes, little-endian) that holds each row's hash; readers of tables never see it."""

_SLICE_ROWS, _SLICE_BYTES = 20_000, 4 << 20
"""What is encoded at a time."""


def _framed(data: bytes) -> bytes:
    return b"\x01" + len(data).to_bytes(8, "little") + data


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode(
        "utf-8", "surrogatepass"
    )


def _integers(column: pl.Series) -> pl.Series:
    """16 bytes each, little-endian and signed."""
    if column.dtype in (pl.Int128, pl.UInt128):
        return _each(column, lambda value: value.to_bytes(16, "little", signed=True))
    low = column.fill_null(0).to_numpy().astype(np.uint64 if column.dtype == pl.UInt64 else np.int64)
    rows = np.zeros((len(column), 16), np.uint8)
    rows[:, :8] = low.view(np.uint8).reshape(-1, 8)
    rows[:, 8:] = np.where(low < 0, 255, 0).astype(np.uint8)[:, None]
    return _rows(rows)


def _floats(column: pl.Series) -> pl.Series:
    """8 bytes each; zero has one sign, and what is no number has one form."""
    values = column.cast(pl.Float64).fill_null(0.0).to_numpy()
    values = np.where(np.isnan(values), math.nan, values + 0.0)
    return _rows(values.astype("<f8").view(np.uint8).reshape(-1, 8))


def _rows(rows: Any) -> pl.Series:
    return series(fixed(rows))


def _each(column: pl.Series, encode: Callable[[Any], bytes]) -> pl.Series:
    return pl.Series([None if value is None else encode(value) for value in column.to_list()], dtype=pl.Binary)


def _encoded(column: pl.Series) -> tuple[pa.Array, pa.Array]:
    """What stands before each value of a column, and the values; null is a single zero."""
    dtype, null = column.dtype, column.is_null()
    if dtype in (pl.String, pl.Binary):
        data = column.cast(pl.Binary)
    elif dtype == pl.Boolean:
        data = _rows(column.fill_null(False).to_numpy().astype(np.uint8)[:, None])
    elif dtype.is_integer():
        data = _integers(column)
    elif dtype.is_float():
        data = _floats(column)
    elif is_plain(dtype):
        data = canonical_json(column)
    else:
        data = _each(column, _json_bytes)
    data = pl.select(pl.when(null).then(pl.lit(b"")).otherwise(data)).to_series() if null.any() else data
    return _heads(data, null.to_numpy()), large_binary(data)


def _heads(data: pl.Series, null: Any) -> pa.Array:
    """What stands before each value: one and its length in 8 bytes, or zero alone."""
    heads = np.ones((len(data), 9), np.uint8)
    heads[:, 1:] = data.bin.size("b").cast(pl.UInt64).to_numpy().view(np.uint8).reshape(-1, 8)
    if not null.any():
        return fixed(heads)
    heads[null, 0] = 0
    stays = np.ones(heads.shape, bool)
    stays[null, 1:] = False
    ends = np.concatenate([[0], np.cumsum(np.where(null, 1, 9))]).astype(np.int64)
    return pa.Array.from_buffers(pa.large_binary(), len(data), [None, pa.py_buffer(ends), pa.py_buffer(heads[stays])])


def row_hashes(frame: pl.DataFrame, outside: Iterable[str] = ()) -> pl.Series:
    """The hash of each row, as a Binary series of 16 bytes; columns in `outside` do not count."""
    names = sorted(set(frame.columns) - set(outside) - {ROW_HASH})
    prefix = b"".join(_framed(f"{name}:{frame.schema[name]}".encode()) for name in names)
    hashes: list[bytes] = []
    own = frame.select(names)
    for piece in own.iter_slices(slice_rows(own, _SLICE_ROWS, _SLICE_BYTES)):
        columns = chain.from_iterable(_encoded(piece[name]) for name in names)
        hashes += map(xxhash.xxh3_128_digest, concatenated([prefix, *columns]))
    return pl.Series(ROW_HASH, hashes, dtype=pl.Binary)


def hash_sum(hashes: pl.Series) -> int:
    """The sum of row hashes modulo 2^128."""
    if not len(hashes):
        return 0
    array = large_binary(hashes)
    _, offsets, data = array.buffers()
    first, last = np.frombuffer(offsets, np.int64)[[array.offset, array.offset + len(array)]].tolist()
    words = np.frombuffer(data, np.uint8)[first:last].view("<u4").reshape(-1, 4).sum(axis=0, dtype=np.uint64)
    return sum(int(word) << (32 * place) for place, word in enumerate(words)) % MODULUS


def schema_digest(schema: pl.Schema, outside: Iterable[str] = ()) -> str:
    """The digest of the columns' names and types that count."""
    names = sorted(set(schema) - set(outside) - {ROW_HASH})
    return digest(*(f"{name}:{schema[name]}" for name in names))


def table_version(total: int, rows: int, schema: str) -> str:
    """The data version of a table from the sum of its row hashes, its number of rows and its schema's digest."""
    return digest("table", total.to_bytes(16, "little"), rows.to_bytes(8, "little"), schema)


def frame_version(frame: pl.DataFrame, outside: Sequence[str] = ()) -> str:
    """The version that a frame would have as a table."""
    return table_version(hash_sum(row_hashes(frame, outside)), frame.height, schema_digest(frame.schema, outside))

"""Rows as columns are the rows one by one: the same documents, the same poison, the same reason for the whole file."""

from __future__ import annotations

import datetime
import io
import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.fetching import File
from curation.file_items import items_of
from curation.formats import Extract, ReadingSettings, Table, read_file, read_items
from curation.formats.extracts import Item, checked, limited
from curation.formats.row_tables import EXTRACTS

SETTINGS = ReadingSettings()
SMALL = ReadingSettings(max_records=6, max_characters=40)
NAMED = ReadingSettings(records=(("story", "n"), ("title",), ("messages", "text")))
NAMES = st.sampled_from(
    ["text", "content", "story", "title", "date", "url", "messages", "prompt", "response", "attributes", "n", "é"]
)
WORDS = st.text(max_size=8) | st.sampled_from(["a\0b", "\ud800", "x" * 30, " ", "2020-01-02", "\u2028"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.sampled_from([10**30, -(10**400), 1.6e9])
)
TURNS = st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": SCALARS}), min_size=1, max_size=2)
VALUES = SCALARS | TURNS | st.lists(SCALARS, max_size=2) | st.dictionaries(NAMES, SCALARS, max_size=2)
ROWS = st.dictionaries(NAMES, VALUES, max_size=4) | VALUES
WRITTEN = st.builds(lambda row, plain: json.dumps(row, ensure_ascii=not plain), ROWS, st.booleans())
ODD = st.sampled_from(
    [
        "",
        " \t\r",
        "\x0c",
        "\u3000",
        "{",
        '{"text": "a", "text": "b"}',
        '{"text": "a"} x',
        '{"text": "\\ud83d\\ude00"}',
        '{"text": NaN, "content": "b"}',
        '{"text": "a", "n": ' + "1" * 5000 + "}",
        '{"text": "a", "n": 1e999}',
        "\ufeff{}",
        "[" * 3000,
        '{"text": "a", "deep": ' + "[" * 3000 + "]" * 3000 + "}",
        '{"prompt": "p", "response": 123456789012345678901234567890}',
        '{"te\\u0078t": "escaped key"}',
        '{"resourceSpans": []}',
        "{'text': 'a'}",
        "01",
        "-",
        '"a\tb"',
    ]
)
LINES = st.lists(WRITTEN | ODD, max_size=8)


def both(data: bytes, name: str, reading: ReadingSettings) -> tuple[object, object]:
    """The two ways, each as (documents, poison) or as what was raised."""
    return _answer(lambda: read_file(data, name, reading), reading), _answer(
        lambda: read_items(data, name, reading), reading
    )


def _answer(read, reading: ReadingSettings) -> object:
    try:
        found = read()
        if isinstance(found, Table):
            rows = found.extracts.select(EXTRACTS.names()).iter_rows()
            return [Extract(*row) for row in rows], found.poisons
        items: list[Item] = [checked(item) for item in limited(found, reading)]
    except Exception as error:  # noqa: BLE001 - what is raised is part of the answer
        return type(error), str(error)
    return [item for item in items if isinstance(item, Extract)], [
        item for item in items if not isinstance(item, Extract)
    ]


@settings(max_examples=400, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n", "\n\n"]), st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"]))
@example(['{"text": "a"}'] * 7, "\n", "utf-8")
@example(['{"text": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'], "\n", "utf-8")
def test_json_lines(lines: list[str], end: str, encoding: str) -> None:
    data = end.join(lines).encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
    for reading in (SETTINGS, SMALL, NAMED):
        one, other = both(data, "a.jsonl", reading)
        assert one == other


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b'{"text":', b'"a"', b"\xff", b"}", b"\n", b"\xed\xa0\x80"])).map(b"".join)
)
def test_any_bytes(data: bytes) -> None:
    for name in ("a.jsonl", "a.csv", "a.tsv"):
        one, other = both(data, name, SETTINGS)
        assert one == other


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "text", "story", "1", "x y", '"q""q"', '"a\nb"', '"', "date", "é"]), max_size=4),
        max_size=6,
    )
)
def test_csv(table: list[list[str]]) -> None:
    data = "\n".join(",".join(row) for row in table).encode()
    for reading in (SETTINGS, SMALL, NAMED):
        one, other = both(data, "a.csv", reading)
        assert one == other


COLUMNS = {
    "strings": st.none() | st.text(max_size=5) | st.sampled_from(["a\0b", " "]),
    "integers": st.none() | st.integers(0, 2**40),
    "dates": st.none() | st.dates(datetime.date(1995, 1, 1), datetime.date(2030, 1, 1)),
    "lists": st.none() | st.lists(st.text(max_size=2), max_size=2),
}


@st.composite
def parquet(draw: st.DrawFn) -> bytes:
    """A Parquet file of some columns of some kinds."""
    rows = draw(st.integers(0, 6))
    names = draw(st.lists(NAMES, unique=True, min_size=1, max_size=4))
    kinds = {name: draw(st.sampled_from(sorted(COLUMNS))) for name in names}
    arrays = {name: pa.array([draw(COLUMNS[kind]) for _ in range(rows)]) for name, kind in kinds.items()}
    if draw(st.booleans()):
        arrays = {
            name: array.dictionary_encode() if pa.types.is_string(array.type) else array
            for name, array in arrays.items()
        }
    target = io.BytesIO()
    pq.write_table(pa.table(arrays), target, row_group_size=draw(st.integers(1, 4)))
    return target.getvalue()


@settings(max_examples=200, deadline=None)
@given(parquet(), st.none() | st.tuples(st.integers(0), st.integers(0, 255)))
def test_parquet(data: bytes, damage: tuple[int, int] | None) -> None:
    if damage:
        place = damage[0] % len(data)
        data = data[:place] + bytes([damage[1]]) + data[place + 1 :]
    for reading in (SETTINGS, SMALL, NAMED):
        one, other = both(data, "a", reading)
        assert damage or one == other


def test_what_is_usual_is_read_as_columns(tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["one", "two", None], "date": ["2020", None, None], "n": [1, 2, 3]})
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": \n{"messages": [{"role": "user", "content": "x"}]}\n')
    (tmp_path / "a.csv").write_text("story,n\nonce upon,1\nover,2\n")
    (tmp_path / "a.parquet").write_bytes(_parquet(frame.head(2)))
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        assert isinstance(read_file((tmp_path / name).read_bytes(), name, SETTINGS), Table), name


def _parquet(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(target)
    return target.getvalue()


@pytest.mark.parametrize("data", [b'{"a\n{"b\n', b'{"n": 1'])
def test_a_table_without_documents_fails_as_a_file(data: bytes) -> None:
    found = items_of(File("s", "a.jsonl", len(data), "", None, Path()), lambda: data, SETTINGS)
    poisons = found.poisons if isinstance(found, Table) else found
    assert [item.part for item in poisons][-1] == ""

"""Columns that are named make a row a record, in every format that has columns, whichever way a file is read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from curation.fetching import files_of
from curation.formats import ROW_TYPES, ReadingSettings, Table, read_file, read_items
from curation.formats.extracts import Extract, Poison
from curation.formats.rows import CHAT, RECORD, extract
from curation.inventory import Source, root_of, take_inventory
from curation.reading import read_files

NAMED = ReadingSettings(records=(("ask", "reply"),))
ROWS = [{"ask": f"Why {number}?", "reply": f"So, and at length: {number}."} for number in range(30)]


def csv(delimiter: str) -> bytes:
    return pl.DataFrame(ROWS).write_csv(separator=delimiter).encode()


def parquet() -> bytes:
    target = io.BytesIO()
    pl.DataFrame(ROWS).write_parquet(target, row_group_size=10)
    return target.getvalue()


def arrow(writer: object) -> bytes:
    target, table = io.BytesIO(), pl.DataFrame(ROWS).to_arrow()
    with writer(target, table.schema) as opened:  # type: ignore[operator]
        opened.write_table(table)
    return target.getvalue()


FILES = {
    "a.csv": csv(","),
    "a.tsv": csv("\t"),
    "a.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "a.json": json.dumps(ROWS).encode(),
    "a.parquet": parquet(),
    "a.arrow": arrow(pa.ipc.new_file),
    "a.arrows": arrow(pa.ipc.new_stream),
}


def kept(found: object) -> list[dict[str, str]]:
    if isinstance(found, Table):
        assert not found.poisons and set(found.extracts["media_type"]) == {RECORD}
        return [json.loads(text) for text in found.extracts["text"]]
    items = list(found)  # type: ignore[call-overload]
    assert {item.media_type for item in items if isinstance(item, Extract)} == {RECORD}
    return [json.loads(item.text) for item in items]


@pytest.mark.parametrize("name", FILES)
def test_a_row_with_the_named_columns_is_kept_whole(name: str) -> None:
    assert kept(read_file(FILES[name], name, NAMED)) == kept(read_items(FILES[name], name, NAMED)) == ROWS


@pytest.mark.parametrize("name", FILES)
def test_so_it_is_in_a_file_that_is_read_in_pieces(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    entry = Source("raw", str(tmp_path))
    files = take_inventory(entry, tmp_path)
    assert list(files_of(files, {"raw": root_of(entry, tmp_path)}))
    small = ReadingSettings(max_bytes=500, records=NAMED.records)
    documents, failures = read_files(files, {"raw": tmp_path}, small)
    assert failures.is_empty() and set(documents["media_type"]) == {RECORD}
    assert sorted(map(json.loads, documents["text"]), key=str) == sorted(ROWS, key=str)


def test_an_object_of_its_own_is_a_record_too() -> None:
    (item,) = read_items(json.dumps(ROWS[0]).encode(), "a.json", NAMED)
    assert isinstance(item, Extract) and (item.media_type, json.loads(item.text)) == (RECORD, ROWS[0])


@pytest.mark.parametrize("empty", [None, "", 7])
def test_it_is_kept_whatever_stands_in_them_and_text_where_one_is_not_there(empty: object) -> None:
    whole = extract("L1", {"ask": empty, "reply": empty, "text": "also"}, NAMED, "application/jsonl")
    assert isinstance(whole, Extract) and whole.media_type == RECORD
    part = extract("L1", {"ask": "Why?", "text": "also"}, NAMED, "application/jsonl")
    assert part == Extract("L1", "application/jsonl", "also")


def test_what_is_named_comes_before_what_is_known() -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}], "ask": "Why?", "reply": "So."}
    known = {"messages": chat["messages"], "prompt": "a", "response": "b"}
    for row, kind in ((chat, RECORD), (known, CHAT)):
        item = extract("L1", row, NAMED, "application/jsonl")
        assert isinstance(item, Extract) and item.media_type == kind


def test_an_entry_without_a_column_is_refused_for_it_would_keep_every_row() -> None:
    with pytest.raises(ValueError, match="records: an entry names no column"):
        ReadingSettings(records=((),))


def test_the_types_of_rows_are_told() -> None:
    assert {RECORD, CHAT, "text/csv", "text/tab-separated-values"} <= set(ROW_TYPES)
    assert not {"text/plain", "text/html", "application/pdf"} & set(ROW_TYPES)
    for name, data in FILES.items():
        (kind, *_) = {
            item.media_type for item in read_items(data, name, ReadingSettings()) if isinstance(item, Extract)
        }
        assert kind in ROW_TYPES, name


def test_a_column_without_a_json_form_is_named_with_the_mend() -> None:
    row = {"ask": "Why?", "reply": "So.", "image": b"\x89PNG", "score": float("nan"), "at": 1}
    found = extract("row=1", row, NAMED, "application/vnd.apache.parquet")
    assert isinstance(found, Poison) and found.detail.startswith("a value ('image' and 'score') has no JSON form")
    assert "leave it out of the file" in found.detail

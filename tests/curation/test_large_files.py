"""Files that are read in pieces give what they give whole, in the memory of a piece."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xxhash
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import curation.formats.column_tables
import curation.large_files
from curation.document_rows import Rows
from curation.fetching import File
from curation.file_items import failure_of, items_of
from curation.formats import ReadingSettings, media_type
from curation.formats.sniffing import JSON_LINES
from curation.inventory import Source, take_inventory
from curation.large_files import plan, read_piece
from curation.reading import read_files, read_files_into
from tests.curation.formats.test_row_tables import LINES, parquet

WHOLE = ReadingSettings()
FILES = Path(__file__).parent / "formats" / "files"
DOCUMENTS = st.lists(st.sampled_from(["one", "grüße", "x" * 50, ""]), max_size=30)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curation.large_files, "PIECE_BYTES", 64)
    monkeypatch.setattr(curation.formats.column_tables, "_GROUP_BATCH", 2)


def place(folder: Path, name: str, data: bytes) -> File:
    (folder / name).write_bytes(data)
    return File("raw", name, len(data), xxhash.xxh3_128_hexdigest(data), None, folder)


def whole(file: File) -> tuple[Any, ...]:
    rows = Rows()
    rows.add(file, items_of(file, lambda: (Path(str(file.root)) / file.path).read_bytes(), WHOLE))
    return _sorted(rows.frames())


def in_pieces(file: File, reading: ReadingSettings = WHOLE) -> tuple[Any, ...]:
    rows = Rows()
    try:
        planned = plan(file, reading)
        rows.add(file, planned.poisons)
        for piece in planned.pieces:
            for found in read_piece(file, planned, piece, reading):
                rows.add(file, found)
    except Exception as error:  # noqa: BLE001 - as a process that reads does
        rows = Rows()
        rows.add(file, [failure_of(error)])
    return _sorted(rows.frames())


def _sorted(frames: tuple[pl.DataFrame, pl.DataFrame]) -> tuple[list[Any], list[Any]]:
    documents, failures = frames
    told = failures.filter(~((pl.col("locator") == pl.col("path")) & (pl.col("error") == "no text")))
    return documents.drop("byte_offset", "byte_length").rows(), sorted(told.rows())


@settings(max_examples=100, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n", "\n\n"]), st.sampled_from(["utf-8", "utf-8-sig"]))
def test_json_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, encoding: str) -> None:
    data = end.join(lines).encode(encoding, "replace")
    file = place(tmp_path_factory.mktemp("raw"), "a.jsonl", data)
    assume(data.strip() and media_type(data, "a.jsonl") == JSON_LINES)
    assert in_pieces(file) == whole(file)


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS, st.integers(20, 200))
def test_lines_keep_their_number_and_their_place(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], most: int
) -> None:
    lines = [json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    data = b"\n".join(lines)
    file = place(tmp_path_factory.mktemp("raw"), "a.jsonl", data)
    reading = replace(WHOLE, max_bytes=most)
    rows = Rows()
    planned = plan(file, reading)
    rows.add(file, planned.poisons)
    for piece in planned.pieces:
        for found in read_piece(file, planned, piece, reading):
            rows.add(file, found)
    documents, failures = rows.frames()
    for row in documents.iter_rows(named=True):
        record = data[row["byte_offset"] :][: row["byte_length"]]
        assert json.loads(record)["text"] == row["text"]
        assert lines[int(row["locator"].partition("#L")[2]) - 1] == record
    assert sorted(failures["locator"]) == sorted(f"a.jsonl#L{n}" for n, line in enumerate(lines, 1) if len(line) > most)
    assert set(failures["error"]) <= {"over the limit"}
    assert documents.height + failures.height == len(lines)


@settings(max_examples=80, deadline=None)
@given(parquet())
def test_parquet(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = place(tmp_path_factory.mktemp("raw"), "a.parquet", data)
    assert in_pieces(file) == whole(file)


def test_csv_and_crawls_are_streams(tmp_path: Path) -> None:
    table = "".join(f'{number},"a ""quoted""\nline {number}",x\n' for number in range(50))
    rows = place(tmp_path, "a.csv", f"id,story,more\n{table}".encode())
    assert in_pieces(rows) == whole(rows)
    assert len(in_pieces(rows)[0]) == 50
    for name in ("crawl.warc.gz", "crawl.warc"):
        if (FILES / name).exists():
            crawl = place(tmp_path, name, (FILES / name).read_bytes())
            assert in_pieces(crawl) == whole(crawl)
            assert in_pieces(crawl)[0]


def test_the_column_of_text_is_that_of_the_file_in_every_piece(tmp_path: Path) -> None:
    lines = [{"id": "a", "story": "once upon a time"}] * 5 + [{"id": "much longer than any story", "story": "b"}] * 40
    file = place(tmp_path, "a.jsonl", "\n".join(json.dumps(line) for line in lines).encode())
    curation.large_files.PIECE_BYTES = 400
    assert {row[9] for row in in_pieces(file)[0]} == {row[9] for row in whole(file)[0]}


def test_large_files_among_small_ones_are_read_by_all_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    lines = [json.dumps({"text": f"row {number}"}) for number in range(300)]
    lines[200] = json.dumps({"text": "x" * 3000})
    lines[100] = "{broken"
    (tmp_path / "1b.jsonl").write_text("\n".join(lines))
    (tmp_path / "2b.json").write_text(json.dumps({"text": "x" * 3000}))
    (tmp_path / "3b.jsonl").write_text("{broken\n" * 300)
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    told: list[tuple[object, ...]] = []
    small = ReadingSettings(max_bytes=2000, workers=2)
    documents, failures = read_files(files, {"raw": tmp_path}, small, lambda *said: told.append(said))
    rows = [f"1b.jsonl#L{number + 1}" for number in range(300) if number not in (100, 200)]
    assert documents["locator"].to_list() == ["0.txt", "1.txt", *rows, "2.txt", "3.txt"]
    reasons = dict(failures.filter(pl.col("path") != "3b.jsonl").select("locator", "error").iter_rows())
    assert reasons == {
        "1b.jsonl#L101": "malformed JSON",
        "1b.jsonl#L201": "over the limit",
        "2b.json": "over the limit",
    }
    assert failures.filter(pl.col("locator") == "3b.jsonl")["error"].to_list() == ["no text"]
    assert told[-1][-1] == "7 of 7 files"
    parts, again = read_files_into(_rows_of, files, {"raw": tmp_path}, small)
    assert sum(parts) == documents.height
    assert sorted(again.rows()) == sorted(failures.rows())


def _rows_of(frame: pl.DataFrame) -> int:
    return frame.height


def test_a_large_file_that_is_not_what_the_inventory_saw_fails_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n' * 50)
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "two"}\n' * 50)
    documents, failures = read_files(files, {"raw": tmp_path}, ReadingSettings(max_bytes=100))
    assert documents.is_empty()
    assert failures["error"].to_list() == ["changed while being read"]


def test_a_file_that_changes_between_two_pieces_fails(tmp_path: Path) -> None:
    file = place(tmp_path, "a.jsonl", b'{"text": "one"}\n' * 50)
    planned = plan(file, WHOLE)
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "two"}\n' * 50)
    with pytest.raises(Exception, match="changed while being read"):
        list(read_piece(file, planned, planned.pieces[0], WHOLE))


LARGE = """
import json, sys
from pathlib import Path
line = json.dumps({"text": "The harbour lay quiet in the evening light. " * 40}).encode() + b"\\n"
with Path(sys.argv[1]).open("wb") as file:
    for _ in range(300):
        file.write(line * 1000)
    file.write(b'{"text": "' + b"x" * 10)
    for _ in range(400):
        file.write(b"x" * (1 << 20))
    file.write(b'"}\\n' + b'{"text": "after"}\\n')
    for _ in range(300):
        file.write(line * 1000)
"""


@pytest.mark.long
def test_a_gigabyte_is_read_in_the_memory_of_a_few_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.measuring import measure
    from pipelines.workspace import Workspace

    monkeypatch.undo()
    source = tmp_path / "raw"
    source.mkdir()
    subprocess.run([sys.executable, "-c", LARGE, str(source / "a.jsonl")], check=True)
    size = (source / "a.jsonl").stat().st_size
    (tmp_path / "headwater.yaml").write_text(f"sources:\n  - name: raw\n    path: {source}\nreading:\n  workers: 2\n")
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "run", "documents", "-w", tmp_path]
    cost = measure(command, tmp_path / "log", {"PYTHONPATH": str(Path(__file__).parent.parent.parent)})
    store = Workspace(tmp_path).store
    found = store.scan("documents").select("locator", pl.col("text").str.len_bytes()).collect()
    assert found.height == 600_001
    assert store.scan("failures").select("locator", "error").collect().rows() == [("a.jsonl#L300001", "over the limit")]
    assert found.filter(pl.col("locator") == "a.jsonl#L300002")["text"].to_list() == [5]
    assert size > 1 << 30
    assert cost.peak < 1_200_000_000, f"{cost.peak / 1e6:,.0f} MB for a file of {size / 1e6:,.0f} MB"

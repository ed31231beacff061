"""Files that are read in pieces give what they give whole, in the memory of a piece."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import subprocess
import sys
import tarfile
import zipfile
from contextvars import copy_context
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import xxhash
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import curation.formats.column_tables
import curation.large_files
import curation.reading
import curation.reading_tasks
from curation.document_rows import Rows
from curation.fetching import File
from curation.file_items import failure_of, items_of
from curation.formats import ReadingSettings, media_type
from curation.formats.rows import is_chat
from curation.formats.sniffing import JSON, JSON_LINES
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
@example(["", "\ufeff{}"], "\n", "utf-8")
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


def _mailbox(bodies: list[str]) -> bytes:
    texts = [f"From a@b Thu Jan  1 00:00:00 1970\nSubject: {n}\n\n{body}\n\n" for n, body in enumerate(bodies)]
    return "".join(texts).encode()


BODIES = st.lists(st.sampled_from(["one", ">From two", "x" * 90, "", "three\nFrom here", "a\n\n\nb"]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(BODIES, st.integers(1, 60))
def test_mailboxes(tmp_path_factory: pytest.TempPathFactory, bodies: list[str], chunk: int) -> None:
    file = place(tmp_path_factory.mktemp("raw"), "a.mbox", b"From a b\nDate: x\n\nfirst\n\n" + _mailbox(bodies))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curation.formats.mail._CHUNK", 40 + chunk)
        assert in_pieces(file) == whole(file)
    assert len(in_pieces(file)[0]) == len(bodies) + 1


def test_a_message_that_is_too_large_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.formats.mail._CHUNK", 100)
    file = place(tmp_path, "a.mbox", _mailbox(["one", "y" * 1000 + "\n\nFrom\n" + "z" * 1000, "three", "x" * 900]))
    documents, failures = in_pieces(file, replace(WHOLE, max_bytes=300))
    assert [row[9].strip() for row in documents] == ["one", "three"]
    assert [row[4:6] for row in failures] == [
        ("a.mbox#message=2", "over the limit"),
        ("a.mbox#message=4", "over the limit"),
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ELEMENTS = st.lists(VALUES | st.builds(lambda text: {"text": text}, st.text(max_size=30)), max_size=8)


@settings(max_examples=150, deadline=None)
@given(ELEMENTS, st.integers(1, 20), st.sampled_from([None, 1]), st.sampled_from(["", " ", "]", "x", ","]))
def test_arrays(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], chunk: int, indent: int | None, end: str
) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass") + end.encode()
    file = place(tmp_path_factory.mktemp("raw"), "a.json", data)
    assume(media_type(data, "a.json") == JSON and not is_chat(values) and b"\xed" not in data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("curation.formats.json_files._CHUNK", chunk)
        documents, failures = in_pieces(file)
    known, failed = whole(file)
    assert documents == known
    assert [row[4:6] for row in failures] == [row[4:6] for row in failed]


def test_an_array_that_is_one_chat_is_over_the_limit(tmp_path: Path) -> None:
    chat = place(tmp_path, "a.json", json.dumps([{"role": "user", "content": "hello"}] * 9).encode())
    documents, failures = in_pieces(chat, replace(WHOLE, max_bytes=1 << 20))
    assert (documents, [row[5] for row in failures]) == ([], ["over the limit"])


LONG = 'long, "" ]}\\ ' * 300_000
TOLD = ["first", "second", LONG, "fourth", "fifth"]


@pytest.mark.parametrize("large", [TOLD, [LONG, *TOLD], [*TOLD, LONG + "\n" + LONG]], ids=["within", "first", "last"])
def test_a_record_that_is_too_large_fails_alone(tmp_path: Path, large: list[str]) -> None:
    """Also one that is far larger than what is read at a time, and is never held."""
    written = io.StringIO()
    csv.writer(written).writerows([["id", "text"], *([str(n), text] for n, text in enumerate(large))])
    data = {"a.csv": written.getvalue(), "a.json": json.dumps([{"text": text} for text in large])}
    numbers = [number for number, text in enumerate(large, 1) if LONG in text]
    for name, text in data.items():
        documents, failures = in_pieces(place(tmp_path, name, text.encode()), replace(WHOLE, max_bytes=1 << 20))
        assert [row[4] for row in failures] == sorted(f"{name}#row={number}" for number in numbers)
        assert {row[5] for row in failures} == {"over the limit"}
        assert "reading.max_bytes (1048576): raise it, or split the record" in failures[0][6]
        assert [row[9] for row in documents] == [text for text in large if LONG not in text]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.jsonl.gz", "a.csv.gz"])
@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_nuls_cost_the_same_rows_of_a_large_table(
    name: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curation.large_files, "_CHUNK", 128)
    texts = [f"one{before}", "t\0wo", *("日本語" * 30 for _ in range(9))]
    is_csv = ".csv" in name
    text = "".join(f"{text},1\n" if is_csv else f'{{"text":"{text}"}}\n' for text in ["text"] * is_csv + texts)
    data = gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode()
    file = place(tmp_path, name, data)
    documents, failures = in_pieces(file, replace(WHOLE, max_bytes=512))
    assert (documents, failures) == whole(file) and len(documents) == len(texts) - 1
    assert [row[4] for row in failures] == [f"{name}#{'row=' if is_csv else 'L'}2"]


def test_foreign_bytes_cost_their_row_of_a_large_table(tmp_path: Path) -> None:
    data = b"id,text\n" + b"".join(b"%d,row %d\n" % (n, n) for n in range(9)) + b"9,caf\xe9\n10,last\n"
    documents, failures = in_pieces(place(tmp_path, "a.csv", data), replace(WHOLE, max_bytes=64))
    assert [row[4:6] for row in failures] == [("a.csv#row=10", "unknown encoding")] and len(documents) == 10
    elements = json.dumps([{"text": f"row {n}"} for n in range(9)]).encode().replace(b"row 4", b"caf\xe9")
    documents, failures = in_pieces(place(tmp_path, "a.json", elements), replace(WHOLE, max_bytes=64))
    assert [row[4:6] for row in failures] == [("a.json#row=5", "unknown encoding")] and len(documents) == 8
    documents, failures = in_pieces(place(tmp_path, "b.csv", b"caf\xe9,text\n1,one\n"), replace(WHOLE, max_bytes=64))
    assert [row[4:6] for row in failures] == [("b.csv", "unknown encoding")] and not documents


@pytest.mark.parametrize(
    "broken",
    [
        {1: '{"text":}'},
        {1: '{"text":"no end}', 200: '{"text":no beginning"}'},
        {1: '{"text":"a"]'},
        {1: '{"text":"a"}}'},
    ],
    ids=["small", "quotes", "brackets", "closed twice"],
)
def test_an_element_that_is_broken_is_not_over_the_limit(tmp_path: Path, broken: dict[int, str]) -> None:
    """Passed over as one that is too large, it took whole records with it that nothing told of."""
    elements = [json.dumps({"text": f"row {n}"}) for n in range(400)]
    for number, element in broken.items():
        elements[number] = element
    file = place(tmp_path, "a.json", f"[{','.join(elements)}]".encode())
    documents, failures = in_pieces(file, replace(WHOLE, max_bytes=1000))
    assert not documents and [row[4:6] for row in failures] == [("a.json", "malformed JSON")]
    assert "after element 1 of the array" in failures[0][6]


def test_a_large_array_in_another_encoding_is_to_be_saved_in_utf8(tmp_path: Path) -> None:
    file = place(tmp_path, "a.json", json.dumps([{"text": f"row {n}"} for n in range(9)]).encode("utf-16"))
    _, failures = in_pieces(file, replace(WHOLE, max_bytes=100))
    assert [row[5:7] for row in failures] == [("unknown encoding", "a file of this size is read as UTF-8: save it so")]


def test_a_row_of_many_lines_that_is_too_long_fails_alone(tmp_path: Path) -> None:
    data = b'text,n\nhello,1\n"' + b"some words\n" * 200 + b'",2\nafter,3\nlast,4\n'
    documents, failures = in_pieces(place(tmp_path, "a.csv", data), replace(WHOLE, max_bytes=1000))
    assert [row[4:6] for row in failures] == [("a.csv#row=2", "over the limit")] and len(documents) == 3
    many = b"text,n\n" + b"\n" * 500 + b"a,1\n" + b"b,2\n\n" * 500
    documents, failures = in_pieces(place(tmp_path, "b.csv", many), replace(WHOLE, max_bytes=64))
    assert not failures and len(documents) == 501


def test_a_quote_without_its_other_half_costs_what_is_behind_it_and_is_told(tmp_path: Path) -> None:
    rows = "".join(f"row {n},{n}\n" for n in range(400))
    for name, data in {
        "a": f'text,n\nhello,1\n"broken,2\n{rows}',
        "b": f'text,n\nhello,1\n"b,2\n{rows}"c",3\nd,4\n',
    }.items():
        documents, failures = in_pieces(place(tmp_path, f"{name}.csv", data.encode()), replace(WHOLE, max_bytes=1000))
        assert [row[4:6] for row in failures] == [(f"{name}.csv#row=2", "malformed CSV")] and len(documents) == 1


def test_a_header_that_is_no_utf8_fails_the_file(tmp_path: Path) -> None:
    """Also by a line that is not its first."""
    data = b'text,"a\nb\xe9"\nhello,1\nlast,2\n'
    documents, failures = in_pieces(place(tmp_path, "a.csv", data), replace(WHOLE, max_bytes=20))
    assert [row[4:6] for row in failures] == [("a.csv", "unknown encoding")] and not documents


def _packed(members: dict[str, bytes], mode: Any) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return sink.getvalue()


LINES_OF_JSON = b"".join(json.dumps({"text": f"row {n}"}).encode() + b"\n" for n in range(40)) + b"{broken\n"
MEMBERS = {
    "docs/a.md": b"# A\n",
    "rows.jsonl": LINES_OF_JSON,
    "b.txt": b"\x89PNG\r\n\x1a\n" + bytes(20),
    "a#b.txt": b"sharp",
    "inner.zip": _zip({"deep.txt": b"deep", "deeper.jsonl.gz": gzip.compress(LINES_OF_JSON, mtime=0)}),
}
FOLDED: dict[str, bytes] = {
    "a.jsonl.gz": gzip.compress(LINES_OF_JSON, mtime=0),
    "a.jsonl.bz2": bz2.compress(LINES_OF_JSON),
    "a.jsonl.xz": lzma.compress(LINES_OF_JSON),
    "a.jsonl.zst": pa.compress(LINES_OF_JSON, codec="zstd", asbytes=True),
    "a.csv.gz": gzip.compress(b"id,story\n1,once upon\n2,a time\n", mtime=0),
    "a.json.gz": gzip.compress(json.dumps([{"text": "one"}, {"text": "two"}]).encode(), mtime=0),
    "a.tar": _packed(MEMBERS, "w"),
    "a.tar.gz": _packed(MEMBERS, "w:gz"),
    "a.tar.xz": _packed(MEMBERS, "w:xz"),
    "a.zip": _zip(MEMBERS),
}


@pytest.mark.parametrize("name", FOLDED)
def test_archives_and_what_is_compressed(tmp_path: Path, name: str) -> None:
    file = place(tmp_path, name, FOLDED[name])
    assert in_pieces(file) == whole(file)
    assert len(in_pieces(file)[0]) > 1


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.tar.gz", "a.zip"])
def test_what_is_cut_short_fails_whole(tmp_path: Path, name: str) -> None:
    file = place(tmp_path, name, FOLDED[name][: len(FOLDED[name]) // 2])
    documents, failures = in_pieces(file)
    assert (documents, [row[5] for row in failures]) == ([], ["damaged archive"])


def test_what_explodes_ends_at_the_ratio(tmp_path: Path) -> None:
    bomb = gzip.compress(b'{"text": "boom"}\n' * 100_000, mtime=0)
    small = replace(WHOLE, max_bytes=10_000, max_unfolded=10_000, max_ratio=20)
    for name, data in {"a.jsonl.gz": bomb, "a.zip": _zip({f"{n}.txt": b"0" * 9_000 for n in range(99)})}.items():
        documents, failures = in_pieces(place(tmp_path, name, data), small)
        assert (documents, [row[5] for row in failures]) == ([], ["over the limit"])
        assert "reading.max_ratio" in failures[0][6]


def test_arrow_of_both_kinds(tmp_path: Path) -> None:
    rows = pa.table({"text": [f"row {number}" for number in range(50)]})
    for name, opened in (("a.arrow", pa.ipc.new_file), ("b.arrow", pa.ipc.new_stream)):
        sink = io.BytesIO()
        with opened(sink, rows.schema) as writer:
            writer.write_table(rows, max_chunksize=7)
        file = place(tmp_path, name, sink.getvalue())
        assert in_pieces(file) == whole(file)
        assert len(in_pieces(file)[0]) == 50


@settings(max_examples=80, deadline=None)
@given(DOCUMENTS, st.integers(20, 200), st.booleans())
def test_lines_of_a_stream_keep_their_number(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], most: int, ends: bool
) -> None:
    lines = [json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    data = gzip.compress(b"\n".join(lines) + b"\n" * ends, mtime=0)
    file = place(tmp_path_factory.mktemp("raw"), "a.jsonl.gz", data)
    assume(len(lines) > 1)
    documents, failures = in_pieces(file, replace(WHOLE, max_bytes=most))
    fits = [n for n, line in enumerate(lines, 1) if len(line) <= most]
    assert [row[4] for row in documents] == [f"a.jsonl.gz#L{n}" for n in fits]
    assert {row[4] for row in failures} == {f"a.jsonl.gz#L{n}" for n in range(1, len(lines) + 1) if n not in fits}


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


CRASHING = """
import os
import curation.large_files as large

def lines(data, *rest):
    return os.abort() if b"crash" in data else read_lines(data, *rest)

def groups(opened, groups, *rest):
    if 201 in [group.first for group in groups]:
        raise MemoryError
    return os.abort() if 101 in [group.first for group in groups] else read_groups(opened, groups, *rest)

read_lines, large.json_lines = large.json_lines, lines
read_groups, large.group_tables = large.group_tables, groups
large.PIECE_BYTES = 4_000
"""


def test_a_record_over_which_a_parser_crashes_or_starves_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, site = tmp_path / "raw", tmp_path / "site"
    raw.mkdir()
    site.mkdir()
    texts = [f"row {number} of a table that is read in pieces" for number in range(1, 301)]
    pl.DataFrame({"text": texts}).write_parquet(raw / "b.parquet", row_group_size=50, compression="uncompressed")
    for number in (1, 57, 58, 300):
        texts[number - 1] = "crash"
    (raw / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    (raw / "c.jsonl").write_text(json.dumps({"text": "crash"}) + "\n" * 3_000)
    (site / "sitecustomize.py").write_text(CRASHING)
    monkeypatch.syspath_prepend(site)
    files = take_inventory(Source("raw", str(raw)), tmp_path)
    told: list[tuple[object, ...]] = []
    small = ReadingSettings(max_bytes=2_000, workers=2)
    documents, failures = read_files(files, {"raw": raw}, small, lambda *said: told.append(said))
    reasons = dict(failures.select("locator", "error").iter_rows())
    crashed = {f"a.jsonl#L{number}": "reader died" for number in (1, 57, 58, 300)}
    groups = {"b.parquet#row=101": "reader died", "b.parquet#row=201": "over the limit"}
    assert reasons == crashed | groups | {"c.jsonl#L1": "reader died", "c.jsonl": "no text"}
    rows = [f"b.parquet#row={number}" for number in range(1, 301) if (number - 1) // 50 not in (2, 4)]
    details = failures.filter(pl.col("path") == "b.parquet").sort("locator")["detail"]
    assert "exclude rows 101 to 150 (row group 3)" in details[0]
    assert "more than reading.max_memory: raise it, or exclude rows 201 to 250 (row group 5)" in details[1]
    lines = [f"a.jsonl#L{number}" for number in range(1, 301) if number not in (1, 57, 58, 300)]
    assert documents["locator"].to_list() == lines + rows
    assert told[-1][-1] == "3 of 3 files"


def _rows_of(frame: pl.DataFrame) -> int:
    return frame.height


def test_a_large_file_that_is_not_what_the_inventory_saw_fails_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n' * 50)
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    (tmp_path / "a.jsonl").write_text('{"text": "two"}\n' * 50)
    documents, failures = read_files(files, {"raw": tmp_path}, ReadingSettings(max_bytes=100))
    assert documents.is_empty()
    assert failures["error"].to_list() == ["changed while being read"]


def locators(documents: pl.DataFrame) -> list[str]:
    """A `Write` that keeps the names alone."""
    return documents["locator"].to_list()


def test_what_little_each_piece_gives_does_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file has any number of pieces, and is known to be readable only when all are read."""
    monkeypatch.setattr(curation.reading_tasks, "HELD_BYTES", 2_000)
    (tmp_path / "a.jsonl").write_text('{"text": "one two three"}\n' * 500)
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    written, failures = read_files_into(locators, files, {"raw": tmp_path}, ReadingSettings(max_bytes=100, workers=1))
    assert failures.is_empty()
    names = sorted(name for part in written for name in part)
    assert names == sorted(f"a.jsonl#L{line}" for line in range(1, 501))
    assert len(written) > 5
    assert max(map(len, written)) < 100


def test_a_full_disk_is_no_fact_about_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded as the file's failure, it would not be read again when there is room."""
    monkeypatch.setattr(curation.reading, "_PART_BYTES", 0)
    file = place(tmp_path, "a.jsonl", b'{"text": "one"}\n' * 9)
    planned = plan(file, WHOLE)
    task = curation.reading_tasks.PieceTask(0, file, replace(planned, pieces=()), planned.pieces[0])

    def full(_: pl.DataFrame) -> None:
        raise OSError(ENOSPC, "No space left on device")

    with pytest.raises(Exception, match=r"OSError: .*No space left on device"):
        copy_context().run(curation.reading._work, WHOLE, full, task)


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

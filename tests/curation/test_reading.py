"""Reading: every file is documents or one failure, whatever it holds and whatever happens to it meanwhile."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import curation.fetching
import curation.file_items
import curation.reading
import records
from curation import formats
from curation.formats import html
from curation.inventory import Source, take_inventory
from curation.reading import DOCUMENTS, FAILURES, ReadingSettings, failed_files, file_locator, read_files

DEFAULTS = ReadingSettings()
NAMES = st.sampled_from(
    [
        "a.txt",
        "b.md",
        "c.py",
        "d.html",
        "e.json",
        "f.jsonl",
        "g.csv",
        "h.tsv",
        "i",
        "j#L1",
        "j",
        "k.ipynb",
        "l.eml",
        "m.mbox",
    ]
)
CONTENTS = st.one_of(
    st.binary(max_size=120),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(
        st.dictionaries(
            st.sampled_from(["text", "prompt", "response", "n"]), st.text(max_size=5) | st.none(), max_size=3
        )
    ).map(lambda rows: "\n".join(json.dumps(row) for row in rows).encode()),
    st.sampled_from(
        [
            b"",
            b" \n",
            b"\xef\xbb\xbf",
            b"PAR1PAR1",
            b"a,b\n1\n",
            b"<html></html>",
            b'{"text": "\\ud800"}',
            b'{"text": "a\\u0000b"}',
        ]
    ),
)


def read(folder: Path, reading: ReadingSettings = DEFAULTS, inventory: pl.DataFrame | None = None):
    files = take_inventory(Source("raw", str(folder)), folder) if inventory is None else inventory
    return files, *read_files(files, {"raw": folder}, reading)


def reasons(failures: pl.DataFrame) -> dict[str, str]:
    return dict(failures.select("locator", "error").iter_rows())


def assert_accounted(files: pl.DataFrame, documents: pl.DataFrame, failures: pl.DataFrame) -> None:
    """The law: documents, or else exactly one failure of the whole file; and all names unique."""
    readable = set(documents["path"])
    whole = failures.filter(
        pl.col("locator") == pl.Series([file_locator(path) for path in failures["path"]], dtype=pl.String)
    )
    assert whole["path"].is_unique().all()
    assert readable.isdisjoint(whole["path"])
    assert readable | set(whole["path"]) == set(files["path"])
    assert len(readable) + sum(failed_files(failures).values()) == files.height
    assert documents["doc_id"].is_unique().all()
    assert failures["locator"].is_unique().all()
    assert set(documents["locator"]).isdisjoint(failures["locator"])
    assert documents.schema == DOCUMENTS
    assert failures.schema == FAILURES
    assert failures.select(pl.col("error", "detail").str.len_chars() > 0).to_numpy().all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(NAMES, CONTENTS, max_size=6))
def test_every_file_is_accounted_for(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("raw")
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    assert_accounted(*read(folder))


def test_a_document_carries_its_place_its_bytes_and_its_content(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.md").write_text("# One\n\ntwo\n")
    files, documents, failures = read(tmp_path)
    assert failures.is_empty()
    assert documents.to_dicts() == [
        {
            "doc_id": records.doc_id("raw", "sub/a.md"),
            "source": "raw",
            "path": "sub/a.md",
            "bytes_digest": files["bytes_digest"][0],
            "locator": "sub/a.md",
            "media_type": "text/markdown",
            "title": "One",
            "date": None,
            "metadata": None,
            "text": "# One\n\ntwo\n",
            "content_digest": records.content_digest("# One\n\ntwo\n"),
            "byte_offset": None,
            "byte_length": None,
        }
    ]


def test_an_empty_file_is_a_document_without_text(tmp_path):
    (tmp_path / "py.typed").touch()
    (tmp_path / "a.json").write_text(" \n")
    _, documents, failures = read(tmp_path)
    assert failures.is_empty()
    assert dict(documents.select("path", "text").iter_rows()) == {"py.typed": "", "a.json": " \n"}


def test_a_poison_record_fails_alone(tmp_path):
    lines = [
        '{"text": "one"}',
        '{"text": ',
        '{"text": "\\ud83d"}',
        '{"text": "a\\u0000"}',
        '{"n": 1}',
        '{"text": "\\ud83d\\ude00"}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    files, documents, failures = read(tmp_path)
    assert documents.select("locator", "text").rows() == [("a.jsonl#L1", "one"), ("a.jsonl#L6", "😀")]
    assert reasons(failures) == {
        "a.jsonl#L2": "malformed JSON",
        "a.jsonl#L3": "not Unicode",
        "a.jsonl#L4": "binary",
        "a.jsonl#L5": "no text",
    }
    assert failures["bytes_digest"].unique().to_list() == files["bytes_digest"].to_list()
    assert failed_files(failures) == {}


def test_a_file_of_poison_alone_fails_itself_too(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a\n{"b\n')
    files, documents, failures = read(tmp_path)
    assert reasons(failures) == {"a.jsonl#L1": "malformed JSON", "a.jsonl#L2": "malformed JSON", "a.jsonl": "no text"}
    assert failed_files(failures) == {"no text": 1}
    assert_accounted(files, documents, failures)


def test_a_name_with_a_hash_is_not_taken_for_a_record(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}')
    (tmp_path / "a.jsonl#L1").write_text("two")
    (tmp_path / "a.jsonl#").write_text('{"text": "one"}\n{"text": "two"}\n')
    files, documents, failures = read(tmp_path)
    assert set(documents["locator"]) == {"a.jsonl#L1", "a.jsonl##L1", "a.jsonl###L1", "a.jsonl###L2"}
    assert_accounted(files, documents, failures)


def test_a_folder_of_poison_ends_well(tmp_path):
    (tmp_path / "good.txt").write_text("Good words.")
    (tmp_path / "nul.txt").write_bytes(b"a\0b")
    (tmp_path / "cut.json").write_text('{"a": [1, ')
    (tmp_path / "deep.json").write_text("[" * 10_000)
    (tmp_path / "deep.html").write_text("<html>" + "<div>" * 100_000)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1\0\0\0")
    (tmp_path / "picture.txt").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    (tmp_path / "page.html").write_text("<html><body></body></html>")
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n")
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "none.json").write_text("[]")
    (tmp_path / "big.txt").write_text("x" * 5000)
    (tmp_path / "away").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    files, documents, failures = read(tmp_path, ReadingSettings(max_bytes=1_000_000))
    assert set(documents["path"]) == {"good.txt", "numbers.csv", "big.txt"}
    assert reasons(failures) == {
        "nul.txt": "binary",
        "cut.json": "malformed JSON",
        "deep.json": "malformed JSON",
        "deep.html": "over the limit",
        "cut.parquet": "malformed Parquet",
        "picture.txt": "no reader for image/jpeg",
        "page.html": "no text",
        "header.csv": "no text",
        "none.json": "no text",
        "away": "symbolic link out of the source",
        "pipe": "named pipe",
        "./\\xff": "name is not UTF-8",
    }
    assert_accounted(files, documents, failures)


@pytest.mark.parametrize(
    ("limits", "setting"),
    [({"max_bytes": 40}, "max_bytes"), ({"max_records": 2}, "max_records"), ({"max_characters": 5}, "max_characters")],
)
def test_what_is_over_a_limit_names_the_setting(tmp_path, limits, setting):
    if setting == "max_records":
        name = "a.xlsx"
        book = openpyxl.Workbook()
        for number in range(3):
            sheet = book.create_sheet(f"sheet {number}")
            sheet.append(["what"])
            sheet.append([f"text {number}"])
        book.save(tmp_path / name)
    else:
        name = "a.txt"
        (tmp_path / name).write_text('{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n')
    _, documents, failures = read(tmp_path, ReadingSettings(**limits))
    assert documents.is_empty()
    assert reasons(failures) == {name: "over the limit"}
    assert setting in failures["detail"][0]


@pytest.mark.parametrize("limits", [{"max_records": 2}, {"max_characters": 5}, {"max_bytes": 20}])
def test_rows_of_which_more_comes_out_than_may_be_held_are_read_in_pieces(tmp_path, limits):
    rows = b'{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n'
    (tmp_path / "a.jsonl").write_bytes(rows)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(rows, mtime=0))
    (tmp_path / "c.txt").write_text("four")
    files, documents, failures = read(tmp_path, ReadingSettings(**limits))
    assert documents.sort("locator")["text"].to_list() == ["one", "two", "three"] * 2 + ["four"]
    assert_accounted(files, documents, failures)


def test_limits_themselves_are_allowed(tmp_path):
    data = '{"text": "one"}\n{"text": "two"}'
    (tmp_path / "a.jsonl").write_text(data)
    _, documents, _ = read(tmp_path, ReadingSettings(max_bytes=len(data), max_records=2, max_characters=6))
    assert documents.height == 2


def test_files_that_change_or_vanish_after_the_inventory(tmp_path):
    for name in ("same", "grown", "shrunk", "edited", "gone", "piped", "folder"):
        (tmp_path / name).write_text("Some words.")
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    (tmp_path / "grown").write_text("Some words. And more.")
    (tmp_path / "shrunk").write_text("Some")
    (tmp_path / "edited").write_text("Same words.")
    for name in ("gone", "piped", "folder"):
        (tmp_path / name).unlink()
    os.mkfifo(tmp_path / "piped")
    (tmp_path / "folder").mkdir()
    _, documents, failures = read(tmp_path, inventory=files)
    assert documents["path"].to_list() == ["same"]
    found = reasons(failures)
    assert {name: found[name] for name in ("grown", "shrunk", "edited")} == dict.fromkeys(
        ("grown", "shrunk", "edited"), "changed while being read"
    )
    assert found["gone"] == "vanished"
    assert found["piped"] == "named pipe"
    assert "folder" in found
    assert_accounted(files, documents, failures)


def test_a_reader_that_breaks_costs_one_file_and_quotes_nothing(tmp_path, monkeypatch):
    def broken(tree: object, markup: bytes) -> None:
        raise KeyError("secret words of the page")

    monkeypatch.setattr(html, "facts_of", broken)
    (tmp_path / "a.html").write_text("<html><p>secret words of the page")
    (tmp_path / "b.txt").write_text("fine")
    _, documents, failures = read(tmp_path)
    assert documents["path"].to_list() == ["b.txt"]
    assert reasons(failures) == {"a.html": "reader failed"}
    assert "KeyError" in failures["detail"][0]
    assert "secret" not in failures["detail"][0]


def test_want_of_memory_is_not_remembered_as_a_failure(tmp_path, monkeypatch):
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(curation.file_items, "read_file", exhausted)
    (tmp_path / "a.txt").write_text("fine")
    with pytest.raises(MemoryError):
        read(tmp_path)


def test_a_closed_file_is_a_failure_with_its_mend(tmp_path, monkeypatch):
    def closed(path: str, size: int) -> None:
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "a.txt").write_text("fine")
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    monkeypatch.setattr(curation.fetching, "read_regular", closed)
    _, _, failures = read(tmp_path, inventory=files)
    assert failures.select("error", "detail").rows() == [("permission denied", "give read permission, or exclude it")]


def test_batches_do_not_show(tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.jsonl").write_text('{"text": "a"}\n{"text": \n' if number % 2 else "\0")
    files, documents, failures = read(tmp_path)
    parts = [read(tmp_path, inventory=files[start : start + 2])[1:] for start in range(0, 7, 2)]
    assert pl.concat([part[0] for part in parts]).equals(documents)
    assert pl.concat([part[1] for part in parts]).equals(failures)
    empty = read(tmp_path, inventory=files.head(0))
    assert (empty[1].schema, empty[2].schema) == (DOCUMENTS, FAILURES)


def test_progress_ends_with_all_files(tmp_path):
    (tmp_path / "a").write_text("x")
    told: list[tuple[object, ...]] = []
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    read_files(
        files,
        {"raw": tmp_path},
        ReadingSettings(),
        lambda *said: told.append(said),
    )
    assert told == [(1, 1, "bytes", "1 of 1 files")]


PATCH = """
import os, signal
import curation.formats as formats
from dataclasses import replace

def dying(data, kind, settings):
    if b"crash" in data:
        os.abort()
    if b"killed" in data:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"large" in data:
        bytes(1 << 40)
    return real(data, kind, settings)

real = formats._FORMATS["text/plain"].read
formats._FORMATS["text/plain"] = replace(formats._FORMATS["text/plain"], read=dying, isolated=True)
"""


@pytest.mark.parametrize("few", [0, curation.reading.FEW_BYTES])
def test_a_file_whose_parser_crashes_is_named_and_the_others_are_read(tmp_path, monkeypatch, few):
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text(f"text {number}")
        (tmp_path / f"{number:02}.md").write_text(f"markdown {number}")
    for number, way in ((7, "crash"), (8, "crash"), (15, "killed"), (22, "large")):
        (tmp_path / f"{number:02}.txt").write_text(way)
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(PATCH)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(curation.reading, "FEW_BYTES", few)
    if few:
        patched = formats._FORMATS["text/plain"]
        monkeypatch.setitem(formats._FORMATS, "text/plain", replace(patched, isolated=True))
    told: list[tuple[object, ...]] = []
    documents, failures = read_files(
        files,
        {"raw": tmp_path},
        ReadingSettings(workers=2),
        lambda *said: told.append(said),
    )
    assert_accounted(files, documents, failures)
    assert documents["locator"].to_list() == sorted(set(files["path"]) - set(failures["path"]))
    assert reasons(failures) == {
        "07.txt": "reader died",
        "08.txt": "reader died",
        "15.txt": "reader died",
        "22.txt": "over the limit",
    }
    assert dict(failures.select("path", "detail").iter_rows())["07.txt"].startswith("its parser crashed (SIGABRT)")
    size = int(files["size"].sum())
    assert told[-1] == (size, size, "bytes", "60 of 60 files")


def test_the_answer_does_not_depend_on_the_number_of_processes(tmp_path, monkeypatch):
    for number in range(40):
        (tmp_path / f"{number:02}.jsonl").write_text('{"text": "one"}\n{broken\n{"text": "two"}\n' * (number % 5 + 1))
    (tmp_path / "b.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    here = read(tmp_path)
    monkeypatch.setattr(curation.reading, "FEW_BYTES", 0)
    for workers in (1, 3):
        assert all(
            one.equals(other) for one, other in zip(here, read(tmp_path, ReadingSettings(workers=workers)), strict=True)
        )

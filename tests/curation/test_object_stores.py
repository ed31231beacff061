"""Sources in an object store, on a real server: nothing is read to know that nothing changed, and nothing is lost."""

from __future__ import annotations

import gzip
import io
import json
import threading
from pathlib import Path

import obstore
import polars as pl
import pytest

import curation.fetching
from curation.inventory import INVENTORY, Source, root_of, take_inventory
from curation.object_stores import ObjectRoot, is_remote
from curation.reading import ReadingSettings, read_files
from tests.object_store import object_server

HERE = Path("/")


@pytest.fixture
def server(monkeypatch):
    with object_server() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def taken(path: str = "s3://raw/docs", **settings) -> pl.DataFrame:
    return take_inventory(Source("crawl", path, **settings), HERE)


def read(files: pl.DataFrame, path: str = "s3://raw/docs", settings: ReadingSettings | None = None):
    return read_files(files, {"crawl": root_of(Source("crawl", path), HERE)}, settings or ReadingSettings())


def test_a_listing_is_an_inventory_and_reads_nothing(server):
    server.put("docs/b.txt", "two")
    server.put("docs/sub/a.txt", "three")
    server.put("docs/sub/", "")  # a folder, as a console draws it
    server.put("docsother/c.txt", "of another prefix")
    files = taken()
    assert files.schema == INVENTORY
    assert files.select("source", "path", "size").rows() == [("crawl", "b.txt", 3), ("crawl", "sub/a.txt", 5)]
    assert files["problem"].null_count() == 2
    assert files["bytes_digest"].str.starts_with("etag:").all()
    assert files.equals(taken("s3://raw/docs/"))
    assert server.reads() == []


def test_the_digest_follows_the_bytes(server):
    server.put("docs/a.txt", "one")
    server.put("docs/b.txt", "two")
    before = taken()
    server.put("docs/a.txt", "one")
    assert taken().equals(before), "written again with the same bytes: the same"
    server.put("docs/a.txt", "eno")
    assert (taken()["bytes_digest"] == before["bytes_digest"]).to_list() == [False, True]


def test_patterns_and_skipped_folders_hold_here_too(server):
    for key in ("a.md", "drafts/a.md", "deep/drafts/b.md", "deep/c.md", "deep/c.txt", ".git/d.md", "deep/.venv/e/f.md"):
        server.put(f"docs/{key}", "x")
    files = taken(include=("**/*.md",), exclude=("**/drafts",))
    assert files["path"].to_list() == ["a.md", "deep/c.md"]


def test_a_whole_bucket(server):
    server.put("a.txt", "one")
    assert taken("s3://raw")["path"].to_list() == ["a.txt"]
    assert read(taken("s3://raw"), "s3://raw/")[0]["text"].to_list() == ["one"]


def test_more_objects_than_one_page_of_a_listing(server, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    monkeypatch.setattr("curation.inventory._REPORT_EVERY", 10)
    names = [f"{number:02}" for number in range(25)]
    for name in names:
        server.put(f"docs/{name}", name)
    told: list[tuple[int, int | None, str]] = []
    source = Source("crawl", "s3://raw/docs")
    server.asked.clear()
    files = take_inventory(source, HERE, progress=lambda done, total=None, unit="": told.append((done, total, unit)))
    assert files["path"].to_list() == names
    assert len(server.asked) == 3
    assert told == [(10, None, "objects"), (20, None, "objects")]


def test_objects_become_documents_in_their_order(server):
    names = [f"{number:02}.txt" for number in range(40)] + ["é ü#1 %41.txt", "rows.jsonl"]
    for name in names[:-1]:
        server.put(f"docs/{name}", f"The text of {name}.")
    server.put("docs/rows.jsonl", '{"text": "one"}\nnone\n{"text": "two"}')
    server.put("docs/empty.txt", "")
    documents, failures = read(taken())
    expected = [f"The text of {name}." for name in sorted(names[:-1])]
    texts = documents["text"].to_list()
    assert [text for text in texts if text.startswith("The")] == expected
    assert {"one", "two", ""} <= set(texts)
    assert failures.select("locator", "error").rows() == [("rows.jsonl#L2", "malformed JSON")]
    assert "é ü##1 %41.txt" in documents["locator"].to_list()
    assert len(server.reads()) == 42, "each but the empty one once"


def test_what_changed_or_went_after_the_listing_is_not_read(server):
    for name in ("same", "edited", "gone"):
        server.put(f"docs/{name}", "Some words.")
    files = taken()
    server.put("docs/edited", "Same words.")
    server.delete("docs/gone")
    documents, failures = read(files)
    assert documents["path"].to_list() == ["same"]
    assert dict(failures.select("path", "error").iter_rows()) == {
        "edited": "changed while being read",
        "gone": "vanished",
    }


def test_an_object_over_the_limit_is_not_fetched(server):
    server.put("docs/a", "Some words.")
    documents, failures = read(taken(), settings=ReadingSettings(max_bytes=10))
    assert (documents.height, failures["error"].to_list()) == (0, ["over the limit"])
    assert server.reads() == []


ROWS = [{"text": f"row {number} " + "x" * 40} for number in range(40)]


def _large() -> dict[str, bytes]:
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    table = io.BytesIO()
    pl.DataFrame(ROWS).write_parquet(table, row_group_size=10)
    return {"a.jsonl": lines, "b.jsonl.gz": gzip.compress(lines, mtime=0), "c.parquet": table.getvalue() + bytes(0)}


def test_an_object_of_any_size_is_read_in_the_memory_of_a_piece(server, monkeypatch):
    monkeypatch.setattr("curation.object_stores.AHEAD_BYTES", 256)
    for name, data in _large().items():
        server.put(f"docs/{name}", data)
    documents, failures = read(taken(), settings=ReadingSettings(max_bytes=200))
    assert failures.rows() == []
    found = documents.group_by("path").agg(pl.col("text").sort())
    assert dict(found.iter_rows()) == {name: sorted(row["text"] for row in ROWS) for name in _large()}
    lines = documents.filter(path="a.jsonl").sort("byte_offset")
    at, length = lines.select("byte_offset", "byte_length").row(7)
    assert json.loads(_large()["a.jsonl"][at : at + length]) == ROWS[7]


def test_a_large_object_that_changed_after_the_listing_is_not_read(server):
    server.put("docs/a.jsonl", _large()["a.jsonl"])
    files = taken()
    server.put("docs/a.jsonl", _large()["a.jsonl"].replace(b"row", b"wor"))
    documents, failures = read(files, settings=ReadingSettings(max_bytes=200))
    assert documents.is_empty()
    assert failures["error"].to_list() == ["changed while being read"]


def test_a_store_out_of_reach_is_an_error_and_no_failure_of_an_object(server, monkeypatch):
    server.put("docs/a", "Some words.")
    files = taken()
    monkeypatch.setattr("curation.object_stores._RETRY", {"max_retries": 0})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="s3://raw/docs/a cannot be read"):
        read(files)
    with pytest.raises(ConnectionError, match="source 'crawl': s3://raw/docs/ cannot be listed"):
        taken()


def test_a_closed_object_is_a_failure_with_its_mend(server, monkeypatch):
    def closed(*_: object, **__: object) -> None:
        raise obstore.exceptions.PermissionDeniedError("403")

    server.put("docs/a", "Some words.")
    files = taken()
    monkeypatch.setattr(obstore, "get", closed)
    assert read(files)[1].select("error", "detail").rows() == [
        ("permission denied", "give read permission, or exclude it")
    ]


def test_no_more_is_held_ahead_than_said(server, monkeypatch):
    sizes = {}
    for number in range(12):
        server.put(f"docs/{number:02}", "x" * 100)
    files = taken()
    running, most, lock = 0, 0, threading.Lock()
    fetch = curation.fetching._object

    def counted(file, root):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        data = fetch(file, root)
        with lock:
            running -= 1
        sizes[file.path] = len(data)
        return data

    monkeypatch.setattr(curation.fetching, "_object", counted)
    monkeypatch.setattr(curation.fetching, "_AHEAD_BYTES", 200)
    assert read(files)[0].height == 12
    assert len(sizes) == 12
    assert most <= 3, "two that fit, and the one that showed that no more do"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("s3://raw/nothing", r"source 'crawl': nothing lies below s3://raw/nothing/"),
        ("s3://other/docs", r"source 'crawl': s3://other/docs/ cannot be listed \(NoSuchBucket"),
        ("ftp://raw/docs", r"source 'crawl': 'ftp://raw/docs' is no place that can be read"),
        ("s3://", r"source 'crawl': 's3://' is no place that can be read"),
    ],
)
def test_a_source_that_is_not_there_says_so(server, path, said):
    with pytest.raises((OSError, ValueError), match=said):
        taken(path)


def test_a_key_that_is_no_path_is_named(server):
    server.put("docs/a.txt", "one")
    server.put("docs/x//y.txt", "two")
    with pytest.raises(ConnectionError, match=r"x//y\.txt"):
        taken()


def test_what_is_an_address():
    assert is_remote("s3://raw/docs")
    assert is_remote("ftp://raw")
    assert not any(map(is_remote, ("data", "./s3:/raw", "/data/s3://raw", "~/x", "C:\\data")))
    assert ObjectRoot.of("s3://raw/a/b/") == ObjectRoot("s3://raw", "a/b/")
    assert ObjectRoot.of("gs://raw") == ObjectRoot("gs://raw", "")

"""A record that a process dies of costs itself, also where the file can only be read as a stream."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import curation.reading
from curation.formats import care
from curation.inventory import Source, take_inventory
from curation.reading import ReadingSettings, read_files

CRASHING = """
import csv, json, os, signal
from types import SimpleNamespace
import curation.formats as formats
import curation.formats.delimited as delimited
import curation.formats.json_files as json_files
import curation.formats.rows as rows
import curation.large_files as large
from dataclasses import replace

def dying(real, data, *rest):
    if "crash" in str(data):
        os.abort()
    if "killed" in str(data):
        os.kill(os.getpid(), signal.SIGKILL)
    if "large" in str(data)[:99]:
        bytes(1 << 44)
    return real(data, *rest)

plain, lines, extract = formats._FORMATS["text/plain"], large.json_lines, rows.extract
formats._FORMATS["text/plain"] = replace(plain, read=lambda *given: dying(plain.read, *given))
for kind in ("text/csv", "application/jsonl"):
    table = formats._FORMATS[kind].table
    formats._FORMATS[kind] = replace(formats._FORMATS[kind], table=lambda *given, table=table: dying(table, *given))
large.json_lines = lambda *given: dying(lines, *given)
rows.extract = lambda part, value, *rest: dying(lambda value: extract(part, value, *rest), value)
large.PIECE_BYTES = 4_000

def ending(value):
    if "endless" in str(value):
        os.abort()
    return value

class Decoder(json.JSONDecoder):
    def raw_decode(self, *given):
        return ending(super().raw_decode(*given))

loads, errors = json.loads, json.JSONDecodeError
json_files.json = SimpleNamespace(loads=lambda text: ending(loads(text)), JSONDecodeError=errors)
json_files._DECODER = Decoder()

class Read:
    def __init__(self, *given, **named):
        self.real = csv.reader(*given, **named)
    def __iter__(self):
        return self
    def __next__(self):
        return ending(next(self.real))
    line_num = property(lambda self: self.real.line_num)

ends = delimited._ends_quoted
delimited._ends_quoted = lambda line, *rest: os.abort() if "bottomless" in line else ends(line, *rest)
delimited.csv = SimpleNamespace(reader=Read, Error=csv.Error, field_size_limit=csv.field_size_limit)
"""
TEXTS = [f"record number {number} of a file that is read as a stream" for number in range(1, 121)]
ENDLESS = 'endless, "so to say", ]}\r\n\n[{""\\'
FATAL = {3: "crash", 4: "crash", 60: "killed", 120: "crash"}


def texts(fatal: dict[int, str]) -> list[str]:
    return [fatal.get(number, text) for number, text in enumerate(TEXTS, 1)]


def zipped(texts: list[str], inner: bytes = b"") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number, text in enumerate(texts, 1):
            archive.writestr(f"{number}.txt", text)
        if inner:
            archive.writestr("inner.zip", inner)
    return data.getvalue()


def tarred(texts: list[str]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for number, text in enumerate(texts, 1):
            info = tarfile.TarInfo(f"{number}.txt")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return data.getvalue()


def mailbox(texts: list[str]) -> bytes:
    attached = 'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nsaid\n--b\nContent-Disposition: attachment; filename="a.txt"\n\n'
    return "".join(f"From a\nSubject: {n}\n{attached}{text}\n--b--\n\n" for n, text in enumerate(texts, 1)).encode()


def table(texts: list[str]) -> bytes:
    data = io.StringIO()
    csv.writer(data).writerows([["id", "text"], *([str(n), text] for n, text in enumerate(texts, 1))])
    return data.getvalue().encode()


def lines(texts: list[str]) -> bytes:
    return "\n".join(json.dumps({"text": text}) for text in texts).encode()


FILES: dict[str, Callable[[list[str]], bytes]] = {
    "a.zip": lambda texts: zipped(texts, zipped(texts[:4])),
    "b.tar.gz": tarred,
    "c.mbox": mailbox,
    "d.csv": table,
    "e.json": lambda texts: json.dumps([{"text": text} for text in texts]).encode(),
    "f.jsonl.gz": lambda texts: gzip.compress(lines(texts), mtime=0),
    "g.jsonl": lines,
}
PLACES = {
    "a.zip": "{}.txt",
    "b.tar.gz": "{}.txt",
    "c.mbox": "message={}/attachment=1",
    "d.csv": "row={}",
    "e.json": "row={}",
    "f.jsonl.gz": "L{}",
    "g.jsonl": "L{}",
}
DEAD = {f"{name}#{place.format(number)}" for name, place in PLACES.items() for number in FATAL}
DEAD |= {f"a.zip#inner.zip#{number}.txt" for number in (3, 4)}


def written(folder: Path, fatal: dict[int, str]) -> pl.DataFrame:
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data(texts(fatal)))
    return take_inventory(Source("raw", str(folder)), folder)


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(CRASHING)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(curation.reading, "FEW_BYTES", 0)


STREAMS, SMALL_FILES = {"max_bytes": 1_500, "max_unfolded": 1 << 20}, {}


@pytest.mark.parametrize(
    ("limits", "workers"),
    [
        pytest.param(STREAMS, 2, id="streams"),
        pytest.param(SMALL_FILES, 1, id="small files"),
        pytest.param(STREAMS, 1, id="streams, one after the other", marks=pytest.mark.long),
        pytest.param(SMALL_FILES, 2, id="small files, two at once", marks=pytest.mark.long),
    ],
)
@pytest.mark.usefixtures("crashing")
def test_a_record_that_a_process_dies_of_costs_itself(tmp_path: Path, limits: dict[str, int], workers: int) -> None:
    files, healthy = written(tmp_path / "raw", FATAL), written(tmp_path / "healthy", {})
    settings = ReadingSettings(workers=workers, **limits)
    whole, none = read_files(healthy, {"raw": tmp_path / "healthy"}, settings)
    assert none.is_empty(), none
    documents, failures = read_files(files, {"raw": tmp_path / "raw"}, settings)
    assert set(failures["locator"]) == DEAD
    assert set(failures["error"]) == {"reader died"}
    crashed = r"^its parser crashed \(SIG(ABRT|KILL)\): exclude the (record|line), "
    assert failures["detail"].str.contains(crashed).all()
    left = whole.filter(~pl.col("locator").is_in(DEAD)).drop("bytes_digest", "byte_offset")
    assert documents.drop("bytes_digest", "byte_offset").sort("locator").equals(left.sort("locator"))


@pytest.mark.parametrize("limits", [{"max_bytes": 1_500}, {}], ids=["streams", "small files"])
@pytest.mark.parametrize("name", ["d.csv", "e.json"])
@pytest.mark.usefixtures("crashing")
def test_a_row_whose_end_a_process_dies_of_costs_itself(tmp_path: Path, name: str, limits: dict[str, int]) -> None:
    """Where the next begins is told without the parser."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / name).write_bytes(FILES[name](texts(FATAL | dict.fromkeys((1, 2, 60, 120), ENDLESS))))
    files = take_inventory(Source("raw", str(tmp_path / "raw")), tmp_path)
    documents, failures = read_files(files, {"raw": tmp_path / "raw"}, ReadingSettings(**limits))
    assert failures["locator"].to_list() == [f"{name}#row={number}" for number in (1, 2, 3, 4, 60, 120)]
    assert failures["detail"].str.contains(r"^its parser crashed \(SIGABRT\): exclude the record, and report it$").all()
    assert documents["text"].to_list() == [text for number, text in enumerate(TEXTS, 1) if number not in {1, 2, *FATAL}]


@pytest.mark.usefixtures("crashing")
def test_a_row_that_cannot_be_passed_over_either_costs_what_follows_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "d.csv").write_bytes(table(texts({60: "endless and bottomless"})))
    files = take_inventory(Source("raw", str(tmp_path / "raw")), tmp_path)
    documents, failures = read_files(files, {"raw": tmp_path / "raw"}, ReadingSettings())
    ((place, detail),) = failures.select("locator", "detail").rows()
    assert place == "d.csv#row=60" and "from here on no row can be told from the next" in detail
    assert documents["text"].to_list() == TEXTS[:59]


@pytest.mark.usefixtures("crashing")
def test_a_file_of_which_too_many_records_kill_fails_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care, "MOST_DEATHS", 3)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.mbox").write_bytes(mailbox(texts(dict.fromkeys(range(2, 6), "crash"))))
    (tmp_path / "raw" / "b.mbox").write_bytes(mailbox(texts(dict.fromkeys(range(2, 5), "crash"))))
    files = take_inventory(Source("raw", str(tmp_path / "raw")), tmp_path)
    documents, failures = read_files(files, {"raw": tmp_path / "raw"}, ReadingSettings())
    assert failures.filter(path="a.mbox").select("locator", "error").rows() == [("a.mbox", "reader died")]
    assert failures.filter(path="b.mbox").height == 3
    assert set(documents["path"]) == {"b.mbox"}


@pytest.mark.parametrize("name", ["f.jsonl.gz", "g.jsonl"])
@pytest.mark.usefixtures("crashing")
def test_a_record_that_kills_when_the_column_of_text_is_looked_for_costs_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / name).write_bytes(FILES[name](texts({1: "crash"})))
    files = take_inventory(Source("raw", str(tmp_path / "raw")), tmp_path)
    documents, failures = read_files(files, {"raw": tmp_path / "raw"}, ReadingSettings(max_bytes=1_500))
    assert failures.select("locator", "error").rows() == [(f"{name}#L1", "reader died")]
    assert documents.height == len(TEXTS) - 1


@pytest.mark.parametrize("name", ["a.zip", "b.tar.gz", "c.mbox", "d.csv", "e.json", "f.jsonl.gz"])
@pytest.mark.usefixtures("crashing")
def test_a_record_that_takes_too_much_memory_fails_alone(tmp_path: Path, name: str) -> None:
    number = 1 if name == "f.jsonl.gz" else 7  # of a block of lines the patched reader looks at the first signs
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / name).write_bytes(FILES[name](texts({number: "large"})))
    files = take_inventory(Source("raw", str(tmp_path / "raw")), tmp_path)
    documents, failures = read_files(files, {"raw": tmp_path / "raw"}, ReadingSettings(max_bytes=1_500))
    assert failures.select("locator", "error").rows() == [(f"{name}#{PLACES[name].format(number)}", "over the limit")]
    assert documents.height >= len(TEXTS) - 1

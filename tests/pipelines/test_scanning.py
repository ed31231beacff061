"""The scan finds a passage however a file of Headwater's has packed or escaped it, and nothing where there is none."""

from __future__ import annotations

import bz2
import gzip
import html
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.fingerprints import Hunt, fingerprints
from pipelines.purging import without_free_pages
from pipelines.scanning import PIECE, scan, scan_file
from pipelines.workspace import Workspace

KEY = "k" * 64
TEXT = 'The "heron" of Saltmarsh Lane\nwas seen by Zoë & <Ann> 17 times;\tand the tide\\ebb went out to the north before anyone came.'
QUOTED = "".join(f'"{word}" said Ann, ' for word in TEXT.split() if word.isalpha())
FILLING = "Nothing of what is here was ever asked back by anybody, and it may stay for ever. " * 40


def zstd(path: Path, data: bytes) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(data)


def parquet(path: Path, **columns: object) -> None:
    pl.DataFrame(columns).write_parquet(path, compression="zstd")


def deleted_row(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE task (data TEXT)")
        database.executemany(
            "INSERT INTO task VALUES (?)", [(json.dumps({"t": text}),) for text in (FILLING, TEXT * 40)]
        )
        database.commit()
        database.execute("DELETE FROM task WHERE data LIKE '%heron%'")
        database.commit()


def over_the_edge(path: Path) -> None:
    path.write_bytes(b"x" * (PIECE - 60) + TEXT.encode() + b"x" * PIECE)


PLACES: dict[str, Callable[[Path], object]] = {
    "log.txt": lambda path: path.write_text(f"{FILLING}{TEXT}{FILLING}"),
    "job.json": lambda path: path.write_text(json.dumps({"asked": [FILLING, TEXT]})),
    "as it is.json": lambda path: path.write_text(json.dumps({"asked": TEXT}, ensure_ascii=False)),
    "json in json.jsonl": lambda path: path.write_text(json.dumps({"raw": json.dumps({"text": TEXT})})),
    "report.html": lambda path: path.write_text(f"<p>{FILLING}</p><p>{html.escape(TEXT)}</p>"),
    "table.csv": lambda path: pl.DataFrame({"n": [1, 2], "text": [FILLING, TEXT]}).write_csv(path),
    "quoted.csv": lambda path: pl.DataFrame({"text": [QUOTED]}).write_csv(path),
    "json in table.csv": lambda path: pl.DataFrame({"text": [json.dumps([QUOTED])]}).write_csv(path),
    "texts.parquet": lambda path: parquet(path, n=[1, 2], text=[FILLING, TEXT]),
    "chats.parquet": lambda path: parquet(path, messages=[[{"role": "user", "content": TEXT}], []]),
    "maps.parquet": lambda path: pq.write_table(
        pa.table({"m": pa.array([[("k", TEXT)], None], pa.map_(pa.string(), pa.string()))}), path
    ),
    "bytes.parquet": lambda path: parquet(path, raw=[TEXT.encode(), None]),
    "log.gz": lambda path: path.write_bytes(gzip.compress(TEXT.encode())),
    "log.bz2": lambda path: path.write_bytes(bz2.compress(TEXT.encode())),
    "log.zst": lambda path: zstd(path, TEXT.encode()),
    "server.sqlite3": deleted_row,
    "large.bin": over_the_edge,
}


@pytest.fixture(scope="module")
def hunt() -> Hunt:
    return Hunt(fingerprints([TEXT, QUOTED], KEY), KEY)


@pytest.mark.parametrize("name", PLACES)
def test_a_passage_is_found(tmp_path: Path, hunt: Hunt, name: str) -> None:
    PLACES[name](tmp_path / name)
    assert len(scan_file(tmp_path / name, hunt).found)


def test_every_file_is_looked_at_and_those_without_have_nothing(tmp_path: Path, hunt: Hunt) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "found.txt").write_text(TEXT)
    (tmp_path / "clean.json").write_text(json.dumps(FILLING))
    (tmp_path / "empty").touch()
    parquet(tmp_path / "none.parquet", text=[None, "", FILLING], messages=[[], None, []])
    (tmp_path / "left out").mkdir()
    (tmp_path / "left out" / "x").write_text(TEXT)
    told: list[int] = []
    seen = list(scan(tmp_path, hunt, frozenset({tmp_path / "left out"}), lambda done, *_: told.append(done)))
    assert [each.path.name for each in seen if len(each.found)] == ["found.txt"]
    assert len(seen) == 4 and told == [1, 2, 3, 4]
    assert {each.path.name: each.size for each in seen}["clean.json"] == len(FILLING) + 2


def test_what_was_deleted_in_sqlite_is_gone_from_its_free_pages(tmp_path: Path, hunt: Hunt) -> None:
    (tmp_path / "headwater.yaml").write_text("sources: [{name: web, path: .}]\n")
    workspace = Workspace(tmp_path)
    path = workspace.label_studio / "data" / "label_studio.sqlite3"
    path.parent.mkdir(parents=True)
    deleted_row(path)
    assert len(scan_file(path, hunt).found)
    without_free_pages(workspace)
    assert not len(scan_file(path, hunt).found)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM task").fetchone() == (1,)

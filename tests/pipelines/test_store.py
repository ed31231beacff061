"""The store keeps what it is given, says of each commit what it is made from, and breaks nowhere it is cut."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

import pipelines.delta_tables
import pipelines.parts
import pipelines.row_sets
import pipelines.store
from curation.row_index import Layout
from pipelines.commits import Books, Change, Commit, CommitConflict, PrimaryKeyError
from pipelines.digests import frame_version
from pipelines.parts import Gathering, Parts
from pipelines.store import RETENTION_HOURS, Store
from tests import forked_commands
from tests.forked_commands import environment

ROOT = Path(__file__).parents[2]
KEY = ("id",)
SCHEMA = {"id": pl.Int64, "text": pl.String}


def draft(key: str = "key", table: str = "notes", **more: Any) -> Commit:
    return replace(Commit(table, key, "recipe", {"raw": "1"}, {}, "1", "", "", 0, "", 0, 0), **more)


def rows(*pairs: tuple[int | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema=SCHEMA, orient="row")


def numbered(n: int, text: str = "text") -> pl.DataFrame:
    return rows(*((place, f"{text} {place}") for place in range(n)))


def content(store: Store, number: int | None = None) -> list[tuple[Any, ...]]:
    return sorted(store.scan("notes", number).select("id", "text").collect().rows(), key=repr)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "größere Häuser")


def operations(store: Store) -> list[str]:
    return [entry["operation"] for entry in DeltaTable(store.location("notes")).history()]


def test_a_new_table(store: Store) -> None:
    assert store.tables() == [] and store.head("notes") is None and store.history("notes") == []
    with pytest.raises(LookupError, match="headwater run notes"):
        store.scan("notes")
    books = Books("files", 5, 2, {"empty": 1}, {"broken": 2})
    said = draft(
        books=books, notes={"measured": 3}, settings={"rules": {"least": 1}}, checks={"sound": ""}, seconds=0.5
    )
    commit = store.replace(numbered(2), said, None, KEY)
    assert store.tables() == ["notes"]
    assert store.head("notes") == commit
    assert commit == replace(
        said, version=commit.version, total=commit.total, rows=2, schema=commit.schema, added=2, number=0
    )
    assert commit.books is not None and commit.books.missing == 0
    assert content(store) == numbered(2).rows()


@pytest.mark.parametrize(
    ("before", "now", "operation"),
    [
        pytest.param(numbered(20), numbered(21), "WRITE", id="append"),
        pytest.param(numbered(20), numbered(19), "WRITE", id="delete"),
        pytest.param(numbered(20), pl.concat([numbered(19), rows((19, "other"))]), "WRITE", id="merge"),
        pytest.param(numbered(20), numbered(20, "other"), "WRITE", id="overwrite"),
        pytest.param(numbered(20), numbered(20), "WRITE", id="nothing"),
        pytest.param(numbered(20), numbered(0), "WRITE", id="empty"),
        pytest.param(numbered(0), numbered(20), "WRITE", id="from empty"),
        pytest.param(numbered(20), numbered(21).select("text", "id"), "WRITE", id="columns in another order"),
        pytest.param(numbered(20), numbered(20).with_columns(more=pl.lit(1)), "WRITE", id="a new column"),
        pytest.param(numbered(20), numbered(20).with_columns(pl.col("id").cast(pl.Int32)), "WRITE", id="another type"),
    ],
)
def test_replace_gives_the_frame(store: Store, before: pl.DataFrame, now: pl.DataFrame, operation: str) -> None:
    head = store.replace(before, draft("one"), None, KEY)
    commit = store.replace(now, draft("two"), head, KEY)
    assert (commit.key, commit.rows, commit.version) == ("two", now.height, frame_version(now))
    assert store.head("notes") == commit
    assert content(store) == sorted(now.select("id", "text").rows(), key=repr)
    assert frame_version(store.scan("notes").collect()) == commit.version
    assert operations(store)[0] == operation
    assert content(store, head.number) == sorted(before.rows(), key=repr)


def test_what_came_and_went_is_counted(store: Store) -> None:
    head = store.replace(numbered(20), draft(), None, KEY)
    few = store.replace(pl.concat([numbered(19), rows((30, "new"))]), draft(), head, KEY)
    many = store.replace(pl.concat([numbered(5), numbered(20, "other").tail(15)]), draft(), few, KEY)
    assert [(each.added, each.removed) for each in (head, few, many)] == [(20, 0), (1, 1), (15, 15)]


def test_the_same_said_of_the_same_rows_is_no_commit(store: Store) -> None:
    head = store.replace(numbered(20), draft("key", notes={"a": 1}, seconds=1.0), None, KEY)
    assert store.replace(numbered(20), draft("key", notes={"a": 1}, seconds=2.0), head, KEY) == head
    for other in (draft("key"), draft("other", notes={"a": 1}), draft("key", notes={"a": 1}, checks={"sound": "no"})):
        newer = store.replace(numbered(20), other, head, KEY)
        assert (newer.number, newer.version, newer.added) == (head.number + 1, head.version, 0)
        head = newer
        head = store.replace(numbered(20), draft("key", notes={"a": 1}), head, KEY)


TEXTS = st.sampled_from(["", "a", "b", None])
SMALL = st.sampled_from([0, pipelines.store.SMALL_BYTES])
STATES = st.lists(st.dictionaries(st.integers(0, 7), TEXTS, max_size=8), min_size=1, max_size=4)


@settings(max_examples=40)
@given(STATES, st.booleans(), SMALL)
def test_any_schedule_gives_what_one_commit_gives(
    states: list[dict[int, str | None]], by_changes: bool, small: int
) -> None:
    """Whatever comes and goes, and comes back as it was within one change, the table is what it should be."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines.store, "SMALL_BYTES", small)
        store = Store(Path(folder))
        head = store.replace(rows(*states[0].items()), draft(), None, KEY)
        for before, now in pairwise(states):
            if by_changes:
                gone = pl.DataFrame({"id": list(before)}, schema={"id": pl.Int64})
                head = store.change(Change(rows(*now.items()), gone), draft(), head, KEY)
            else:
                head = store.replace(rows(*now.items()), draft(), head, KEY)
            assert content(store) == sorted(now.items(), key=repr)
            assert (head.version, head.rows) == (frame_version(rows(*now.items())), len(now))


def parts(store: Store, *frames: pl.DataFrame) -> Parts:
    write = store.writer("notes")
    return Parts(write.folder, tuple(write(frame) for frame in frames), pl.Schema(SCHEMA))


@settings(max_examples=25)
@given(STATES, SMALL)
def test_rows_written_ahead_as_parts_are_the_same_table(states: list[dict[int, str | None]], small: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines.store, "SMALL_BYTES", small)
        store = Store(Path(folder))
        first = rows(*states[0].items())
        head = store.replace(parts(store, first.head(1), first.slice(1)), draft(), None, KEY)
        for state in states[1:]:
            frame, went = rows(*state.items()), store.scan("notes").select("id").collect()
            head = store.change(Change(parts(store, frame), went), draft(), head, KEY)
            assert head.version == frame_version(frame)
            assert content(store) == sorted(frame.rows(), key=repr)
        again = store.replace(parts(store, first), draft(), head, KEY)
        assert (again.version, again.rows) == (frame_version(first), first.height)


@settings(max_examples=25, deadline=None)
@given(STATES, st.sampled_from([0.0, 0.2, 10.0]))
def test_parts_that_replace_a_table_are_what_a_frame_would_be(
    states: list[dict[int, str | None]], share: float
) -> None:
    """Few rows that differ are written as a change, many as a whole; no file lies about that no version has."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines.store, "MERGE_SHARE", share)
        store, head, versions = Store(Path(folder)), None, set[str]()
        for place, state in enumerate(states):
            frame, before = rows(*state.items()), {} if head is None else dict(content(store))
            head = store.replace(parts(store, frame.head(1), frame.slice(1)), draft(f"{place}"), head, KEY)
            assert (head.version, head.rows) == (frame_version(frame), frame.height)
            assert content(store) == sorted(frame.rows(), key=repr)
            assert head.added == len(state.items() - before.items())
            assert head.removed == len(before.items() - state.items())
            versions |= store.files("notes", head.number)
        assert {str(path) for path in Path(store.location("notes")).glob("*.parquet")} == versions


def test_gathered_rows_are_read_as_a_frame_s_are(store: Store, tmp_path: Path) -> None:
    """Delta has no unsigned numbers, and no small ones of some widths."""
    spans = pl.List(pl.Struct({"start": pl.UInt32, "kind": pl.String}))
    numbers = {"id": pl.UInt64(), "rank": pl.UInt8(), "share": pl.Float32()}
    schema = pl.Schema({**numbers, "spans": spans, "is_so": pl.Boolean()})
    frame = pl.DataFrame(
        [(1, 3, 0.5, [{"start": 7, "kind": "a"}], True), (2, None, None, None, None)], schema, orient="row"
    )
    other = Store(tmp_path / "other")
    whole = other.replace(frame, draft(), None, KEY)
    gathering = Gathering(store.writer("notes"))
    gathering.add(frame[:1])
    gathering.add(frame[1:])
    head = store.replace(gathering.done(frame.schema), draft(), None, KEY)
    assert (head.version, head.schema) == (whole.version, whole.schema)
    assert store.scan("notes").collect().equals(other.scan("notes").collect())
    assert store.scan("notes").collect_schema() == other.scan("notes").collect_schema()
    for each, before in ((store, head), (other, whole)):
        gathering = Gathering(each.writer("notes"))
        gathering.add(frame.with_columns(id=pl.col("id") + 1)[1:])
        made = each.change(Change(gathering.done(frame.schema), frame[:1].select("id")), draft(), before, KEY)
        assert made.rows == 2 and sorted(each.scan("notes").collect()["id"]) == [2, 3]


def test_equal_parts_change_nothing(store: Store) -> None:
    head = store.replace(parts(store, numbered(50)), draft(), None, KEY)
    again = store.replace(parts(store, numbered(20), numbered(50)[20:]), draft(), head, KEY)
    assert again == head and len(list(Path(store.location("notes")).glob("*.parquet"))) == 1


def test_rows_whose_numbers_agree_are_not_taken_for_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are compared by half of their hash; where that would mislead, the table is written whole."""
    head = store.replace(parts(store, numbered(50)), draft(), None, KEY)
    monkeypatch.setattr(pipelines.row_sets, "_number", lambda: pl.col("row_hash").bin.size().cast(pl.UInt64))
    other = numbered(50, "other")
    assert store.replace(parts(store, other), draft(), head, KEY).version == frame_version(other)
    assert content(store) == sorted(other.rows(), key=repr)


def test_what_fails_in_the_middle_leaves_no_part(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try writes its own; on a disk without room those of failed tries would keep it full."""
    monkeypatch.setattr(pipelines.parts, "GATHERED_BYTES", 0)

    def fails() -> Generator[pl.DataFrame, None, None]:
        yield numbered(5)
        assert len(list(Path(store.location("notes")).glob("*.parquet"))) == 1
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        Gathering(store.writer("notes")).take(fails())
    assert not list(Path(store.location("notes")).iterdir())

    def full(_: pl.DataFrame, place: Path, **__: Any) -> None:
        place.write_bytes(b"PAR1")
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OSError, match=r"part-.*not written: No space left.*see that there is room"):
        store.writer("notes")(numbered(5))
    assert not list(Path(store.location("notes")).iterdir())


def test_parts_that_share_a_key_are_refused(store: Store) -> None:
    with pytest.raises(PrimaryKeyError, match="2 rows share"):
        store.replace(parts(store, rows((1, "a")), rows((1, "b"))), draft(), None, KEY)
    head = store.replace(parts(store, rows((1, "a"))), draft(), None, KEY)
    with pytest.raises(PrimaryKeyError, match="one that stays"):
        store.change(Change(parts(store, rows((1, "b")))), draft(), head, KEY)


def test_only_files_with_rows_that_go_are_written_anew(store: Store) -> None:
    head = store.replace(parts(store, *(rows((place, "text")) for place in range(5))), draft(), None, KEY)
    before = store.files("notes", head.number)
    head = store.change(Change(rows((9, "new")), pl.DataFrame({"id": [3]})), draft(), head, KEY)
    after = store.files("notes", head.number)
    assert (len(before & after), len(after)) == (4, 5)


def test_parts_that_were_never_committed_go_with_what_is_past_retention(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = store.replace(numbered(3), draft(), None, KEY)
    left = Path(store.location("notes")) / parts(store, numbered(2)).parts[0].name
    head = store.replace(numbered(4), draft(), head, KEY)
    assert left.exists()
    monkeypatch.setattr(pipelines.store, "RETENTION_HOURS", 0)
    store.replace(numbered(5), draft(), head, KEY)
    assert not left.exists() and content(store) == numbered(5).rows()


def test_change_takes_out_by_any_column_also_where_it_is_null(store: Store) -> None:
    head = store.replace(rows((1, "a"), (2, "a"), (3, None), (4, "b")), draft(), None, KEY)
    head = store.change(Change(None, pl.DataFrame({"text": [None, "a", "absent"]})), draft(), head, KEY)
    assert content(store) == [(4, "b")]
    assert (head.rows, head.added, head.removed) == (1, 0, 3)
    head = store.change(Change(None, None), draft("again"), head, KEY)
    assert (head.key, head.rows, head.added, head.removed) == ("again", 1, 0, 0)


def test_primary_keys_are_unique(store: Store) -> None:
    with pytest.raises(PrimaryKeyError, match=r"notes: 2 rows share .*'id'.*\(1,\)"):
        store.replace(rows((1, "a"), (1, "b"), (2, "c")), draft(), None, KEY)
    assert store.tables() == []
    head = store.replace(rows((1, "a"), (2, "b")), draft(), None, KEY)
    for twice in (rows((2, "c")), rows((3, "c"), (3, "d"))):
        with pytest.raises(PrimaryKeyError, match="notes"):
            store.change(Change(twice, None), draft(), head, KEY)
    assert store.head("notes") == head
    store.change(Change(rows((2, "c")), pl.DataFrame({"id": [2]})), draft(), head, KEY)
    assert content(store) == [(1, "a"), (2, "c")]


def test_columns_outside_are_kept_up_to_date_though_they_do_not_count(store: Store) -> None:
    head = store.replace(rows((1, "here")), draft(), None, KEY, outside=["text"])
    moved = store.replace(rows((1, "there")), draft("moved"), head, KEY, outside=["text"])
    assert content(store) == [(1, "there")]
    assert (moved.version, moved.added, moved.removed) == (head.version, 0, 0)


def test_a_recorded_version_stands_as_it_is_given(store: Store) -> None:
    commit = store.replace(numbered(3), draft(version="recipe-7"), None, KEY)
    assert store.find("notes", "recipe") == commit


LATE = {
    "first": None,
    "append": numbered(21),
    "merge": numbered(19),
    "overwrite": numbered(20, "late"),
    "nothing": numbered(20),
}


@pytest.mark.parametrize("late", LATE)
def test_of_two_writers_the_loser_gets_a_conflict(store: Store, late: str) -> None:
    """Each wrote from the same head: what the second made is of a table that is no more."""
    head = None if late == "first" else store.replace(numbered(20), draft("one"), None, KEY)
    won = store.replace(pl.concat([numbered(20), rows((50, "won"))]), draft("won"), head, KEY)
    with pytest.raises(CommitConflict, match="notes"):
        store.replace(numbered(20) if late == "first" else LATE[late], draft("lost"), head, KEY)
    if head is not None:
        for change in (Change(rows((60, "late")), None), Change(None, pl.DataFrame({"id": [3]})), Change(None, None)):
            with pytest.raises(CommitConflict, match="notes"):
                store.change(change, draft("lost"), head, KEY)
    assert store.head("notes") == won
    assert (50, "won") in content(store) and len(content(store)) == 21


def test_versions_are_found_by_number_and_by_the_digest_s_beginning(store: Store) -> None:
    commits = [store.replace(numbered(1), draft("0", version="3abc"), None, KEY)]
    for place in range(1, 4):
        made = draft(str(place), version=f"{place}" * 4)
        commits.append(store.replace(numbered(place + 1), made, commits[-1], KEY))
    assert store.history("notes") == commits[::-1]
    assert store.find("notes", "3a") == commits[0]
    assert store.find("notes", "22") == commits[2]
    assert store.find("notes", "3").key == "3", "a number is a number first"
    assert content(store, store.find("notes", "1").number) == numbered(2).rows()
    with pytest.raises(LookupError, match=r"no version fff.*--versions"):
        store.find("notes", "fff")
    with pytest.raises(LookupError):
        store.find("absent", "1")


def test_compaction_and_vacuum_keep_what_the_commit_says(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.store, "COMPACT_FILES", 3)
    monkeypatch.setattr(pipelines.store, "RETENTION_HOURS", 0)
    head = store.replace(numbered(20), draft("0"), None, KEY)
    for place in range(1, 8):
        made = draft(str(place), notes={"measured": place}, books=Books("notes", place, place))
        more, less = (
            rows((100 + place, "more")),
            pl.DataFrame({"id": [place]} if place > 5 else {"id": []}, schema={"id": pl.Int64}),
        )
        head = store.change(Change(more, less), made, head, KEY)
        assert (head.key, head.notes, head.books, head.added) == (made.key, made.notes, made.books, 1)
        assert head == store.head("notes")
        assert head.version == frame_version(store.scan("notes").collect())
    assert {"OPTIMIZE", "VACUUM END"} <= set(operations(store))
    assert [each.key for each in store.history("notes")] == sorted(
        (each.key for each in store.history("notes")), reverse=True
    )
    files = list(Path(store.location("notes")).glob("*.parquet"))
    assert len(files) == len(DeltaTable(store.location("notes")).file_uris()) <= 4


def test_old_versions_are_vacuumed_also_where_each_run_writes_the_table_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines.store, "RETENTION_HOURS", 0)
    head = store.replace(rows((1, "withdrawn")), draft(), None, KEY)
    store.replace(rows((2, "kept")), draft(), head, KEY)
    data = [path.read_bytes() for path in Path(store.location("notes")).glob("*.parquet")]
    assert len(data) == 1 and b"withdrawn" not in data[0]


def test_no_text_of_the_data_enters_the_log(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not as statistics, of which Delta by itself keeps the least and the greatest text of each file."""
    monkeypatch.setattr(pipelines.store, "COMPACT_FILES", 2)
    secret = "PLANTED-SECRET"
    head = store.replace(numbered(20, secret), draft(), None, KEY)
    head = store.change(Change(rows((50, f"{secret}!")), None), draft(), head, KEY)
    head = store.change(Change(rows((51, f"{secret}?")), pl.DataFrame({"text": [f"{secret} 3"]})), draft(), head, KEY)
    head = store.change(Change(rows((52, f"{secret}?")), None), draft(), head, KEY)
    wider = numbered(5, secret).with_columns(more=pl.lit(secret))
    store.replace(wider, draft(), head, KEY)
    DeltaTable(store.location("notes")).create_checkpoint()
    assert {"OPTIMIZE", "WRITE"} <= set(operations(store))
    log = Path(store.location("notes")) / "_delta_log"
    shown = [path.name for path in log.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    shown += [path.name for path in log.glob("*.parquet") if secret in str(pl.read_parquet(path).to_dicts())]
    assert shown == []


def test_a_table_written_by_another_program_is_refused_with_the_mend(store: Store) -> None:
    store.replace(numbered(3), draft(), None, KEY)
    DeltaTable(store.location("notes")).delete("id = 1")
    with pytest.raises(ValueError, match="notes: version 1 was not written by Headwater; restore"):
        store.head("notes")


KILLED = """
import os, resource, signal, sys
from pathlib import Path
import polars as pl
import pipelines.row_sets
import pipelines.store
from pipelines.commits import Change
from pipelines.parts import Gathering
from pipelines.store import RETENTION_HOURS, Store
from curation.row_index import Layout
from tests.pipelines.test_store import KEY, draft, numbered, rows

store, point, operation = Store(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
pipelines.store.COMPACT_FILES = 1
head = store.head("notes")
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
new = draft("new")

def die_in_a_file_over(size):
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

if point == "before the write":
    pipelines.store.properties_of = die
elif point == "at a data file":
    die_in_a_file_over(512)
elif point == "at the log":
    new = draft("new", notes={"long": "so that the log's entry is larger than any data file" * 100_000})
    die_in_a_file_over(3_000_000)
elif point == "before the compaction":
    Store._tidied = die
elif point == "before the vacuum":
    pipelines.store.DeltaTable.vacuum = die
many = numbered(30_000)
if operation == "overwrite":
    store.replace(numbered(30_000, "other"), new, head, KEY)
elif operation == "parts":
    gathering = Gathering(store.writer("notes"))
    gathering.add(many)
    gathering._flush()
    if point == "between two parts":
        die()
    gathering.add(rows((30_000, "new")))
    store.replace(gathering.done(pl.Schema(many.schema)), new, head, KEY)
elif operation == "append":
    store.replace(pl.concat([many, rows((30_000, "new"))]), new, head, KEY)
else:
    store.change(Change(rows((7, "new")), pl.DataFrame({"id": [7]})), new, head, KEY)
"""


@pytest.mark.parametrize(
    ("point", "operation"),
    [
        ("before the write", "append"),
        ("between two parts", "parts"),
        ("before the write", "parts"),
        ("at a data file", "parts"),
        ("at the log", "parts"),
        ("before the compaction", "parts"),
        ("at a data file", "append"),
        ("at a data file", "overwrite"),
        ("at a data file", "merge"),
        ("at the log", "append"),
        ("at the log", "overwrite"),
        ("at the log", "merge"),
        ("before the compaction", "merge"),
        ("before the vacuum", "append"),
    ],
)
def test_a_commit_killed_anywhere_is_whole_or_not_there(tmp_path: Path, point: str, operation: str) -> None:
    store = Store(tmp_path)
    old = store.replace(numbered(30_000), draft("old"), None, KEY)
    ended = forked_commands.run([str(tmp_path), point, operation], tmp_path, environment(), program=KILLED)
    amid_a_file = point in {"at a data file", "at the log"}
    assert ended.returncode == -(signal.SIGXFSZ if amid_a_file else signal.SIGKILL), ended.stderr
    head = store.head("notes")
    assert head is not None
    if amid_a_file or point in {"between two parts", "before the write"}:
        assert head == old
    if point in {"before the compaction", "before the vacuum"}:
        assert head.key == "new"
    here = store.scan("notes").collect()
    assert (frame_version(here), here.height) == (head.version, head.rows)
    assert head == old if head.key == "old" else head.version != old.version
    assert frame_version(store.scan("notes", old.number).collect()) == old.version
    again = store.replace(numbered(50), draft("again"), head, KEY)
    assert frame_version(store.scan("notes").collect()) == again.version == frame_version(numbered(50))


def test_indexes_that_nobody_asks_for_any_more_go_and_those_in_use_stay(tmp_path: Path) -> None:
    store = Store(tmp_path)
    notes = pl.DataFrame({"name": ["a", "b"], "text": ["one", "two"]})
    head = store.replace(notes, draft(), None, ["name"])
    used, other = Layout(("name",), ("name",)), Layout(("name",), ("name", "text"))
    for layout in (used, other):
        store.index("notes", head.number, layout)
    folder = tmp_path / "indexes" / "notes"
    (folder / ".0123.draft").write_bytes(b"half")
    names = {path.name for path in folder.iterdir()}
    store.index("notes", head.number, used)
    assert {path.name for path in folder.iterdir()} == names, "another stage may ask for the other layout"
    long_ago = time.time() - RETENTION_HOURS * 3600 - 60
    for path in folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    found = store.index("notes", head.number, used)
    assert {path.name.split(".")[-2] for path in folder.iterdir()} == {used.name}
    assert found.among("name", pl.Series(["b"])).rows() == [("b",)]
    assert len(names) == 5 and len(list(folder.iterdir())) == 2
    (folder / ".4567.draft").symlink_to("gone")  # as a draft that another process has put in its place meanwhile
    assert store.index("notes", head.number, used).among("name", pl.Series(["a"])).rows() == [("a",)]


ANOTHER = """
import os, sys
from pathlib import Path
import polars as pl
from curation.row_index import Layout
from pipelines.store import Store
store = Store(Path(sys.argv[1]))
def refused(*_):
    raise PermissionError
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
else:  # nobody else can be had: what he may not do fails
    os.utime = refused
    Path.unlink = refused if sys.argv[3] == "sticky" else Path.unlink
print(store.index("notes", int(sys.argv[2]), Layout(("name",), ("name",))).among("name", pl.Series(["b"])).rows())
"""


@pytest.mark.parametrize("mode", [0o777, 0o1777], ids=["all may remove", "each removes its own"])
def test_indexes_that_another_user_made_are_used(mode: int) -> None:
    """Whoever shares a workspace may neither set their times nor, in a sticky folder, remove those that nobody asks for."""
    with tempfile.TemporaryDirectory() as place:
        root, folder = Path(place), Path(place) / "indexes" / "notes"
        root.chmod(0o755)
        store = Store(root)
        head = store.replace(pl.DataFrame({"name": ["a", "b"], "text": ["one", "two"]}), draft(), None, ["name"])
        for layout in (used := Layout(("name",), ("name",)), Layout(("name",), ("name", "text"))):
            store.index("notes", head.number, layout)
        for path in folder.iterdir():
            os.utime(path, (1, 1))
        folder.chmod(mode)
        asked = [sys.executable, "-c", ANOTHER, root, str(head.number), "sticky" if mode & 0o1000 else ""]
        ran = subprocess.run(asked, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        assert ran.stdout == "[('b',)]\n", ran.stderr
        left = {path.name.split(".")[-2] for path in folder.iterdir()}
        assert left == {used.name} if mode == 0o777 else len(left) == 2


def test_a_log_is_read_once_and_again_when_anything_is_committed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store.replace(numbered(3), draft(), None, KEY)
    opened: list[int | None] = []

    def counted(location: str, version: int | None = None) -> DeltaTable:
        opened.append(version)
        return DeltaTable(location, version=version)

    monkeypatch.setattr(pipelines.delta_tables, "DeltaTable", counted)
    for _ in range(5):
        assert content(store) == sorted(numbered(3).rows()) and store.head("notes") == first
    assert len(opened) <= 1

    monkeypatch.undo()
    other = Store(store.root)
    second = other.replace(numbered(4), draft("other"), other.head("notes"), KEY)
    assert store.head("notes") == second and content(store) == sorted(numbered(4).rows())
    assert content(store, first.number) == sorted(numbered(3).rows())
    other.erase_past("notes")
    with pytest.raises(LookupError):
        content(store, first.number)
    assert content(store) == sorted(numbered(4).rows())


def test_a_table_that_was_removed_and_made_anew_is_the_new_one(store: Store) -> None:
    old = store.replace(numbered(3), draft(), None, KEY)
    assert content(store) == sorted(numbered(3).rows())
    shutil.rmtree(store.location("notes"))
    assert store.head("notes") is None
    new = store.replace(numbered(2, "other"), draft("other"), None, KEY)
    assert new.number == old.number and store.head("notes") == new
    assert content(store) == sorted(numbered(2, "other").rows())

"""The inventory: the same digest for the same bytes, no byte read twice, and a row for whatever cannot be read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import polars as pl
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import inventory
from curation.inventory import INVENTORY, Source, root_of, take_inventory


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw" / "sub").mkdir(parents=True)
    (tmp_path / "raw" / "b.txt").write_text("two")
    (tmp_path / "raw" / "sub" / "a.txt").write_text("one")
    return tmp_path / "raw"


def taken(folder: Path, cache: Path | None = None, **settings) -> pl.DataFrame:
    return take_inventory(Source("raw", str(folder), **settings), folder.parent, cache)


def problems(frame: pl.DataFrame) -> dict[str, str]:
    return dict(frame.filter(pl.col("problem").is_not_null()).select("path", "problem").iter_rows())


@pytest.fixture
def reads(monkeypatch):
    """The paths whose bytes are read, in order."""
    seen: list[str] = []
    hashed = inventory._hash
    monkeypatch.setattr(inventory, "_hash", lambda path, size: (seen.append(Path(path).name), hashed(path, size))[1])
    monkeypatch.setattr(inventory, "_FRESH_NS", -(10**10))  # as if each file had been at rest for long
    return seen


def test_rows_are_sorted_and_named_by_their_bytes(folder):
    frame = taken(folder)
    assert frame.schema == INVENTORY
    assert frame["path"].to_list() == ["b.txt", "sub/a.txt"]
    assert frame["bytes_digest"].to_list() == [xxhash.xxh3_128_hexdigest(b"two"), xxhash.xxh3_128_hexdigest(b"one")]
    assert frame["size"].to_list() == [3, 3]
    assert frame["problem"].null_count() == 2


def test_relative_and_home_paths(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    here = take_inventory(Source("raw", "raw"), folder.parent)
    assert here.equals(take_inventory(Source("raw", "~/raw"), Path("/")))
    assert root_of(Source("raw", "raw"), folder.parent) == folder


def test_one_file_is_a_source(folder):
    source = Source("raw", str(folder / "b.txt"))
    assert take_inventory(source, Path("/"))["path"].to_list() == ["b.txt"]
    assert root_of(source, Path("/")) == folder


def test_include_exclude_and_skipped_folders(folder):
    for name in (".git", "__pycache__", "tests"):
        (folder / name).mkdir()
        (folder / name / "x.txt").touch()
    assert taken(folder)["path"].to_list() == ["b.txt", "sub/a.txt", "tests/x.txt"]
    assert taken(folder, exclude=("tests",))["path"].to_list() == ["b.txt", "sub/a.txt"]
    assert taken(folder, include=("*/a.*",))["path"].to_list() == ["sub/a.txt"]
    assert ".git/x.txt" in taken(folder, skip_folders=())["path"].to_list()


def test_missing_source_names_itself_the_place_and_the_mend(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'raw'.*nowhere.*headwater\.yaml"):
        take_inventory(Source("raw", "nowhere"), tmp_path)


def test_pipe_as_source_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="neither a folder nor a regular file"):
        take_inventory(Source("raw", "pipe"), tmp_path)


def test_what_is_no_file_is_a_row_with_its_problem(folder):
    os.mkfifo(folder / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.close()
    (folder / "away").symlink_to("/etc/hostname")
    (folder / "away_folder").symlink_to("/etc")
    (folder / "loop").symlink_to(".")
    (folder / "broken").symlink_to("gone")
    (folder / "inside").symlink_to("b.txt")
    frame = taken(folder)
    assert problems(frame) == {
        "pipe": "named pipe",
        "socket": "socket",
        "away": "symbolic link out of the source",
        "away_folder": "symbolic link out of the source",
        "loop": "symbolic link to a folder",
        "broken": "broken symbolic link",
    }
    assert set(problems(frame).values()) <= set(inventory.MENDS)
    digests = dict(frame.select("path", "bytes_digest").iter_rows())
    assert digests["inside"] == digests["b.txt"]
    assert all(digests[path] == "" for path in problems(frame))


def test_a_link_to_a_neighbour_whose_name_begins_alike_leaves_the_source(folder):
    twin = folder.parent / "raw2"
    twin.mkdir()
    (twin / "secret.txt").write_text("secret")
    (folder / "link").symlink_to(twin / "secret.txt")
    assert problems(taken(folder)) == {"link": "symbolic link out of the source"}


def test_a_source_that_is_itself_a_link_is_followed(folder):
    (folder.parent / "alias").symlink_to(folder)
    assert taken(folder.parent / "alias").equals(taken(folder))


def test_names_that_are_not_utf8_are_rows_apart_from_all_others(folder):
    odd = os.fsencode(folder) + b"/\xff.txt"
    os.close(os.open(odd, os.O_CREAT | os.O_WRONLY))
    (folder / r"\xff.txt").touch()
    frame = taken(folder)
    assert problems(frame) == {r"./\xff.txt": "name is not UTF-8"}
    assert frame["path"].is_unique().all()


def test_a_file_that_vanishes_in_between_is_a_row(folder, monkeypatch):
    hashed = inventory._hash

    def vanishing(path, size):
        Path(path).unlink(missing_ok=True)
        return hashed(path, size)

    monkeypatch.setattr(inventory, "_hash", vanishing)
    assert set(problems(taken(folder)).values()) == {"vanished"}


def test_a_closed_file_and_a_closed_folder_are_rows(folder, monkeypatch):
    scandir, opened = os.scandir, os.open

    def closed(path, *rest):
        if Path(path).name in {"sub", "b.txt"}:
            raise PermissionError(13, "Permission denied", str(path))
        return (opened if rest else scandir)(path, *rest)

    monkeypatch.setattr(os, "scandir", closed)
    monkeypatch.setattr(os, "open", closed)
    assert problems(taken(folder)) == {"b.txt": "permission denied", "sub": "permission denied"}


def test_an_unchanged_file_is_not_read_again(folder, reads):
    cache = folder.parent / "state" / "raw.parquet"
    first = taken(folder, cache)
    assert reads == ["b.txt", "a.txt"]
    assert taken(folder, cache).equals(first)
    assert reads == ["b.txt", "a.txt"]


def test_a_touched_file_is_read_and_keeps_its_digest(folder, reads):
    cache = folder.parent / "raw.parquet"
    first = taken(folder, cache)
    os.utime(folder / "b.txt", (1, 1))
    assert taken(folder, cache).equals(first)
    assert reads[2:] == ["b.txt"]


def test_a_change_that_keeps_size_and_time_is_seen(folder, reads):
    cache = folder.parent / "raw.parquet"
    taken(folder, cache)
    before = (folder / "b.txt").stat()
    (folder / "b.txt").write_text("six")
    os.utime(folder / "b.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert taken(folder, cache)["bytes_digest"][0] == xxhash.xxh3_128_hexdigest(b"six")


def test_a_file_of_this_moment_is_not_trusted_to_the_cache(folder):
    cache = folder.parent / "raw.parquet"
    taken(folder, cache)
    assert not cache.exists() or pl.read_parquet(cache).is_empty()


def test_a_damaged_cache_is_as_good_as_none(folder, reads):
    cache = folder.parent / "raw.parquet"
    first = taken(folder, cache)
    cache.write_bytes(b"PAR1 nonsense")
    assert taken(folder, cache).equals(first)
    pl.DataFrame({"other": [1]}).write_parquet(cache)
    assert taken(folder, cache).equals(first)
    assert taken(folder, cache).equals(first)
    assert len(reads) == 6


def test_the_cache_forgets_what_is_gone(folder, reads):
    cache = folder.parent / "raw.parquet"
    taken(folder, cache)
    (folder / "b.txt").unlink()
    taken(folder, cache)
    assert pl.read_parquet(cache)["path"].to_list() == ["sub/a.txt"]


def test_progress_ends_with_all_files(folder):
    told: list[tuple[int, int | None, str]] = []
    take_inventory(
        Source("raw", str(folder)),
        Path("/"),
        None,
        lambda done, total=None, unit="rows": told.append((done, total, unit)),
    )
    assert told[-1] == (2, 2, "files")


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_equal_digests_mean_equal_bytes(tmp_path_factory, one, other):
    folder = tmp_path_factory.mktemp("pair")
    (folder / "a").write_bytes(one)
    (folder / "b").write_bytes(other)
    first, second = taken(folder)["bytes_digest"].to_list()
    assert (first == second) == (one == other)

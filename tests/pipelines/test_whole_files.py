"""A file is whole for whoever reads it, and who may not read the former may not read the new one either."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pipelines.whole_files import PARTIAL, whole, write_whole


def test_a_file_is_what_it_was_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "old", 0o600)
    with whole(path, 0o600) as file:
        file.write("nåw".encode())
        file.flush()
        assert path.read_text() == "old"
        [partial] = tmp_path.glob(f".page.html.*{PARTIAL}")
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8") == "nåw" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_older_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "old")
    with pytest.raises(OSError, match="full"), whole(path) as file:
        file.write(b"n")
        raise OSError("full")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_two_that_write_one_file_at_a_time_write_two(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with whole(path) as first:
        first.write(b"first")
        with whole(path) as second:
            second.write(b"the second")
        assert path.read_text() == "the second"
    assert path.read_text() == "first"

"""What is joined in blocks leaves nothing behind, and a disk without room is named with its mend."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest

import curation.blocks
from curation.blocks import joinable

TABLE = pl.DataFrame({"name": [f"n{number}" for number in range(40)]}).with_row_index("block")


def names(*more: object) -> Iterator[pl.DataFrame]:
    yield TABLE.select("name")
    if more:
        raise ValueError("the rows end here")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_column_may_be_called_as_anything() -> None:
    found = [rows.join(beside["t"], on="name") for rows, beside in joinable(names(), {"t": TABLE.lazy()}, "name", 5)]
    assert pl.concat(found).sort("block").select(TABLE.columns).equals(TABLE)


def test_no_file_stays_open_whatever_becomes_of_the_rows() -> None:
    before = open_files()
    begun = joinable(names(), {"t": TABLE.lazy()}, "name", 5)
    next(begun)
    assert open_files() > before
    del begun
    with pytest.raises(ValueError, match="end here"):
        list(joinable(names("fails"), {"t": TABLE.lazy()}, "name", 5))
    gc.collect()
    assert open_files() == before
    assert "POLARS_ROW_GROUP_PREFETCH_SIZE" not in os.environ


def test_a_disk_without_room_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curation.blocks, "TemporaryFile", partial(open, "/dev/full", "w+b"))
    with pytest.raises(OSError, match=r"No space left.*in a temporary file in .*; make room there, or .*TMPDIR"):
        list(joinable(names(), {"t": TABLE.lazy()}, "name", 5))

"""What `datasets` saves to disk, and Arrow files."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.formats import Extract, ReadingSettings, Unreadable, read_items

TABLE = pa.table({"n": list(range(5)), "text": [f"Row {n} has a text." for n in range(5)]})


def texts(data: bytes) -> dict[str, str]:
    found = read_items(data, "a.arrow", ReadingSettings())
    return {item.part: item.text for item in found if isinstance(item, Extract)}


def as_file() -> bytes:
    made = io.BytesIO()
    with pa.ipc.new_file(made, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=2)
    return made.getvalue()


def test_a_dataset_on_disk(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset(TABLE).save_to_disk(tmp_path / "set")
    (shard,) = (tmp_path / "set").glob("*.arrow")
    assert texts(shard.read_bytes()) == {f"row={n + 1}": f"Row {n} has a text." for n in range(5)}


def test_an_arrow_file() -> None:
    assert texts(as_file()) == {f"row={n + 1}": f"Row {n} has a text." for n in range(5)}


@settings(deadline=None)
@example(at=0.931640625, byte=128, cut=False)
@given(st.floats(0, 1), st.integers(0, 255), st.booleans())
def test_damage_is_told_or_harmless(at: float, byte: int, cut: bool) -> None:
    data = bytearray(as_file())
    place = int(at * (len(data) - 1))
    data[place] = byte
    try:
        texts(bytes(data[:place] if cut else data))
    except Unreadable as told:
        assert told.error

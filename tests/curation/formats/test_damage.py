"""Of a file of row groups or record batches, what is damaged costs itself, and says which rows it is."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curation.formats.arrow
import curation.formats.parquet
import curation.formats.record_batches
from curation.formats import Extract, Poison, ReadingSettings, Table, Unreadable, read_file, read_items
from curation.formats.arrow import ARROW_FILE, ARROW_STREAM, arrow_stream, read_arrow
from curation.inventory import Source, take_inventory
from curation.reading import read_files

ROWS, GROUP = 20, 4
TEXTS = [f"row {number} of a table that is damaged somewhere" for number in range(1, ROWS + 1)]
PLAIN = pa.table({"text": TEXTS, "n": list(range(ROWS)), "title": [f"T{n}" for n in range(ROWS)]})
CHATS = pa.table({"messages": [[{"role": "user", "content": text}] for text in TEXTS]})


def parquet(table: Any, compression: str = "zstd") -> bytes:
    made = io.BytesIO()
    pq.write_table(table, made, row_group_size=GROUP, compression=compression, use_dictionary=False)
    return made.getvalue()


def chunk(data: bytes, group: int, column: int = 0) -> tuple[int, int]:
    """Where a column of a row group (from 1) begins, and its bytes."""
    found = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(group - 1).column(column)
    return found.data_page_offset, found.total_compressed_size


def damaged(data: bytes, *places: tuple[int, int]) -> bytes:
    """The file with all bytes of some columns of row groups overwritten but for the last one."""
    changed = bytearray(data)
    for group, column in places:
        start, size = chunk(data, group, column)
        changed[start : start + size - 1] = b"\xff" * (size - 1)
    return bytes(changed)


def told(items: Any) -> tuple[dict[str, str], dict[str, str]]:
    """What was read, and why what was not, by place."""
    if isinstance(items, Table):
        return dict(items.extracts.select("part", "text").iter_rows()), {one.part: one.detail for one in items.poisons}
    found = list(items)
    read = {item.part: item.text for item in found if isinstance(item, Extract)}
    return read, {item.part: item.detail for item in found if isinstance(item, Poison)}


def ways(data: bytes, folder: Path) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """The file read as columns, row by row, as a batch and in pieces."""
    (folder / "raw").mkdir()
    (folder / "raw" / "a.parquet").write_bytes(data)
    files = take_inventory(Source("raw", str(folder / "raw")), folder)
    found = {
        "columns": told(read_file(data, "a.parquet", ReadingSettings())),
        "rows": told(read_items(data, "a.parquet", ReadingSettings())),
    }
    for name, most in (("batch", 64 << 20), ("pieces", 200)):
        reading = ReadingSettings(max_bytes=most, workers=1)
        frames = read_files(files, {"raw": folder / "raw"}, reading)
        part = pl.col("locator").str.split("#").list.get(1, null_on_oob=True)
        read, failed = (
            dict(frame.select(part, named).iter_rows()) for frame, named in zip(frames, ("text", "detail"), strict=True)
        )
        found[name] = read, failed
    return found


def all_ways(table: Any, folder: Path) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """A table read as Parquet in each way, and as Arrow."""
    made = io.BytesIO()
    with pa.ipc.new_file(made, table.schema) as writer:
        writer.write_table(table)
    return ways(parquet(table), folder) | {"arrow": told(read_arrow(made.getvalue(), ARROW_FILE, ReadingSettings()))}


@pytest.mark.parametrize(("table", "held"), [(PLAIN, 32 << 20), (CHATS, 32 << 20), (CHATS, 0)])
def test_a_damaged_page_costs_its_row_group_and_names_the_rows(
    table: Any, held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curation.formats.parquet, "_HELD_BYTES", held)
    data = damaged(parquet(table), (2, 0), (5, 0))
    for way, (read, failed) in ways(data, tmp_path).items():
        assert list(read) == [f"row={n}" for n in (1, 2, 3, 4, *range(9, 17))], way
        assert all(text in read[f"row={n}"] for n, text in enumerate(TEXTS, 1) if f"row={n}" in read), way
        assert list(failed) == ["row=5", "row=17"], way
        assert failed["row=5"].startswith("rows 5 to 8 (row group 2): "), way
        assert failed["row=17"].startswith("rows 17 to 20 (row group 5): "), way


def test_a_page_that_is_not_what_its_checksum_says_costs_its_row_group(tmp_path: Path) -> None:
    made = io.BytesIO()
    pq.write_table(
        PLAIN, made, row_group_size=GROUP, compression="none", use_dictionary=False, write_page_checksum=True
    )
    data = made.getvalue().replace(b"row 7 of", b"row 9 of")
    for way, (read, failed) in ways(data, tmp_path).items():
        assert list(failed) == ["row=5"] and len(read) == ROWS - GROUP, way


def test_a_column_that_is_not_read_costs_nothing(tmp_path: Path) -> None:
    data = damaged(parquet(PLAIN), (2, 1))
    for way, (read, failed) in ways(data, tmp_path).items():
        lost = ["row=5"] if way == "rows" else []
        assert list(failed) == lost, way
        assert len(read) == ROWS - GROUP * len(lost), way


def test_a_string_that_is_no_utf_8_costs_its_row(tmp_path: Path) -> None:
    for number, table in enumerate((PLAIN, CHATS)):
        data = parquet(table, "none").replace(b"row 7 of", b"row \xff of").replace(b"row 20 of", b"row \xff\xff of")
        (tmp_path / str(number)).mkdir()
        for way, (read, failed) in ways(data, tmp_path / str(number)).items():
            assert list(failed) == ["row=7", "row=20"], way
            assert "no UTF-8" in failed["row=7"], way
            assert list(read) == [f"row={n}" for n in range(1, 20) if n != 7], way


def test_a_group_of_fewer_rows_than_the_footer_says_is_damaged(tmp_path: Path) -> None:
    whole, other = parquet(PLAIN, "none"), parquet(PLAIN.slice(0, 5), "none")
    start, size = chunk(whole, 2)
    page = whole[start : start + size]
    short = pq.ParquetFile(io.BytesIO(other)).metadata.row_group(1).column(0)
    one = other[short.data_page_offset : short.data_page_offset + short.total_compressed_size]
    data = whole.replace(page, one + page[len(one) :])
    assert data != whole
    for way, (read, failed) in ways(data, tmp_path).items():
        assert list(failed) == ["row=5"], way
        assert read == {f"row={n}": text for n, text in enumerate(TEXTS, 1) if not 5 <= n <= 8}, way


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2), st.floats(0, 1), st.binary(min_size=1, max_size=8))
def test_the_other_groups_are_read_whatever_is_damaged_in_one(group: int, column: int, at: float, new: bytes) -> None:
    data = parquet(PLAIN)
    start, size = chunk(data, group, column)
    place = start + int(at * (size - len(new)))
    changed = data[:place] + new + data[place + len(new) :]
    own = [f"row={n}" for n in range(GROUP * group - 3, GROUP * group + 1)]
    for read, failed in (told(way(changed, "a", ReadingSettings())) for way in (read_file, read_items)):
        assert {place: text for place, text in read.items() if place not in own} == {
            f"row={n}": text for n, text in enumerate(TEXTS, 1) if f"row={n}" not in own
        }
        assert set(failed) <= set(own)
        assert len(read) == ROWS or failed


def arrow(kind: str, compression: str | None = None) -> bytes:
    made = io.BytesIO()
    opens = pa.ipc.new_file if kind == ARROW_FILE else pa.ipc.new_stream
    with opens(made, PLAIN.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(PLAIN, max_chunksize=GROUP)
    return made.getvalue()


OFFSETS = struct.pack("<3i", 0, len(TEXTS[0]), 2 * len(TEXTS[0]))


@pytest.mark.parametrize("kind", [ARROW_FILE, ARROW_STREAM])
@pytest.mark.parametrize(("old", "new"), [(b"row 7", b"row \xff"), (OFFSETS, struct.pack("<3i", 0, 1 << 30, 0))])
def test_a_damaged_record_batch_costs_itself(kind: str, old: bytes, new: bytes) -> None:
    whole = arrow(kind)
    at = whole.index(old) if b"row" in old else whole.index(old, whole.index(OFFSETS) + 1)
    read, failed = told(read_arrow(whole[:at] + new + whole[at + len(new) :], kind, ReadingSettings()))
    assert list(read) == [f"row={n}" for n in range(1, ROWS + 1) if not 5 <= n <= 8]
    assert list(failed) == ["row=5"]
    assert failed["row=5"].startswith("rows 5 to 8 (record batch 2): ")


@pytest.mark.parametrize(("before", "new"), [(0, b"\0\0\0\0"), (8, b"\0\0\0\0\0\0\0\x10")], ids=["data", "size"])
def test_a_record_batch_that_cannot_be_unpacked_costs_itself_where_something_says_its_rows(
    before: int, new: bytes
) -> None:
    """Also one that tells a size for which there is no memory."""
    for kind, rest in ((ARROW_FILE, range(9, ROWS + 1)), (ARROW_STREAM, range(0))):
        whole = arrow(kind, "zstd")
        magic = [at for at in range(len(whole)) if whole.startswith(b"\x28\xb5\x2f\xfd", at)]
        per_batch = len(magic) // (ROWS // GROUP)
        at = magic[per_batch] - before  # of the first column of the second batch
        read, failed = told(read_arrow(whole[:at] + new + whole[at + len(new) :], kind, ReadingSettings()))
        assert list(read) == [f"row={n}" for n in (1, 2, 3, 4, *rest)]
        assert list(failed) == ["row=5"]
        said = "rows 5 to 8 (record batch 2): " if rest else "row 5 and all behind it: record batch 2 is damaged"
        assert failed["row=5"].startswith(said)


def test_a_stream_that_is_cut_short_keeps_what_is_before_the_cut() -> None:
    whole = arrow(ARROW_STREAM)
    read, failed = told(read_arrow(whole[: len(whole) // 2], ARROW_STREAM, ReadingSettings()))
    assert 0 < len(read) < ROWS
    assert list(failed) == [f"row={len(read) + 1}"]
    assert "all behind it" in failed[f"row={len(read) + 1}"]


@pytest.mark.parametrize(("kind", "cut"), [(ARROW_FILE, -10), (ARROW_STREAM, 20)])
def test_a_damaged_schema_or_footer_costs_the_file(kind: str, cut: int) -> None:
    with pytest.raises(Unreadable, match="malformed Arrow"):
        list(read_arrow(arrow(kind)[:cut], kind, ReadingSettings()))


def test_the_name_of_something_within_a_column_that_is_damaged_costs_the_file() -> None:
    table = pa.table({"messages": [[{"role": "user", "content": "x"}]]})
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    for data, error in ((stream.getvalue(), "malformed Arrow"), (parquet(table), "malformed Parquet")):
        with pytest.raises(Unreadable, match=error):
            list(read_items(data.replace(b"role", b"ro\xffe"), "a", ReadingSettings()))


def messages(data: bytes) -> list[int]:
    """Where each message of Arrow begins."""
    return [at for at in range(0, len(data), 8) if data.startswith(b"\xff\xff\xff\xff", at)]


def test_record_batches_that_a_footer_does_not_name_are_told(tmp_path: Path) -> None:
    """Neither a block more or less, nor one that is named twice, goes without a word."""
    whole = arrow(ARROW_FILE)
    footer = len(whole) - 10 - int.from_bytes(whole[-10:-6], "little")
    blocks = whole.index(struct.pack("<q", messages(whole)[1]), footer)
    second, third = (whole[at : at + 8] for at in (blocks + 24, blocks + 48))
    one_less = whole[: blocks - 4] + struct.pack("<i", 4) + whole[blocks:]
    far = whole[:blocks] + struct.pack("<q", 1 << 60) + whole[blocks + 8 :]
    before = whole[:blocks] + struct.pack("<q", -8) + whole[blocks + 8 :]
    none = whole[: blocks - 4] + struct.pack("<i", 0) + whole[blocks:]
    twice = whole[:footer] + whole[footer:].replace(second, third)
    path = tmp_path / "a.arrow"
    for data, kept in ((one_less, 16), (none, 0), (far, 0), (before, 0), (twice, 4), (whole, ROWS)):
        path.write_bytes(data)
        with path.open("rb") as opened:
            found = [told(read_arrow(data, ARROW_FILE, ReadingSettings()))]
            found.append(told(arrow_stream(opened, ARROW_FILE, ReadingSettings())))
        for read, failed in found:
            assert read == {f"row={n}": text for n, text in enumerate(TEXTS[:kept], 1)}
            assert list(failed) == ([f"row={kept + 1}"] if kept < ROWS else [])
            assert all(f"row {kept + 1} and all behind it: " in detail for detail in failed.values())


@pytest.mark.parametrize(
    "table", [PLAIN, PLAIN.slice(0, 0), PLAIN.append_column("k", PLAIN["title"].dictionary_encode())]
)
def test_a_sound_footer_names_all(table: Any) -> None:
    """Of files with dictionaries, and of another writer's, too."""
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    ours, theirs = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_file(ours, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=GROUP)
    pl.DataFrame(table).write_ipc(theirs, record_batch_size=GROUP)
    for data in (ours.getvalue(), theirs.getvalue()):
        read, failed = told(read_arrow(data, ARROW_FILE, ReadingSettings()))
        assert (len(read), failed) == (len(table), {})


def test_a_message_of_a_stream_whose_length_is_none_is_not_its_end() -> None:
    whole = arrow(ARROW_STREAM)
    at = messages(whole)[3] + 4  # behind the schema and two batches
    for data in (whole, whole + bytes(64)):
        assert told(read_arrow(data, ARROW_STREAM, ReadingSettings()))[1] == {}
    damaged = whole[:at] + bytes(4) + whole[at + 4 :]
    whole_way = read_arrow(damaged, ARROW_STREAM, ReadingSettings())
    for items in (whole_way, arrow_stream(io.BytesIO(damaged), ARROW_STREAM, ReadingSettings())):
        read, failed = told(items)
        assert len(read) == 8
        assert failed["row=9"].startswith("row 9 and all behind it: record batch 3 is damaged")


def test_a_file_whose_text_is_in_no_known_column_and_damaged_says_so(tmp_path: Path) -> None:
    table = pa.table({"strange": TEXTS[:GROUP], "title": TEXTS[:GROUP]})
    for way, (read, failed) in ways(damaged(parquet(table), (1, 0), (1, 1)), tmp_path).items():
        assert read == {}, way
        assert failed["row=1"] == "rows 1 to 4 (row group 1): a page is damaged; write the file again", way


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.date32()])
@pytest.mark.parametrize("column", ["date", "n"])
def test_a_date_out_of_range_costs_its_row(kind: Any, column: str, tmp_path: Path) -> None:
    far = 10**18 if pa.types.is_timestamp(kind) else 2**31 - 1
    dates = pa.array([far if n in {7, 20} else n for n in range(1, ROWS + 1)], pa.int64())
    dates = dates.cast(pa.int64() if pa.types.is_timestamp(kind) else pa.int32()).cast(kind)
    table = (CHATS if column == "n" else PLAIN.select(["text"])).append_column(column, dates)
    for way, (read, failed) in all_ways(table, tmp_path).items():
        assert list(failed) == ["row=7", "row=20"], way
        assert "a date or time of the row is out of range" in failed["row=7"], way
        assert list(read) == [f"row={n}" for n in range(1, 20) if n != 7], way


@pytest.mark.parametrize("column", ["date", "n"])
def test_a_time_in_a_zone_that_nobody_knows_costs_its_row(column: str, tmp_path: Path) -> None:
    times = pa.array([n if n in {7, 20} else None for n in range(1, ROWS + 1)], pa.timestamp("ms", "Mars/Olympus"))
    table = (CHATS if column == "n" else PLAIN.select(["text"])).append_column(column, times)
    for way, (read, failed) in all_ways(table, tmp_path).items():
        assert list(failed) == ["row=7", "row=20"], (way, failed)
        assert "time zone that is unknown here, 'Mars/Olympus'" in failed["row=7"], way
        assert list(read) == [f"row={n}" for n in range(1, 20) if n != 7], way


def test_a_batch_of_arrow_that_turns_out_damaged_only_when_its_rows_are_made_fails_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = io.BytesIO()
    with pa.ipc.new_file(made, PLAIN.schema) as writer:
        writer.write_table(PLAIN, max_chunksize=GROUP)
    is_second = pa.compute.field("n") == GROUP

    def values_of(batch: Any) -> list[Any]:
        if batch.filter(is_second).num_rows:
            raise curation.formats.record_batches.Damaged
        return batch.to_pylist()  # type: ignore[no-any-return]

    monkeypatch.setattr(curation.formats.arrow, "values_of", values_of)
    read, failed = told(read_arrow(made.getvalue(), ARROW_FILE, ReadingSettings()))
    assert failed == {"row=5": "rows 5 to 8 (record batch 2): damaged; write the file again"}
    assert list(read) == [f"row={n}" for n in range(1, ROWS + 1) if not 5 <= n <= 8]


def test_a_file_without_columns_says_so() -> None:
    made = io.BytesIO()
    pq.write_table(PLAIN.select([]), made)
    for reads in (read_file, read_items):
        with pytest.raises(Unreadable, match="the file has no columns"):
            told(reads(made.getvalue(), "a.parquet", ReadingSettings()))


def test_the_name_of_a_column_that_is_damaged_costs_the_file() -> None:
    data = parquet(pa.table({"text": TEXTS, "odd": TEXTS}), "none").replace(b"odd", b"o\xffd")
    for reads in (read_file, read_items):
        with pytest.raises(Unreadable, match="malformed Parquet"):
            told(reads(data, "a.parquet", ReadingSettings()))

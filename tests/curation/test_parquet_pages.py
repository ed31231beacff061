"""What is read by the numbers of rows is what a reader of Parquet gives, and what is laid out otherwise is left to that."""

import itertools
import random
from unittest.mock import patch

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import parquet_pages
from curation.page_kernel import take_strings
from curation.parquet_pages import NO_PAGES, pages_of, strings
from curation.row_index import IndexedFile, Layout, RowIndex
from pipelines.part_writer import PartWriter
from pipelines.parts import WRITER
from records import digest
from tests.curation.test_row_index import texts_in

TEXTS = st.lists(
    st.sampled_from(["", "a", "ä€😀", "line\n" * 30, "x" * 5000]) | st.text(max_size=9), min_size=1, max_size=40
)
FEW = pl.DataFrame({"of": [digest(str(i)) for i in range(300)], "text": [f"text {i} " * (i % 7) for i in range(300)]})


@settings(max_examples=30, deadline=None)
@given(
    TEXTS,
    st.sampled_from([333, 500, 999]),
    st.sampled_from([64, 4096, 32768]),
    st.sets(st.integers(0, 998), min_size=1),
    st.sampled_from([1, 500, 4 << 20]),
)
def test_some_rows_are_those_of_the_whole_column(tmp_path_factory, texts, group, page, asked, together):
    place = tmp_path_factory.mktemp("pages") / "part.parquet"
    column = [f"{number} {texts[number % len(texts)]}" if number % 5 else "" for number in range(999)]
    pl.DataFrame({"number": range(999), "text": column}).write_parquet(
        place, compression="zstd", row_group_size=group, data_page_size=page
    )
    rows = np.array(sorted(asked), np.int64)
    with patch.object(parquet_pages, "TOGETHER", together):
        found = strings(place, pages_of(place, "text"), rows)
    assert found is not None
    assert found.to_pylist() == [column[row] for row in rows.tolist()]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.data())
def test_a_page_whose_lengths_do_not_add_up_to_its_own_gives_nothing(values, drawn):
    page = (2).to_bytes(4, "little") + b"\1\1" + b"".join(len(own).to_bytes(4, "little") + own for own in values)
    for whole, count in (
        (page, len(values)),
        (page + b"\0", len(values)),
        (page, len(values) + 1),
        (page[:-1], len(values)),
    ):
        assert _taken(whole, count, [0]) == ([values[0]] if (whole, count) == (page, len(values)) else None)
    damaged = bytearray(page)
    damaged[drawn.draw(st.integers(0, len(page) - 1))] = drawn.draw(st.integers(0, 255))
    found = _taken(bytes(damaged), len(values), list(range(len(values))))
    assert found is None or sum(map(len, found)) <= len(page)


def _taken(page, count, numbers):
    taken, offsets = np.empty(len(page), np.uint8), np.empty(len(numbers) + 1, np.int64)
    of = np.array([0, len(page)]), np.array([count]), np.array([0, len(numbers)]), np.array(numbers)
    if not take_strings(np.frombuffer(page, np.uint8), *of, taken, offsets):
        return None
    return [taken[start:end].tobytes() for start, end in itertools.pairwise(offsets)]


def _delta(folder, rows):
    write_deltalake(folder, rows.to_arrow(), writer_properties=WRITER)
    return next(folder.glob("*.parquet"))


def _parquet(folder, rows, **options):
    rows.write_parquet(folder / "part.parquet", **options)
    return folder / "part.parquet"


def _never_null(folder, rows):
    schema = pa.schema([pa.field("of", pa.string(), nullable=False), pa.field("text", pa.string(), nullable=False)])
    plain = {"use_dictionary": False, "compression": "zstd", "write_page_index": True}
    pq.write_table(rows.to_arrow().cast(schema), folder / "part.parquet", **plain)
    return folder / "part.parquet"


OTHERWISE = {
    "with nulls": lambda folder, rows: _parquet(folder, rows.with_columns(text=pl.when(pl.col("text") != "").then("text"))),
    "with a dictionary": lambda folder, rows: _parquet(folder, rows.with_columns(text=pl.lit("the same"))),
    "by another codec": lambda folder, rows: _parquet(folder, rows, compression="lz4"),
    "by Delta's writer": _delta,
    "never null": _never_null,
    "in another kind of page": lambda folder, rows: pq.write_table(
        rows.to_arrow(), folder / "part.parquet", use_dictionary=False, compression="zstd", write_page_index=True, data_page_version="2.0"
    ) or folder / "part.parquet",
    "of numbers": lambda folder, rows: _parquet(folder, rows.with_columns(text=pl.col("text").str.len_bytes())),
}  # fmt: skip


@pytest.mark.parametrize("how", OTHERWISE)
def test_what_is_laid_out_otherwise_is_looked_for(tmp_path, how):
    place = OTHERWISE[how](tmp_path, FEW)
    whole = pl.read_parquet(place, columns=["of", "text"])
    rows = np.arange(0, 300, 7, dtype=np.int64)
    assert strings(place, pages_of(place, "text"), rows) is None
    assert texts_in(_index(place, tmp_path), whole[rows]).sort("of").equals(whole[rows].sort("of"))


def test_a_group_of_few_rows_that_is_laid_out_otherwise_leaves_the_others_as_they_are(tmp_path):
    place = _parquet(tmp_path, FEW, compression="zstd", row_group_size=290)
    pages = pages_of(place, "text")
    assert pages[-1].tolist() == [290, 0, 0, 10]
    found = strings(place, pages, np.array([1, 289]))
    assert found is not None
    assert found.to_pylist() == FEW["text"].gather([1, 289]).to_list()
    assert strings(place, pages, np.array([1, 290])) is None


def test_pages_with_checksums_are_read_too(tmp_path):
    how = {"use_dictionary": False, "compression": "zstd", "write_page_index": True, "write_page_checksum": True}
    pq.write_table(FEW.to_arrow(), tmp_path / "part.parquet", **how)
    found = strings(tmp_path / "part.parquet", pages_of(tmp_path / "part.parquet", "text"), np.array([1, 289]))
    assert found is not None
    assert found.to_pylist() == FEW["text"].gather([1, 289]).to_list()


def test_a_column_that_is_not_there_has_no_pages(tmp_path):
    place = _parquet(tmp_path, FEW)
    assert not pages_of(place, "missing")[:, 2].any()
    (tmp_path / "other.txt").write_text("no Parquet at all")
    assert pages_of(tmp_path / "other.txt", "text").shape == NO_PAGES.shape


def test_rows_that_are_found_cost_no_other_column_and_no_other_page(tmp_path):
    PartWriter(str(tmp_path))(
        FEW.with_columns(text=pl.concat_str("text", "of").repeat_by(40).list.join(" "), row_hash=pl.lit(b"0" * 16))
    )
    place = next(tmp_path.glob("*.parquet"))
    asked = pl.read_parquet(place, columns=["of", "text"])[[1, 3, 5]]
    found = _index(place, tmp_path)
    described = pq.read_metadata(place).row_group(0)
    pages = pages_of(place, "text")
    with place.open("r+b") as held:
        held.seek(described.column(0).data_page_offset)
        held.write(b"\xff" * described.column(0).total_compressed_size)
        held.seek(pages[1, 1])
        held.write(b"\xff" * int(pages[-1, 1:3].sum() - pages[1, 1]))
    assert len(pages) > 3
    assert texts_in(found, asked).sort("of").equals(asked.sort("of"))
    with place.open("r+b") as held:
        held.seek(pages[0, 1])
        held.write(b"\xff" * int(pages[0, 2]))
    with pytest.raises(pl.exceptions.PolarsError):
        texts_in(found, asked)


def test_a_damaged_byte_gives_the_same_texts_or_none(tmp_path):
    column = [f"{number:03} {'alike ' * 8}ä" for number in range(600)]
    place, rows = tmp_path / "part.parquet", np.arange(0, 600, 9)
    frame = pl.DataFrame({"number": range(600), "text": column})
    frame.write_parquet(place, compression="zstd", data_page_size=1024, row_group_size=300)
    whole, pages, asked = place.read_bytes(), pages_of(place, "text"), [column[row] for row in rows.tolist()]
    assert len(pages) >= 10
    described = [pq.read_metadata(place).row_group(group).column(1) for group in range(2)]
    behind = max(chunk.data_page_offset + chunk.total_compressed_size for chunk in described)
    headers = [at for start in pages[:, 1].tolist() for at in range(start, start + 30)]
    chance, given = random.Random(7), 0
    for _ in range(700):
        at = chance.choice(headers) if chance.random() < 0.3 else chance.randrange(behind, len(whole))
        with place.open("r+b") as held:
            held.seek(at)
            held.write(bytes([(whole[at] + chance.choice([1, 2, 255, chance.randrange(1, 256)])) % 256]))
        found = strings(place, pages_of(place, "text"), rows)
        assert found is None or found.to_pylist() == asked, f"byte {at}"
        given += found is not None
        with place.open("r+b") as held:
            held.seek(at)
            held.write(whole[at : at + 1])
    assert given > 100


def _number(value: int) -> bytes:
    """An unsigned number of Thrift."""
    return bytes([value & 127 | 128]) + _number(value >> 7) if value > 127 else bytes([value])


def _field(kind: int) -> bytes:
    return bytes([0x10 | kind])


NO_FOOTERS = {
    "a list of doubles that does not end": _field(9) + b"\xf7" + _number(1 << 60),
    "a string that does not end": _field(8) + _number(1 << 62),
    "a number that does not end": _field(6) + b"\xff" * 200_000,
    "records in records": _field(12) * 100_000,
    "lists in lists": _field(9) + b"\x19" * 100_000,
    "a number where the groups stand": b"\x46\x02\x00",
    "numbers for groups": b"\x49\x26\x02\x04\x00",
    "no groups of many rows": b"\x36" + _number(1 << 63) + b"\x19\x0c\x00",
}


@pytest.mark.parametrize("what", NO_FOOTERS)
@pytest.mark.timeout(5)
def test_a_footer_that_cannot_be_is_left_to_another_reader(tmp_path, what):
    footer = NO_FOOTERS[what]
    place = tmp_path / "part.parquet"
    place.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    assert pages_of(place, "text").shape == NO_PAGES.shape


@pytest.mark.parametrize("by", [1, -1])
def test_a_page_of_other_rows_than_it_says_gives_no_neighbour(tmp_path, by):
    place = _parquet(tmp_path, FEW, compression="zstd", data_page_size=512)
    told = pages_of(place, "text")
    row = int(told[3, 0]) + 1
    told[3, 0] += by
    told[:, 3:] = np.diff(told[:, :1], axis=0, append=300)
    assert strings(place, told, np.array([row])) is None
    assert strings(place, told, told[6:9, 0]).to_pylist() == FEW["text"].gather(told[6:9, 0]).to_list()


@pytest.mark.parametrize("column", [1, 2])
@pytest.mark.parametrize("by", [1, -1, 1 << 40, -(1 << 62), 1 << 62])
def test_a_page_of_another_place_or_size_is_left_to_another_reader(tmp_path, column, by):
    place = _parquet(tmp_path, FEW, compression="zstd", data_page_size=512)
    told = pages_of(place, "text")
    told[3, column] += by
    assert strings(place, told, told[3:4, 0]) is None


def test_an_offset_index_that_names_the_neighbour_gives_none_of_its_texts(tmp_path):
    frame = pl.DataFrame({"text": [f"{number:03} {'alike ' * 8}" for number in range(600)]})
    place = _parquet(tmp_path, frame, compression="zstd", data_page_size=1024)
    whole, pages = place.read_bytes(), pages_of(place, "text")
    assert pages[3, 3] == pages[4, 3]
    behind = int(pages[-1, 1:3].sum())
    own, neighbour = (_number(2 * start) for start in pages[3:5, 1].tolist())
    assert own in whole[behind:]
    place.write_bytes(whole[:behind] + whole[behind:].replace(own, neighbour, 1))
    assert strings(place, pages_of(place, "text"), pages[3:4, 0]) is None


@pytest.mark.parametrize("size", [1 << 29, 1 << 40, 1 << 62, -5])
def test_a_page_that_says_it_is_huge_takes_no_memory(tmp_path, size, monkeypatch):
    place = _parquet(tmp_path, FEW, compression="zstd")
    whole, pages = place.read_bytes(), pages_of(place, "text")
    start, count = int(pages[0, 1]), int(pages[0, 3])
    header = b"\x15\x00\x15" + _number(size << 1 if size > 0 else -size * 2 - 1) + b"\x15" + _number(2 * 100)
    header += b"\x2c\x15" + _number(2 * count) + b"\x15\x00\x00\x00"
    place.write_bytes(whole[:start] + header + whole[start + len(header) :])
    monkeypatch.setattr(pa, "Codec", lambda _: pytest.fail("no room is made for it"))
    assert strings(place, pages, np.array([1])) is None


def test_texts_that_are_no_utf8_are_left_to_another_reader(tmp_path):
    frame = pl.DataFrame({"text": [b"\xff\xfe", *(str(i).encode() for i in range(500))]})
    place = _parquet(tmp_path, frame, compression="zstd")
    assert strings(place, pages_of(place, "text"), np.array([0, 1])) is None
    assert strings(place, pages_of(place, "text"), np.array([1, 2])) is not None


def test_a_file_of_a_damaged_page_index_is_indexed_and_looked_through(tmp_path):
    place = _parquet(tmp_path, FEW, compression="zstd")
    whole = place.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    chunk = pq.read_metadata(place).row_group(0).column(1)
    behind = chunk.data_page_offset + chunk.total_compressed_size
    place.write_bytes(whole[:behind] + b"\x1b" * (len(whole) - 8 - length - behind) + whole[-8 - length :])
    assert texts_in(_index(place, tmp_path), FEW.head(3)).sort("of").equals(FEW.head(3).sort("of"))


def _index(place, folder):
    layout = Layout(("of",), ("of",), digests=("of",), texts=("text",))
    file = IndexedFile(place, folder / "index", layout)
    file.write(lambda data: pl.read_parquet(data, columns=["of"]))
    return RowIndex([file], layout, pl.Schema({"of": pl.String}))

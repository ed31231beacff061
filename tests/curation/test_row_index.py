"""What an index finds is what a filter finds, however the rows are spread over files; and what is lost is made again."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import row_index
from curation.deduplication.numbering import Digests, names_of
from curation.row_index import IndexedFile, Layout, RowIndex, hashes_of, numbers_of
from curation.sorted_keys import sorted_by_hash
from pipelines.part_writer import PartWriter
from records import digest

SCHEMA = pl.Schema({"name": pl.String, "other": pl.String, "bands": pl.Binary, "size": pl.Int64, "of": pl.String})
LAYOUT = Layout(("name", "other", "of"), ("name", "other", "bands", "size", "of"), ("bands",), ("of",))
NAMES = st.sampled_from([None, "", "a", "bb", digest("x"), digest("y"), digest("z"), "ä" * 16])
BANDS = st.none() | st.just(b"") | st.lists(st.integers(0, 3), min_size=3, max_size=3).map(lambda n: _bytes(n))
DIGESTS = st.none() | st.sampled_from(["0" * 32, "0" * 31 + "1", digest("x"), digest("y"), digest("x")[:16] + "f" * 16])
ROWS = st.lists(st.tuples(NAMES, NAMES, BANDS, st.integers(0, 9), DIGESTS), max_size=12)


def _bytes(pieces: list[int]) -> bytes:
    return np.array(pieces, "<u4").tobytes()


def frame(rows: list[tuple[str | None, str | None, bytes | None, int, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def index(folder: Path, parts: list[pl.DataFrame]) -> RowIndex:
    files = [IndexedFile(Path(f"{number}.parquet"), folder, LAYOUT) for number in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        file.write(lambda _, part=part: part)
    return RowIndex(files, LAYOUT, SCHEMA)


def texts_in(found: RowIndex, asked: pl.DataFrame) -> pl.DataFrame:
    """The texts of the rows that have the same digests as these, beside them."""
    parts = [
        pl.DataFrame({"of": names_of(Digests(*digests.T)), "text": pl.Series(texts)})
        for digests, texts in found.texts("of", numbers_of(asked["of"]), "text")
    ]
    return pl.concat(parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=4), ROWS)
def test_an_index_finds_what_a_filter_finds(tmp_path_factory, parts, asked):
    folder = tmp_path_factory.mktemp("index")
    table, values = pl.concat([frame([]), *map(frame, parts)]), frame(asked)
    found = index(folder, [frame(rows) for rows in parts])
    for column in ("name", "other", "of"):
        wanted = table.filter(pl.col(column).is_in(values.get_column(column).drop_nulls().implode()))
        assert found.among(column, values.get_column(column).drop_nulls()).rows() == wanted.rows()


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_each_place_of_a_piece_has_the_sorted_keys_of_its_rows(tmp_path_factory, rows):
    [file] = index(tmp_path_factory.mktemp("index"), [frame(rows)]).files
    pieces = {row: np.frombuffer(bands, "<u4").tolist() for row, (_, _, bands, _, _) in enumerate(rows) if bands}
    assert len(file.pieces.bounds) == (4 if pieces else 1)
    for place in range(len(file.pieces.bounds) - 1):
        held = list(zip(*(part.tolist() for part in file.pieces.kind(place)), strict=True))
        assert held == sorted((own[place], row) for row, own in pieces.items())


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=4), ROWS)
def test_digests_are_asked_for_and_given_as_numbers(tmp_path_factory, parts, asked):
    folder, names = tmp_path_factory.mktemp("index"), sorted({row[4] for row in asked} - {None})
    found = index(folder, [frame(rows) for rows in parts])
    rows = found.rows("of", numbers_of(pl.Series(names, dtype=pl.String)), ("size", "of"))
    given = [row for rows in parts for row in rows if row[4] in names]
    assert rows["size"].to_pylist() == [row[3] for row in given]
    assert [bytes(own) for own in rows["of"].to_pylist()] == [
        numbers_of(pl.Series([row[4]])).tobytes() for row in given
    ]
    assert [f"{high:016x}{low:016x}" for high, low in numbers_of(pl.Series(names, dtype=pl.String)).tolist()] == names


def test_what_is_no_digest_is_refused():
    for wrong in ("", "a" * 31, "A" * 32, "ä" * 16):
        with pytest.raises(ValueError, match=r"^of: .* is no digest; give 32 hexadecimal digits"):
            numbers_of(pl.Series("of", [wrong]))


@given(st.lists(st.text(max_size=40) | st.just(digest("a")) | st.just(digest("b")), max_size=20))
def test_the_hash_of_a_value_does_not_depend_on_its_neighbours(values):
    together = hashes_of(pl.Series(values, dtype=pl.String)).tolist()
    assert together == [int(hashes_of(pl.Series([value]))[0]) for value in values]


def test_what_is_no_digest_is_refused_by_the_name_of_the_column(tmp_path):
    found = index(tmp_path, [frame([("a", None, None, 1, digest("x"))])])
    with pytest.raises(ValueError, match=r"^of: 'x' is no digest"):
        found.among("of", pl.Series(["x"]))


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_texts_come_with_the_digests_that_they_are_found_by(tmp_path, codec):
    rows = pl.DataFrame({"of": [digest(str(i)) for i in range(300)], "name": [f"n{i}" for i in range(300)]})
    rows = rows.with_columns(text=pl.col("of") + " of " + pl.col("name"))
    rows.write_parquet(tmp_path / "part.parquet", compression=codec)
    layout = Layout(("of", "name"), ("of", "name"), digests=("of",), texts=("text",))
    file = IndexedFile(tmp_path / "part.parquet", tmp_path / "index", layout)
    file.write(lambda data: pl.read_parquet(data, columns=["of", "name"]))
    found = RowIndex([file], layout, pl.Schema({"of": pl.String, "name": pl.String}))
    assert texts_in(found, rows[[1, 7, 8]]).sort("of").equals(rows[[1, 7, 8]].select("of", "text").sort("of"))
    assert not list(found.texts("of", numbers_of(pl.Series("of", [digest("x")])), "text"))


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_of_copies_one_text_is_read(tmp_path, codec):
    names = [digest(str(number % 3)) for number in range(3_000)]
    rows = pl.DataFrame({"of": names}).with_columns(text="text of " + pl.col("of"))
    rows.write_parquet(tmp_path / "part.parquet", compression=codec)
    layout = Layout(("of",), ("of",), digests=("of",), texts=("text",))
    file = IndexedFile(tmp_path / "part.parquet", tmp_path / "index", layout)
    file.write(lambda data: pl.read_parquet(data, columns=["of"]))
    found = texts_in(RowIndex([file], layout, pl.Schema({"of": pl.String})), rows[1:3])
    assert found.sort("of").equals(rows[1:3].sort("of"))


def test_no_column_more_is_taken_than_asked_for(tmp_path):
    [file] = index(tmp_path, [frame([("a", None, None, 1, digest("x")), ("b", None, None, 2, digest("y"))])]).files
    for rows in ([0], [0, 1]):
        assert file.take(np.array(rows), []).schema.names == []
        assert file.take(np.array(rows)).schema.names == list(LAYOUT.columns)


def test_values_of_one_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(row_index, "hashes_of", lambda values: np.zeros(len(values), np.uint32))
    found = index(tmp_path, [frame([("a", None, None, 1, None), ("b", None, None, 2, None)])])
    assert found.among("name", pl.Series(["b"])).get_column("size").to_list() == [2]


def test_the_keys_are_written_last_and_whole_and_once(tmp_path, monkeypatch):
    file = IndexedFile(Path("0.parquet"), tmp_path, LAYOUT)
    rows = frame([("a", "b", _bytes([1, 2, 3]), 1, None)])

    def cut_off(place, *_):
        place.write_bytes(b"half")
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(row_index, "write_keys", cut_off)
        with pytest.raises(OSError, match="no space"):
            file.write(lambda _: rows)
    assert [path.name for path in tmp_path.iterdir()] == [file.rows.name], "no half file is left"
    file.write(lambda _: rows)
    file.write(lambda _: pytest.fail("what is there is not read again"))
    assert RowIndex([file], LAYOUT, SCHEMA).among("name", pl.Series(["a"])).rows() == rows.rows()


def test_a_few_texts_are_read_without_unpacking_their_neighbours(tmp_path):
    rows = pl.DataFrame({"of": [digest(str(i)) for i in range(4000)]}).with_columns(
        text=pl.concat_str(pl.lit("text ") + pl.col("of"), pl.col("of").str.reverse().repeat_by(20).list.join(" "))
    )
    PartWriter(str(tmp_path))(rows.with_columns(row_hash=pl.lit(b"0" * 16)))
    place = next(tmp_path.glob("*.parquet"))
    layout = Layout(("of",), ("of",), digests=("of",))
    file = IndexedFile(place, tmp_path / "index", layout)
    file.write(lambda data: pl.read_parquet(data, columns=["of"]))
    found = RowIndex([file], layout, pl.Schema({"of": pl.String}))
    chunk = pq.read_metadata(place).row_group(0).column(1)
    with place.open("r+b") as held:  # all texts but those of the first fifth of the file
        kept = chunk.total_compressed_size // 5
        held.seek(chunk.data_page_offset + kept)
        held.write(b"\xff" * (chunk.total_compressed_size - kept))
    asked = rows.head(300)
    assert texts_in(found, asked).sort("of").equals(asked.sort("of"))
    with pytest.raises(pl.exceptions.PolarsError):
        pl.read_parquet(place, columns=["text"])


HASHES = st.one_of(
    st.integers(0, 2**32 - 1),  # spread evenly, as they are
    st.integers(0, 40),  # and crowded, as they need not be
    st.integers(2**32 - 40, 2**32 - 1),
    st.just(2**31),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(HASHES, max_size=300), st.lists(HASHES, max_size=40), st.integers(0, 3))
def test_a_walk_through_the_keys_finds_what_a_look_at_each_does(hashes, others, every):
    keys = sorted_by_hash(np.array(hashes, np.uint32), np.arange(len(hashes), dtype=np.uint32))
    wanted = sorted({*others, *(hashes[::every] if every else [])})
    asked = np.stack([np.array(wanted, np.uint64) << np.uint64(32), np.array(wanted, np.uint64)], axis=1)
    expected = [row for row, own in enumerate(hashes) if own in wanted]
    assert row_index._matching(keys, asked, np.empty((0, 2), np.uint64)).tolist() == expected
    held = np.array([[own << 32, own] for own in hashes], np.uint64).reshape(-1, 2)
    assert row_index._matching(keys, asked, held).tolist() == expected
    assert row_index._matching(keys, asked, held + np.uint64(1)).tolist() == []

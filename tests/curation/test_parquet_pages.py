"""What is read by the numbers of rows is what a reader of Parquet gives, and what is laid out otherwise is left to that."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.parquet_pages import NO_PAGES, pages_of, strings
from curation.row_index import IndexedFile, Layout, RowIndex
from pipelines.part_writer import PartWriter
from pipelines.parts import WRITER
from records import digest

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
)
def test_some_rows_are_those_of_the_whole_column(tmp_path_factory, texts, group, page, asked):
    place = tmp_path_factory.mktemp("pages") / "part.parquet"
    column = [f"{number} {texts[number % len(texts)]}" if number % 5 else "" for number in range(999)]
    pl.DataFrame({"number": range(999), "text": column}).write_parquet(
        place, compression="zstd", row_group_size=group, data_page_size=page
    )
    rows = np.array(sorted(asked), np.int64)
    found = strings(place, pages_of(place, "text"), rows)
    assert found is not None
    assert found.to_list() == [column[row] for row in rows.tolist()]


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
    found = _index(place, tmp_path).read("of", whole["of"].gather(rows), ("of", "text"))
    assert pl.concat(found).equals(whole[rows])


def test_a_group_of_few_rows_that_is_laid_out_otherwise_leaves_the_others_as_they_are(tmp_path):
    place = _parquet(tmp_path, FEW, compression="zstd", row_group_size=290)
    pages = pages_of(place, "text")
    assert pages[-1].tolist() == [290, 0, 0]
    found = strings(place, pages, np.array([1, 289]))
    assert found is not None
    assert found.to_list() == FEW["text"].gather([1, 289]).to_list()
    assert strings(place, pages, np.array([1, 290])) is None


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
        held.write(b"\xff" * int(pages[-1, 1:].sum() - pages[1, 1]))
    assert len(pages) > 3
    assert pl.concat(found.read("of", asked["of"], ("of", "text"))).equals(asked)
    with place.open("r+b") as held:
        held.seek(pages[0, 1])
        held.write(b"\xff" * int(pages[0, 2]))
    with pytest.raises(pl.exceptions.PolarsError):
        list(found.read("of", asked["of"], ("of", "text")))


def _index(place, folder):
    layout = Layout(("of",), ("of",), digests=("of",), texts=("text",))
    file = IndexedFile(place, folder / "index", layout)
    file.write(lambda data: pl.read_parquet(data, columns=["of"]))
    return RowIndex([file], layout, pl.Schema({"of": pl.String}))

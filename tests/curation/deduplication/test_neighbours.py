"""Who may be near to whom is what comparing all with all says, whether the rows have indexes or not."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.deduplication.corpus import SIGNATURE
from curation.deduplication.neighbour_kernels import MANY, MANY_PAIRS
from curation.deduplication.neighbours import near_among, near_in
from curation.deduplication.numbering import names_of
from curation.deduplication.signature_rows import signatures_in
from curation.deduplication.sketch_kernels import ODD_WORDS
from curation.row_index import IndexedFile, Layout, RowIndex
from records import digest

BANDS, THRESHOLD = 3, 0.8
LAYOUT = Layout(("content_digest", "normal_digest"), tuple(SIGNATURE), ("bands",), ("content_digest", "normal_digest"))
ROW = st.tuples(
    st.none() | st.lists(st.integers(0, 2), min_size=BANDS, max_size=BANDS),
    st.integers(1, 40),
    st.lists(st.integers(0, 64 * ODD_WORDS - 1), max_size=12),
)


def frame(rows: list[tuple[list[int] | None, int, list[int]]]) -> pl.DataFrame:
    """Rows from bands (none: a text without a word), numbers of shingles, and bits of odd sketches."""
    sketches = []
    for _, _, bits in rows:
        sketch = np.zeros(ODD_WORDS, np.uint64)
        for bit in bits:
            sketch[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
        sketches.append(sketch.tobytes())
    name = [digest("content", str(number)) for number in range(len(rows))]
    return pl.DataFrame(
        {
            "content_digest": name,
            "normal_digest": name,
            "n_characters": [1] * len(rows),
            "n_shingles": [shingles if bands else 0 for bands, shingles, _ in rows],
            "bands": [np.array(bands or [], "<u4").tobytes() for bands, _, _ in rows],
            "odd_sketch": [odd if row[0] else b"" for odd, row in zip(sketches, rows, strict=True)],
        },
        schema=SIGNATURE,
    )


def may_be_near(own: tuple, other: tuple) -> bool:
    if not (own[0] and other[0] and any(a == b for a, b in zip(own[0], other[0], strict=True))):
        return False
    odd = [{bit for bit in row[2] if row[2].count(bit) % 2} for row in (own, other)]
    differing, both = len(odd[0] ^ odd[1]), own[1] + other[1]
    return both - differing >= THRESHOLD * (1 - 1e-9) * (both + differing)


def indexed(folder: Path, parts: list[pl.DataFrame]) -> RowIndex:
    files = [IndexedFile(Path(f"{number}.parquet"), folder, LAYOUT) for number in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        file.write(lambda _, part=part: part)
    return RowIndex(files, LAYOUT, pl.Schema(SIGNATURE))


@settings(max_examples=80, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30), st.data())
def test_the_near_ones_are_those_that_comparing_all_with_all_finds(tmp_path_factory, rows, data):
    table, cut = frame(rows), data.draw(st.integers(0, len(rows)))
    asked = data.draw(st.lists(st.integers(0, len(rows) - 1), unique=True, max_size=8))
    own = signatures_in(table[asked].to_arrow(), BANDS)
    pairs = {(i, j) for i in asked for j in range(len(rows)) if i != j and may_be_near(rows[i], rows[j])}
    names = table.get_column("content_digest").to_list()
    index = indexed(tmp_path_factory.mktemp("index"), [table[:cut], table[cut:]])
    for near in (near_among(index.files), near_in(table.lazy())):
        others, flags = near(own, THRESHOLD)
        assert [i for i, flag in zip(asked, flags, strict=True) if flag] == [
            i for i in asked if i in {i for i, _ in pairs} | {j for _, j in pairs}
        ]
        found = names_of(others.contents).to_list()
        assert sorted(found) == sorted({names[j] for _, j in pairs if j not in asked})
        assert np.array_equal(
            others.bands, signatures_in(table[[names.index(name) for name in found]].to_arrow(), BANDS).bands
        )


def test_where_many_of_a_bucket_are_asked_for_all_are_taken_to_be_near():
    rows = [
        ([7, number, number], 40, [number, 500 + number, 700 + number, *range(200, 230)][: 3 + 30 * (number % 2)])
        for number in range(MANY + 5)
    ]
    table = frame(rows)
    own = signatures_in(table[: MANY + 1].to_arrow(), BANDS)
    others, flags = near_in(table.lazy())(own, THRESHOLD)
    assert flags.all() and len(others.contents) == 4
    few, flags = near_in(table.lazy())(own.at(np.arange(1)), THRESHOLD)
    assert 0 < len(few.contents) < MANY


@pytest.mark.parametrize(("n", "found"), [(MANY_PAIRS, 0), (MANY_PAIRS + 1, MANY_PAIRS)])
def test_of_a_bucket_of_too_many_pairs_all_are_taken_to_be_near(n, found):
    rows = [([7, number, number], 40, [1, 2, 3] if number else list(range(200, 230))) for number in range(n)]
    table = frame(rows)
    others, flags = near_in(table.lazy())(signatures_in(table[:1].to_arrow(), BANDS), THRESHOLD)
    assert (len(others.contents), flags.tolist()) == (found, [found > 0])


def test_other_bands_than_the_settings_say_are_told():
    table = frame([([1, 2, 3], 5, [])] * 1)
    own = signatures_in(table.to_arrow(), BANDS)._replace(bands=np.array([[1, 2]], np.uint32))
    with pytest.raises(ValueError, match="compute the signatures with the settings"):
        near_in(table.lazy())(own, THRESHOLD)

"""Each text that is asked for is given once, in however many files and rows it stands."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from unittest.mock import patch

import polars as pl
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curation.deduplication.lookups import Wanted, asked, texts_of
from curation.deduplication.numbering import Digests, digests_of, distinct, names_of
from records import digest

NAMES = [digest("content", str(number)) for number in range(9)]


class Files(NamedTuple):
    """A table of texts in several files."""

    files: Sequence[pl.DataFrame]

    def texts(self, column: str, wanted: Wanted, name: str) -> Iterator[tuple[Wanted, pa.Array]]:
        for file in self.files:
            rows = file.filter(pl.col(column).is_in(names_of(Digests(*wanted.T)).implode()))
            if len(rows):
                yield asked(digests_of(rows[column])), rows[name].to_arrow(compat_level=pl.CompatLevel.oldest())


@given(
    st.lists(st.lists(st.sampled_from(NAMES), max_size=6), max_size=6),
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.integers(1, 5),
)
def test_each_text_is_given_once(files, wanted, together):
    table = Files([pl.DataFrame({"content_digest": own, "text": [f"text of {name}" for name in own]}) for own in files])
    with patch("curation.deduplication.lookups.TOGETHER", together):
        parts = list(texts_of(table)(distinct(digests_of(pl.Series(sorted(wanted))))))
    given = [pair for names, texts in parts for pair in zip(names_of(names), texts.to_pylist(), strict=True)]
    assert sorted(given) == sorted(
        (name, f"text of {name}") for name in wanted & {name for own in files for name in own}
    )

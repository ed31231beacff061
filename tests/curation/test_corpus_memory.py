"""The corpus takes the memory of a block of texts, however many there are; and it is the same wherever its parts end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curation.blocks
import curation.corpus
import records
from curation.blocks import ordered
from curation.corpus import CORPUS, build_corpus, corpus_in_parts
from records import Outcome
from tests.curation.test_corpus import WORLDS, evidence, tables
from tests.memory import growth

DOCUMENTS = 16_000
MOST_BYTES = 1_500
"""A text has four thousand here, and whoever holds them all holds each of them more than once."""

MAKING = """
import sys
from pathlib import Path
from random import Random
import polars as pl
import curation.blocks, curation.corpus, pipelines.parts
from curation.corpus import CORPUS, corpus_in_parts
from curation.spans import SPANS
from pipelines.parts import Gathering
from pipelines.store import Store
from records import digests
from tests.pipelines.test_store import draft

documents, root = int(sys.argv[1]), Path(sys.argv[2]) / sys.argv[1]
curation.corpus.BLOCK_ROWS, curation.corpus.TEXTS = 1024, 125
curation.blocks.ORDERED_BYTES, pipelines.parts.GATHERED_BYTES = 2 << 20, 2 << 20
root.mkdir()
for start in range(0, documents, 1_000):
    number = pl.int_range(start, start + 1_000, eager=True).cast(pl.String)
    noise = Random(start).randbytes(2_000_000).hex()
    text = "write to x" + number + "@x.org: " + pl.Series([noise[at : at + 4_000] for at in range(0, len(noise), 4_000)])
    rows = pl.DataFrame({"text": text, "doc_id": digests("document", of=number), "content_digest": digests("content", of=text)})
    rows = rows.with_columns(locator="doc_id", source=pl.lit("web"), media_type=pl.lit("text/plain"), title=pl.lit("x"))
    rows.select(CORPUS.names()).write_parquet(root / f"{start}.documents")
    verdict = rows.select("doc_id", "content_digest", verdict=pl.lit("kept"))
    span = pl.struct(start=9, end=10, kind=pl.lit("email"))
    spans = pl.concat_list(span).list.head(pl.int_range(pl.len()) % 2).cast(SPANS)
    verdict.with_columns(spans=spans).write_parquet(root / f"{start}.verdicts")
store, judged = Store(root), pl.scan_parquet(root / "*.verdicts")
gathering = Gathering(store.writer("notes"), ("doc_id", "source", "locator"))
made = gathering.take(corpus_in_parts(pl.scan_parquet(root / "*.documents"), judged, ["web"], [], judged))
parts = gathering.done(CORPUS)
store.replace(parts, draft("one"), None, ["content_digest"], ("doc_id", "source", "locator"))
assert made.kept == parts.height == documents and len(parts.parts) > 1
assert parts.lazy().select(pl.col("content_digest").is_sorted()).collect().item()
"""


def test_memory_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    assert growth(MAKING, DOCUMENTS, tmp_path) < MOST_BYTES


@contextmanager
def cut_small(rows: int, n_bytes: int) -> Iterator[None]:
    """Blocks of so few rows and bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curation.corpus, "BLOCK_ROWS", rows)
        patch.setattr(curation.corpus, "TEXTS", rows)
        patch.setattr(curation.corpus, "TEXT_BYTES", n_bytes)
        patch.setattr(curation.blocks, "ORDERED_BYTES", n_bytes)
        yield


@settings(deadline=None, max_examples=25)
@given(WORLDS, st.sets(st.sampled_from("xyz")), st.integers(1, 4), st.sampled_from([1, 60]))
def test_the_corpus_is_the_same_wherever_its_parts_end(world, marked, rows, n_bytes):
    found = evidence({text: None if text == "z" else [text] for text, _ in world.values() if text in marked | {"z"}})
    whole = build_corpus(*tables(world), ["two"], [], found)

    def gathered() -> Iterator[pl.DataFrame | Outcome]:
        yield (yield from corpus_in_parts(*tables(world), ["two"], [], found))

    with cut_small(rows, n_bytes):
        *parts, told = gathered()
    assert pl.concat([CORPUS.to_frame(), *parts]).equals(whole.table)
    assert replace(told, table=whole.table) == whole


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 12), max_size=40), st.integers(1, 400))
def test_rows_in_order_are_all_rows_in_their_order(numbers, n_bytes):
    rows = pl.DataFrame({"name": [records.digest(str(number)) for number in numbers]}, schema={"name": pl.String})
    found = list(ordered(rows.with_row_index().iter_slices(3), "name", n_bytes))
    assert pl.concat([rows.head(0).with_row_index(), *found]).sort("index").drop("index").equals(rows)
    ends = [(frame["name"].min(), frame["name"].max()) for frame in found]
    assert all(before[1] < after[0] for before, after in pairwise(ends))

"""Deciding takes the memory of a block, however many documents there are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.blocks import joinable, parts_of
from tests.memory import growth

DOCUMENTS = 20_000
"""Many blocks of them: what is a few blocks only is held at once, and grows."""
MOST_BYTES = 600
"""A document's digest, in hexadecimal, takes 48 bytes in a frame, its evidence and its verdict some thousand."""

DECIDING = """
import sys
from pathlib import Path
import polars as pl
import curation.verdicts, pipelines.parts
from curation.c4 import C4Rules
from curation.fineweb import FineWebRules
from curation.gopher import GopherRules
from curation.quality import SIGNALS
from curation.rule_sets import RuleSet
from pipelines.parts import Gathering
from pipelines.store import Store
from tests.pipelines.test_store import draft

documents, root = int(sys.argv[1]), Path(sys.argv[2]) / sys.argv[1]
curation.verdicts.BLOCK_ROWS = 2048
pipelines.parts.GATHERED_BYTES = 3 << 20
root.mkdir()
for start in range(0, documents, 10_000):
    number = pl.int_range(start, start + 10_000, eager=True)
    name = number.cast(pl.String).str.zfill(32)
    signals = {signal: (number * place % 7).cast(pl.Float64) for place, signal in enumerate(SIGNALS)}
    pl.DataFrame({"content_digest": name, **signals}).write_parquet(root / f"{start}.parquet")
    place, kept = {"doc_id": name, "source": "web"}, {"kept_id": name[0], "kept_source": "web"}
    of = pl.DataFrame({**place, **kept, "kind": "near", "jaccard": 0.5})
    of[::2].write_parquet(root / f"{start}.copies")
quality = pl.scan_parquet(root / "*.parquet")
rules = (RuleSet(gopher=GopherRules()), RuleSet(c4=C4Rules()), RuleSet(fineweb=FineWebRules()))
names = quality.select("content_digest", doc_id="content_digest")
"""
VERDICTS = """
store, copies = Store(root), pl.scan_parquet(root / "*.copies")
for threshold in ("one", "another"):
    gathering, count = Gathering(store.writer("notes")), 0
    for table in curation.verdicts.decided(names, copies, {"quality": quality}, rules):
        gathering.add(table.with_columns(detail=pl.lit(threshold)))
        count += table.height
    parts = gathering.done(curation.verdicts.VERDICTS)
    assert len(parts.parts) > 1
    store.replace(parts, draft(threshold), store.head("notes"), ["doc_id"])
assert count == documents
"""


FAILURES = """
count = sum(table.height for table in curation.verdicts.failing_rules({"quality": quality}, rules, 4096))
assert count == documents
"""
WHATIF = """
from curation.whatif import changed, compare
places = names.with_columns(source=pl.lit("web"), locator="doc_id")
then = changed(rules, ["gopher.min_words=3"])
found = compare(places, pl.scan_parquet(root / "*.copies"), {"quality": quality}, rules, then, block_rows=4096)
assert found.sources.height == 1
"""
FUNNEL = """
from importlib import import_module
import pyarrow.parquet as pq
from curation.funnel import FunnelSettings, report
from curation.rule_sets import rules_of

copies = pl.scan_parquet(root / "*.copies")
for module in ("copies", "examples", "overlaps", "report", "steps"):
    import_module(f"curation.funnel.{module}").BLOCK_ROWS = 1024
with pq.ParquetWriter(root / "verdicts", curation.verdicts.VERDICTS.to_frame().to_arrow().schema) as writer:
    for table in curation.verdicts.decided(names, copies, {"quality": quality}, rules):
        writer.write_table(table.to_arrow())
verdicts = pl.scan_parquet(root / "verdicts")
found = report(
    names.with_columns(
        source=pl.when(pl.col("doc_id").str.ends_with("1")).then(pl.lit("mail")).otherwise(pl.lit("web")),
        locator="doc_id",
        text="doc_id",
    ),
    pl.DataFrame(schema=dict.fromkeys(("source", "locator", "error", "detail"), pl.String)),
    copies,
    verdicts,
    verdicts.filter(verdict="kept").select("doc_id"),
    {"quality": quality},
    rules_of(rules),
    ["web", "mail"],
    FunnelSettings(examples=2),
)
assert found.table.filter(step="reading", fate="in")["documents"].sum() == documents
assert found.copies.between == {("web", "web"): documents // 2}
"""


@pytest.mark.parametrize(
    "deciding",
    [VERDICTS, *(pytest.param(each, marks=pytest.mark.long) for each in (FAILURES, WHATIF, FUNNEL))],
    ids=["verdicts", "failures", "whatif", "funnel"],
)
def test_memory_does_not_grow_with_the_documents(tmp_path: Path, deciding: str) -> None:
    assert growth(DECIDING + deciding, DOCUMENTS, tmp_path) < MOST_BYTES


NAMES = st.lists(st.sampled_from("abcdefg"), max_size=30)


@settings(deadline=None)
@given(NAMES, st.sets(st.sampled_from("abcdefghij")), st.sets(st.sampled_from("abc")), st.integers(1, 12))
def test_what_is_joined_in_blocks_is_what_is_joined_at_once(
    names: list[str], known: set[str], few: set[str], rows: int
) -> None:
    left = pl.DataFrame({"name": names}, schema={"name": pl.String}).with_row_index()
    tables = {
        column: pl.DataFrame({"name": sorted(some)}, schema={"name": pl.String}).with_columns(
            pl.col("name").alias(column)
        )
        for column, some in (("known", known), ("few", few))
    }
    found = [pl.DataFrame(schema={**left.schema, "known": pl.String, "few": pl.String})]
    for piece, beside in joinable(
        parts_of(left.lazy(), rows), {name: table.lazy() for name, table in tables.items()}, "name", rows
    ):
        assert piece.height <= 2 * rows and all(table.height <= 10 for table in beside.values())
        found.append(piece.join(beside["known"], on="name", how="left").join(beside["few"], on="name", how="left"))
    once = left.join(tables["known"], on="name", how="left").join(tables["few"], on="name", how="left")
    assert pl.concat(found).sort("index").equals(once.sort("index"))

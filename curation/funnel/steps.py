"""Where each document left: the steps of curation in the order in which they decide, and what each did to each source.

The steps are reading, measuring (what could not be measured has failed), then the rules in their order (no text at all,
copies, the rule sets), and at last the corpus, where copies of one content meet and marked text is cut. A step is a
function of a document's verdict; what went in is counted apart from what came out, so that a loss shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import polars as pl

from curation.rules import Rule
from curation.tombstones import TAKEN_BACK

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

READING, MEASURING, DUPLICATE, CORPUS = "reading", "measuring", "duplicate", "corpus"
IN, KEPT, DROPPED, FAILED = "in", "kept", "dropped", "failed"
COPY = "copy of a kept content"
UNMEASURED = "spans not measured"
NOT_LEFT = "nothing left, or equal to another, after cutting and redaction"

FUNNEL = pl.Schema(
    {
        "source": pl.String(),
        "step": pl.String(),
        "fate": pl.String(),
        "reason": pl.String(),
        "place": pl.Int64(),
        "documents": pl.Int64(),
        "characters": pl.Int64(),
    }
)
"""One row per source, step, fate (`in`, `kept`, `dropped` or `failed`) and reason ("" for the first two). `place` is the
step's place in their order. What could not be read counts as a document without characters."""

FATES = pl.Schema({"doc_id": pl.String, "source": pl.String, "step": pl.String, "fate": pl.String, "reason": pl.String})
"""Where each document left, and why; `step` is null for one that no table knows anything of."""


def steps_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The steps under these rules (`curation.rule_sets.rules_of`), in their order."""
    empty, *sets = dict.fromkeys(step_of(rule.name) for rule in rules)
    return (READING, MEASURING, empty, DUPLICATE, *sets, CORPUS)


def step_of(rule: str) -> str:
    """The step of a rule: its set."""
    return rule.partition(".")[0]


def funnel(
    documents: Frame,
    failures: Frame,
    verdicts: Frame,
    corpus: Frame,
    evidence: Mapping[str, Frame | None],
    rules: Sequence[Rule],
    source_order: Sequence[str],
) -> pl.DataFrame:
    """The table `FUNNEL`, sources in the order given, steps in theirs, the most frequent reasons first.

    `documents` needs doc_id, source, locator and content_digest; `failures` source and error; `verdicts` doc_id, verdict,
    stage and rule; `corpus` doc_id. Of `evidence`, `n_chars` of quality gives sizes, and `spans` that are null say why a
    content is not in the corpus.
    """
    sizes = evidence.get("quality")
    fates = _fates(documents, verdicts, corpus, evidence, source_order)
    if sizes is None:
        known = fates.with_columns(characters=pl.lit(0, pl.Int64))
    else:
        known = fates.join(sizes.lazy().select("content_digest", characters="n_chars"), on="content_digest", how="left")
    unread = failures.lazy().select(
        "source", step=pl.lit(READING), fate=_unread(), reason="error", characters=pl.lit(0, pl.Int64)
    )
    of = ("source", "step", "fate", "reason")
    everything = pl.concat([known.select(*of, pl.col("characters").cast(pl.Int64)), unread])
    counted = everything.group_by(of).agg(documents=pl.len().cast(pl.Int64), characters=pl.col("characters").sum())
    order = steps_of(rules)
    unknown = [step for step in counted.select("step").unique().collect()["step"].drop_nulls() if step not in order]
    return _table(counted.collect(), (*order[:-1], *sorted(unknown), CORPUS), source_order)


def _fates(
    documents: Frame, verdicts: Frame, corpus: Frame, evidence: Mapping[str, Frame | None], source_order: Sequence[str]
) -> pl.LazyFrame:
    """`FATES` of the documents that were read, with their content_digest."""
    judged = (
        documents.lazy()
        .select("doc_id", "source", "locator", "content_digest")
        .join(verdicts.lazy().select("doc_id", "verdict", "stage", "rule"), on="doc_id", how="left")
    )
    in_corpus = judged.join(corpus.lazy().select("doc_id"), on="doc_id", how="semi").select("content_digest").unique()
    ranks = {source: rank for rank, source in enumerate(source_order)}
    rank = pl.col("source").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int64)
    first = (
        judged.filter(pl.col("verdict") == KEPT)
        .sort(rank, "source", "locator", "doc_id")
        .unique("content_digest", keep="first", maintain_order=True)
        .select("doc_id", is_first=pl.lit(value=True))
    )
    known = (
        judged.join(in_corpus.with_columns(stands=pl.lit(value=True)), on="content_digest", how="left")
        .join(first, on="doc_id", how="left")
        .join(_unmeasured(evidence).with_columns(no_spans=pl.lit(value=True)), on="content_digest", how="left")
    )
    return known.select("doc_id", "source", "content_digest", **_left())


def _left() -> dict[str, pl.Expr]:
    """The columns step, fate and reason of a document with its verdict."""
    verdict = pl.col("verdict")
    is_kept, stands = verdict == KEPT, pl.col("stands").is_not_null()
    cases = [
        (verdict == FAILED, (pl.lit(MEASURING), pl.lit(FAILED), pl.col("stage"))),
        (verdict == DROPPED, (pl.col("rule").str.split(".").list.first(), pl.lit(DROPPED), pl.col("rule"))),
        (is_kept & stands & pl.col("is_first"), (pl.lit(CORPUS), pl.lit(KEPT), pl.lit(""))),
        (is_kept & stands, (pl.lit(CORPUS), pl.lit(DROPPED), pl.lit(COPY))),
        (is_kept & pl.col("no_spans"), (pl.lit(CORPUS), pl.lit(FAILED), pl.lit(UNMEASURED))),
        (is_kept, (pl.lit(CORPUS), pl.lit(DROPPED), pl.lit(NOT_LEFT))),
    ]
    told = {}
    for at, name in enumerate(("step", "fate", "reason")):
        told[name] = pl.coalesce(pl.when(case).then(said[at]) for case, said in cases)
    return told


def _unread() -> pl.Expr:
    """What people took back is dropped; all else that gave no document has failed."""
    return pl.when(pl.col("error") == TAKEN_BACK).then(pl.lit(DROPPED)).otherwise(pl.lit(FAILED))


def _unmeasured(evidence: Mapping[str, Frame | None]) -> pl.LazyFrame:
    """The contents of which some table of evidence should have spans, and has none."""
    tables = [table.lazy() for table in evidence.values() if table is not None]
    marked = [table.filter(pl.col("spans").is_null()) for table in tables if "spans" in table.collect_schema()]
    none = pl.LazyFrame(schema={"content_digest": pl.String})
    return pl.concat([none, *(table.select("content_digest") for table in marked)]).unique()


def _table(counted: pl.DataFrame, steps: Sequence[str], source_order: Sequence[str]) -> pl.DataFrame:
    found = set(counted["source"])
    sources = [*(source for source in source_order if source in found), *sorted(found - set(source_order))]
    rows = [row for source in sources for row in _of_source(source, counted.filter(source=source), steps)]
    return pl.DataFrame(rows, schema=FUNNEL, orient="row")


def _of_source(source: str, counted: pl.DataFrame, steps: Sequence[str]) -> list[tuple[object, ...]]:
    """The rows of one source. What goes into a step is what left at it or later, and what no table knows."""
    places = {step: place for place, step in enumerate(steps)}
    left = counted.with_columns(place=pl.col("step").replace_strict(places, return_dtype=pl.Int64))
    stays = pl.col("fate") == KEPT
    rows: list[tuple[object, ...]] = []
    for place, step in enumerate(steps):
        went_in = left.filter((pl.col("place") >= place) | pl.col("place").is_null())
        came_out = left.filter((pl.col("place") > place) | stays)
        for fate, some in ((IN, went_in), (KEPT, came_out)):
            rows.append((source, step, fate, "", place, some["documents"].sum(), some["characters"].sum()))
        gone = left.filter(~stays & (pl.col("place") == place)).sort("fate", "documents", "reason", descending=[False, True, False])  # fmt: skip
        for row in gone.iter_rows(named=True):
            rows.append((source, step, row["fate"], row["reason"], place, row["documents"], row["characters"]))
    return rows


def faults(table: pl.DataFrame, corpus_rows: int) -> str:
    """What of a funnel does not add up, in words; "" when in = kept + dropped + failed for each source and step."""
    sums = table.group_by("source", "place", "step", maintain_order=True).agg(
        **{fate: pl.col("documents").filter(pl.col("fate") == fate).sum() for fate in (IN, KEPT, DROPPED, FAILED)}
    )
    wrong = sums.filter(pl.col(IN) != pl.col(KEPT) + pl.col(DROPPED) + pl.col(FAILED))
    said = [f"{row[IN] - row[KEPT] - row[DROPPED] - row[FAILED]} documents of {row['source']} are in no book at {row['step']}" for row in wrong.iter_rows(named=True)]  # fmt: skip
    kept = table.filter((pl.col("step") == CORPUS) & (pl.col("fate") == KEPT))["documents"].sum()
    if kept != corpus_rows:
        said.append(f"{kept} documents should stand in the corpus, which has {corpus_rows} rows")
    return "; ".join(said)

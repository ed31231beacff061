"""Where each document left: the steps of curation in the order in which they decide, and what each did to each source.

The steps are reading, measuring (what could not be measured has failed), then the rules in their order (no text at all,
copies, the rule sets), and at last the corpus, where copies of one content meet and marked text is cut. A step is a
function of a document's verdict; what went in is counted apart from what came out, so that a loss shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import polars as pl

from curation.blocks import BLOCK_ROWS, blocks, height_of, joinable, parts_of
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
    unread = failures.lazy().select(
        "source", step=pl.lit(READING), fate=_unread(), reason="error", characters=pl.lit(0, pl.Int64)
    )
    rows = [unread.group_by(_OF).agg(_SUMS).collect(engine="streaming")]
    rows += [block.group_by(_OF).agg(_SUMS) for block in _fates(documents, verdicts, corpus, evidence, source_order)]
    counted = pl.concat(rows).group_by(_OF).agg(pl.col("documents", "characters").sum())
    order = steps_of(rules)
    unknown = [step for step in counted["step"].unique().drop_nulls() if step not in order]
    return _table(counted, (*order[:-1], *sorted(unknown), CORPUS), source_order)


_OF = ("source", "step", "fate", "reason")
_SUMS = [pl.len().cast(pl.Int64).alias("documents"), pl.col("characters").sum().cast(pl.Int64)]


def _fates(
    documents: Frame, verdicts: Frame, corpus: Frame, evidence: Mapping[str, Frame | None], source_order: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """Where each document left, and why, as source, step, fate, reason and characters, block by block; `step` is null for
    one that no table knows anything of.
    """
    read = documents.lazy().select("doc_id", "source", "locator", "content_digest")
    beside = {
        "verdicts": verdicts.lazy().select("doc_id", "verdict", "stage", "rule"),
        "corpus": corpus.lazy().select("doc_id", in_corpus=pl.lit(value=True)),
    }
    judged = (
        some.join(tables["verdicts"], on="doc_id", how="left").join(tables["corpus"], on="doc_id", how="left")
        for some, tables in joinable(parts_of(read, BLOCK_ROWS), beside, "doc_id", BLOCK_ROWS)
    )
    unmeasured = _unmeasured(evidence).with_columns(no_spans=pl.lit(value=True)).collect(engine="streaming")
    of_contents = {"sizes": _sizes(evidence.get("quality")), "unmeasured": unmeasured.lazy()}
    for pieces, tables in blocks(judged, height_of(read), of_contents, "content_digest", BLOCK_ROWS):
        first, stands = _standing(pieces(), source_order)
        for piece in pieces():
            known = piece.join(first, on="doc_id", how="left")
            for table in (stands, *tables.values()):
                known = known.join(table, on="content_digest", how="left")
            yield known.select("source", "characters", **_left())


def _sizes(quality: Frame | None) -> pl.LazyFrame:
    if quality is None:
        return pl.LazyFrame(schema={"content_digest": pl.String, "characters": pl.Int64})
    return quality.lazy().select("content_digest", characters=pl.col("n_chars").cast(pl.Int64))


def _standing(pieces: Iterable[pl.DataFrame], source_order: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first place of each content that is kept (doc_id, is_first), and the contents in the corpus (content_digest, stands)."""
    ranks = {source: rank for rank, source in enumerate(source_order)}
    rank = pl.col("source").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int64)
    names = ("content_digest", "source", "locator", "doc_id")
    first, stands = pl.DataFrame(schema=dict.fromkeys(names, pl.String)), pl.DataFrame(schema={names[0]: pl.String})
    for piece in pieces:
        kept = pl.concat([first, piece.filter(verdict=KEPT).select(names)]).sort(rank, *names[1:])
        first = kept.unique("content_digest", keep="first", maintain_order=True)
        stands = pl.concat([stands, piece.filter("in_corpus").select("content_digest")]).unique()
    true = pl.lit(value=True)
    return first.select("doc_id", is_first=true), stands.with_columns(stands=true)


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

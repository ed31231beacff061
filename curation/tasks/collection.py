"""Candidates to samples: one row per question, with every candidate that is not one of them in the books.

A question that stands in several places is one sample, named by task and prompt; it belongs to its first place, so that
the count of copies never weighs in training or in a score.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curation.tasks.candidates import CANDIDATE
from curation.tasks.settings import TaskSettings
from records import MESSAGES, Outcome, sample_ids

SAMPLES = pl.Schema(
    {
        "sample_id": pl.String(),
        "doc_id": pl.String(),
        "source": pl.String(),
        "locator": pl.String(),
        "group": pl.String(),
        "groups": pl.List(pl.String()),
        "slice": pl.String(),
        "task": pl.String(),
        "messages": MESSAGES,
        "reference": pl.String(),
        "openness": pl.String(),
        "checker": pl.String(),
        "line": pl.Int64(),
        "name": pl.String(),
    }
)
"""The columns of samples, before they have a split. `groups` are the groups of all places where the question stands,
`group` that of the first: a split has to look at all of them, for the first place may change when data comes."""

TEST_CODE = r"(^|/)(([^/]*_)?tests?|conftest\.py|test_[^/]*\.py|[^/]*_tests?\.py)(/|$|#)"
COPY = "copy of another sample"


def collect_samples(
    corpus: pl.DataFrame,
    extracted: pl.DataFrame | pl.LazyFrame,
    settings: TaskSettings,
    sources: Sequence[str] = (),
) -> Outcome:
    """Samples (columns `SAMPLES`) of the kept contents, sorted by sample_id.

    `corpus` has one row per content, `extracted` is the output of `extract_samples`; evidence of contents outside the
    corpus is passed over, and what has no samples is counted and not held. Of equal samples the first stays, by source in
    the order of `sources` (others after them, by name), then locator, then position in the content.
    Books, in samples: kept + dropped are the candidates found, by the rule that each one broke (rules of the recipe,
    then test code for docstrings, then copies); a content that could not be read counts as one failed.
    """
    places = corpus.select("doc_id", "source", "locator", "content_digest")
    n_found = pl.col("samples").list.len()
    told = extracted.lazy().select("content_digest", "error", n=n_found).collect(engine="streaming")
    told = places.select("content_digest").join(told, on="content_digest")
    found = _judged(
        _named(_exploded(places, extracted.lazy().filter(n_found > 0), settings), settings), settings, sources
    )
    everywhere = found.filter(pl.col("dropped").is_null() | pl.col("dropped").eq(COPY)).group_by("sample_id")
    samples = (
        found.filter(pl.col("dropped").is_null())
        .join(everywhere.agg(groups=pl.col("group").unique().sort()), on="sample_id")
        .select(SAMPLES.names())
        .cast(SAMPLES)
        .sort("sample_id")
    )
    return Outcome(
        samples,
        dropped=_counts(found["dropped"]),
        failed=_counts(told["error"].str.split(": ").list.first()),
        notes={
            "contents without samples": told.filter(n=0).height,
            "samples by slice": _counts(samples["slice"]),
            "samples with a reference": samples["reference"].count(),
        },
    )


def _exploded(places: pl.DataFrame, extracted: pl.LazyFrame, settings: TaskSettings) -> pl.DataFrame:
    """One row per candidate, with its position in the content, its place, and the group that it belongs to.

    They are parted before they are joined: a join copies a list for its row, and takes many times what stands in it.
    """
    samples = pl.col("samples").cast(pl.List(CANDIDATE))
    rows = (
        extracted.select("content_digest", samples)
        .with_columns(position=pl.int_ranges(pl.col("samples").list.len()))
        .explode("samples", "position")
        .unnest("samples")
        .collect(engine="streaming")
    )
    placed = rows.join(places, on="content_digest")
    return placed.with_columns(group=pl.coalesce("group", group_of(settings.depth)), task=pl.lit(settings.task))


def group_of(depth: int) -> pl.Expr:
    """The group of a place: the first `depth` components of the locator without the file's suffix; 0: the content.

    `numpy/linalg/norm.py` is `numpy` at depth 1, as `argparse.py` is `argparse`; a depth beyond the path's own makes
    each file a group. What follows a `#` (line of a table, member) is no part of it.
    """
    if depth == 0:
        return pl.col("content_digest")
    parts = pl.col("locator").str.replace(r"#[^/]*$", "").str.split("/")
    named = parts.list.head(depth).list.join("/")
    return pl.when(parts.list.len() > depth).then(named).otherwise(named.str.replace(r"([^/])\.[^./]+$", "$1"))


def _named(found: pl.DataFrame, settings: TaskSettings) -> pl.DataFrame:
    kept = found.with_row_index("at").filter(pl.col("dropped").is_null())
    names = kept.select("at", sample_ids(settings.task, kept["messages"]).alias("sample_id"))
    return found.with_row_index("at").join(names, on="at", how="left", maintain_order="left").drop("at")


def _judged(found: pl.DataFrame, settings: TaskSettings, sources: Sequence[str]) -> pl.DataFrame:
    """The candidates in the order of their places, with the rule that drops each; null for those that are kept."""
    ranks = {name: rank for rank, name in enumerate(sources)}
    place = pl.col("source").replace_strict(ranks, default=len(ranks), return_dtype=pl.Int64)
    in_tests = pl.col("locator").str.contains(TEST_CODE) & pl.lit(settings.recipe == "docstrings")
    ordered = found.sort(place, "source", "locator", "position").with_columns(
        dropped=pl.coalesce("dropped", pl.when(in_tests).then(pl.lit("test code")))
    )
    standing = pl.when(pl.col("dropped").is_null()).then("sample_id")
    copied = standing.is_not_null() & ~standing.is_first_distinct()
    return ordered.with_columns(dropped=pl.when(copied).then(pl.lit(COPY)).otherwise("dropped"))


def _counts(reasons: pl.Series) -> dict[str, int]:
    """How often each value occurs, the most frequent first; nulls are not counted."""
    counts = reasons.drop_nulls().value_counts(name="count").sort("count", reasons.name, descending=[True, False])
    return dict(counts.iter_rows())

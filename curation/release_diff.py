"""What differs between two releases of a dataset, and why: row by row, from the tables that each was made from.

The rows alone say what came, what left and what changed. Why is found by following a sample to its document, and asking
what had become of that document at the other time: it was not there, it said something else, it was a copy, a rule
dropped it. What cannot be followed any more, because old tables are cleared away, is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import polars as pl

from curation.release_kinds import COPIES
from curation.tombstones import TAKEN_BACK

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame
Tables: TypeAlias = Mapping[str, Frame]
"""The tables that a release was made from, by name; those that are not known are absent."""

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
UNKNOWN = "not known: the tables of that time were cleared away"

DIFFERENCES = pl.Schema(
    {
        "sample_id": pl.String,
        "task_digest": pl.String,
        "change": pl.String,
        "reason": pl.String,
        "detail": pl.String,
        "source": pl.String,
        "locator": pl.String,
        "slice": pl.String,
        "split_before": pl.String,
        "split_after": pl.String,
    }
)
"""One row per row that differs, by sample_id; `task_digest` of preferences alone. No text of the data."""

PROMPTS = ("messages", "prompt", "text")
"""The columns that a row's name is made of, so that they need no comparing."""
_FAILED = ("source", "locator", "error")
_SAID = {
    "no reference": ("it has no reference any more", "it has a reference now"),
    "held out": ("it holds a held-out sample", "it holds a held-out sample no more"),
    "absent": ("its document went", "its document came"),
    TAKEN_BACK: ("its document was taken back", "its document is allowed again"),
    "unreadable": ("its document could not be read any more", "its document can be read now"),
    "other text": ("its document changed", "its document changed"),
    "duplicate": ("its document is a copy of one that is kept", "its document is a copy no more"),
    "unmeasured": ("its document could not be measured", "its document can be measured now"),
    "not found": ("the task finds it no more", "the task finds it now"),
    "unknown": (UNKNOWN, UNKNOWN),
}
"""Why a row left, and why one came, by what its sample was at the other time."""
_BY_MIXTURE = ("the mixture leaves it out", "the mixture takes it")
_NOT_RELEASED = {
    "pretraining": _BY_MIXTURE,
    "instructions": _BY_MIXTURE,
    "demonstrations": ("no text that a person wrote stands for it", "a person wrote its answer"),
    "preferences": ("people no longer prefer one answer", "people prefer one answer"),
    "evaluation": ("it is training data now", "it is held out now"),
}
"""The same for a sample that stood at the other time and was not released, by the kind of release."""


def differences(before: pl.DataFrame, after: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The rows that differ between two releases (as `curation.releases.read_release` gives them), sorted by `keys`.

    A sample's id is that of its prompt, so prompts (`PROMPTS`) are not compared.

    Columns: the keys, `change`, `columns` (those that differ), slice, split_before, split_after.
    """
    counts = COPIES in {*before.columns, *after.columns}
    frames = [_counted(frame.drop(PROMPTS, strict=False), counts) for frame in (before, after)]
    values = [name for name in frames[0].columns if name not in keys]
    there = [frame.with_columns(there=pl.lit(value=True)) for frame in frames]
    both = there[0].join(there[1], on=list(keys), how="full", coalesce=True, suffix="_after")
    is_added, is_removed = pl.col("there").is_null(), pl.col("there_after").is_null()
    changed = [pl.when(pl.col(name).ne_missing(pl.col(f"{name}_after"))).then(pl.lit(name)) for name in values]
    told = both.with_columns(
        change=pl.when(is_added).then(pl.lit(ADDED)).when(is_removed).then(pl.lit(REMOVED)).otherwise(pl.lit(CHANGED)),
        columns=pl.concat_list(changed).list.drop_nulls(),
        slice=pl.coalesce("slice_after", "slice") if "slice" in both.columns else pl.lit(None, pl.String),
    )
    differing = told.filter((pl.col("change") != CHANGED) | (pl.col("columns").list.len() > 0))
    splits = (pl.col("split").alias("split_before"), pl.col("split_after"))
    return differing.select(*keys, "change", "columns", "slice", *splits).sort(keys)


def _counted(frame: pl.DataFrame, counts: bool) -> pl.DataFrame:
    """With `copies` as the last column, where either release has rows more than once."""
    copies = pl.col(COPIES) if COPIES in frame.columns else pl.lit(1, pl.Int64).alias(COPIES)
    return frame.select(pl.exclude(COPIES), copies) if counts else frame


def as_samples(found: pl.DataFrame, before: Tables, after: Tables) -> tuple[pl.DataFrame, Tables, Tables]:
    """Contents as samples, so that both are followed in one way: `sample_id` is then the content's digest."""
    if "sample_id" in found.columns:
        return found, before, after
    name = {"content_digest": "sample_id"}
    told = [
        {**tables, "samples": tables["corpus"].lazy().rename(name).with_columns(reference=pl.lit(""))}
        if "corpus" in tables
        else tables
        for tables in (before, after)
    ]
    return found.rename(name), told[0], told[1]


def with_reasons(found: pl.DataFrame, before: Tables, after: Tables, kind: str = "instructions") -> pl.DataFrame:
    """The differences as `DIFFERENCES`, each with its reason; `kind` is that of the releases.

    `before` and `after` have, as far as they are known, `samples` (sample_id, doc_id, source, locator, reference),
    `documents` (doc_id, content_digest), `failures` (source, locator, error) and `verdicts` (doc_id, verdict, rule, detail);
    of instructions `sample_overlaps` (sample_id), for what was asked and answered and yet not released.
    """
    parts = [
        _followed(found.filter(change=REMOVED), before, after, 0, kind),
        _followed(found.filter(change=ADDED), after, before, 1, kind),
        _changed(found.filter(change=CHANGED), after),
    ]
    told = pl.concat(parts, how="diagonal")
    missing = [pl.lit(None, kind).alias(name) for name, kind in DIFFERENCES.items() if name not in told.columns]
    return told.with_columns(missing).select(DIFFERENCES.names()).cast(DIFFERENCES).sort("sample_id", "task_digest")


def _changed(rows: pl.DataFrame, after: Tables) -> pl.DataFrame:
    """What changed of a row: its split, its answer, or other columns by name."""
    moved = pl.format("split moved: {} → {}", "split_before", "split_after")
    others = pl.col("columns").list.set_difference(["split"])
    named = others.list.eval(pl.element().replace({"reference": "answer"})).list.sort().list.join(", ")
    said = pl.format("{} changed", named)
    parts = [pl.when(pl.col("columns").list.contains("split")).then(moved), pl.when(others.list.len() > 0).then(said)]
    placed = _placed(rows.lazy(), after).collect()
    return placed.with_columns(reason=pl.concat_str(parts, separator="; ", ignore_nulls=True)).drop("columns")


def _placed(rows: pl.LazyFrame, tables: Tables) -> pl.LazyFrame:
    """With doc_id, source and locator of the sample, as far as they are known."""
    columns = ("sample_id", "doc_id", "source", "locator")
    known = tables.get("samples", pl.LazyFrame(schema=dict.fromkeys(columns, pl.String))).lazy().select(columns)
    return _beside(rows, known, ["sample_id"])


def _beside(rows: pl.LazyFrame, table: pl.LazyFrame, on: list[str]) -> pl.LazyFrame:
    """Few rows with what a large table says of them: what it says of others goes first, for a join hashes its right side."""
    named = table.join(rows.select(on).unique(), on=on, how="semi")
    return rows.join(named, on=on, how="left", maintain_order="left")


def _followed(rows: pl.DataFrame, there: Tables, other: Tables, came: int, kind: str) -> pl.DataFrame:
    """Rows that stand at one time alone, with what had become of their documents at the other."""
    placed = _placed(rows.lazy(), there)
    if not {"samples", "documents", "verdicts"} <= other.keys() or not {"samples", "documents"} <= there.keys():
        told = placed.with_columns(fate=pl.lit("unknown"), rule=pl.lit(None, pl.String), detail=pl.lit(None, pl.String))
    else:
        told = _at_the_other_time(placed, there, other, kind)
    words = {fate: said[came] for fate, said in {**_SAID, "answers": _NOT_RELEASED[kind]}.items()}
    by_rule = pl.format("no longer dropped by {}" if came else "dropped by {}", "rule")
    reason = pl.when(pl.col("fate") == "rule").then(by_rule).otherwise(pl.col("fate").replace(words))
    return told.with_columns(reason=reason).collect().drop("fate", "rule", "columns", "doc_id")


def _at_the_other_time(placed: pl.LazyFrame, there: Tables, other: Tables, kind: str) -> pl.LazyFrame:
    """`fate` (a key of `_SAID`, or `rule`), rule and detail of each row."""
    contents = there["documents"].lazy().select("doc_id", "content_digest")
    is_answered = pl.col("reference").is_not_null() if kind == "instructions" else pl.lit(value=True)
    samples = other["samples"].lazy().select("sample_id", answered=is_answered)
    documents = other["documents"].lazy().select("doc_id", "content_digest")
    same_place = documents.rename({"content_digest": "content_then"})
    failures = other.get("failures", pl.LazyFrame(schema=dict.fromkeys(_FAILED, pl.String)))
    unread = failures.lazy().select("source", "locator", failed="error")
    is_judged = "sample_overlaps" in other and kind == "instructions"
    overlaps = other["sample_overlaps"] if is_judged else pl.LazyFrame(schema={"sample_id": pl.String})
    holding = overlaps.lazy().select("sample_id", holds=pl.lit(value=True)).unique()
    known = placed
    for table, on in (
        (contents, ["doc_id"]),
        (samples, ["sample_id"]),
        (same_place, ["doc_id"]),
        (unread, ["source", "locator"]),
        (holding, ["sample_id"]),
    ):
        known = _beside(known.collect().lazy(), table, on)
    return known.join(_fates(known, documents, other["verdicts"]), on="content_digest", how="left").with_columns(
        fate=_fate()
    )


def _fates(rows: pl.LazyFrame, documents: pl.LazyFrame, verdicts: Frame) -> pl.LazyFrame:
    """What was decided on each content at that time, wherever it stood: kept, if it was anywhere."""
    judged = verdicts.lazy().select("doc_id", "verdict", "rule", "detail")
    wanted = documents.join(rows.select("content_digest").unique(), on="content_digest", how="semi")
    rank = pl.col("verdict").replace_strict({"kept": 0, "dropped": 1}, default=2, return_dtype=pl.Int8)
    ordered = _beside(wanted, judged, ["doc_id"]).drop_nulls("verdict").sort(rank, "doc_id")
    first = ordered.unique("content_digest", keep="first", maintain_order=True)
    return first.select("content_digest", "verdict", "rule", "detail")


def _fate() -> pl.Expr:
    """Of a row with what is known of it at the other time."""
    verdict, known = pl.col("verdict"), pl.col("doc_id").is_not_null()
    cases = {
        "no reference": pl.col("answered").not_(),
        "held out": pl.col("answered") & pl.col("holds"),
        "answers": pl.col("answered"),
        "unknown": ~known,
        "duplicate": (verdict == "dropped") & (pl.col("rule") == "duplicate"),
        "rule": verdict == "dropped",
        "unmeasured": verdict == "failed",
        "not found": verdict == "kept",
        "other text": pl.col("content_then").is_not_null(),
        TAKEN_BACK: pl.col("failed") == TAKEN_BACK,
        "unreadable": pl.col("failed").is_not_null(),
        "absent": pl.lit(value=True),
    }
    return pl.coalesce(pl.when(case).then(pl.lit(name)) for name, case in cases.items())


def summary(told: pl.DataFrame) -> pl.DataFrame:
    """How many rows of `DIFFERENCES` there are by change and reason: change, reason, rows; the most frequent first."""
    order = pl.col("change").replace_strict({ADDED: 0, REMOVED: 1, CHANGED: 2}, return_dtype=pl.Int8)
    counted = told.group_by("change", "reason").agg(rows=pl.len().cast(pl.Int64))
    return counted.sort(order, "rows", "reason", descending=[False, True, False])

"""Verdicts: kept, dropped or failed, for every document, from evidence alone.

No text is read here. A changed threshold costs a join and some comparisons. The first rule that decides stands in
`rule`, all that fail in `rules`, so that the overlap of rules can be seen. The order: what could not be measured has
failed; then no text at all, then duplicates, then the rule sets in the order of `headwater.yaml`. With no rule set, only
empty and duplicate documents are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from pydantic import model_validator

from curation.c4 import C4Rules, c4_rules
from curation.gopher import GopherRules, gopher_rules
from curation.quality_rules import Rule
from records import Outcome

VERDICTS = pl.Schema(
    {
        "doc_id": pl.String(),
        "content_digest": pl.String(),
        "verdict": pl.String(),
        "stage": pl.String(),
        "rule": pl.String(),
        "detail": pl.String(),
        "rules": pl.List(pl.String()),
    }
)
"""One row per document. `stage` is the table whose evidence decided; it, `rule` and `detail` are null for what is kept."""

_NAMES = ("gopher", "c4")
_EMPTY, _DUPLICATE = "empty", "duplicate"


@dataclass(frozen=True)
class RuleSet:
    """One entry of `rules`: the rules of one paper, with its own thresholds or with one's own."""

    # Gopher's quality and repetition rules.
    gopher: GopherRules | None = None
    # C4's rules for pages.
    c4: C4Rules | None = None

    def __post_init__(self) -> None:
        """Raises ValueError unless there is exactly one set, for the order of sets must be plain."""
        if (self.gopher is None) == (self.c4 is None):
            raise ValueError(f"an entry of `rules` names one set: {' or '.join(_NAMES)}")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with their thresholds."""
        return gopher_rules(self.gopher) if self.gopher else c4_rules(self.c4 or C4Rules())


@dataclass(frozen=True)
class Rules:
    """What `rules:` in `headwater.yaml` holds: names of rule sets, or sets with thresholds of one's own.

    `["c4", {"gopher": {"min_words": 30}}]` is read as `Rules((RuleSet(c4=C4Rules()), RuleSet(gopher=...)))`.
    """

    # The rule sets, in the order in which they decide.
    sets: tuple[RuleSet, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        return {"sets": [_entry(entry) for entry in value]} if isinstance(value, list | tuple) else value


def decide(
    documents: pl.DataFrame | pl.LazyFrame,
    duplicates: pl.DataFrame | pl.LazyFrame,
    quality: pl.DataFrame | pl.LazyFrame,
    rules: Rules,
) -> Outcome:
    """A verdict on each document, as `VERDICTS`; in documents, in = kept + dropped by rule + failed by stage.

    `documents` needs doc_id and content_digest; `duplicates` doc_id, kept_id, kind and jaccard, one row per removed
    document; `quality` content_digest and the signals, one row per content, and may have `error`.
    """
    judged = _judged(_evidence(documents, duplicates, quality), [rule for one in rules.sets for rule in one.rules])
    table = judged.select(VERDICTS.names()).cast(VERDICTS).collect()
    return Outcome(
        table,
        kept=table.filter(pl.col("verdict") == "kept").height,
        dropped=_counts(table, "dropped", "rule"),
        failed=_counts(table, "failed", "stage"),
        notes={"documents that fail each rule": _failing(table)},
    )


def _entry(entry: object) -> object:
    """An entry as written, with the short forms spelt out. Raises ValueError for a name that is none."""
    name = entry if isinstance(entry, str) else None
    if isinstance(entry, Mapping):
        name = next((str(key) for key in entry if key not in _NAMES), None)
    if name is not None and name not in _NAMES:
        raise ValueError(f"there is no rule set {name!r}; there are {' and '.join(_NAMES)}")
    if isinstance(entry, Mapping):
        return {key: {} if value is None else value for key, value in entry.items()}
    return {name: {}} if name else entry


def _evidence(
    documents: pl.DataFrame | pl.LazyFrame,
    duplicates: pl.DataFrame | pl.LazyFrame,
    quality: pl.DataFrame | pl.LazyFrame,
) -> pl.LazyFrame:
    """Each document with what is known of it, in the documents' order; `measured` is null for what was not."""
    signals = quality.lazy().with_columns(measured=True)
    if "error" not in signals.collect_schema():
        signals = signals.with_columns(error=pl.lit(None, pl.String))
    copies = duplicates.lazy().select("doc_id", "kept_id", "kind", "jaccard")
    return (
        documents.lazy()
        .select("doc_id", "content_digest")
        .join(signals, on="content_digest", how="left", maintain_order="left", validate="m:1")
        .join(copies, on="doc_id", how="left", maintain_order="left", validate="1:1")
    )


def _judged(evidence: pl.LazyFrame, rules: list[Rule]) -> pl.LazyFrame:
    """The evidence with verdict, stage, rule, detail and rules."""
    failing = [
        _named(pl.col("n_words") == 0, _EMPTY),
        _named(pl.col("kept_id").is_not_null(), _DUPLICATE),
        *(_named(_fails(rule), rule.name) for rule in rules),
    ]
    unmeasured = pl.col("measured").is_null() | pl.col("error").is_not_null()
    decided = pl.when(~pl.col("unmeasured")).then(pl.col("rules").list.first())
    dropped = pl.when(pl.col("rule").is_not_null()).then(pl.lit("dropped")).otherwise(pl.lit("kept"))
    return (
        evidence.with_columns(rules=pl.concat_list(failing).list.drop_nulls(), unmeasured=unmeasured)
        .with_columns(rule=decided)
        .with_columns(
            verdict=pl.when("unmeasured").then(pl.lit("failed")).otherwise(dropped),
            stage=pl.when("unmeasured").then(pl.lit("quality")).otherwise(_stage(rules)),
            detail=pl.when("unmeasured").then(_reason()).otherwise(_detail(rules)),
        )
    )


def _named(fails: pl.Expr, name: str) -> pl.Expr:
    """The rule's name where it fails, null elsewhere; what is not known does not fail."""
    return pl.when(fails.fill_null(value=False)).then(pl.lit(name))


def _fails(rule: Rule) -> pl.Expr:
    signal, never = pl.col(rule.signal), pl.lit(value=False)
    under = never if rule.least is None else signal < rule.least
    return under if rule.most is None else under | (signal > rule.most)


def _stage(rules: list[Rule]) -> pl.Expr:
    """The table whose evidence decided."""
    tables = {_EMPTY: "documents", _DUPLICATE: "duplicates"} | {rule.name: "quality" for rule in rules}
    return pl.col("rule").replace_strict(tables, default=None, return_dtype=pl.String)


def _reason() -> pl.Expr:
    """Why a content has no signals."""
    return pl.col("error").fill_null("this content was not measured")


def _detail(rules: list[Rule]) -> pl.Expr:
    """What the rule that decided saw: a signal with its value and threshold (`n_words 12 < 50`), or the copy."""
    similarity = pl.col("jaccard").cast(pl.Float64).round(3).cast(pl.String)
    return (
        pl.when(pl.col("rule") == _EMPTY)
        .then(pl.lit("no text but white space"))
        .when(pl.col("rule") == _DUPLICATE)
        .then(pl.format("{} copy, jaccard {}, of {}", "kind", similarity, "kept_id"))
        .otherwise(_comparison(rules))
    )


def _comparison(rules: list[Rule]) -> pl.Expr:
    """The signal of the rule that decided, its value and the threshold; one string is made a row, not one a rule."""
    values = [pl.when(pl.col("rule") == rule.name).then(pl.col(rule.signal).cast(pl.Float64)) for rule in rules]
    value = pl.coalesce(*values, pl.lit(None, pl.Float64)).round(4)
    shown = pl.when(value == value.floor()).then(value.cast(pl.Int64).cast(pl.String)).otherwise(value.cast(pl.String))
    before = {rule.name: f"{rule.signal} " for rule in rules}
    after = {rule.name: f" < {rule.least}" if rule.most is None else f" > {rule.most}" for rule in rules}
    said = [pl.col("rule").replace_strict(words, default=None, return_dtype=pl.String) for words in (before, after)]
    return pl.concat_str(said[0], shown, said[1])


def _counts(table: pl.DataFrame, verdict: str, by: str) -> dict[str, int]:
    counted = table.filter(pl.col("verdict") == verdict).group_by(by).len().sort("len", by, descending=[True, False])
    return dict(counted.iter_rows())


def _failing(table: pl.DataFrame) -> dict[str, int]:
    """How many documents fail each rule, also where another one decided."""
    named = table.select(pl.col("rules").explode()).drop_nulls()
    return dict(named.group_by("rules").len().sort("len", "rules", descending=[True, False]).iter_rows())

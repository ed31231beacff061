"""Verdicts: kept, dropped or failed, for every document, from evidence alone.

No text is read here. A changed threshold costs a join and some comparisons. The first rule that decides stands in
`rule`, all that fail in `rules`, so that the overlap of rules can be seen. The order: what could not be measured has
failed; then no text at all, then duplicates, then the rule sets in the order of `headwater.yaml`. With no rule set, only
empty and duplicate documents are dropped.

Documents are judged a block at a time, beside the evidence of their contents, so memory is a block's (`curation.blocks`).

Each document's failing rules are bits of a number, and names are looked up once for each number that occurs: a million
documents under fifty rules would otherwise be fifty million strings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import polars as pl

from curation.blocks import BLOCK_ROWS, joinable, parts_of
from curation.rule_sets import Rules, evidence_of, rules_of
from curation.rules import LANGUAGE, Rule
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

_NUMBERED = pl.Schema({**VERDICTS, "row": pl.UInt32()})

Frame = pl.DataFrame | pl.LazyFrame
_DUPLICATE = Rule("duplicate", "duplicates", "kept_id", "in", ())
_ERROR = ".error"
_BITS = 62
_FIGURES = 6
_COMPARED: Mapping[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "<": pl.Expr.lt,
    "<=": pl.Expr.le,
    ">": pl.Expr.gt,
    ">=": pl.Expr.ge,
    "in": lambda value, among: value.is_in(list(among)),
    "not in": lambda value, among: ~value.is_in(list(among)),
}


def decide(
    documents: Frame,
    duplicates: Frame,
    evidence: Mapping[str, Frame | None],
    rules: Rules,
    block_rows: int = BLOCK_ROWS,
) -> Outcome:
    """A verdict on each document, as `VERDICTS`, in their order; in documents, in = kept + dropped by rule + failed by stage.

    `documents` needs doc_id and content_digest; `duplicates` doc_id, kept_id, kind and jaccard, one row per removed
    document. `evidence` has the tables that the rules name: content_digest and the columns that they compare, one row
    per content, and perhaps `error`. Raises ValueError when a rule's table is not there.
    """
    books, tables = Books(), [_NUMBERED.to_frame()]
    tables += books.counted(_judged_blocks(documents, duplicates, evidence, rules, block_rows))
    return books.outcome(pl.concat(tables).sort("row").drop("row"))


def decided(
    documents: Frame, duplicates: Frame, evidence: Mapping[str, Frame | None], rules: Rules
) -> Generator[pl.DataFrame, None, Outcome]:
    """What `decide` gives, in no stated order, a block at a time: memory does not grow with the documents.

    What it returns in the end has the books, and a table without rows.
    """
    books = Books()
    for table in books.counted(_judged_blocks(documents, duplicates, evidence, rules, BLOCK_ROWS)):
        yield table.drop("row")
    return books.outcome(VERDICTS.to_frame())


@dataclass
class Books:
    """What became of documents, counted table by table."""

    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)

    def counted(self, tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The same tables, each counted as it comes."""
        for table in tables:
            self.kept += table.filter(verdict="kept").height
            self.dropped.update(_counts(table.filter(verdict="dropped")["rule"]))
            self.failed.update(_counts(table.filter(verdict="failed")["stage"]))
            self.failing.update(_counts(table["rules"].explode(empty_as_null=True).drop_nulls()))
            yield table

    def outcome(self, table: pl.DataFrame) -> Outcome:
        """The table with all that was counted, the most frequent reasons first."""
        notes = {"documents that fail each rule": _frequent_first(self.failing)}
        return Outcome(table, self.kept, _frequent_first(self.dropped), _frequent_first(self.failed), notes=notes)


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(values.value_counts().iter_rows())


def _frequent_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _judged_blocks(
    documents: Frame, duplicates: Frame, evidence: Mapping[str, Frame | None], rules: Rules, block_rows: int
) -> Iterator[pl.DataFrame]:
    """`VERDICTS` and `row`, the document's place, block by block."""
    for known in known_blocks(
        documents.lazy().select("doc_id", "content_digest"), duplicates, evidence, rules, block_rows
    ):
        yield judged(known, rules).select(*VERDICTS.names(), "row").cast(_NUMBERED)


def known_blocks(
    documents: pl.LazyFrame,
    duplicates: Frame,
    evidence: Mapping[str, Frame | None],
    rules: Rules,
    block_rows: int = BLOCK_ROWS,
    more: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Iterator[pl.DataFrame]:
    """The documents, block by block, with what rules look at: their copies (kept_id, kind, jaccard), `table.column`, and
    `table.error` where it could not be measured; `row` is a document's place. `more` names further columns, by table.
    """
    tables = _measured_tables(evidence, rules_of(rules), more)
    copies = {"duplicates": duplicates.lazy().select("doc_id", "kept_id", "kind", "jaccard")}
    numbered = parts_of(documents.with_row_index("row"), block_rows)
    with_copies = (
        some.join(beside["duplicates"], on="doc_id", how="left", maintain_order="left", validate="1:1")
        for some, beside in joinable(numbered, copies, "doc_id", block_rows)
    )
    for known, beside in joinable(with_copies, tables, "content_digest", block_rows):
        yield _with_evidence(known, beside)


def _measured_tables(
    evidence: Mapping[str, Frame | None],
    rules: Sequence[Rule],
    more: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, pl.LazyFrame]:
    """What rules look at, by table: the content, the columns as `table.column`, and `table.error`, empty where there was none."""
    found = {}
    for name, columns in evidence_of(rules).items():
        table = evidence.get(name)
        if table is None:
            asking = next(rule.name for rule in rules if name in dict(rule.needs))
            raise ValueError(f"the rule {asking} decides on {name}, which is not measured here")
        found[name] = _measured(table.lazy(), name, list(dict.fromkeys((*columns, *more.get(name, ())))))
    return found


def _with_evidence(known: pl.DataFrame, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows (content_digest) with what rules look at, and with what could not be measured."""
    for table in tables.values():
        known = known.join(table, on="content_digest", how="left", maintain_order="left", validate="m:1")
    missing = "this content was not measured"
    return known.with_columns(pl.col(name + _ERROR).fill_null(missing).replace("", None) for name in tables)


def _measured(table: pl.LazyFrame, name: str, columns: Sequence[str]) -> pl.LazyFrame:
    """The columns as `name.column`; `name.error` is empty where there was none."""
    error = pl.col("error").fill_null("") if "error" in table.collect_schema() else pl.lit("")
    compared = [pl.col(column).alias(f"{name}.{column}") for column in columns]
    return table.select("content_digest", *compared, error.alias(name + _ERROR))


FAILING = pl.Schema({"content_digest": pl.String(), "failing": pl.Int64()})
"""How many rules a content fails; null where something that they look at could not be measured."""


def failing_rules(
    evidence: Mapping[str, Frame | None], rules: Rules, block_rows: int = BLOCK_ROWS
) -> Iterator[pl.DataFrame]:
    """How many of the rules each content fails, as `FAILING`, in no stated order, a block at a time.

    `evidence` is as in `decide`; being a duplicate is no failure here. Raises ValueError when a rule's table is not there.
    """
    ordered = rules_of(rules)
    tables = _measured_tables(evidence, ordered)
    contents = tables[ordered[0].evidence].select("content_digest")
    fails = pl.sum_horizontal(_fails(rule).fill_null(value=False).cast(pl.Int64) for rule in ordered)
    is_measured = pl.all_horizontal(pl.col(table + _ERROR).is_null() for table in tables)
    for some, beside in joinable(parts_of(contents, block_rows), tables, "content_digest", block_rows):
        found = _with_evidence(some, beside)
        yield found.select("content_digest", failing=pl.when(is_measured).then(fails)).cast(FAILING)


def judged(known: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """What `known_blocks` gives, in its order, with verdict, stage, rule, detail and rules."""
    empty, *others = rules_of(rules)
    return _judged(known, [empty, _DUPLICATE, *others], list(evidence_of([empty, *others])))


def _judged(known: pl.DataFrame, rules: Sequence[Rule], tables: Sequence[str]) -> pl.DataFrame:
    masks = {f"mask{start}": rules[start : start + _BITS] for start in range(0, len(rules), _BITS)}
    marked = known.with_columns(_mask(some).alias(mask) for mask, some in masks.items())
    failed = [pl.when(pl.col(table + _ERROR).is_not_null()).then(pl.lit(table)) for table in tables]
    decided = marked.join(_combinations(marked.select(list(masks)), rules), on=list(masks), maintain_order="left")
    decided = decided.with_columns(error=pl.coalesce(table + _ERROR for table in tables), failed=pl.coalesce(failed))
    decided = decided.join(_details(decided, rules), on="row", how="left", maintain_order="left")
    is_failed, is_dropped = pl.col("failed").is_not_null(), pl.col("rule").is_not_null()
    return decided.with_columns(
        verdict=pl.when(is_failed)
        .then(pl.lit("failed"))
        .when(is_dropped)
        .then(pl.lit("dropped"))
        .otherwise(pl.lit("kept")),
        stage=pl.coalesce("failed", "stage"),
        rule=pl.when(~is_failed).then("rule"),
        detail=pl.coalesce("error", "detail"),
    )


def _mask(rules: Sequence[Rule]) -> pl.Expr:
    """The rules that fail as bits of one number."""
    bits = [_fails(rule).fill_null(value=False).cast(pl.Int64) * 2**bit for bit, rule in enumerate(rules)]
    return pl.sum_horizontal(bits)


def _fails(rule: Rule) -> pl.Expr:
    """Whether each row fails the rule; null where its evidence is."""
    if rule == _DUPLICATE:
        return pl.col("kept_id").is_not_null()
    fails = _COMPARED[rule.comparison](pl.col(f"{rule.evidence}.{rule.column}"), rule.threshold)
    language = pl.col(".".join(LANGUAGE))
    if rule.languages:
        fails &= language.is_in(rule.languages)
    if rule.except_languages:
        fails &= ~language.is_in(rule.except_languages).fill_null(value=False)
    return fails


def _combinations(masks: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """Each combination of failing rules that occurs: their names, and the first one with its place and its table."""
    rows = []
    for numbers in masks.unique().rows():
        bits = [at * _BITS + bit for at, mask in enumerate(numbers) for bit in range(_BITS) if mask >> bit & 1]
        names = list(dict.fromkeys(rules[bit].name for bit in bits))
        first = (bits[0], names[0], rules[bits[0]].evidence) if bits else (None, None, None)
        rows.append((*numbers, names, *first))
    of_rules = {"rules": pl.List(pl.String()), "first": pl.Int64(), "rule": pl.String(), "stage": pl.String()}
    return pl.DataFrame(rows, schema=pl.Schema(masks.schema | of_rules), orient="row")


def _details(decided: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """What the first failing rule saw, by `row`: `n_words 12 < 50`, or the copy that is kept."""
    found = [
        decided.lazy().filter(pl.col("first") == first).select("row", detail=_detail(rules[first], decided.schema))
        for first in decided["first"].drop_nulls().unique()
    ]
    none = pl.LazyFrame(schema={"row": decided.schema["row"], "detail": pl.String})
    return pl.concat([none, *found]).collect()


def _detail(rule: Rule, schema: pl.Schema) -> pl.Expr:
    if rule == _DUPLICATE:
        jaccard = pl.col("jaccard").cast(pl.Float64)
        told = pl.when(jaccard < 1).then(pl.min_horizontal(jaccard.round(4), 0.9999)).otherwise(jaccard)
        return pl.format("{} copy, jaccard {}, of {}", "kind", told, "kept_id")
    column = f"{rule.evidence}.{rule.column}"
    value = pl.col(column)
    if schema[column].is_float():
        value = value.cast(pl.Float64).round_sig_figs(_FIGURES)
        whole = (value == value.floor()) & (value.abs() < 1e15)
        value = pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.cast(pl.String))
    threshold = ", ".join(rule.threshold) if isinstance(rule.threshold, tuple) else f"{rule.threshold}"
    return pl.format(f"{rule.column} {{}} {rule.comparison} {{}}", value, pl.lit(threshold))

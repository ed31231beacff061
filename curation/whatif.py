"""What other thresholds would keep and drop, told from the evidence that is there: no text is read, nothing changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
import yaml
from pydantic import TypeAdapter, ValidationError

from curation.blocks import BLOCK_ROWS
from curation.rule_sets import SETS, Rules, RuleSet
from curation.verdicts import Frame, judged, known_blocks

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English under the usual tokenizers; each model has a count of its own."""

EXAMPLES = 10

_SIZES = ("n_words", "n_chars")


class Difference(NamedTuple):
    """What would come and go.

    `sources`: source, kept_now, kept_then and, for what would come and go, documents, words and tokens (estimated from
    characters); a row a source, in the order of their names. `moved`: examples of both, with doc_id, source, locator,
    `comes`, and rule and detail of the verdict that drops the document, now or then; the first by doc_id, which is a hash,
    so that they are a random sample.
    """

    sources: pl.DataFrame
    moved: pl.DataFrame


def changed(rules: Rules, changes: Sequence[str]) -> Rules:
    """The rules with changes: `gopher.min_words=30` sets a threshold wherever the set is named, and adds the set where
    it is not; `c4` adds a set with the paper's thresholds, `c4=none` removes it.

    Raises ValueError, with what there is, for a set, threshold or value that cannot be.
    """
    for change in changes:
        name, is_set, said = (part.strip() for part in change.partition("="))
        chosen, _, threshold = name.partition(".")
        if chosen not in SETS:
            raise ValueError(f"{change}: there is no rule set {chosen!r}; there are {', '.join(SETS)}")
        if threshold:
            rules = _set(rules, chosen, threshold, said, change)
        elif is_set and said == "none":
            rules = tuple(one for one in rules if getattr(one, chosen) is None)
        elif is_set:
            raise ValueError(f"{change}: say which threshold ({chosen}.NAME=VALUE), or {chosen}=none to do without")
        elif not any(getattr(one, chosen) is not None for one in rules):
            rules = (*rules, _validated({chosen: {}}, change))
    return rules


def compare(
    documents: Frame,
    duplicates: Frame,
    evidence: Mapping[str, Frame | None],
    now: Rules,
    then: Rules,
    examples: int = EXAMPLES,
    block_rows: int = BLOCK_ROWS,
) -> Difference:
    """What the rules `then` would keep and drop where `now` others hold, with so many examples of what comes and of what goes.

    `documents` needs doc_id, content_digest, source and locator, and `evidence` the table `quality` and those that either
    rules look at (`curation.verdicts.decide`). Raises ValueError when a rule's table is not there.
    """
    places = documents.lazy().select("doc_id", "content_digest", "source", "locator")
    known = known_blocks(places, duplicates, evidence, (*now, *then), block_rows, {"quality": _SIZES})
    sums, moved = [pl.DataFrame(schema={"source": pl.String})], pl.DataFrame(schema=_MOVED)
    for block in known:
        both = _both(block, now, then)
        sums.append(both.group_by("source").agg(_SUMS))
        came_or_went = both.filter(pl.col("comes") | pl.col("goes")).select(_MOVED.names())
        moved = pl.concat([moved, came_or_went]).sort("doc_id").group_by("comes", maintain_order=True).head(examples)
        moved = moved.select(_MOVED.names())
    counted = pl.concat(sums, how="diagonal").group_by("source").sum().sort("source")
    return Difference(_with_tokens(counted), moved.sort("doc_id"))


_MOVED = pl.Schema(
    {
        "doc_id": pl.String(),
        "source": pl.String(),
        "locator": pl.String(),
        "comes": pl.Boolean(),
        "rule": pl.String(),
        "detail": pl.String(),
    }
)
_COUNTED = ("documents", "words", "characters")
_SUMS = [
    pl.col("kept_now", "kept_then").sum(),
    *(
        summed.alias(f"{which}_{name}")
        for which in ("comes", "goes")
        for name, summed in zip(
            _COUNTED,
            (pl.col(which).sum(), *(pl.col(f"quality.{size}").filter(pl.col(which)).sum() for size in _SIZES)),
            strict=True,
        )
    ),
]


def _both(known: pl.DataFrame, now: Rules, then: Rules) -> pl.DataFrame:
    """A block of documents with `kept_now`, `kept_then`, `comes` and `goes`, and the rule that decides where it moves."""
    before, after = (_fate(known, rules, when) for rules, when in ((now, "now"), (then, "then")))
    both = (
        known.select("doc_id", "source", "locator", *(f"quality.{size}" for size in _SIZES))
        .hstack(before)
        .hstack(after)
    )
    both = both.with_columns(
        comes=~pl.col("kept_now") & pl.col("kept_then"), goes=pl.col("kept_now") & ~pl.col("kept_then")
    )
    return both.with_columns(
        pl.when("comes").then(f"{column}_now").otherwise(f"{column}_then").alias(column)
        for column in ("rule", "detail")
    )


def _fate(known: pl.DataFrame, rules: Rules, when: str) -> pl.DataFrame:
    told = judged(known, rules).select("rule", "detail", kept=pl.col("verdict") == "kept")
    return told.rename({column: f"{column}_{when}" for column in told.columns})


def _with_tokens(counted: pl.DataFrame) -> pl.DataFrame:
    columns = ["source", "kept_now", "kept_then"]
    for which in ("comes", "goes") if counted.height else ():
        tokens = pl.col(f"{which}_characters") // CHARACTERS_PER_TOKEN
        counted = counted.with_columns(tokens.alias(f"{which}_tokens"))
        columns += [f"{which}_{name}" for name in ("documents", "words", "tokens")]
    return counted.select(columns) if counted.height else counted


def _set(rules: Rules, chosen: str, threshold: str, said: str, change: str) -> Rules:
    """The rules with one threshold set, wherever its set is named."""
    if not any(getattr(one, chosen) is not None for one in rules):
        rules = (*rules, _validated({chosen: {}}, change))
    made = []
    for one in rules:
        limits = getattr(one, chosen)
        if limits is None:
            made.append(one)
            continue
        own: dict[str, Any] = {field.name: getattr(limits, field.name) for field in dataclasses.fields(limits)}
        if threshold not in own:
            raise ValueError(f"{change}: {chosen} has no threshold {threshold!r}; it has {', '.join(own)}")
        try:
            value = yaml.safe_load(said)
        except yaml.YAMLError as error:
            raise ValueError(f"{change}: {said!r} is no value; give a number, as in headwater.yaml") from error
        entry = {chosen: own | {threshold: value}}
        made.append(dataclasses.replace(one, **{chosen: getattr(_validated(entry, change), chosen)}))
    return tuple(made)


def _validated(entry: dict[str, Any], change: str) -> RuleSet:
    try:
        return TypeAdapter(RuleSet).validate_python(entry)
    except ValidationError as error:
        said = "; ".join(str(each["msg"]).removeprefix("Value error, ") for each in error.errors())
        raise ValueError(f"{change}: {said}") from error

"""What other thresholds would keep and drop, told from the evidence that is there: no text is read, nothing changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
import yaml
from pydantic import TypeAdapter, ValidationError

from curation.rule_sets import SETS, Rules, RuleSet
from curation.verdicts import Frame, decide

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English under the usual tokenizers; each model has a count of its own."""

_SIZES = ("n_words", "n_chars")


class Difference(NamedTuple):
    """What would come and go.

    `sources`: source, kept_now, kept_then and, for what would come and go, documents, words and tokens (estimated from
    characters); a row a source, in the order of their names. `moved`: doc_id, source, locator, `comes`, and rule and
    detail of the verdict that drops the document, now or then; by doc_id, which is a hash, so that its first rows are a
    random sample.
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
    documents: Frame, duplicates: Frame, evidence: Mapping[str, Frame | None], now: Rules, then: Rules
) -> Difference:
    """What the rules `then` would keep and drop where `now` others hold.

    `documents` needs doc_id, content_digest, source and locator, and `evidence` the table `quality` and those that either
    rules look at (`curation.verdicts.decide`). Raises ValueError when a rule's table is not there.
    """
    before, after = (decide(documents, duplicates, evidence, rules).table for rules in (now, then))
    quality = evidence["quality"]
    assert quality is not None  # the rule `empty` holds always, and `decide` would have raised
    places = documents.lazy().select("doc_id", "content_digest", "source", "locator")
    sizes = quality.lazy().select("content_digest", *(pl.col(name).fill_null(0) for name in _SIZES))
    both = (
        places.join(_fate(before, "now"), on="doc_id", validate="1:1")
        .join(_fate(after, "then"), on="doc_id", validate="1:1")
        .join(sizes, on="content_digest", how="left")
        .with_columns(comes=~pl.col("kept_now") & pl.col("kept_then"), goes=pl.col("kept_now") & ~pl.col("kept_then"))
        .collect()
    )
    moved = both.filter(pl.col("comes") | pl.col("goes")).sort("doc_id")
    decided = [pl.when("comes").then(f"{column}_now").otherwise(f"{column}_then").alias(column) for column in _TOLD]
    return Difference(_by_source(both), moved.select("doc_id", "source", "locator", "comes", *decided))


_TOLD = ("rule", "detail")


def _fate(verdicts: pl.DataFrame, when: str) -> pl.LazyFrame:
    told = [pl.col(column).alias(f"{column}_{when}") for column in _TOLD]
    return verdicts.lazy().select("doc_id", (pl.col("verdict") == "kept").alias(f"kept_{when}"), *told)


def _by_source(both: pl.DataFrame) -> pl.DataFrame:
    def summed(which: str) -> list[pl.Expr]:
        own = pl.col(which)
        return [
            own.sum().alias(f"{which}_documents"),
            pl.col("n_words").filter(own).sum().alias(f"{which}_words"),
            (pl.col("n_chars").filter(own).sum() // CHARACTERS_PER_TOKEN).alias(f"{which}_tokens"),
        ]

    counted = [pl.col("kept_now").sum(), pl.col("kept_then").sum(), *summed("comes"), *summed("goes")]
    return both.group_by("source").agg(counted).sort("source")


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

"""Documents to look at, drawn at random for each rule: a person sees in a minute what a number hides.

A `doc_id` is a hash, so the documents whose first digits are nearest to the seed's are a random sample, and the same one
whatever comes and goes beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import polars as pl

from curation.blocks import BLOCK_ROWS, parts_of
from curation.deduplication.survivors import shown_similarity
from curation.privacy.masking import masked_text
from curation.rules import Rule
from curation.spans import Span
from records import digest, doc_id

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

_DIGITS = 15
_NEAR = "_near"
_DRAWN = ("failed", "doc_id", "content_digest", "rule")


class Example(NamedTuple):
    """A document that fails a rule (or is kept): its place, what was found, which rule decided, and how its text begins."""

    doc_id: str
    place: str
    found: str
    decided: str
    text: str
    characters: int


def nearness(names: pl.Expr, seed: int) -> pl.Expr:
    """A random order, by seed, of names that are hashes in hexadecimal."""
    mask = int(digest("examples", str(seed))[:_DIGITS], 16)
    return names.str.head(_DIGITS).str.to_integer(base=16) ^ mask


def examples(
    documents: Frame,
    verdicts: Frame,
    duplicates: Frame,
    evidence: Mapping[str, Frame | None],
    rules: Sequence[Rule],
    most: int,
    characters: int,
    seed: int,
) -> dict[str, list[Example]]:
    """For each rule that a document fails, and for `kept`, at most so many documents with the first characters of their text."""
    drawn = _drawn(verdicts, most, seed)
    names = drawn["doc_id"].unique().to_list()
    texts = beginnings(documents, evidence.get("personal_data"), names, characters)
    copies = _copies(documents, duplicates, names)
    values = _values(evidence, rules, drawn["content_digest"].unique().to_list())
    found: dict[str, list[Example]] = {}
    for row in drawn.iter_rows(named=True):
        if row["doc_id"] in texts:
            place, text, length = texts[row["doc_id"]]
            said = copies.get(row["doc_id"], "") if row["failed"] == "duplicate" else ""
            said = said or values.get((row["failed"], row["content_digest"]), "")
            example = Example(row["doc_id"], place, said, row["rule"] or "", text, length)
            found.setdefault(row["failed"], []).append(example)
    return found


def beginnings(
    documents: Frame, personal_data: Frame | None, names: Sequence[str], characters: int
) -> dict[str, tuple[str, str, int]]:
    """Of each of these documents (doc_id) its place, how its text begins with personal data masked, and its characters."""
    begin = pl.col("text").str.head(characters)
    wanted = documents.lazy().filter(pl.col("doc_id").is_in(names))
    place = pl.format("{}:{}", "source", "locator")
    texts = wanted.select(
        "doc_id", "content_digest", place.alias("place"), begin, pl.col("text").str.len_chars().alias("length")
    )
    rows = texts.collect()
    hidden = _personal(personal_data, rows["content_digest"].to_list())
    found = {}
    for name, content, at, text, length in rows.iter_rows():
        found[name] = (at, text if hidden is None else _discreet(text, hidden.get(content)), length)
    return found


def _personal(found: Frame | None, contents: Sequence[str]) -> dict[str, list[Span]] | None:
    """The personal data of these contents, where it was looked for; of one that could not be measured nothing is known."""
    if found is None:
        return None
    rows = found.lazy().filter(pl.col("content_digest").is_in(contents) & pl.col("spans").is_not_null())
    spans = rows.select("content_digest", "spans").collect().iter_rows()
    return {name: [(span["start"], span["end"], span["kind"]) for span in own] for name, own in spans}


def _discreet(begin: str, spans: Sequence[Span] | None) -> str:
    """The beginning of a text with its personal data masked; nothing of a text of which that is not known."""
    if spans is None:
        return ""
    length = len(begin.encode())
    return masked_text(begin, [(start, min(end, length), kind) for start, end, kind in spans if start < length])


def _drawn(verdicts: Frame, most: int, seed: int) -> pl.DataFrame:
    """doc_id, content_digest, rule and `failed` (a failing rule, or `kept`), nearest to the seed first."""
    judged = verdicts.lazy().select("doc_id", "content_digest", "verdict", "rule", "rules")
    drawn = [pl.DataFrame(schema=dict.fromkeys(_DRAWN, pl.String)).with_columns(pl.lit(0, pl.Int64).alias(_NEAR))]
    for piece in parts_of(judged, BLOCK_ROWS):
        near = piece.with_columns(nearness(pl.col("doc_id"), seed).alias(_NEAR))
        kept = near.filter(pl.col("verdict") == "kept").with_columns(failed=pl.lit("kept"))
        failing = near.with_columns(failed="rules").explode("failed").drop_nulls("failed")
        some = [*drawn, *(each.select(*_DRAWN, _NEAR) for each in (kept, failing))]
        drawn = [pl.concat(some).sort("failed", _NEAR, "doc_id").group_by("failed", maintain_order=True).head(most)]
        drawn = [each.select(*_DRAWN, _NEAR) for each in drawn]
    return drawn[0].drop(_NEAR)


def _copies(documents: Frame, duplicates: Frame, names: Sequence[str]) -> dict[str, str]:
    """Of each of these documents that is a copy: of what, and how near."""
    copied = duplicates.lazy().filter(pl.col("doc_id").is_in(names)).collect()
    kept = documents.lazy().filter(pl.col("doc_id").is_in(copied["kept_id"].to_list()))
    places = {row[0]: f"{row[1]}:{row[2]}" for row in kept.select("doc_id", "source", "locator").collect().iter_rows()}
    told = copied.select("doc_id", "kind", "jaccard", "kept_id").iter_rows()
    return {
        name: f"{kind} copy (Jaccard {shown_similarity(jaccard)}) of {places.get(kept, kept)}"
        for name, kind, jaccard, kept in told
    }


def _values(
    evidence: Mapping[str, Frame | None], rules: Sequence[Rule], contents: Sequence[str]
) -> dict[tuple[str, str], str]:
    """What each rule looked at, by the rule's name and the content."""
    found: dict[tuple[str, str], str] = {}
    for name in dict.fromkeys(rule.evidence for rule in rules):
        table = evidence.get(name)
        own = [rule for rule in rules if rule.evidence == name]
        if table is not None:
            columns = dict.fromkeys(rule.column for rule in own)
            rows = table.lazy().filter(pl.col("content_digest").is_in(contents)).select("content_digest", *columns)
            for row in rows.collect().iter_rows(named=True):
                found |= {
                    (rule.name, row["content_digest"]): f"{rule.column} {_said(row[rule.column])}" for rule in own
                }
    return found


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "unknown" if value is None else str(value)


def failed_examples(failures: Frame, most: int, seed: int) -> dict[str, list[tuple[str, str]]]:
    """For each error of reading, at most so many places, each with the mend."""
    rows = failures.lazy().select("source", "locator", "error", "detail").collect()
    names = [doc_id(source, locator) for source, locator in rows.select("source", "locator").iter_rows()]
    near = rows.with_columns(pl.Series("name", names, pl.String)).with_columns(
        nearness(pl.col("name"), seed).alias(_NEAR)
    )
    chosen = near.sort(_NEAR, "name").group_by("error", maintain_order=True).head(most)
    found: dict[str, list[tuple[str, str]]] = {}
    for row in _frequent_first(chosen, rows).iter_rows(named=True):
        found.setdefault(row["error"], []).append((f"{row['source']}:{row['locator']}", row["detail"] or ""))
    return found


def _frequent_first(chosen: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    counted = rows.group_by("error").len()
    return chosen.join(counted, on="error").sort("len", "error", _NEAR, "name", descending=[True, False, False, False])

"""Cutting and redaction: a text without its cut spans, and with placeholders where personal data stood.

A placeholder says the kind and a number, as in `<EMAIL_1>`. The same entity has the same number throughout a document,
so that who wrote to whom can still be read; numbers begin anew in each document and follow the order of appearance, so
that they say nothing of the value: no hash, no key and no table leads back. Where the text itself has such words,
numbering goes on after them, lest two entities share one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import polars as pl

import records
from curation.spans import Span, spans_by_content

PLACEHOLDER = re.compile(r"<([A-Z]+(?:_[A-Z]+)*)_([0-9]{1,9})>")
"""What a placeholder looks like."""

_SEPARATORS = re.compile(r"[\s\-./()]+")

_Region: TypeAlias = tuple[int, int, Span | None]


def rewrite(text: str, cuts: Iterable[Span], personal: Iterable[Span]) -> str:
    """The text without `cuts`, with a placeholder for each of `personal`.

    Spans that overlap are taken out together, and leave one placeholder if any personal data stood outside the cuts: no
    part of an address stays because only a part of it was cut. Raises ValueError where a span is not within the text or
    splits a character.
    """
    data = text.encode()
    numbers = _Numbers(text)
    pieces, at = [], 0
    for start, end, entity in _regions(cuts, personal):
        if not at <= start < end <= len(data):
            raise ValueError(f"span {start}–{end} is not within the text's {len(data)} bytes; measure it again")
        pieces.append(data[at:start])
        if entity is not None:
            value = data[entity[0] : entity[1]].decode()
            pieces.append(numbers.placeholder(entity[2], value).encode())
        at = end
    return b"".join([*pieces, data[at:]]).decode()


def rewritten(
    contents: pl.DataFrame, cuts: Sequence[pl.DataFrame | pl.LazyFrame], personal: pl.DataFrame | pl.LazyFrame | None
) -> pl.DataFrame:
    """The contents that spans change: `content_digest` as it was, and `new_text`, `new_digest`; others have no row.

    `contents` has content_digest and text; the others content_digest and `spans`.
    """
    marked = [spans_by_content(table).with_columns(cut=pl.lit(value=True)) for table in cuts]
    if personal is not None:
        marked.append(spans_by_content(personal).with_columns(cut=pl.lit(value=False)))
    if not marked:
        return _frame([])
    spans = pl.concat(marked).group_by("content_digest").agg(pl.struct("start", "end", "kind", "cut").alias("spans"))
    touched = contents.lazy().select("content_digest", "text").join(spans, on="content_digest").collect()
    rows = []
    for digest, text, found in touched.iter_rows():
        sides: dict[bool, list[Span]] = {True: [], False: []}
        for span in found:
            sides[span["cut"]].append((span["start"], span["end"], span["kind"]))
        new = rewrite(text, sides[True], sides[False])
        rows.append((digest, new, records.content_digest(new)))
    return _frame(rows)


def _frame(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    schema = {"content_digest": pl.String, "new_text": pl.String, "new_digest": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _regions(cuts: Iterable[Span], personal: Iterable[Span]) -> list[_Region]:
    """Disjoint stretches to take out, in order, each with the personal span that it leaves a placeholder for."""
    holes = _merged([(start, end, None) for start, end, _ in cuts])
    starts = [start for start, _, _ in holes]
    standing = []
    for span in personal:
        before = bisect_right(starts, span[0]) - 1
        if before < 0 or span[1] > holes[before][1]:
            standing.append((span[0], span[1], span))
    return _merged([*holes, *standing])


def _merged(regions: list[_Region]) -> list[_Region]:
    """The regions in order, those that overlap as one; of its personal spans the first speaks for it."""
    merged: list[_Region] = []
    for start, end, entity in sorted(regions, key=lambda region: region[:2]):
        if merged and start < merged[-1][1]:
            first, last, before = merged[-1]
            merged[-1] = (first, max(last, end), before or entity)
        else:
            merged.append((start, end, entity))
    return merged


class _Numbers:
    """The numbers of the entities of one document."""

    def __init__(self, text: str) -> None:
        self._last: dict[str, int] = defaultdict(int)
        self._given: dict[tuple[str, str], str] = {}
        for kind, number in PLACEHOLDER.findall(text) if "<" in text else ():
            self._last[kind] = max(self._last[kind], int(number))

    def placeholder(self, kind: str, value: str) -> str:
        """The placeholder of an entity: the same for the same value, in any case and however its groups are parted."""
        name = kind.upper()
        value = value if kind == "secret" else value.casefold()
        entity = (name, value if kind in {"secret", "email", "ip"} else _SEPARATORS.sub("", value))
        if entity not in self._given:
            self._last[name] += 1
            self._given[entity] = f"<{name}_{self._last[name]}>"
        return self._given[entity]

"""Finding a document by what a person has at hand: its doc_id or content_digest, or first digits of them, or its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from pipelines.store import Store

HEX = re.compile(r"[0-9a-f]{4,32}")
COLUMNS = ("doc_id", "content_digest", "source", "locator", "path", "bytes_digest", "media_type", "title")
SHORT = 12
"""Digits of an id that are shown: as many tell it from all others, and every command takes them for it."""
MANY = 10
"""How many places are listed where a name fits several."""

Row = dict[str, Any]


def rows_where(store: Store, table: str, condition: pl.Expr, columns: Sequence[str] = ()) -> list[Row]:
    """The rows of a table that meet a condition, read by it; none where the table does not exist yet."""
    try:
        rows = store.scan(table).filter(condition)
    except LookupError:
        return []
    return (rows.select(columns) if columns else rows).collect().to_dicts()


def row_where(store: Store, table: str, condition: pl.Expr) -> Row | None:
    """The one row of a table that meets a condition; None where there is none."""
    return next(iter(rows_where(store, table, condition)), None)


def find_document(store: Store, name: str, sources: Sequence[str] = ()) -> Row | None:
    """The document of that name, its text left out; None where no document is called so.

    The name is the beginning of a doc_id or of a content_digest, a locator, a file's path, or a locator with its source
    before it (`web:a.html`). Of a content that stands at several places it is the first one, by the order of `sources`.
    Raises LookupError where the name fits several contents.
    """
    rows = document_hits(store, name)
    if len({row["content_digest"] for row in rows}) > 1:
        raise several(name, rows)
    return first_place(rows, sources) if rows else None


def document_hits(store: Store, name: str) -> list[Row]:
    """All documents that a name fits; those alone that bear it as a whole, where there are any."""
    rows = rows_where(store, "documents", _named(name), COLUMNS)
    return [row for row in rows if name in (row["doc_id"], row["locator"], f"{row['source']}:{row['locator']}")] or rows


def first_place(rows: Sequence[Row], sources: Sequence[str]) -> Row:
    """The first of some places: by the order of the sources, then by locator."""
    ranks = {source: rank for rank, source in enumerate(sources)}
    return min(rows, key=lambda row: (ranks.get(row["source"], len(ranks)), row["locator"]))


def find_failures(store: Store, name: str) -> list[Row]:
    """The rows of `failures` at that place: a file, or a record of it."""
    place = pl.col("locator") == name
    return rows_where(store, "failures", place | (pl.col("path") == name) | (_with_source() == name))


def not_found(store: Store, name: str) -> LookupError:
    """The error for a name that nothing has, with places that are like it."""
    like = rows_where(store, "documents", pl.col("locator").str.contains(name, literal=True), ("locator",))
    hint = f"; there are: {', '.join(sorted(row['locator'] for row in like)[:MANY])}" if like and name else ""
    return LookupError(
        f"no document has a doc_id, content_digest or locator {name!r}{hint or '; `headwater table documents` lists them'}"
    )


def _named(name: str) -> pl.Expr:
    place = (pl.col("locator") == name) | (pl.col("path") == name)
    if ":" in name:
        place |= _with_source() == name
    if HEX.fullmatch(name):
        place |= pl.col("doc_id").str.starts_with(name) | pl.col("content_digest").str.starts_with(name)
    return place


def _with_source() -> pl.Expr:
    return pl.concat_str("source", pl.lit(":"), "locator")


def several(name: str, rows: list[Row]) -> LookupError:
    """The error for a name that several contents have."""
    listed = [f"{row['doc_id'][:SHORT]} {row['source']}:{row['locator']}" for row in rows[:MANY]]
    more = f" and {len(rows) - MANY:,} more" if len(rows) > MANY else ""
    return LookupError(f"{name!r} fits {len(rows):,} documents; name one of {', '.join(listed)}{more}")

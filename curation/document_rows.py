"""What files gave as rows of `documents` and `failures`: names and digests are taken column by column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from curation.fetching import File
from curation.formats import Extract, Item, Poison, Table
from curation.formats.row_tables import EXTRACTS, PLACES
from curation.inventory import FILE
from records import digests

STAGE = "documents"

DOCUMENTS = pl.Schema(
    {
        "doc_id": pl.String,
        "source": pl.String,
        "path": pl.String,
        "bytes_digest": pl.String,
        "locator": pl.String,
        "media_type": pl.String,
        "title": pl.String,
        "date": pl.String,
        "metadata": pl.String,
        "text": pl.String,
        "content_digest": pl.String,
        "byte_offset": pl.Int64,
        "byte_length": pl.Int64,
    }
)
"""One row per document; `path` and `bytes_digest` are those of its file in the inventory. `date` (ISO 8601) and
`metadata` (canonical JSON: language, address, licence, headings) are what the content says of itself, or null.
`byte_offset` and `byte_length` are the place of a record that is bytes of its own in its file (a line), else null."""

FAILURES = pl.Schema(
    {
        "stage": pl.String,
        "source": pl.String,
        "path": pl.String,
        "bytes_digest": pl.String,
        "locator": pl.String,
        "error": pl.String,
        "detail": pl.String,
    }
)
"""One row per file or record that never became a document; (`source`, `locator`) is unique."""

Frames = tuple[pl.DataFrame, pl.DataFrame]
"""`DOCUMENTS` and `FAILURES`."""


@dataclass(slots=True)
class Rows:
    """Rows in the making, in the order in which files are added."""

    _tables: list[pl.DataFrame] = field(default_factory=list)
    _single: list[tuple[str | None, ...]] = field(default_factory=list)
    _failures: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, file: File, found: Iterable[Item] | Table) -> None:
        """What one file gave."""
        if isinstance(found, Table):
            self._end_single()
            named = [pl.lit(getattr(file, name)).alias(name) for name in FILE]
            self._tables.append(found.extracts.with_columns(named))
        for item in found.poisons if isinstance(found, Table) else found:
            if isinstance(item, Extract):
                place = (file.source, file.path, file.bytes_digest)
                said = (item.part, item.media_type, item.text, item.title, item.date, item.metadata)
                self._single.append(place + said)
            else:
                self._failures.append(_failure(file, item))

    def frames(self) -> Frames:
        """The rows as tables."""
        self._end_single()
        tables = [_document_rows(table) for table in self._tables]
        failures = pl.DataFrame(self._failures, schema=FAILURES, orient="row")
        return pl.concat([DOCUMENTS.to_frame(), *tables]), failures

    def _end_single(self) -> None:
        """Files of one document each become a table together."""
        if self._single:
            columns = dict(zip((*FILE, *EXTRACTS), zip(*self._single, strict=True), strict=True))
            self._tables.append(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)))
            self._single = []


def _document_rows(extracts: pl.DataFrame) -> pl.DataFrame:
    file = pl.col("path").str.replace_all("#", "##", literal=True)
    unknown = [pl.lit(None, kind).alias(name) for name, kind in PLACES.items() if name not in extracts.columns]
    rows = extracts.with_columns(
        *unknown, locator=pl.when(pl.col("part") == "").then(file).otherwise(pl.concat_str(file, pl.lit("#"), "part"))
    )
    return rows.with_columns(
        digests("document", rows["source"], of=rows["locator"]).alias("doc_id"),
        digests("content", of=rows["text"]).alias("content_digest"),
    ).select(DOCUMENTS.names())


def file_locator(path: str) -> str:
    """The locator of a whole file: its path, with `#` doubled so that no file is taken for another one's record."""
    return path.replace("#", "##")


def _failure(file: File, item: Poison) -> tuple[str, ...]:
    place = file_locator(file.path)
    locator = f"{place}#{item.part}" if item.part else place
    return (STAGE, file.source, file.path, file.bytes_digest, locator, item.error, item.detail)

"""Files to documents, with every file accounted for.

The law of this module: a file of the inventory gives documents (one or more), or else exactly one failure whose locator
is the file itself; records of it that fail alone stand beside in `failures`, each with its own locator. So, in files,
in = read + failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import polars as pl

import records
from curation.fetching import File, fetching, files_of
from curation.formats import Extract, Poison, ReadingSettings, Unreadable, media_type, read_items
from curation.formats.decoding import decode
from curation.formats.extracts import limited, reader_failed
from curation.inventory import Root
from records import Progress, silent

__all__ = ["DOCUMENTS", "FAILURES", "ReadingSettings", "failed_files", "file_locator", "read_files"]

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
    }
)
"""One row per document; `path` and `bytes_digest` are those of its file in the inventory. `date` (ISO 8601) and
`metadata` (canonical JSON: language, address, licence, headings) are what the content says of itself, or null."""

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

_REPORT_EVERY = 100


def read_files(
    files: pl.DataFrame, roots: Mapping[str, Root], settings: ReadingSettings, progress: Progress = silent
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a batch of the inventory into `DOCUMENTS` and `FAILURES`, in the batch's order.

    `files` has the columns of `INVENTORY`; `roots` gives each source's folder (`curation.inventory.root_of`). All the
    batch's text is in memory at once, so the batch bounds it. Raises KeyError for a source without a root, and
    ConnectionError when an object store cannot be reached.
    """
    documents: list[tuple[str | None, ...]] = []
    failures: list[tuple[str, ...]] = []
    for done, (file, fetch) in enumerate(fetching(files_of(files, roots), settings.max_bytes), 1):
        for item in _read(file, fetch, settings):
            if isinstance(item, Extract):
                documents.append(_document(file, item))
            else:
                failures.append(_failure(file, item))
        if done % _REPORT_EVERY == 0 or done == files.height:
            progress(done, files.height, "files")
    return (
        pl.DataFrame(documents, schema=DOCUMENTS, orient="row"),
        pl.DataFrame(failures, schema=FAILURES, orient="row"),
    )


def file_locator(path: str) -> str:
    """The locator of a whole file: its path, with `#` doubled so that no file is taken for another one's record."""
    return path.replace("#", "##")


def failed_files(failures: pl.DataFrame) -> dict[str, int]:
    """How many files gave no document, by reason; `failures` may hold records that failed alone, which do not count."""
    whole = failures.filter(pl.col("locator") == pl.col("path").str.replace_all("#", "##", literal=True))
    return dict(whole.group_by("error").len().sort("error").iter_rows())


def _document(file: File, item: Extract) -> tuple[str | None, ...]:
    locator = _locator(file, item.part)
    name = records.doc_id(file.source, locator)
    content = records.content_digest(item.text)
    said = (item.media_type, item.title, item.date, item.metadata, item.text)
    return (name, file.source, file.path, file.bytes_digest, locator, *said, content)


def _failure(file: File, item: Poison) -> tuple[str, ...]:
    locator = _locator(file, item.part)
    return (STAGE, file.source, file.path, file.bytes_digest, locator, item.error, item.detail)


def _locator(file: File, part: str) -> str:
    return f"{file_locator(file.path)}#{part}" if part else file_locator(file.path)


def _read(file: File, fetch: Callable[[], bytes], settings: ReadingSettings) -> list[Extract | Poison]:
    """What one file gives; a file that gives no document has one Poison without a part, at the end."""
    try:
        items = list(_healthy(file, fetch(), settings))
    except Unreadable as error:
        return [Poison("", error.error, error.detail)]
    except (MemoryError, ConnectionError):
        raise  # the machine's or the network's doing, not the file's: not to be remembered
    except Exception as error:  # noqa: BLE001 - whatever a parser stumbles over, the file fails alone and is named
        failed = reader_failed(error)
        return [Poison("", failed.error, failed.detail)]
    if not any(isinstance(item, Extract) or not item.part for item in items):
        items.append(Poison("", "no text", "no record of the file could be read; see its own failures, if any"))
    return items


def _healthy(file: File, data: bytes, settings: ReadingSettings) -> Iterator[Extract | Poison]:
    """The file's items within the limits, each with text that a table can hold."""
    if not data.strip():
        yield Extract("", media_type(data, file.path), decode(data))
        return
    for item in limited(read_items(data, file.path, settings), settings):
        yield _checked(item)


def _checked(item: Extract | Poison) -> Extract | Poison:
    """The item, or why its text is none: escapes in JSON can spell NULs and halves of characters."""
    if isinstance(item, Poison):
        return item
    if "\0" in item.text:
        return Poison(item.part, "binary", "the text holds NUL characters: remove them")
    try:
        for text in (item.text, item.title or "", item.metadata or ""):
            _ = text.isascii() or text.encode("utf-8")
    except UnicodeEncodeError:
        return Poison(item.part, "not Unicode", "the text holds half a surrogate pair: write the record again")
    return item

"""Files to documents, with every file accounted for.

The law of this module: a file of the inventory gives documents (one or more), or else exactly one failure whose locator
is the file itself; records of it that fail alone stand beside in `failures`, each with its own locator. So, in files,
in = read + failed.

All cores read, each a batch of files at a time, in processes that may die: a file whose parser crashes is found by
halving its batch, and is named. What is few bytes is read here, for processes take longer to start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

import records
from curation.fetching import File, fetching, files_of
from curation.file_items import died_of, items_of
from curation.formats import Extract, Item, NeedsWorker, Poison, ReadingSettings
from curation.formats.extracts import may_die
from curation.inventory import Root
from curation.workers import Died, cores, results
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

FEW_BYTES = 4 << 20
"""So much is read by one process in the time that others take to start."""

_BATCH_BYTES = 32 << 20
_BATCH_FILES = 500
_BATCHES_PER_WORKER = 8
_REPORT_EVERY = 100

Frames = tuple[pl.DataFrame, pl.DataFrame]
"""`DOCUMENTS` and `FAILURES`."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Files that follow each other; `first` is the place of the first one among all."""

    first: int
    files: tuple[File, ...]


@dataclass(slots=True)
class _Rows:
    """Rows in the making."""

    documents: list[tuple[str | None, ...]] = field(default_factory=list)
    failures: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, file: File, items: Iterable[Item]) -> None:
        """What one file gave."""
        for item in items:
            if isinstance(item, Extract):
                self.documents.append(_document(file, item))
            else:
                self.failures.append(_failure(file, item))

    def frames(self) -> Frames:
        """The rows as tables."""
        return (
            pl.DataFrame(self.documents, schema=DOCUMENTS, orient="row"),
            pl.DataFrame(self.failures, schema=FAILURES, orient="row"),
        )


def read_files(
    files: pl.DataFrame, roots: Mapping[str, Root], settings: ReadingSettings, progress: Progress = silent
) -> Frames:
    """Read a batch of the inventory into `DOCUMENTS` and `FAILURES`, in the batch's order.

    `files` has the columns of `INVENTORY`; `roots` gives each source's folder (`curation.inventory.root_of`). All the
    batch's text is in memory at once, so the batch bounds it. Raises KeyError for a source without a root, and
    ConnectionError when an object store cannot be reached.
    """
    listed = list(files_of(files, roots))
    workers = settings.workers or cores()
    found: dict[int, Frames] = {}
    tasks: deque[_Batch] = deque()
    if sum(file.size for file in listed) <= FEW_BYTES:
        tasks += _read_here(listed, settings, found, progress)
    else:
        tasks += _batches(listed, workers)
    left = sum(len(batch.files) for batch in tasks)
    for batch, frames in _read_by_workers(tasks, workers, settings):
        found[batch.first] = frames
        left -= len(batch.files)
        progress(len(listed) - left, len(listed), "files")
    ordered = [found[place] for place in sorted(found)]
    documents = pl.concat([DOCUMENTS.to_frame(), *(frames[0] for frames in ordered)])
    return documents, pl.concat([FAILURES.to_frame(), *(frames[1] for frames in ordered)])


def _read_here(
    files: Sequence[File], settings: ReadingSettings, found: dict[int, Frames], progress: Progress
) -> list[_Batch]:
    """Read what cannot crash this process into `found`; gives the files that can."""
    apart: list[_Batch] = []
    rows, first = _Rows(), 0
    for place, (file, fetch) in enumerate(fetching(files, settings.max_bytes)):
        try:
            rows.add(file, items_of(file, fetch, settings))
        except NeedsWorker:
            found[first] = rows.frames()
            rows, first = _Rows(), place + 1
            apart.append(_Batch(place, (file,)))
        if (place + 1) % _REPORT_EVERY == 0 or (place + 1 == len(files) and not apart):
            progress(place + 1, len(files), "files")
    found[first] = rows.frames()
    return apart


def _read_by_workers(tasks: deque[_Batch], workers: int, settings: ReadingSettings) -> Iterator[tuple[_Batch, Frames]]:
    """Each batch with its rows; one that a process died of is halved, until a file is found to be the cause."""
    again: set[int] = set()
    for batch, done in results(partial(_read_batch, settings), tasks, workers, settings.max_memory):
        if not isinstance(done, Died):
            yield batch, done
        elif len(batch.files) > 1:
            half = len(batch.files) // 2
            tasks.appendleft(_Batch(batch.first + half, batch.files[half:]))
            tasks.appendleft(_Batch(batch.first, batch.files[:half]))
        elif done.signal == "SIGKILL" and batch.first not in again:
            again.add(batch.first)  # perhaps the machine's doing, for want of memory: once more
            tasks.append(batch)
        else:
            rows = _Rows()
            rows.add(batch.files[0], [died_of(done.signal)])
            yield batch, rows.frames()


def _read_batch(settings: ReadingSettings, batch: _Batch) -> Frames:
    """What a process that may die does."""
    may_die.set(True)
    rows = _Rows()
    for file, fetch in fetching(batch.files, settings.max_bytes):
        rows.add(file, items_of(file, fetch, settings))
    return rows.frames()


def _batches(files: Sequence[File], workers: int) -> Iterator[_Batch]:
    """Batches of few enough bytes and files that every process has several."""
    size = sum(file.size for file in files)
    most = min(_BATCH_BYTES, size // (_BATCHES_PER_WORKER * workers) + 1)
    held: list[File] = []
    held_bytes = first = 0
    for file in files:
        if held and (held_bytes + file.size > most or len(held) == _BATCH_FILES):
            yield _Batch(first, tuple(held))
            first, held, held_bytes = first + len(held), [], 0
        held.append(file)
        held_bytes += file.size
    if held:
        yield _Batch(first, tuple(held))


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

"""Files to documents, with every file accounted for.

The law of this module: a file of the inventory gives documents (one or more), or else exactly one failure whose locator
is the file itself; records of it that fail alone stand beside in `failures`, each with its own locator. So, in files,
in = read + failed.

All cores read, each a batch of files at a time, in processes that may die: a file whose parser crashes is found by
halving its batch, and is named. What is few bytes is read here, for processes take longer to start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import polars as pl

from curation.document_rows import DOCUMENTS, FAILURES, Frames, Rows, file_locator
from curation.fetching import File, fetching, files_of
from curation.file_items import died_of, items_of
from curation.formats import NeedsWorker, ReadingSettings
from curation.formats.extracts import may_die
from curation.inventory import Root
from curation.workers import Died, cores, results
from records import Progress, silent

__all__ = [
    "DOCUMENTS",
    "FAILURES",
    "ReadingSettings",
    "failed_files",
    "file_locator",
    "read_files",
    "read_files_into",
]

FEW_BYTES = 4 << 20
"""So much is read by one process in the time that others take to start."""

_BATCH_BYTES = 32 << 20
_BATCH_FILES = 500
_BATCHES_PER_WORKER = 8
_REPORT_EVERY = 100

_PART_BYTES = 8 << 20
"""Bytes of documents from which on the process that has them writes them itself."""
_HELD_BYTES = 64 << 20
"""Bytes of documents that are held to be written together."""

Written = TypeVar("Written")
Write = Callable[[pl.DataFrame], Written]
"""Writes documents where they are to stay, and gives what names them. It may be sent to another process."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Files that follow each other; `first` is the place of the first one among all."""

    first: int
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class _Read:
    """What some files gave: documents, held or written, and failures."""

    documents: pl.DataFrame | Any
    failures: pl.DataFrame
    files: int = 0
    size: int = 0


def read_files(
    files: pl.DataFrame, roots: Mapping[str, Root], settings: ReadingSettings, progress: Progress = silent
) -> Frames:
    """Read a batch of the inventory into `DOCUMENTS` and `FAILURES`, in the batch's order.

    `files` has the columns of `INVENTORY`; `roots` gives each source's folder (`curation.inventory.root_of`). All the
    batch's text is in memory at once, so the batch bounds it. Raises KeyError for a source without a root, and
    ConnectionError when an object store cannot be reached.
    """
    found = dict(_read(list(files_of(files, roots)), settings, progress, None))
    ordered = [found[place] for place in sorted(found)]
    documents = pl.concat([DOCUMENTS.to_frame(), *(read.documents for read in ordered)])
    return documents, pl.concat([FAILURES.to_frame(), *(read.failures for read in ordered)])


def read_files_into(
    write: Write[Written],
    files: pl.DataFrame,
    roots: Mapping[str, Root],
    settings: ReadingSettings,
    progress: Progress = silent,
) -> tuple[list[Written], pl.DataFrame]:
    """Read a batch of the inventory; the documents are written piece by piece, in no order, and never held together.

    Gives what `write` gave, and `FAILURES`. Raises as `read_files` does.
    """
    written: list[Written] = []
    held: list[pl.DataFrame] = []
    failures = [FAILURES.to_frame()]
    for _, read in _read(list(files_of(files, roots)), settings, progress, write):
        failures.append(read.failures)
        if not isinstance(read.documents, pl.DataFrame):
            written.append(read.documents)
            continue
        held.append(read.documents)
        if sum(frame.estimated_size() for frame in held) > _HELD_BYTES:
            written.append(write(pl.concat(held)))
            held = []
    if any(frame.height for frame in held):
        written.append(write(pl.concat(held)))
    return written, pl.concat(failures)


def _read(
    files: Sequence[File], settings: ReadingSettings, progress: Progress, write: Write[Any] | None
) -> Iterator[tuple[int, _Read]]:
    """What the files gave, some at a time, each time with the place of the first."""
    told = _Told(progress, len(files), sum(file.size for file in files))
    workers = settings.workers or cores()
    tasks: deque[_Batch] = deque()
    if told.size <= FEW_BYTES:
        for place, here in _read_here(files, settings, tasks):
            told.of(here)
            yield place, here
    else:
        tasks += _batches(files, workers)
    for batch, read in _read_by_workers(tasks, workers, settings, write):
        told.of(read)
        yield batch.first, read


@dataclass(slots=True)
class _Told:
    """How far the reading is."""

    progress: Progress
    files: int
    size: int
    files_done: int = 0
    size_done: int = 0

    def of(self, read: _Read) -> None:
        """Some files more."""
        self.files_done += read.files
        self.size_done += read.size
        self.progress(self.size_done, self.size, "bytes", f"{self.files_done:,} of {self.files:,} files")


def _read_here(files: Sequence[File], settings: ReadingSettings, apart: deque[_Batch]) -> Iterator[tuple[int, _Read]]:
    """Read what cannot crash this process; the files that can are put `apart`."""
    rows, first, size = Rows(), 0, 0
    for place, (file, fetch) in enumerate(fetching(files, settings.max_bytes)):
        try:
            rows.add(file, items_of(file, fetch, settings))
            size += file.size
        except NeedsWorker:
            yield first, _Read(*rows.frames(), place - first, size)
            rows, first, size = Rows(), place + 1, 0
            apart.append(_Batch(place, (file,)))
            continue
        if place + 1 - first == _REPORT_EVERY:
            yield first, _Read(*rows.frames(), place + 1 - first, size)
            rows, first, size = Rows(), place + 1, 0
    yield first, _Read(*rows.frames(), len(files) - first, size)


def _read_by_workers(
    tasks: deque[_Batch], workers: int, settings: ReadingSettings, write: Write[Any] | None
) -> Iterator[tuple[_Batch, _Read]]:
    """Each batch with what it gave; one that a process died of is halved, until a file is found to be the cause."""
    again: set[int] = set()
    for batch, done in results(partial(_read_batch, settings, write), tasks, workers, settings.max_memory):
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
            rows = Rows()
            rows.add(batch.files[0], [died_of(done.signal)])
            yield batch, _Read(*rows.frames(), 1, batch.size)


def _read_batch(settings: ReadingSettings, write: Write[Any] | None, batch: _Batch) -> _Read:
    """What a process that may die does."""
    may_die.set(True)
    rows = Rows()
    for file, fetch in fetching(batch.files, settings.max_bytes):
        rows.add(file, items_of(file, fetch, settings))
    documents, failures = rows.frames()
    many = write is not None and documents.estimated_size() > _PART_BYTES
    return _Read(write(documents) if many and write else documents, failures, len(batch.files), batch.size)


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


def failed_files(failures: pl.DataFrame) -> dict[str, int]:
    """How many files gave no document, by reason; `failures` may hold records that failed alone, which do not count."""
    whole = failures.filter(pl.col("locator") == pl.col("path").str.replace_all("#", "##", literal=True))
    return dict(whole.group_by("error").len().sort("error").iter_rows())

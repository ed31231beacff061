"""Files to documents, with every file accounted for.

The law of this module: a file of the inventory gives documents (one or more), or else exactly one failure whose locator
is the file itself; records of it that fail alone stand beside in `failures`, each with its own locator. So, in files,
in = read + failed.

All cores read, each a batch of files at a time, in processes that may die: a file whose parser crashes is found by
halving its batch, and is named. What is few bytes is read here, for processes take longer to start. A file of rows that
is too large to be held is read in pieces (`curation.large_files`); a record of it that crashes is found and named alike.
What cannot be halved (a mailbox, an archive, what is compressed) is read again with care (`curation.formats.care`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from posixpath import splitext
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from curation.document_rows import DOCUMENTS, FAILURES, Frames, Rows, file_locator
from curation.fetching import File, fetching, files_of
from curation.file_items import failure_of, items_of
from curation.formats import NeedsWorker, ReadingSettings, ready
from curation.formats.care import care_after, careful
from curation.formats.extracts import NeedsPieces, died, may_die, took_all_memory
from curation.formats.parquet import lost
from curation.formats.record_batches import Damaged
from curation.inventory import Root
from curation.large_files import Found, Plan, groups_in, halves, is_large, plan, read_piece
from curation.line_pieces import Piece
from curation.reading_tasks import HELD_BYTES, Batch, Opened, PieceTask, Read, Task, Write, Written, failed, joined
from curation.resource_limits import OutOfMemory, gigabytes, memory_there_is, processors_there_are
from curation.workers import Crew, Died, results
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

FEW_BYTES = 8 << 20
"""So much is read by one process in the time that others take to start."""

_BATCH_BYTES = 32 << 20
_BATCH_FILES = 500
_BATCHES_PER_WORKER = 8
_REPORT_EVERY = 100

_PART_BYTES = 8 << 20
"""Bytes of documents from which on the process that has them writes them itself."""


def read_files(
    files: pl.DataFrame, roots: Mapping[str, Root], settings: ReadingSettings, progress: Progress = silent
) -> Frames:
    """Read a batch of the inventory into `DOCUMENTS` and `FAILURES`, about in the batch's order.

    `files` has the columns of `INVENTORY`; `roots` gives each source's folder (`curation.inventory.root_of`). All the
    batch's text is in memory at once, so the batch bounds it. Raises KeyError for a source without a root, and
    ConnectionError when an object store cannot be reached.
    """
    found = sorted(_read(list(files_of(files, roots)), settings, progress, None), key=itemgetter(0))
    ordered = [read for _, read in found]
    documents = pl.concat([DOCUMENTS.to_frame(), *(frame for read in ordered for frame in read.documents)])
    return documents, pl.concat([FAILURES.to_frame(), *(read.failures for read in ordered)])


def read_files_into(
    write: Write[Written],
    files: pl.DataFrame,
    roots: Mapping[str, Root],
    settings: ReadingSettings,
    progress: Progress = silent,
) -> tuple[list[Written], pl.DataFrame]:
    """Read a batch of the inventory; the documents are written piece by piece, in no order, and never held together.

    Gives what `write` gave, and `FAILURES`. Raises as `read_files` does. What few files gave is written by a thread, one
    part at a time, so that no process waits for its next files meanwhile.
    """
    written: list[Written] = []
    held: list[pl.DataFrame] = []
    failures = [FAILURES.to_frame()]
    parts: deque[Future[Written]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for _, read in _read(list(files_of(files, roots)), settings, progress, write):
            failures.append(read.failures)
            held += (part for part in read.documents if isinstance(part, pl.DataFrame))
            written += (part for part in read.documents if not isinstance(part, pl.DataFrame))
            if sum(frame.estimated_size() for frame in held) > HELD_BYTES:
                written += (parts.popleft().result() for _ in range(len(parts)))
                parts.append(pool.submit(write, pl.concat(held)))
                held = []
        if any(frame.height for frame in held):
            parts.append(pool.submit(write, pl.concat(held)))
        written += (part.result() for part in parts)
    return written, pl.concat(failures)


def _read(
    files: Sequence[File], settings: ReadingSettings, progress: Progress, write: Write[Any] | None
) -> Iterator[tuple[int, Read]]:
    """What the files gave, some at a time, each time with the place of the first."""
    told = _Told(progress, len(files), sum(file.size for file in files))
    workers = settings.workers or processors_there_are()
    tasks: deque[Task] = deque()
    if told.size <= FEW_BYTES:
        yield from _read_here(files, settings, tasks, told)
    else:
        tasks += _batches(files, workers, settings)
    endings = frozenset(splitext(file.path)[1] for file in files)
    crew = Crew(workers)
    found = results(partial(_work, settings, write), tasks, crew, settings.max_memory, partial(ready, endings))
    with TemporaryDirectory(prefix="headwater-") as places:
        yield from _read_by_workers(_fed(found, tasks, crew), tasks, told, Path(places), write)


def _fed(found: Iterator[tuple[Task, Any]], tasks: deque[Task], crew: Crew) -> Iterator[tuple[Task, Any]]:
    """What is found, but for what a process was killed of because memory ended: that is done again with all memory for itself,
    where it had not all before.

    Raises OutOfMemory where that is too little too. Several may be killed at once, so what worked alone is known by name.
    """
    alone: set[Task] = set()
    for task, done in found:
        if not isinstance(done, Died) or not done.is_starved or (crew.count == 1 and not _is_single(task)):
            yield task, done
        elif task not in alone and not done.had_all:
            alone.add(task)
            crew.count = 1
            tasks.appendleft(task)
        else:
            file = task.file if isinstance(task, PieceTask) else task.files[0]
            raise OutOfMemory(
                f"{file.source}: {file.path}: the memory ended. The system killed the process that read this file, though it "
                f"worked alone; there is {gigabytes(memory_there_is())} in all. Give it more, or exclude the file; or set "
                "reading.max_memory to less than there is, and a file that takes more fails alone"
            )


@dataclass(slots=True)
class _Told:
    """How far the reading is."""

    progress: Progress
    files: int
    size: int
    files_done: int = 0
    size_done: int = 0

    def of(self, files: int, size: int) -> None:
        """Some files more, and bytes."""
        self.files_done += files
        self.size_done += size
        self.progress(self.size_done, self.size, "bytes", f"{self.files_done:,} of {self.files:,} files")


def _read_here(
    files: Sequence[File], settings: ReadingSettings, apart: deque[Task], told: _Told
) -> Iterator[tuple[int, Read]]:
    """Read what cannot crash this process; the files that can, and those that are read in pieces, are put `apart`."""
    rows, first, size = Rows(), 0, 0
    for place, (file, fetch) in enumerate(fetching(files, settings.max_bytes)):
        own: Task | None = PieceTask(place, file) if is_large(file, settings) else None
        try:
            if own is None:
                rows.add(file, items_of(file, fetch, settings))
                size += file.size
        except NeedsWorker:
            own = Batch(place, (file,))
        except NeedsPieces:
            own = PieceTask(place, file)
        if own is not None or place + 1 - first == _REPORT_EVERY:
            yield first, _held(rows)
            told.of(place + (own is None) - first, size)
            rows, first, size = Rows(), place + 1, 0
            apart += [own] if own is not None else []
    yield first, _held(rows)
    told.of(len(files) - first, size)


def _held(rows: Rows) -> Read:
    documents, failures = rows.frames()
    return Read((documents,), failures, documents.height)


def _read_by_workers(
    found: Iterator[tuple[Task, Any]], tasks: deque[Task], told: _Told, places: Path, write: Write[Any] | None
) -> Iterator[tuple[int, Read]]:
    """Each batch and large file with what it gave; a batch that a process died of is halved, until a file is the cause, and
    that is read again with care."""
    again: set[Task] = set()
    opened: dict[int, Opened] = {}
    for task, done in found:
        if isinstance(done, Died) and done.signal == "SIGKILL" and _is_single(task) and task not in again:
            again.add(task)  # perhaps the machine's doing, for want of memory: once more
            tasks.append(task)
        elif isinstance(task, PieceTask):
            whole = opened.setdefault(task.first, Opened(task.file, places, write)).take(task, done, tasks)
            told.of(whole is not None, task.size)
            if whole is not None:
                yield task.first, whole
        elif isinstance(done, Died) and not _is_single(task):
            half = len(task.files) // 2
            tasks.appendleft(Batch(task.first + half, task.files[half:]))
            tasks.appendleft(Batch(task.first, task.files[:half]))
        elif (
            isinstance(done, Died)
            and (care := care_after(task.care, places / str(task.first), done.signal)) is not None
        ):
            tasks.appendleft(replace(task, care=care))
        elif isinstance(done, Died):
            told.of(1, task.size)
            yield task.first, failed(task.files[0], died("", done.signal, "the file"))
        else:
            apart = [PieceTask(place, task.files[place - task.first]) for place in done.apart]
            tasks += apart
            told.of(len(task.files) - len(apart), task.size)
            yield task.first, done


def _is_single(task: Task) -> bool:
    return isinstance(task, PieceTask) or len(task.files) == 1


def _work(settings: ReadingSettings, write: Write[Any] | None, task: Task) -> Any:
    """What a process that may die does: `Read` of a batch; of a large file its Plan, `Read` of a piece, or Poison."""
    may_die.set(True)
    with careful(task.care):
        return _read_task(settings, write, task)


def _read_task(settings: ReadingSettings, write: Write[Any] | None, task: Task) -> Any:
    if isinstance(task, Batch):
        rows = Rows()
        apart = []
        for place, (file, fetch) in enumerate(fetching(task.files, settings.max_bytes), task.first):
            try:
                rows.add(file, items_of(file, fetch, settings))
            except NeedsPieces:
                apart.append(place)
        return replace(_written([rows], write), apart=tuple(apart))
    try:
        if task.plan is None:
            return plan(task.file, settings)
        return _read_piece(settings, write, task.file, task.plan, task.piece)
    except _Unwritten:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a parser stumbles over, the file fails alone and is named
        return failure_of(error)


def _read_piece(settings: ReadingSettings, write: Write[Any] | None, file: File, planned: Plan, piece: Piece) -> Read:
    """What a piece gave; of row groups those that can be read, and why the others cannot."""
    try:
        found = read_piece(file, planned, piece, settings)
        return _written((_rows(file, one) for one in found), write)
    except (Damaged, MemoryError) as error:
        groups = groups_in(piece)
        if len(groups) > 1:
            return joined([_read_piece(settings, write, file, planned, half) for half in halves(file, planned, piece)])
        if not groups:
            raise
        is_lack = isinstance(error, MemoryError)
        return failed(file, took_all_memory(f"row={piece.first}", str(groups[0])) if is_lack else lost(groups[0]))


def _rows(file: File, found: Found) -> Rows:
    rows = Rows()
    rows.add(file, found)
    return rows


def _written(tables: Iterable[Rows], write: Write[Any] | None) -> Read:
    """Documents, written where they are many, and failures."""
    kept: list[Any] = []
    failures = [FAILURES.to_frame()]
    rows = 0
    for table in tables:
        documents, failed = table.frames()
        many = write is not None and documents.estimated_size() > _PART_BYTES
        kept.append(_put(documents, write) if many and write else documents)
        failures.append(failed)
        rows += documents.height
    return Read(tuple(kept), pl.concat(failures), rows)


class _Unwritten(Exception):
    """Documents could not be written: the disk's doing, and no fact about the file that they are from."""


def _put(documents: pl.DataFrame, write: Write[Written]) -> Written:
    try:
        return write(documents)
    except MemoryError:
        raise
    except Exception as error:
        raise _Unwritten(f"{type(error).__name__}: {error}") from error


def _batches(files: Sequence[File], workers: int, settings: ReadingSettings) -> Iterator[Task]:
    """Batches of few enough bytes and files that every process has several; large files apart."""
    size = sum(file.size for file in files if not is_large(file, settings))
    most = min(_BATCH_BYTES, size // (_BATCHES_PER_WORKER * workers) + 1)
    held: list[File] = []
    held_bytes = first = 0
    for place, file in enumerate(files):
        large = is_large(file, settings)
        if held and (large or held_bytes + file.size > most or len(held) == _BATCH_FILES):
            yield Batch(first, tuple(held))
            held, held_bytes = [], 0
        if large:
            yield PieceTask(place, file)
            continue
        first = first if held else place
        held.append(file)
        held_bytes += file.size
    if held:
        yield Batch(first, tuple(held))


def failed_files(failures: pl.DataFrame) -> dict[str, int]:
    """How many files gave no document, by reason; `failures` may hold records that failed alone, which do not count."""
    whole = failures.filter(pl.col("locator") == pl.col("path").str.replace_all("#", "##", literal=True))
    return dict(whole.group_by("error").len().sort("error").iter_rows())

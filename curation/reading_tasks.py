"""What processes that read are given and what they give, and a large file of which some pieces are read.

The documents of a large file count once all of it is read, for it may fail as a whole; until then they lie in parts that
no table has yet, and no more of them is held than is written at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from curation.document_rows import Rows
from curation.fetching import File
from curation.file_items import NO_RECORD, failure_of
from curation.formats import Poison, Unreadable
from curation.formats.care import Care, care_after
from curation.formats.extracts import died
from curation.large_files import Plan, halves, named
from curation.line_pieces import Piece
from curation.workers import Died

HELD_BYTES = 32 << 20
"""Bytes of documents that are held to be written together."""

Written = TypeVar("Written")
Write = Callable[[pl.DataFrame], Written]
"""Writes documents where they are to stay, and gives what names them. It may be sent to another process."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that follow each other; `first` is the place of the first one among all."""

    first: int
    files: tuple[File, ...]
    care: Care | None = None

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.size for file in self.files)


_WHOLE = Piece()


@dataclass(frozen=True, slots=True)
class PieceTask:
    """A large file to be looked through (no plan yet), or one of its pieces to be read, which the plan need not name."""

    first: int
    file: File
    plan: Plan | None = None
    piece: Piece = _WHOLE
    size: int = 0
    care: Care | None = None


Task = Batch | PieceTask


@dataclass(frozen=True, slots=True)
class Read:
    """What some files or a piece gave: documents, held or written, and failures."""

    documents: tuple[Any, ...]
    failures: pl.DataFrame
    rows: int
    apart: tuple[int, ...] = ()
    """The places of files that have to be read in pieces."""


def failed(file: File, *reasons: Poison) -> Read:
    rows = Rows()
    rows.add(file, reasons)
    return Read((), rows.frames()[1], 0)


def joined(reads: Sequence[Read]) -> Read:
    """What several gave, in their order."""
    documents = (part for read in reads for part in read.documents)
    return Read(tuple(documents), pl.concat([read.failures for read in reads]), sum(read.rows for read in reads))


@dataclass(slots=True)
class Opened:
    """A large file of which some pieces are read."""

    file: File
    places: Path
    write: Write[Any] | None = None
    left: int = 1
    """Pieces that are not read yet; at first the plan."""
    is_ended: bool = False
    found: dict[int, Read] = field(default_factory=dict)
    written: list[Any] = field(default_factory=list)
    held: list[pl.DataFrame] = field(default_factory=list)
    """What is too little to have been written where it was read."""

    def take(self, task: PieceTask, done: Plan | Read | Poison | Died, tasks: deque[Task]) -> Read | None:
        """Its plan, or what a piece gave; all that the file gave once that is known, and never twice."""
        if self.is_ended:
            return None
        gave = self._without(task, done, tasks) if isinstance(done, Died) else done
        if isinstance(gave, Poison):
            self.is_ended = True
            others = [other for other in tasks if not isinstance(other, PieceTask) or other.first != task.first]
            tasks.clear()
            tasks.extend(others)
            return failed(self.file, gave)
        if isinstance(gave, Plan):
            self.found[-1] = failed(self.file, *gave.poisons)
            size = self.file.size // max(1, len(gave.pieces))
            self.left -= 1
            self._give(replace(task, plan=replace(gave, pieces=()), size=size, care=None), gave.pieces, tasks)
        elif gave is not None:
            self.found[task.piece.start] = self._without_few(gave) if self.write else gave
            self.left -= 1
        return None if self.left else self._all()

    def _without_few(self, gave: Read) -> Read:
        """What was written; the rest is held and written together, for a file has any number of pieces."""
        assert self.write is not None
        self.held += (part for part in gave.documents if isinstance(part, pl.DataFrame))
        if sum(frame.estimated_size() for frame in self.held) > HELD_BYTES:
            self.written.append(self.write(pl.concat(self.held)))
            self.held = []
        return replace(gave, documents=tuple(part for part in gave.documents if not isinstance(part, pl.DataFrame)))

    def _without(self, task: PieceTask, dead: Died, tasks: deque[Task]) -> Read | Poison | None:
        """A piece that a process died of is halved, until what stands alone fails; a stream is read again with care."""
        name = None if task.plan is None else named(task.plan, task.piece)
        if task.plan is None or name is None:
            if (care := care_after(task.care, self.places / str(task.first), dead.signal)) is None:
                return died("", dead.signal, "the file")
            tasks.appendleft(replace(task, care=care, size=0))
            return None
        try:
            parts = halves(task.file, task.plan, task.piece)
        except Unreadable as error:
            return failure_of(error)
        if not parts:
            return failed(self.file, died(name[0], dead.signal, name[1]))
        self.left -= 1
        self._give(replace(task, size=0), parts, tasks)
        return None

    def _give(self, task: PieceTask, pieces: Sequence[Piece], tasks: deque[Task]) -> None:
        """Tasks for pieces, which come next."""
        self.left += len(pieces)
        tasks.extendleft(replace(task, piece=piece) for piece in reversed(pieces))

    def _all(self) -> Read:
        self.is_ended = True
        ordered = [self.found[place] for place in sorted(self.found)]
        rows = sum(read.rows for read in ordered)
        if not rows:
            ordered.append(failed(self.file, NO_RECORD))
        parts = (part for read in ordered for part in read.documents)
        return Read((*parts, *self.written, *self.held), pl.concat(read.failures for read in ordered), rows)

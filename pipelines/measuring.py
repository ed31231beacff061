"""Measuring row by row on all cores, so that a poison record fails alone.

Batches go to worker processes, which may die. A batch that raises or kills its worker is halved until the culprit stands
alone; that one is recorded as failed, with its error, and all others are measured. Errors that may pass (no memory, a
lost file) are raised instead: they are not facts about a content. Where batches end never shows in a result, and a few
batches are all that is held of the texts and of what was found in them, however many contents there are.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, cast

import polars as pl

from curation.blocks import parts_of
from curation.resource_limits import OutOfMemory, gigabytes, kills, memory_there_is, processors_there_are
from pipelines import measuring_worker
from pipelines.measuring_worker import BrokenMeasure, from_ipc, in_worker, measured, ready, to_ipc
from pipelines.row_sets import Firsts
from pipelines.stages import Stage
from records import Progress

BATCH_ROWS = 2_000
BATCH_BYTES = 4 << 20
AHEAD = 2
"""Batches that are held for each worker: the one that it measures, and those that wait for it."""


RAISED = (MemoryError, OSError, BrokenMeasure)
"""What is no fact about a content, and so is not recorded as one."""


def evidence(
    stage: Stage, contents: pl.LazyFrame, came: pl.DataFrame | None, options: Mapping[str, Any], progress: Progress
) -> Generator[pl.DataFrame, None, int]:
    """The evidence of the contents named in `came` (all, when None), batch by batch: one row each, with `error` null where
    it was measured. The first batch is without rows, for its schema. What it returns is how many contents there were.

    `contents` holds the columns of the stage's key and those that the measure asks for; it is read piece by piece, and
    copies are measured once.
    """
    keys = list(stage.key)
    asked = contents.select(*keys, *stage.columns)
    before = set(sys.modules)
    nothing = measured(stage.function, stage.name, keys, asked.head(0).collect().to_arrow(), options)
    needed = sorted(name for name in sys.modules.keys() - before if name.startswith("curation."))
    yield nothing
    if came is not None:
        if not came.height:
            return 0
        asked = asked.join(came.lazy(), on=keys, how="semi", nulls_equal=True)
    firsts, done = Firsts(asked, keys), 0
    with _Workers(stage, options, needed) as workers:
        for part in workers.measured(_batches(firsts.of(parts_of(asked, BATCH_ROWS)))):
            yield pl.concat([nothing, part], how="diagonal_relaxed").cast(nothing.schema)
            done += part.height
            progress(done, firsts.count, "contents", workers.beside)
    return firsts.count


def _batches(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Cut where either limit is met; a single large content is a batch of its own."""
    for frame in frames:
        sizes = sum(
            (frame[name].cast(pl.String).str.len_bytes().fill_null(0).cast(pl.Int64) for name in frame.columns),
            start=pl.zeros(frame.height, dtype=pl.Int64, eager=True),
        )
        start = held = 0
        for place, size in enumerate(sizes.to_list()):
            if place > start and (held + size > BATCH_BYTES or place - start >= BATCH_ROWS):
                yield frame.slice(start, place - start)
                start, held = place, 0
            held += size
        if start < frame.height:
            yield frame.slice(start)


class _Workers:
    """Worker processes for one measure, made anew when one of them dies."""

    def __init__(self, stage: Stage, options: Mapping[str, Any], needed: Sequence[str]) -> None:
        self._stage, self._options, self._needed = stage, options, needed
        self._cores = processors_there_are()
        self._pool: ProcessPoolExecutor | None = None
        self._started: list[BaseProcess] = []
        self._killed = kills()
        self._is_short = False
        self._running: dict[Future[bytes], bytes] = {}
        self._troubled: list[pl.DataFrame] = []

    @property
    def beside(self) -> str:
        """What who watches should know of them."""
        return "one process at a time: memory ended" if self._is_short else ""

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _submit(self, batch: bytes) -> Future[bytes]:
        if self._pool is None:
            around = dict(os.environ), dict(self._options)
            context = _Noting(_forking([self._stage.function.__module__, *self._needed]))
            self._started = context.started
            self._pool = ProcessPoolExecutor(self._cores, cast(BaseContext, context), ready, initargs=around)
        function, key = self._stage.function, tuple(self._stage.key)
        with _bare():
            return self._pool.submit(in_worker, function.__module__, function.__name__, key, batch)

    def measured(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The evidence of each batch, as it comes; few more batches are held than there are workers."""
        for batch in batches:
            while self._troubled or len(self._running) >= AHEAD * self._cores:
                yield from self._settled()
            data = to_ipc(batch)
            try:
                self._running[self._submit(data)] = data
            except BrokenProcessPool:
                self._troubled.append(batch)
        while self._running or self._troubled:
            yield from self._settled()

    def _settled(self) -> Iterator[pl.DataFrame]:
        """What is done of the batches that run; after trouble all of them, and then what was in trouble, by halves."""
        done, _ = wait(self._running, return_when=ALL_COMPLETED if self._troubled else FIRST_COMPLETED)
        for future in done:
            batch = self._running.pop(future)
            try:
                found = from_ipc(future.result())
            except RAISED:
                raise
            except Exception:  # noqa: BLE001 - whatever it was, it is found and recorded by halving below
                self._troubled.append(from_ipc(batch))
            else:
                yield found
        if self._troubled and not self._running:
            self._close()
            if self._cores > 1 and kills() > self._killed:  # together they took more than there is
                self._cores, self._is_short = 1, True
            while self._troubled:
                yield from self._halved(self._troubled.pop())

    def _was_killed(self) -> bool:
        """Whether a process of the pool that broke may have ended as those do that the system kills: what crashed ended
        otherwise. Nobody can tell whose own parent, the server that forks, was killed (255)."""
        codes = {process.exitcode for process in self._started}
        return not codes or bool(codes & {-signal.SIGKILL, None, 255})

    def _starved(self, content: pl.DataFrame) -> OutOfMemory:
        key, *rest = content.select(self._stage.key).row(0)
        return OutOfMemory(
            f"{self._stage.name}: {' '.join(map(str, (key, *rest)))}: the memory ended. The system killed the process that "
            f"measured this content ({content.estimated_size() / 1e6:,.1f} MB of text), though it worked alone (or else another "
            f"process of its control group, just when somebody killed this one); there is "
            f"{gigabytes(memory_there_is())} in all: give it more, or exclude the document (`headwater explain {key}` shows it)"
        )

    def _measure_nothing(self, batch: pl.DataFrame) -> None:
        """Raises BrokenMeasure where a worker dies also without a content: of what it is sent, or as it starts."""
        try:
            self._submit(to_ipc(batch.clear())).result()
        except BrokenProcessPool as error:
            self._close()
            raise BrokenMeasure(
                f"measure {self._stage.name}: the processes that measure die before they have a content, of what they wrote to "
                f"stderr; was the code of {self._stage.function.__module__} or of its settings changed meanwhile, then begin "
                "the run again"
            ) from error

    def _halved(self, batch: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """A batch that has the workers for itself: what dies of it is in it, and of what was killed for want of memory less
        may have room."""
        killed = kills()
        try:
            found = from_ipc(self._submit(to_ipc(batch)).result())
        except RAISED:
            raise
        except Exception as error:  # it is recorded with the content that it belongs to
            if isinstance(error, BrokenProcessPool):
                self._close()
            if batch.height > 1:
                half = batch.height // 2
                yield from self._halved(batch.slice(0, half))
                yield from self._halved(batch.slice(half))
            elif not isinstance(error, BrokenProcessPool):
                yield batch.select(*self._stage.key, error=pl.lit(_said(error)))
            elif kills() > killed and self._was_killed():
                raise self._starved(batch) from error
            else:
                self._measure_nothing(batch)
                yield batch.select(*self._stage.key, error=pl.lit("WorkerDied: the worker died on this content"))
        else:
            yield found


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


class _Noting:
    """A context of multiprocessing that notes the processes which it makes: a pool does not tell how they ended."""

    def __init__(self, context: BaseContext) -> None:
        self.context = context
        self.started: list[BaseProcess] = []

    def Process(self, *given: Any, **named: Any) -> BaseProcess:
        """As the context makes it."""
        process: BaseProcess = self.context.Process(*given, **named)  # type: ignore[attr-defined]
        self.started.append(process)
        return process

    def __getattr__(self, name: str) -> Any:
        return getattr(self.context, name)


@contextmanager
def _bare() -> Iterator[None]:
    """What starts meanwhile does not import the caller's main module anew, which here may be all of Dagster."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _forking(needed: Sequence[str]) -> BaseContext:
    """Workers are forked from one process, begun once, that has imported what the first measure of a run needs: each would
    import half a second's worth. What a later measure needs beside, its workers import themselves. The process does nothing
    else, so there are no threads whose locks a fork would keep."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([measuring_worker.__name__, *needed])
    return context

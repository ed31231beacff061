"""Numbers that wait on disk until they are asked for, in a file without a name, without a stay in the page cache.

What is written through the page cache costs the kernel a page, an account of it and a copy for every 4 KiB, some 1 CPU
second a gigabyte; written past it (O_DIRECT) a twentieth of that. What is written, where it lies and its place in the file
are whole pages, as that asks. Where a file system cannot do it (one in memory, say), the file is written the usual way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import PAGESIZE, mmap
from tempfile import TemporaryFile, gettempdir

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
PAGE_WORDS = PAGESIZE // 4
TOGETHER = 1024
"""Stretches that the kernel takes in one call (IOV_MAX of Linux)."""


def aligned(n_words: int) -> Words:
    """An array of zeros whose memory begins at a page, of whole pages."""
    pages = max(1, -(-n_words // PAGE_WORDS))
    return np.frombuffer(mmap(-1, pages * PAGESIZE), np.uint32)


class Scratch:
    """A file of stretches, each of whole pages, and known by its place: the byte at which it begins. Those that are written
    together lie one behind the other."""

    def __init__(self, file: int) -> None:
        self._file, self._end = file, 0

    def write(self, *stretches: Words) -> int:
        """Write whole pages of memory; the place of the first. Raises OSError where the disk is full."""
        begin, left = self._end, [memoryview(stretch.data).cast("B") for stretch in stretches]
        while left:
            try:
                done = os.pwritev(self._file, left[:TOGETHER], self._end)
            except OSError as error:
                told = f"{error.strerror}, after {self._end:,} bytes of a temporary file in {gettempdir()}"
                raise OSError(error.errno, f"{told}; make room there, or name another folder in TMPDIR") from error
            self._end, left = self._end + done, _behind(left, done)
        return begin

    def read(self, place: int, into: Words) -> None:
        """Read from a place into whole pages of memory."""
        begin, left = place, memoryview(into.data).cast("B")
        while len(left):
            done = os.preadv(self._file, [left], place)
            if not done:
                raise OSError(f"a temporary file in {gettempdir()} ends before what was written to its byte {begin}")
            place, left = place + done, left[done:]


def _behind(views: list[memoryview], done: int) -> list[memoryview]:
    """What is left when the first bytes are done."""
    for number, view in enumerate(views):
        if done < len(view):
            return [view[done:], *views[number + 1 :]]
        done -= len(view)
    return []


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A file in the folder for temporary files; gone when it is left."""
    with TemporaryFile(buffering=0) as file:
        number = file.fileno()
        _go_past_the_cache(number)
        yield Scratch(number)


def _go_past_the_cache(file: int) -> None:
    """Read and write this file without the page cache, where that can be done."""
    direct = getattr(os, "O_DIRECT", 0)
    if not direct:
        return
    import fcntl

    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | direct)
        os.pwrite(file, aligned(1).data, 0)
    except OSError:  # a file system that has only the cache
        fcntl.fcntl(file, fcntl.F_SETFL, flags)

"""Numbers that wait on disk until they are asked for, in a file without a name, without a stay in the page cache.

What is written through the page cache costs the kernel a page, an account of it and a copy for every 4 KiB, some 1 CPU
second a gigabyte; written past it (O_DIRECT) a twentieth of that. Blocks, buffers and places in the file are whole pages,
as that asks; where a file system cannot do it (one in memory, say), the same file is written the usual way.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import PAGESIZE, mmap
from tempfile import TemporaryFile, gettempdir

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]


def aligned(n_bytes: int) -> Hashes:
    """An array of zeros whose memory begins at a page, of whole pages."""
    pages = max(1, -(-n_bytes // PAGESIZE))
    return np.frombuffer(mmap(-1, pages * PAGESIZE), np.uint64)


class Scratch:
    """A file of blocks of one size, a multiple of a page, each known by its number."""

    def __init__(self, file: int, block_bytes: int) -> None:
        self._file, self.block_bytes, self.n_blocks = file, block_bytes, 0

    def write(self, block: Hashes) -> int:
        """Write a block, whose memory begins at a page; its number. Raises OSError where the disk is full."""
        place, left = self.n_blocks * self.block_bytes, memoryview(block.data).cast("B")
        while len(left):
            done = os.pwrite(self._file, left, place)
            place, left = place + done, left[done:]
        self.n_blocks += 1
        return self.n_blocks - 1

    def read(self, number: int, into: Hashes) -> None:
        """Read a block into memory that begins at a page."""
        place, left = number * self.block_bytes, memoryview(into.data).cast("B")
        while len(left):
            done = os.preadv(self._file, [left], place)
            if not done:
                raise OSError(f"a temporary file in {gettempdir()} ends before its block {number}")
            place, left = place + done, left[done:]


@contextmanager
def scratch(block_bytes: int) -> Iterator[Scratch]:
    """A file of blocks of so many bytes, whole pages, in the folder for temporary files; gone when it is left."""
    with TemporaryFile(buffering=0) as file:
        number = file.fileno()
        _go_past_the_cache(number)
        yield Scratch(number, block_bytes)


def _go_past_the_cache(file: int) -> None:
    """Read and write this file without the page cache, where that can be done."""
    direct = getattr(os, "O_DIRECT", 0)
    if not direct:
        return
    import fcntl

    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | direct)
        os.pwrite(file, aligned(PAGESIZE).data, 0)
    except OSError:  # a file system that has only the cache
        fcntl.fcntl(file, fcntl.F_SETFL, flags)

"""Memory that allocators keep after its use: taken again by the next batch, and given back to the machine between steps.

The C library asks the machine anew for each large piece, until one as large has come back to it once; then every page is
cleared by the kernel again, a fifth of a CPU second a gigabyte. Between two steps of a whole run that is most of what a
process has: what held batches of texts, or columns that were sorted, lies in pieces too small for the C library to return
by itself.

Arrow's own allocator keeps nothing for NumPy, and asks for huge pages where a system leaves that to the process: the kernel
clears each as a whole, also where few rows are read. So a process that works takes all of its memory from the C library.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import pyarrow as pa

_OWN = pa.default_memory_pool()
"""Arrow's own allocator, unless it was told of another one."""


def give_back() -> None:
    """Return what Arrow's own pool, the one that it uses now, and the C library hold and nobody uses; some milliseconds."""
    for pool in (_OWN, pa.default_memory_pool()):
        pa.set_memory_pool(pool)  # PyArrow releases what the default one holds, whichever is asked
        pool.release_unused()
    _trim()(0)


@cache
def keep_for_the_next() -> None:
    """Let the C library keep pieces of up to 32 MiB for those that come, as glibc does by itself after a first one as large; and
    take what threads ask for from one store, for of the stores that it opens for others it returns no end that is free."""
    adjust: Callable[[int, int], int] | None = getattr(_library(), "mallopt", None)
    if adjust:
        adjust(_MMAP_THRESHOLD, LARGEST)
        adjust(_TRIM_THRESHOLD, 2 * LARGEST)
        adjust(_ARENA_MAX, 1)


def share_with_arrow() -> None:
    """Let Arrow take memory from the C library from now on; what it has stays where it is."""
    pa.set_memory_pool(pa.system_memory_pool())


LARGEST = 32 << 20
"""Bytes; glibc takes no more."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Names of settings: mallopt(3)."""


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def _trim() -> Callable[[int], int]:
    """`malloc_trim`, where the C library has it (glibc)."""
    found: Callable[[int], int] | None = getattr(_library(), "malloc_trim", None)
    return found or (lambda _: 0)

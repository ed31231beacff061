"""Memory that allocators keep after its use, given back to the machine.

Between two steps of a whole run that is most of what a process has: what held batches of texts, or columns that were
sorted, lies in pieces too small for the C library to return by itself.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import pyarrow as pa


def give_back() -> None:
    """Return what Arrow's pool and the C library hold and nobody uses; some milliseconds."""
    pa.default_memory_pool().release_unused()
    _trim()(0)


@cache
def _trim() -> Callable[[int], int]:
    """`malloc_trim`, where the C library has it (glibc)."""
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found or (lambda _: 0)

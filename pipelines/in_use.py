"""Whether anybody works in a store: a stage that runs, a command that reads. What nobody needs goes only while nobody does.

It is a lock on a file, which all who work share, and who removes holds alone. The system lets it go when a process ends,
however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "in-use.lock"


@contextmanager
def in_use(root: Path) -> Iterator[None]:
    """In this block nothing of the store under `root` is cleared away; waits for who is clearing now."""
    descriptor = _lock_of(root)
    if descriptor is None:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone would not do: processes forked meanwhile have it too
        os.close(descriptor)


@contextmanager
def alone(root: Path) -> Iterator[bool]:
    """Whether nobody uses the store under `root`; if so, nobody begins to in this block."""
    descriptor = _lock_of(root)
    if descriptor is None:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _lock_of(root: Path) -> int | None:
    """The open file that is locked; None where there is no store yet."""
    if not root.is_dir():
        return None
    path = root / LOCK
    if os.access(root, os.W_OK):
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    return os.open(path, os.O_RDONLY) if path.is_file() else None  # where nobody may write, nobody clears

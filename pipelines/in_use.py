"""Whether anybody works in a store: a stage that runs, a command that reads. What nobody needs goes only while nobody does.

It is a lock on a file, which all who work share, and who removes holds alone. The system lets it go when a process ends,
however it ends. Who may read the store may read that file. Where there can be no lock (a disk that is read-only, a file
system without locks), work goes on without one, and nothing is ever cleared away.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = "in-use.lock"
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def in_use(root: Path) -> Iterator[None]:
    """In this block nothing of the store under `root` is cleared away; waits for who is clearing now."""
    with _locked(root, os.O_RDONLY, fcntl.LOCK_SH):
        yield


@contextmanager
def alone(root: Path) -> Iterator[bool]:
    """Whether nobody uses the store under `root`; if so, nobody begins to in this block."""
    with _locked(root, os.O_RDWR, fcntl.LOCK_EX | fcntl.LOCK_NB) as is_alone:  # NFS wants a writer for this lock
        yield is_alone


@contextmanager
def _locked(root: Path, access: int, how: int) -> Iterator[bool]:
    """Whether the lock could be taken, which is held in this block."""
    descriptor = _opened(root, access)
    if descriptor is None:
        yield False
        return
    try:
        yield _took(descriptor, how)
    finally:
        with suppress(OSError):  # where there are no locks
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone would not do: processes forked meanwhile have it too
        os.close(descriptor)


def _took(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except OSError:  # another has it, or the file system has no locks
        return False
    return True


def _opened(root: Path, access: int) -> int | None:
    """The open file that is locked; None where there is no store yet, or where one may not open it."""
    if not root.is_dir():
        return None
    try:
        with suppress(FileNotFoundError):
            return os.open(root / LOCK, access)
        return os.open(root / LOCK, access | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno in FORBIDDEN:
            return None
        raise

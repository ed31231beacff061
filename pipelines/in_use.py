"""Whether anybody works in a store: a stage that runs, a command that reads. What nobody needs goes only while nobody does.

It is a lock on a file, which all who work share, and who removes holds alone. The system lets it go when a process ends,
however it ends. Who may read the store may read that file. Where there can be no lock (a disk that is read-only, a file
system without locks), work goes on without one, and nothing is ever cleared away.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.locks import taken

LOCK = "in-use.lock"
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP)
"""What says that one may not open it, or that somebody put a link in its place."""
WAITS = "waits until what nobody needs is put out of the way by another process"


@contextmanager
def in_use(root: Path, say: Callable[[str], object] | None = None) -> Iterator[None]:
    """In this block nothing of the store under `root` is cleared away; waits for who is clearing now, and tells `say` so."""
    with _opened(root, os.O_RDONLY) as descriptor:
        if not _took(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, say):
            _took(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(root: Path) -> Iterator[bool]:
    """Whether nobody uses the store under `root`; if so, nobody begins to in this block."""
    with _opened(root, os.O_RDWR) as descriptor:  # NFS wants a writer for this lock
        yield _took(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _took(descriptor: int | None, how: int, say: Callable[[str], object] | None = None) -> bool:
    """Whether there is a lock that could be taken; `say` is told when another holds it."""
    if descriptor is None:
        return False
    try:
        is_ours = taken(descriptor, how)
    except OSError:  # the file system has no locks
        return False
    if say and not is_ours:
        say(WAITS)
    return is_ours


@contextmanager
def _opened(root: Path, access: int) -> Iterator[int | None]:
    """The open file that is locked in this block; None where it is not there to be opened."""
    descriptor = _open(root, access)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            # Closing alone would not do: who was forked meanwhile has it too. A file system without locks has none to let go.
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _open(root: Path, access: int) -> int | None:
    """None where there is no store yet, or where one may not open its file."""
    if not root.is_dir():
        return None
    try:
        descriptor = _found_or_made(root / LOCK, access)
    except OSError as error:
        if error.errno in FORBIDDEN:
            return None
        raise
    with suppress(OSError):  # it may be another's
        _let_in(descriptor, root.stat().st_mode)
    return descriptor


def _found_or_made(path: Path, access: int) -> int:
    access |= os.O_NOFOLLOW | os.O_NONBLOCK  # whoever may write in the folder may put anything in its place
    with suppress(FileNotFoundError):
        return os.open(path, access)
    return os.open(path, access | os.O_CREAT, 0o666)


def _let_in(descriptor: int, mode: int) -> None:
    """Let those read and write the file who may read and write in its folder, of that mode: it was its maker's alone once."""
    seen = os.fstat(descriptor)
    missing = mode & 0o666 & ~seen.st_mode
    if missing and stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1 and not seen.st_size:  # a link could be anybody's
        os.fchmod(descriptor, stat.S_IMODE(seen.st_mode) | missing)

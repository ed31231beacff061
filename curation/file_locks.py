"""What only one process at a time shall do: locks on places of a file, which end with the process that holds them.

A record lock (POSIX, `lockf`) is of a process, and not of what it has opened: one that is forked holds none of its parent's. But
whoever closes a file lets go of all that it holds there, so a file of locks is opened once, and stays open.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from curation.trusted_folders import Folder

FILE = "kernels.lock"
_LOOK_SECONDS = 0.02


@cache
def _opened(folder: Folder) -> int | None:
    with suppress(OSError):  # read-only, or others may write to it
        folder.make()
        return folder.file(FILE, os.O_RDWR | os.O_CREAT)
    return None


@contextmanager
def alone(folders: Iterable[Folder], name: str, patience: float = 0) -> Iterator[bool]:
    """Within this block no other process is in such a block of the same name; the lock lies in the first folder that takes it.

    False, and not so, where another process is in one for more than `patience` seconds, or there are no locks to be had.
    """
    opened = next((found for found in map(_opened, folders) if found is not None), None)
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
    is_alone = opened is not None and _is_taken(opened, place, time.monotonic() + patience)
    try:
        yield is_alone
    finally:
        if opened is not None and is_alone:
            _lock(opened, place, is_wanted=False)


def _lock(opened: int, place: int, is_wanted: bool) -> None:
    import fcntl  # which not all systems have

    fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB if is_wanted else fcntl.LOCK_UN, 1, place)


def _is_taken(opened: int, place: int, until: float) -> bool:
    while True:
        try:
            _lock(opened, place, is_wanted=True)
        except (BlockingIOError, PermissionError):  # another process holds it
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_SECONDS)
        except OSError:  # of a system of files without locks
            return False
        else:
            return True

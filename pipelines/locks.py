"""Locks on files, which the system lets go when the process that holds one ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def lock(path: Path) -> int | None:
    """Take the lock on a file, which is made if it is missing: its descriptor, or None if another process holds it.

    It is held until the descriptor is closed by all who inherited it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if taken(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
        return descriptor
    os.close(descriptor)
    return None


def taken(descriptor: int, how: int) -> bool:
    """Lock an open file as `fcntl.flock` is told to; False if another process holds it and one is not to wait."""
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    return True

"""Folders that nobody can write to but who is trusted: what is kept there is run, and locks there are waited for.

Who owns a file tells too little. Where another user has the folder, the name that is looked for may be his link to a file of
the reader's own, with bytes that he chose; or a pipe, which whoever opens would wait for; or a file that he holds a lock on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from stat import S_ISREG, S_IWGRP, S_IWOTH
from typing import NamedTuple


class Folder(NamedTuple):
    """A folder, and the users who may own it and what is in it."""

    path: Path
    owners: frozenset[int]

    def make(self) -> None:
        """Make it where it is not there yet, for this user alone to write to."""
        self.path.mkdir(0o755, parents=True, exist_ok=True)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """What names in it are relative to, within this block.

        Raises:
            OSError: It cannot be opened, is a link, or others could write to it.
        """
        opened = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if not self._is_safe(os.fstat(opened)):
                raise PermissionError(f"{self.path}: another user could write to this folder")
            yield opened
        finally:
            os.close(opened)

    def file(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a file in it by its name, without waiting for anybody; one that the flags make is this user's to read alone.

        Raises:
            OSError: The folder or the file cannot be opened, others could write to either, or it is a link or no file.
        """
        with self.opened() as folder:
            opened = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600, dir_fd=folder)
        seen = os.fstat(opened)
        if S_ISREG(seen.st_mode) and not seen.st_mode & S_IWGRP and self._is_safe(seen):
            return opened
        os.close(opened)
        raise PermissionError(f"{self.path / name}: no file, or another user could write to it")

    def _is_safe(self, seen: os.stat_result) -> bool:
        if seen.st_uid not in self.owners or seen.st_mode & S_IWOTH:
            return False
        return not seen.st_mode & S_IWGRP or is_of_one(seen.st_gid, seen.st_uid)


@cache
def is_of_one(group: int, user: int) -> bool:
    """Whether a group is of its user alone, as where each has one of his name, and makes folders that it may write to."""
    import grp
    import pwd

    try:
        own, owner = grp.getgrgid(group), pwd.getpwuid(user)
    except KeyError:  # a number without a name
        return False
    return own.gr_gid == owner.pw_gid and own.gr_name == owner.pw_name and set(own.gr_mem) <= {owner.pw_name}

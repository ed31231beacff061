"""The lock of a store binds whoever can read the store, and stops nobody's work where it cannot be had."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pipelines.in_use import LOCK, WAITS, alone, in_use

NOBODY = 65534
IS_ROOT = os.geteuid() == 0
"""Only root can become somebody else; for others the cases say that they are of oneself."""
OTHER = NOBODY if IS_ROOT else os.geteuid()
WHO = "another" if IS_ROOT else "oneself"


def as_other(root: Path, work: Callable[[], object]) -> None:
    """Do something in the folder `root`, as another user."""
    child = os.fork()
    if not child:
        code = 1
        try:
            os.chdir(root)
            if IS_ROOT:
                os.setgroups([])
                os.setgid(NOBODY)
            os.setuid(OTHER)
            work()
            code = 0
        finally:
            if code:
                traceback.print_exc(file=sys.__stderr__)
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def use_and_be_seen() -> None:
    with in_use(Path()):
        descriptor = os.open(LOCK, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


def use() -> None:
    with in_use(Path()):
        pass


def ask_for_it() -> None:
    with alone(Path()) as is_alone:
        assert not is_alone or not IS_ROOT


@pytest.mark.parametrize("mode", [0o755, 0o777], ids=["all may read", "all may write"])
@pytest.mark.parametrize("first", [in_use, alone])
@pytest.mark.parametrize("who", [WHO])
def test_who_may_read_a_store_holds_its_lock(
    tmp_path: Path, who: str, first: Callable[[Path], AbstractContextManager[object]], mode: int
) -> None:
    tmp_path.chmod(mode)
    with first(tmp_path):
        pass
    as_other(tmp_path, use_and_be_seen)


@pytest.mark.parametrize("who", [WHO])
def test_who_may_not_have_the_lock_reads_all_the_same_and_clears_nothing(tmp_path: Path, who: str) -> None:
    tmp_path.chmod(0o555)
    as_other(tmp_path, use)
    as_other(tmp_path, ask_for_it)
    (tmp_path / LOCK).touch(0o600)
    as_other(tmp_path, use)
    as_other(tmp_path, ask_for_it)


@pytest.mark.parametrize("who", [WHO])
def test_a_lock_that_was_its_makers_alone_becomes_that_of_all_who_may_read_the_store(tmp_path: Path, who: str) -> None:
    tmp_path.chmod(0o775)
    (tmp_path / LOCK).touch(0o600)
    with in_use(tmp_path):
        pass
    assert stat.S_IMODE((tmp_path / LOCK).stat().st_mode) == 0o664
    as_other(tmp_path, use_and_be_seen)
    tmp_path.chmod(0o700)
    with alone(tmp_path) as is_alone:
        assert is_alone and stat.S_IMODE((tmp_path / LOCK).stat().st_mode) == 0o664, "nobody is shut out"


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_link_in_its_place_lets_nobody_in_anywhere_else(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "key").touch(0o600)
    link(tmp_path / "key", tmp_path / LOCK)
    for use_it in (in_use, alone):
        with use_it(tmp_path):
            pass
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EBADF], ids=errno.errorcode.get)
def test_where_files_cannot_be_locked_work_goes_on_and_nothing_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(descriptor: int, how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with in_use(tmp_path), alone(tmp_path) as is_alone:
        assert not is_alone
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_error_of_the_work_itself_is_raised(tmp_path: Path) -> None:
    for hold in (in_use, alone):
        with pytest.raises(PermissionError, match="mine"), hold(tmp_path):
            raise PermissionError("mine")


def test_who_waits_is_told_what_for_and_others_are_told_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with in_use(tmp_path, said.append), in_use(tmp_path, said.append):
        assert not said
    taken, going = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        with alone(tmp_path):
            os.write(taken[1], b"!")
            os.read(going[0], 1)
        os._exit(0)
    os.read(taken[0], 1)

    def say(why: str) -> None:
        said.append(why)
        os.write(going[1], b"!")

    with in_use(tmp_path, say), alone(tmp_path) as is_alone:
        assert not is_alone and said == [WAITS]
    os.waitpid(child, 0)
    for end in (*taken, *going):
        os.close(end)

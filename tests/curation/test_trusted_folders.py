"""What is read from a folder, or waited for there, is of nobody but who is trusted."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from curation.trusted_folders import Folder, is_of_one

NOT_OURS = "another user could write to"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder of ours with a file in it."""
    (tmp_path / "file").write_text("whole")
    return Folder(tmp_path, frozenset([os.geteuid()]))


def test_a_file_of_a_folder_of_ours_is_opened_and_made(folder: Folder) -> None:
    before = os.umask(0)
    try:
        (folder.path / "file").chmod(0o644)
        with os.fdopen(folder.file("file")) as opened:
            assert opened.read() == "whole"
        os.close(folder.file("new", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        assert (folder.path / "new").stat().st_mode & 0o777 == 0o600
        deeper = folder._replace(path=folder.path / "a" / "b")
        deeper.make()
        deeper.make()
        os.close(deeper.file("new", os.O_WRONLY | os.O_CREAT))
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o757, 0o777, 0o702, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(folder: Folder, mode: int) -> None:
    folder.path.chmod(mode)
    with pytest.raises(PermissionError, match=NOT_OURS):
        folder.file("file")
    with pytest.raises(PermissionError, match=NOT_OURS):
        folder.file("new", os.O_WRONLY | os.O_CREAT)
    assert not (folder.path / "new").exists()


def test_a_folder_of_somebody_else_is_refused(folder: Folder) -> None:
    with pytest.raises(PermissionError, match=NOT_OURS):
        folder._replace(owners=frozenset([os.geteuid() + 1])).file("file")


def test_a_link_a_pipe_and_a_folder_are_no_files(folder: Folder) -> None:
    (folder.path / "link").symlink_to("file")
    os.mkfifo(folder.path / "pipe")
    (folder.path / "folder").mkdir()
    for name in ("link", "pipe", "folder"):
        for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT):
            with pytest.raises(OSError, match=name):
                folder.file(name, flags)
    linked = folder._replace(path=folder.path / "folders link")
    linked.path.symlink_to(folder.path)
    with pytest.raises(OSError, match="folders link"):
        linked.file("file")


def test_a_folder_that_a_group_may_write_to_is_of_its_owner_where_the_group_is_his_alone(folder: Folder) -> None:
    folder.path.chmod(0o775)
    own = folder.path.stat().st_gid
    if is_of_one(own, os.geteuid()):
        os.close(folder.file("file"))
    for group in {*os.getgroups(), *range(1, 9 if os.geteuid() == 0 else 1)} - {own}:
        os.chown(folder.path, -1, group)
        with pytest.raises(PermissionError, match=NOT_OURS):
            folder.file("file")


def test_a_group_is_of_one_where_it_has_his_name_and_no_other_member() -> None:
    assert is_of_one(0, 0)
    assert not is_of_one(1 << 30, 1 << 30)
    for user in pwd.getpwall():
        for group in grp.getgrall():
            if user.pw_name != group.gr_name or user.pw_gid != group.gr_gid or set(group.gr_mem) - {user.pw_name}:
                assert not is_of_one(group.gr_gid, user.pw_uid)

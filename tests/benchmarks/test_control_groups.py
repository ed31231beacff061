"""What is told of a program in a control group is what it took."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.control_groups import control_group

PROGRAM = """
import sys, tempfile
held = b"x" * (64 << 20)
with tempfile.TemporaryFile(dir=sys.argv[1]) as file:
    file.write(bytes(16 << 20))
    file.flush()
    sys.stdin.read()  # until it was looked at
"""


def test_memory_and_files_without_names_are_seen(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "link")]
    try:
        with control_group(256 << 20, tmp_path / "link") as group:
            program = subprocess.Popen(group.command(command), stdin=subprocess.PIPE)
            end = time.monotonic() + 300
            while group.anonymous < 64 << 20 or group.disk < 16 << 20:
                assert program.poll() is None and time.monotonic() < end, group
                time.sleep(0.05)
            program.communicate()
            assert program.returncode == 0
    except PermissionError as error:  # only root makes control groups
        assert "headwater-" in str(error)
        return
    assert 64 << 20 < group.anonymous < 128 << 20
    assert 16 << 20 <= group.disk < 17 << 20
    assert not group.kills
    assert not group.folder.exists()
    with pytest.raises(subprocess.CalledProcessError), control_group(32 << 20) as group:
        subprocess.run(group.command(command), check=True)
    assert group.kills == 1

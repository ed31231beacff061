"""A process that syncs is killed at every request in turn; the next one finishes, whatever became of the request."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from annotation import sync
from annotation.credentials import FILE, credentials
from annotation.labels import pull
from annotation.settings import ProjectSettings
from tests.annotation.building import answer, broken_line, project_id, tasks, there

PROJECT = [ProjectSettings()]
OTHER_GUIDELINES = [ProjectSettings(guidelines="Prefer the shorter one.")]
CHILD = """
import sys
from pathlib import Path
from annotation import client as api, sync
from annotation.credentials import credentials
from annotation.labels import pull
from annotation.settings import ProjectSettings
from tests.annotation.test_killed import desired

secret = credentials(Path(sys.argv[1]))
with api.connect(sys.argv[2], secret.token) as client:
    sync.synchronise(client, desired(), [ProjectSettings()], secret)
    pull(client, desired(), secret)
"""


def desired():
    """Three tasks that may be there already, and two new ones."""
    return tasks(3).vstack(tasks(2, version=" new"))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fate", ["lose the request", "late"])
def test_a_process_that_is_killed_at_any_request_is_followed_by_one_that_finishes(studio, client, tmp_path: Path, fate):
    """Something is to be made, imported, deleted, kept and closed; the request at which it dies arrives never, or later."""
    last, ended = 0, False
    while not ended:
        folder = tmp_path / f"{last}"
        drawn = credentials(folder)
        secret = dataclasses.replace(drawn, token=studio.token)
        (folder / FILE).write_text((folder / FILE).read_text().replace(drawn.token, studio.token))
        old = project_id(sync.synchronise(client, tasks(4), OTHER_GUIDELINES, secret))
        answer(client, old, "sample-0", "b")
        running: list[subprocess.Popen[bytes]] = []

        def die(number: int, *_: str, last: int = last, running: list[subprocess.Popen[bytes]] = running):
            if number < last:
                return "pass"
            os.kill(running[0].pid, signal.SIGKILL)
            return fate

        with broken_line(studio.url, die) as (url, line):
            running.append(subprocess.Popen([sys.executable, "-c", CHILD, folder, url], cwd=Path(__file__).parents[2]))
            code = running[0].wait(300)
        ended = len(line.requests) <= last
        assert code == (0 if ended else -signal.SIGKILL)
        report = sync.synchronise(client, desired(), PROJECT, secret)
        assert there(client, project_id(report)) == ["task-0 new", "task-1", "task-1 new", "task-2"]
        assert there(client, old) == ["task-0"]
        assert pull(client, desired(), secret)["value"].to_list() == ["b"]
        last += 1
    assert last > 10, "it reads, and makes a project, deletes, imports, closes, and fetches"

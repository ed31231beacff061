"""`headwater up` as a person has it: an edited threshold, a schedule, and Ctrl-C, under the real daemon."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from pipelines.serving import Running, query, start_dagster, wait_until_ready
from tests.end_to_end.code_base import write_code_base
from tests.end_to_end.workspaces import computed, edit, heads, headwater
from tests.forked_commands import HEADWATER, environment
from tests.pipelines.test_daemon import SWITCH_ON, House
from tests.pipelines.test_serving import group

SCHEDULE = '\nschedules: [{name: minutely, cron: "* * * * *", timezone: UTC, assets: [corpus]}]\n'


@dataclass(frozen=True)
class Served:
    """A workspace under `headwater up`: the command's process, and the Dagster that it started."""

    root: Path
    command: subprocess.Popen[str]
    running: Running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    root = folder / "workspace"
    assert headwater("init", root).code == 0
    write_code_base(root / "data")
    edit(root, lambda text: text + SCHEDULE)
    first = headwater("run", "-w", root)
    assert first.code == 0, first.out + first.err
    log = (folder / "up.log").open("w")
    up = [str(HEADWATER), "up", "--no-label-studio", "-w", str(root)]
    command = subprocess.Popen(up, env=environment(), stdout=log, stderr=log, text=True, start_new_session=True)
    try:
        wait((root / ".headwater" / "dagster" / "serving.json").exists)
        running = start_dagster(root)
        assert not running.started
        wait_until_ready(running)
        yield Served(root, command, running)
    finally:
        if command.poll() is None:
            command.send_signal(signal.SIGINT)
            command.wait(300)
        log.close()


@pytest.fixture(scope="module")
def switched_on(served: Served) -> float:
    answer = query(served.running, SWITCH_ON, name="minutely")
    assert answer["startSchedule"]["__typename"] == "ScheduleStateResult"
    return time.time()


def wait(true: Callable[[], object], seconds: float = 400) -> None:
    """Wait until it is true; fail when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)


def test_an_edited_threshold_reruns_just_what_it_touches(served: Served, switched_on: float) -> None:
    before = heads(served.root)
    edit(served.root, lambda text: text + "\ndeduplication: {threshold: 0.81}\n")
    wait(lambda: computed(before, heads(served.root)))
    with dg.DagsterInstance.from_config(str(served.running.home)) as instance:
        House(served.root, served.running, instance).rest()
    assert computed(before, heads(served.root)) == ["duplicates", "pairs", "survivors"]


def test_a_schedule_fires(served: Served, switched_on: float) -> None:
    before = heads(served.root)
    fired = dg.RunsFilter(tags={"dagster/schedule_name": "minutely"}, statuses=[dg.DagsterRunStatus.SUCCESS])
    with dg.DagsterInstance.from_config(str(served.running.home)) as instance:
        wait(lambda: instance.get_runs(fired))
    assert computed(before, heads(served.root)) == [], "nothing had changed"


def test_ctrl_c_ends_all_processes(served: Served) -> None:
    assert group(served.running)
    os.kill(served.command.pid, signal.SIGINT)
    assert served.command.wait(300) == 0
    assert group(served.running) == []
    assert not served.running.alive()

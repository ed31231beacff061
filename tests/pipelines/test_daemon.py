"""The automation under the real daemon, with its real event log: one house, changed step by step.

Each step waits until the house is at rest: since the last change the sources were looked at, and since that and the last
run the automation, which asked for nothing. The parts of the condition are tried one by one in `test_automation.py`.
"""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.serving import Running, query, start_dagster, wait_until_ready
from tests.pipelines.test_serving import ENVIRONMENT, ON, TOY, group, listening
from tests.pipelines.toy_definitions import GRAPH

SWITCH_ON = """mutation($name: String!) { startSchedule(scheduleSelector: {
  repositoryName: "__repository__", repositoryLocationName: "headwater", scheduleName: $name
}) { __typename } }"""
RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "headwater") { __typename } }'


class House:
    """The toy's workspace, and what its daemon has done."""

    def __init__(self, workspace: Path, running: Running, instance: dg.DagsterInstance) -> None:
        self.workspace, self.running, self.instance = workspace, running, instance

    def write(self, name: str, text: str) -> None:
        (self.workspace / name).write_text(text)

    def control(self, **settings: object) -> None:
        self.write("control.json", json.dumps(settings))

    def made(self, name: str) -> object:
        return json.loads((self.workspace / "out" / f"{name}.json").read_text())["value"]

    def calls(self) -> list[str]:
        path = self.workspace / "calls"
        return path.read_text().split() if path.exists() else []

    def take_calls(self) -> dict[str, int]:
        calls = self.calls()
        (self.workspace / "calls").unlink(missing_ok=True)
        return {name: calls.count(name) for name in GRAPH if name in calls}

    def reload(self) -> None:
        """As `headwater up` does it: a Dagster that does not answer now is told again."""
        self.until(self._has_reloaded)

    def _has_reloaded(self) -> bool:
        try:
            query(self.running, RELOAD)
        except OSError:
            return False
        return True

    def until(self, true: Callable[[], object], seconds: float = 400) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"it did not come; computed so far: {self.calls()}"
            time.sleep(0.5)

    def tick_after(self, sensor: str, moment: float) -> float:
        """When the first tick that began after the moment ended; 0 if none did."""
        states = {state.instigator_name: state for state in self.instance.all_instigator_state()}
        if sensor not in states:
            return 0
        ticks = self.instance.get_ticks(states[sensor].instigator_origin_id, states[sensor].selector_id, limit=20)
        return min((tick.end_timestamp for tick in ticks if tick.timestamp > moment and tick.end_timestamp), default=0)

    def rest(self) -> dict[str, int]:
        """Wait until nothing is left to do; how often each asset was computed since the last time."""
        begun = ended = time.time()
        known = self.instance.get_runs_count()

        def resting() -> bool:
            """A tick asks for its runs before it ends, so they are looked at after the ticks."""
            nonlocal ended, known
            looked = self.tick_after("observation", begun)
            quiet = looked and self.tick_after("automation", max(looked, ended))
            runs = self.instance.get_runs_count()
            if runs != known or self.instance.get_runs(dg.RunsFilter(statuses=ON), limit=1):
                ended, known, quiet = time.time(), runs, 0
            return bool(quiet)

        self.until(resting)
        return self.take_calls()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    workspace = tmp_path_factory.mktemp("house")
    (workspace / "raw").mkdir()
    for name, text in [("raw/a", "one"), ("raw/b", "three"), ("threshold", "4")]:
        (workspace / name).write_text(text)
    running = start_dagster(workspace, module=TOY, environment=ENVIRONMENT)
    try:
        with dg.DagsterInstance.from_config(str(running.home)) as instance:
            wait_until_ready(running)
            yield House(workspace, running, instance)
    finally:
        running.stop()


@pytest.fixture(scope="module")
def switched_on(house: House) -> float:
    """When the schedule was switched on: first of all, so that its minute passes while the rest is tried."""
    answer = query(house.running, SWITCH_ON, name="minutely")
    assert answer["startSchedule"]["__typename"] == "ScheduleStateResult"
    return time.time()


def test_the_first_build_asks_for_each_asset_once(house: House, switched_on: float) -> None:
    """In one run, unless a tick came while the sources were still being looked at for the first time."""
    house.until(lambda: "report" in house.calls())
    assert house.rest() == dict.fromkeys(GRAPH, 1)
    runs = house.instance.get_runs(dg.RunsFilter(tags={"dagster/from_automation_condition": "true"}))
    asked = Counter(key.to_user_string() for run in runs for key in run.asset_selection or ())
    assert asked == dict.fromkeys(GRAPH, 1)


def test_changes_during_a_run_and_new_code(house: House) -> None:
    """`documents` is slow, and changes again while it runs; `samples` has new code."""
    house.control(sleep={"documents": 3}, code={"samples": "2"})
    house.reload()
    house.write("raw/c", "fourth")
    house.until(lambda: "documents" in house.calls())
    house.write("raw/d", "fifth!")
    calls = house.rest()
    assert calls["documents"] == 2
    assert house.made("report") == [["FIFTH!", "FOURTH", "ONE", "THREE"], ["fifth!", "fourth", "three"]]


def test_a_schedule_fires_once_it_is_switched_on(house: House, switched_on: float) -> None:
    fired = dg.RunsFilter(tags={"dagster/schedule_name": "minutely"}, statuses=[dg.DagsterRunStatus.SUCCESS])
    house.until(lambda: house.instance.get_runs(fired))
    made = house.instance.get_latest_materialization_event(dg.AssetKey("clock"))
    by_schedule = dg.RunsFilter(tags={"dagster/schedule_name": "minutely"})  # the newest may not have ended yet
    assert made.run_id in {run.run_id for run in house.instance.get_runs(by_schedule)}
    assert house.take_calls() == {}, "nothing but its asset ran"


def test_it_listens_on_loopback_alone(house: House) -> None:
    assert listening(group(house.running)) == {"0100007F"}


def test_a_tick_that_asks_for_nothing_leaves_no_line_in_the_log(house: House) -> None:
    assert "Prefetching" not in house.running.log.read_text()


def test_it_is_found_running_and_not_ended_by_the_finder(house: House) -> None:
    found = start_dagster(house.workspace, module=TOY)
    assert (found.url, found.pid, found.started) == (house.running.url, house.running.pid, False)
    wait_until_ready(found)
    found.stop()
    assert found.alive() and house.running.alive()


@pytest.mark.long
def test_a_broken_stage_is_tried_twice_and_holds_nothing_back(house: House) -> None:
    house.rest()
    before = house.made("verdicts")
    house.control(fail=["verdicts"], code={"samples": "3"}, salt={"samples": "new"})
    house.reload()
    house.write("threshold", "9")
    calls = house.rest()
    assert calls["verdicts"] == 2 and {"samples", "report"} <= set(calls)
    assert house.made("verdicts") == before, "the broken one keeps its old table"
    house.control()
    house.reload()


@pytest.mark.long
def test_what_was_on_when_it_was_killed_is_done_after_the_next_start(house: House) -> None:
    house.control(sleep={"documents": 600})
    house.write("raw/e", "sixth")
    house.until(lambda: "documents" in house.calls())
    os.killpg(house.running.pid, signal.SIGKILL)
    house.running.process.wait()
    assert not house.running.alive()
    on = house.instance.get_runs(dg.RunsFilter(statuses=ON))  # that of the schedule may be among them
    (lost,) = (run for run in on if dg.AssetKey("documents") in (run.asset_selection or ()))
    house.control()
    second = start_dagster(house.workspace, module=TOY, environment=ENVIRONMENT)
    try:
        assert second.started
        assert house.instance.get_run_by_id(lost.run_id).status == dg.DagsterRunStatus.FAILURE
        corpus = house.workspace / "out" / "corpus.json"  # never made before, where this test runs alone
        house.until(lambda: corpus.is_file() and "sixth" in house.made("corpus"))
    finally:
        second.stop()
    assert group(second) == []
    assert house.instance.get_runs(dg.RunsFilter(statuses=ON)) == [], "a run that was on has ended, as failed"

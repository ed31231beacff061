"""The conditions tick by tick, on a real event log in memory; `test_serving.py` has the same under the real daemon."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.automation import OutOfDate, automation_sensor, out_of_date
from pipelines.observation import ObservationError, observe, recorded_version
from tests.pipelines.toy_definitions import GRAPH, assets, observables

ALL = set(GRAPH)


class House:
    """The toy with a clock and a daemon in slow motion: `tick` asks, `run` does what was asked, `settle` both."""

    def __init__(self, workspace: Path, condition: dg.AutomationCondition | None = None) -> None:
        self.workspace = workspace
        self.condition = condition or out_of_date(tries=2, pause_seconds=60)
        self.instance = dg.DagsterInstance.ephemeral()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.cursor = None
        (workspace / "raw").mkdir(parents=True)
        self.write("a", "one")
        self.write("b", "three")
        (workspace / "threshold").write_text("4")

    def write(self, name: str, text: str) -> None:
        (self.workspace / "raw" / name).write_text(text)

    def control(self, **settings: object) -> None:
        (self.workspace / "control.json").write_text(json.dumps(settings))

    def observe(self) -> list[str]:
        return observe(self.instance, observables(self.workspace))

    def tick(self, seconds: float = 10) -> set[str]:
        """What one evaluation asks for; the code is loaded afresh, as by a reload of the code location."""
        self.now += timedelta(seconds=seconds)
        result = dg.evaluate_automation_conditions(
            dg.Definitions(assets(self.workspace, self.condition)),
            self.instance,
            cursor=self.cursor,
            evaluation_time=self.now,
        )
        self.cursor = result.cursor
        return {each.key.to_user_string() for each in result.results if not each.true_subset.is_empty}

    def run(self, names: set[str]) -> bool:
        defs = dg.Definitions(assets(self.workspace, self.condition))
        job = defs.resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(name) for name in names]
        return job.execute_in_process(instance=self.instance, asset_selection=keys, raise_on_error=False).success

    def settle(self, ticks: int = 12) -> list[set[str]]:
        """Observe, tick and run until nothing is asked for: the runs, in order."""
        runs = []
        for _ in range(ticks):
            self.observe()
            asked = self.tick()
            if not asked:
                return runs
            runs.append(asked)
            self.run(asked)
        raise AssertionError(f"It does not come to rest: {runs}")

    def wear_out(self) -> None:
        """Ticks a minute apart, until what fails has failed for good."""
        for _ in range(6):
            self.run(asked) if (asked := self.tick(61)) else None

    def made(self, name: str) -> object:
        return json.loads((self.workspace / "out" / f"{name}.json").read_text())["value"]

    def calls(self) -> list[str]:
        path = self.workspace / "calls"
        lines = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


@pytest.fixture
def built(house: House) -> House:
    assert house.settle() == [ALL]
    house.calls()
    return house


def test_a_first_build_waits_for_its_sources_and_is_one_run(house: House) -> None:
    assert house.tick() == set()
    assert house.observe() == ["raw", "threshold"]
    assert house.settle() == [ALL]
    assert house.made("report") == [["ONE", "THREE"], ["three"]]


def test_a_source_that_was_never_seen_holds_back_only_what_is_below_it(house: House) -> None:
    observe(house.instance, {"raw": observables(house.workspace)["raw"]})
    assert house.tick() == {"documents", "corpus", "samples"}


def test_a_touched_file_runs_nothing(built: House) -> None:
    os.utime(built.workspace / "raw" / "a", (1, 1))
    assert built.observe() == []
    assert built.settle() == []


def test_an_exact_copy_stops_where_the_version_stays(built: House) -> None:
    built.write("copy", "one")
    assert built.settle() == [{"documents"}, {"corpus", "verdicts"}]


def test_a_real_change_goes_all_the_way_and_runs_each_asset_once(built: House) -> None:
    built.write("c", "fourth")
    assert built.settle() == [{"documents"}, {"corpus", "verdicts"}, {"samples", "report"}]
    assert sorted(built.calls()) == sorted(ALL)
    assert built.made("report") == [["FOURTH", "ONE", "THREE"], ["fourth", "three"]]


def test_a_changed_setting_runs_what_reads_it(built: House) -> None:
    (built.workspace / "threshold").write_text("3")
    assert built.settle() == [{"verdicts"}, {"report"}]
    (built.workspace / "threshold").write_text("1")
    assert built.settle() == [{"verdicts"}]


def test_new_code_runs_its_asset_and_below_only_if_the_output_changed(built: House) -> None:
    built.control(code={"corpus": "2"})
    assert built.settle() == [{"corpus"}]
    built.control(code={"corpus": "3"}, salt={"corpus": "new"})
    assert built.settle() == [{"corpus"}, {"samples"}]


def test_a_release_with_new_code_everywhere_is_one_run(built: House) -> None:
    built.control(code=dict.fromkeys(GRAPH, "2"))
    assert built.settle() == [ALL]


def test_an_asset_waits_for_one_that_may_run_between_it_and_what_runs(built: House) -> None:
    """`samples` has new code, but the corpus that it reads may change: it waits, and then runs once."""
    built.write("c", "fourth")
    built.control(code={"samples": "2"})
    assert built.settle() == [{"documents"}, {"corpus", "verdicts", "samples"}, {"report"}]
    assert built.calls().count("samples") == 1


def test_a_change_that_comes_during_a_run_is_picked_up_after_it(built: House) -> None:
    built.write("c", "fourth")
    built.observe()
    asked = built.tick()
    assert asked == {"documents"}
    built.write("d", "fifth!")
    built.run(asked)
    assert built.settle() == [{"documents"}, {"corpus", "verdicts"}, {"samples", "report"}]
    assert built.made("corpus") == ["fifth!", "fourth", "one", "three"]


def test_a_change_that_is_observed_during_the_step_is_picked_up_after_it(built: House, monkeypatch) -> None:
    """The step has recorded its inputs when the source changes, and the change is seen before the step ends."""
    import tests.pipelines.toy_definitions as toy

    compute, changed = toy.compute, []

    def slow(workspace: Path, name: str) -> object:
        value = compute(workspace, name)
        if not changed:
            changed.append(name)
            built.write("d", "fifth!")
            built.observe()
        return value

    monkeypatch.setattr(toy, "compute", slow)
    built.write("c", "fourth")
    runs = built.settle()
    assert runs[:2] == [{"documents"}, {"documents"}]
    assert built.made("corpus") == ["fifth!", "fourth", "one", "three"]


def queue_run(house: House, names: set[str]) -> dg.DagsterRun:
    """A run that is planned and does not come to its turn."""
    job = dg.Definitions(assets(house.workspace, house.condition)).resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection=frozenset(dg.AssetKey(name) for name in names))
    return house.instance.create_run_for_job(
        subset, status=dg.DagsterRunStatus.STARTED, asset_selection=subset.asset_selection
    )


def test_nothing_is_asked_for_while_it_or_what_it_comes_from_is_in_progress(built: House) -> None:
    run = queue_run(built, {"documents"})
    built.write("c", "fourth")
    built.control(code={"report": "2"})
    (built.workspace / "threshold").write_text("3")
    built.observe()
    assert built.tick() == set()
    built.instance.report_run_failed(run)
    assert built.tick() == {"documents", "verdicts"}


def test_what_a_run_is_past_is_no_longer_in_progress(built: House, monkeypatch) -> None:
    """A long training must not hold back the documents that the same run has read hours ago."""
    import tests.pipelines.toy_definitions as toy

    compute, asked = toy.compute, []

    def training(workspace: Path, name: str) -> object:
        if name == "report":
            built.write("c", "fourth")
            built.observe()
            asked.extend(built.tick())
        return compute(workspace, name)

    monkeypatch.setattr(toy, "compute", training)
    assert built.run(ALL)
    assert asked == ["documents"]


def test_a_failing_asset_is_tried_twice_with_a_pause_and_not_again(built: House) -> None:
    built.control(fail=["corpus"])
    built.write("c", "fourth")
    built.observe()
    asked: list[set[str]] = []
    for _ in range(18):
        asked.append(built.tick())
        built.run(asked[-1]) if asked[-1] else None
    assert [names for names in asked if "corpus" in names] == [{"corpus", "verdicts"}, {"corpus"}]
    first, second = (place for place, names in enumerate(asked) if "corpus" in names)
    assert second - first == 6
    assert built.calls().count("corpus") == 2


def test_a_failed_asset_is_tried_again_when_an_input_is_new(built: House) -> None:
    built.control(fail=["corpus"])
    built.write("c", "fourth")
    built.observe()
    built.wear_out()
    built.control()
    assert built.tick() == set()
    built.write("d", "fifth!")
    assert {"corpus", "verdicts"} in built.settle()
    assert built.made("report") == [["FIFTH!", "FOURTH", "ONE", "THREE"], ["fifth!", "fourth", "three"]]


def test_a_failed_asset_is_tried_again_when_its_code_is_new(built: House) -> None:
    built.control(fail=["corpus"], code={"corpus": "2"})
    built.wear_out()
    built.control(code={"corpus": "3"})
    assert built.settle() == [{"corpus"}]


def test_what_a_failed_run_never_came_to_runs_when_a_person_has_mended_it(house: House) -> None:
    """The chain of a first build breaks in the middle; a hand run of the broken asset is enough for the rest."""
    house.control(fail=["corpus"])
    house.observe()
    house.wear_out()
    assert not (house.workspace / "out" / "report.json").exists()
    house.control()
    assert house.tick() == set()
    assert house.run({"corpus"})
    assert house.settle() == [{"samples", "report"}]


def test_what_was_fresh_since_has_all_its_tries(built: House) -> None:
    """A wiped asset has the inputs of its last, successful run; that run is no failed try."""
    once = House(built.workspace.parent / "once", out_of_date(tries=1))
    assert once.settle() == [ALL]
    once.instance.wipe_assets([dg.AssetKey("samples")])
    assert once.settle() == [{"samples"}]


def test_nothing_runs_on_a_parent_whose_blocking_check_failed(built: House) -> None:
    built.control(reject=["corpus"])
    built.write("c", "fourth")
    assert built.settle() == [{"documents"}, {"corpus", "verdicts"}, {"report"}]
    built.control(code={"corpus": "2"})
    assert built.settle() == [{"corpus"}, {"samples"}, {"report"}]


@pytest.mark.parametrize("tries", [1, 2])
def test_a_broken_parent_holds_nothing_back(tmp_path: Path, tries: int) -> None:
    """A fan-in goes on with what the broken one made before, also if it first joined the run in which that one broke."""
    house = House(tmp_path / "house", out_of_date(tries))
    assert house.settle() == [ALL]
    house.calls()
    house.control(fail=["verdicts"], code={"samples": "2", "report": "2"}, salt={"samples": "new"})
    (house.workspace / "threshold").write_text("9")
    house.observe()
    house.wear_out()
    assert sorted(house.calls()) == sorted(["samples", "report", *["verdicts"] * tries])
    assert house.tick() == set()


def test_tables_of_one_stage_run_together(tmp_path: Path) -> None:
    condition = out_of_date()
    specs = [
        dg.AssetSpec("kept", deps=["words"], code_version="1", automation_condition=condition),
        dg.AssetSpec("dropped", deps=["words"], code_version="1", automation_condition=condition),
    ]
    versions = {"kept": "1", "dropped": "1", "below": "1"}

    @dg.observable_source_asset
    def words() -> dg.DataVersion:
        return dg.DataVersion("1")

    @dg.multi_asset(specs=specs)
    def sift():
        for name in ("kept", "dropped"):
            yield dg.MaterializeResult(asset_key=name, data_version=dg.DataVersion(versions[name]))

    @dg.asset(deps=["dropped"], code_version="1", automation_condition=condition)
    def below() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion(versions["below"]))

    instance, cursor = dg.DagsterInstance.ephemeral(), None

    def settle() -> list[set[str]]:
        nonlocal cursor
        runs = []
        while True:
            result = dg.evaluate_automation_conditions([words, sift, below], instance, cursor=cursor)
            cursor = result.cursor
            asked = {key for key in ("kept", "dropped", "below") if result.get_num_requested(dg.AssetKey(key))}
            if not asked:
                return runs
            runs.append(asked)
            dg.materialize([words, sift, below], selection=list(asked), instance=instance)

    observe(instance, {"words": lambda: "1"})
    assert settle() == [{"kept", "dropped", "below"}]
    observe(instance, {"words": lambda: "2"})
    versions["kept"] = "2"
    assert settle() == [{"kept", "dropped"}]
    observe(instance, {"words": lambda: "3"})
    versions["dropped"] = "2"
    assert settle() == [{"kept", "dropped"}, {"below"}]


CHANGES = st.lists(
    st.sampled_from(["write a", "write b", "copy", "delete", "threshold", "code", "salt", "tick", "observe"]),
    max_size=8,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, seed=st.integers(0, 5))
def test_any_order_of_changes_comes_to_rest_at_the_truth(tmp_path: Path, changes: list[str], seed: int) -> None:
    """Whatever changes, and whenever it is looked at: in the end everything is what a build from nothing gives."""
    shutil.rmtree(tmp_path / "any", ignore_errors=True)
    house, now = House(tmp_path / "any"), {"code": {}, "salt": {}}
    for step, change in enumerate(changes):
        match change.split():
            case ["write", name]:
                house.write(name, f"text {seed * step}")
            case ["copy"]:
                house.write(f"copy{step}", "one")
            case ["delete"]:
                (house.workspace / "raw" / "b").unlink(missing_ok=True)
            case ["threshold"]:
                (house.workspace / "threshold").write_text(str(seed + step))
            case ["code" | "salt" as what]:
                now[what][sorted(GRAPH)[(seed + step) % len(GRAPH)]] = str(step)
                now["code"] |= now["salt"]
                house.control(**now)
            case ["tick"]:
                house.run(asked) if (asked := house.tick()) else None
            case ["observe"]:
                house.observe()
    house.settle()
    ended = {name: house.made(name) for name in GRAPH}
    house.run(ALL)
    assert {name: house.made(name) for name in GRAPH} == ended
    assert house.settle() == []


def test_it_needs_a_try() -> None:
    with pytest.raises(ValueError, match="at least one"):
        OutOfDate(tries=0)


def test_the_sensor_sees_sources_and_is_on() -> None:
    sensor = automation_sensor()
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.sensor_type.name == "AUTOMATION", "only the code server knows our condition"


class TestObserve:
    def test_only_changes_are_recorded(self, house: House) -> None:
        assert house.observe() == ["raw", "threshold"]
        assert house.observe() == []
        (house.workspace / "threshold").write_text("9")
        assert house.observe() == ["threshold"]
        key = dg.AssetKey("threshold")
        assert len(house.instance.fetch_observations(key, limit=9).records) == 2
        assert recorded_version(house.instance, key) == observables(house.workspace)["threshold"]()

    def test_one_that_cannot_be_seen_stops_no_other_and_is_named(self, house: House) -> None:
        (house.workspace / "threshold").rename(house.workspace / "gone")
        with pytest.raises(ObservationError, match=r"threshold: FileNotFoundError: .*threshold"):
            observe(house.instance, dict(reversed(observables(house.workspace).items())))
        assert recorded_version(house.instance, dg.AssetKey("raw"))
        (house.workspace / "gone").rename(house.workspace / "threshold")
        assert house.observe() == ["threshold"]

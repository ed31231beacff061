"""The snapshot of runs and versions, which stands on private parts of Dagster: here one sees when they move."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._utils.caching_instance_queryer import CachingInstanceQueryer

import pipelines.snapshot
import tests.pipelines.toy_definitions as toy
from pipelines.automation import out_of_date
from pipelines.observation import observe
from pipelines.snapshot import Snapshot
from tests.pipelines.test_automation import ALL, House, queue_run


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "house")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Snapshot]:
    """The snapshots that are taken, in order."""
    taken: list[Snapshot] = []
    take = pipelines.snapshot.take_snapshot

    def note(*of: object) -> Snapshot:
        taken.append(take(*of))
        return taken[-1]

    monkeypatch.setattr(pipelines.snapshot, "take_snapshot", note)
    return taken


def names(keys: object) -> set[str]:
    return {key.to_user_string() for key in keys}


def test_it_says_what_is_out_of_date_and_for_which_cause(
    house: House, seen: list[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.tick()
    assert names(seen[-1].absent) == ALL | {"raw", "threshold"}
    assert names(seen[-1].causes) == ALL
    house.observe()
    house.run(ALL)
    house.tick()
    assert seen[-1] == Snapshot(frozenset(), {}, frozenset(), frozenset(), seen[-1].marks)
    assert names(seen[-1].marks) == ALL | {"raw", "threshold"}
    house.write("c", "fourth")
    house.observe()
    house.control(code={"samples": "2"})
    monkeypatch.setitem(toy.GRAPH, "corpus", ("documents", "threshold"))
    monkeypatch.setitem(toy.GRAPH, "report", ("samples",))
    before = seen[-1].marks
    house.tick()
    causes = {key.to_user_string(): names(causes) for key, causes in seen[-1].causes.items()}
    assert causes == {"documents": {"raw"}, "samples": {"samples"}, "corpus": {"corpus"}, "report": {"report"}}
    assert {key for key in before if before[key] != seen[-1].marks[key]} == {dg.AssetKey("raw")}


def test_it_agrees_with_the_badge_of_the_ui(house: House, seen: list[Snapshot]) -> None:
    """A parent that gave the same again is no cause, though it was materialised later."""
    house.observe()
    house.run(ALL)
    house.run({"documents"})
    house.tick()
    assert seen[-1].causes == {}
    assert names(seen[-1].busy) == set()


def test_planned_runs_are_busy_until_they_end(house: House, seen: list[Snapshot]) -> None:
    run = queue_run(house, {"documents", "report"})
    house.tick()
    assert names(seen[-1].busy) == {"documents", "report"}
    house.instance.report_run_failed(run)
    house.tick()
    assert names(seen[-1].busy) == set()


def test_a_rejected_table_stays_rejected_when_a_later_run_comes_to_nothing(house: House, seen: list[Snapshot]) -> None:
    house.observe()
    house.run(ALL)
    house.control(reject=["corpus"], code={"samples": "2"})
    house.run({"corpus"})
    house.tick()
    assert names(seen[-1].rejected) == {"corpus"}
    house.control(fail=["corpus"], code={"samples": "2"})
    house.run({"corpus"})
    house.tick()
    assert names(seen[-1].rejected) == {"corpus"}
    house.control(code={"samples": "2"})
    house.run({"corpus"})
    house.tick()
    assert names(seen[-1].rejected) == set()


def test_a_run_that_ends_while_the_snapshot_is_taken_is_seen_with_what_it_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.observe()
    house.run(ALL)
    house.write("c", "fourth")
    house.observe()
    look, ended = CachingInstanceQueryer.get_in_progress_asset_subset, []

    def late(queryer: CachingInstanceQueryer, **of: object) -> object:
        if not ended:
            ended.append(house.run({"documents"}))
        return look(queryer, **of)

    monkeypatch.setattr(CachingInstanceQueryer, "get_in_progress_asset_subset", late)
    assert house.tick() == {"corpus", "verdicts"}


def test_at_rest_it_is_taken_once_and_anything_new_makes_it_void(tmp_path: Path, seen: list[Snapshot]) -> None:
    """On disk, where the daemon has it: only part of the events are counted there."""

    @dg.observable_source_asset
    def raw() -> dg.DataVersion:
        return dg.DataVersion("unused")

    @dg.asset(deps=[raw], code_version="1", automation_condition=out_of_date())
    def words() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion("1"))

    definitions, key, start = dg.Definitions([raw, words]), words.key, datetime(2026, 1, 1, tzinfo=UTC)
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:

        def asks(second: int) -> bool:
            time = start + timedelta(seconds=second)
            return bool(dg.evaluate_automation_conditions(definitions, instance, evaluation_time=time).total_requested)

        assert not asks(0)
        observe(instance, {"raw": lambda: "1"})
        assert asks(5), "an observation"
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, asset_selection=frozenset([key]))
        assert not asks(10), "a planned run"
        instance.report_run_failed(run)
        assert asks(15), "the end of a run"
        assert job.execute_in_process(instance=instance).success
        taken = len(seen)
        assert not any(asks(second) for second in range(20, 80, 5))
        assert len(seen) == taken + 1, "at rest"
        instance.wipe_assets([key])
        assert asks(81), "a minute"

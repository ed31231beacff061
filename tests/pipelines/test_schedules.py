"""Schedules of headwater.yaml: what they run, that they are off, and errors that name the key. One fires in
`test_daemon.py`."""

from types import SimpleNamespace

import dagster as dg
import pytest

from pipelines.schedules import build_schedules


def entry(**changes: object) -> SimpleNamespace:
    """An entry as pydantic gives it (`pipelines.settings.ScheduleSettings`)."""
    return SimpleNamespace(**{"name": "nightly", "cron": "0 3 * * *", "timezone": "UTC", "assets": (), **changes})


@dg.asset
def corpus() -> None: ...


@dg.asset(key=["models", "summary"], deps=[corpus])
def model() -> None: ...


@dg.observable_source_asset
def docs() -> dg.DataVersion:
    return dg.DataVersion("1")


NAMES = ["corpus", "models/summary"]


def selected(schedule: dg.ScheduleDefinition) -> set[str]:
    definitions = dg.Definitions([docs, corpus, model], schedules=[schedule])
    job = definitions.resolve_job_def(schedule.job_name)
    return {key.to_user_string() for key in job.asset_layer.selected_asset_keys}


def test_schedules_are_off_until_someone_switches_them_on() -> None:
    one, two = build_schedules([entry(), entry(name="weekly", cron="@weekly", timezone="Asia/Kathmandu")], NAMES)
    assert one.default_status == two.default_status == dg.DefaultScheduleStatus.STOPPED
    assert (two.cron_schedule, two.execution_timezone) == ("@weekly", "Asia/Kathmandu")


def test_a_schedule_runs_what_it_names_and_all_without_names() -> None:
    everything, one = build_schedules([entry(), entry(name="one", assets=("models/summary",))], NAMES)
    assert selected(everything) == set(NAMES)
    assert selected(one) == {"models/summary"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cron": "every day"}, r"schedules\[1\].cron: 'every day'"),
        ({"cron": "0 25 * * *"}, r"schedules\[1\].cron"),
        ({"cron": ""}, r"schedules\[1\].cron"),
        ({"cron": "0 0 * * * *"}, r"schedules\[1\].cron"),
        ({"timezone": "Mars/Olympus"}, r"schedules\[1\].timezone: no time zone 'Mars/Olympus'"),
        ({"timezone": "Europe"}, r"schedules\[1\].timezone"),
        ({"timezone": "../../etc/passwd"}, r"schedules\[1\].timezone"),
        (
            {"assets": ("corpus", "corpse")},
            r"schedules\[1\].assets: no asset 'corpse'; there are corpus, models/summary",
        ),
        ({"name": "at night"}, r"schedules\[1\].name: 'at night'"),
        ({"name": "first"}, r"schedules\[1\].name: 'first' is the name of an earlier"),
    ],
)
def test_an_error_names_the_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_schedules([entry(name="first"), entry(**change)], NAMES)

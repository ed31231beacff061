"""A burst of labels makes one run, steady labels are not held back, and a hint makes the look sooner and nothing else."""

import http.client
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipelines.webhook
from annotation.webhooks import HEADER
from pipelines.automation import out_of_date
from pipelines.observation import DATA_VERSION, observation_sensor, observe
from pipelines.settling import PATIENCE, Settling
from pipelines.webhook import listening

LABELS = "labels"


class Desk:
    """People label, a sensor looks, an automation asks: tick by tick, on a real event log in memory."""

    def __init__(self) -> None:
        self.labels, self.other, self.runs = 0, 0, 0
        self.instance = dg.DagsterInstance.ephemeral()
        looks = {LABELS: lambda: f"{self.labels} labels", "other": lambda: str(self.other)}
        self.sensor = observation_sensor(looks, bursty=[LABELS])
        self.cursor = self.conditions = None
        source = [
            dg.observable_source_asset(name=name)(lambda: dg.DataVersion(""))
            for name in looks  # the sensor looks instead
        ]

        @dg.asset(deps=list(looks), automation_condition=out_of_date(), code_version="1")
        def annotations() -> None:
            self.runs += 1

        self.definitions = dg.Definitions([*source, annotations])

    def tick(self) -> None:
        context = dg.build_sensor_context(self.instance, cursor=self.cursor)
        self.sensor(context)
        self.cursor = context.cursor
        found = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=self.conditions)
        self.conditions = found.cursor
        if found.total_requested:
            job = self.definitions.resolve_implicit_global_asset_job_def()
            assert job.execute_in_process(instance=self.instance, asset_selection=[dg.AssetKey("annotations")]).success


@pytest.mark.filterwarnings("ignore")
def test_a_burst_of_500_labels_makes_one_run() -> None:
    desk = Desk()
    desk.tick()
    desk.tick()
    assert desk.runs == 1, "the first build"
    for _ in range(10):
        desk.labels += 50
        desk.tick()
    assert desk.runs == 1, "nothing runs in the middle of a burst"
    for _ in range(3):
        desk.tick()
    assert desk.runs == 2 and desk.labels == 500
    observed = desk.instance.fetch_observations(dg.AssetKey(LABELS), limit=50).records
    assert [each.asset_observation.tags[DATA_VERSION] for each in observed] == ["500 labels", "0 labels"]


@pytest.mark.filterwarnings("ignore")
def test_other_sources_are_reported_at_once_while_labels_come() -> None:
    desk = Desk()
    desk.tick()
    desk.tick()
    desk.labels, desk.other = 1, 1
    desk.tick()
    assert desk.runs == 2


@given(st.lists(st.integers(0, 3), max_size=120))
def test_what_is_reported_is_what_stood_there_and_never_waits_for_ever(steps: list[int]) -> None:
    version, recorded, cursor, waited = 0, "0", None, 0
    for step in steps:
        version += step
        settling = Settling({LABELS: lambda: str(version)}, [LABELS], cursor, lambda _: recorded)  # noqa: B023
        told, cursor = settling.looks[LABELS](), settling.cursor
        assert told in (str(version), recorded)
        waited = 0 if told == str(version) else waited + 1
        assert waited <= PATIENCE
        recorded = told
    for _ in range(2):
        settling = Settling({LABELS: lambda: str(version)}, [LABELS], cursor, lambda _: recorded)  # noqa: B023
        recorded, cursor = settling.looks[LABELS](), settling.cursor
    assert recorded == str(version), "two quiet looks, and it is reported"


def test_a_look_that_fails_forgets_nothing() -> None:
    instance, state = dg.DagsterInstance.ephemeral(), {"version": "1"}

    def look() -> str:
        if state["version"] == "broken":
            raise ConnectionError("no answer")
        return state["version"]

    sensor = observation_sensor({LABELS: look}, bursty=[LABELS])
    cursor = None
    for version, fails in (("1", False), ("2", False), ("broken", True), ("2", False), ("2", False)):
        state["version"] = version
        context = dg.build_sensor_context(instance, cursor=cursor)
        if fails:
            with pytest.raises(LookupError, match="no answer"):
                sensor(context)
        else:
            sensor(context)
        cursor = context.cursor
    newest = instance.fetch_observations(dg.AssetKey(LABELS), limit=1).records[0]
    assert newest.asset_observation.tags[DATA_VERSION] == "2"


def post(port: int, headers: dict[str, str], body: bytes = b"{}") -> int:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("POST", "/", body, headers)
    status = line.getresponse().status
    line.close()
    return status


def test_a_burst_of_hints_makes_one_look_and_strangers_make_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment that hints must have been quiet for passes when the test says so, however long they take to be sent."""
    now, looked, count = [100.0], threading.Semaphore(0), []
    monkeypatch.setattr(pipelines.webhook, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def look() -> None:
        count.append(now[0])
        looked.release()

    with listening("known", 0, look, quiet=0.2) as port:
        for wrong in (
            {},
            {HEADER: "guessed"},
            {HEADER: ""},
            {HEADER: "kno"},
            {HEADER: "known2"},
            {HEADER: "kn\u00f6wn"},
        ):
            assert post(port, wrong) == 403
        now[0] = 200.0
        assert not looked.acquire(timeout=0.3) and not count
        for _ in range(50):
            assert post(port, {HEADER: "known"}, b"x" * 100) == 204
        assert not looked.acquire(timeout=0.3), "they have only just come"
        now[0] = 201.0
        assert looked.acquire(timeout=60)
        assert not looked.acquire(timeout=0.3) and count == [201.0]
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"nonsense\r\n\r\n")
        assert post(port, {HEADER: "known"}) == 204
        now[0] = 202.0
        assert looked.acquire(timeout=60) and count == [201.0, 202.0]
    with pytest.raises(ConnectionRefusedError):
        post(port, {HEADER: "known"})


def test_the_secret_is_compared_in_a_time_that_tells_nothing() -> None:
    source = Path(__file__).parents[2].joinpath("pipelines", "webhook.py").read_text(encoding="utf-8")
    assert "hmac.compare_digest(given, secret.encode())" in source
    assert "== secret" not in source and "secret ==" not in source


def test_a_hint_is_recorded_as_the_sensor_would_record_it() -> None:
    instance, version = dg.DagsterInstance.ephemeral(), "1"
    assert observe(instance, {LABELS: lambda: version}) == [LABELS]
    sensor = observation_sensor({LABELS: lambda: version}, bursty=[LABELS])
    context = dg.build_sensor_context(instance)
    sensor(context)
    assert instance.fetch_observations(dg.AssetKey(LABELS), limit=9).records.__len__() == 1

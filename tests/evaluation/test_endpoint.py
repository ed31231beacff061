"""Against a real server that limits its rate, cuts connections, talks nonsense and dies in the middle."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import polars as pl
import pytest

from evaluation.endpoint import EndpointError, EndpointJob, EndpointSettings, run
from evaluation.inference import OUTPUTS, GenerationSettings
from evaluation.selection import QUESTIONS
from records import silent
from tests.evaluation.serving import said, serving

NAMES = [f"s{number}" for number in range(8)]
SETTINGS = GenerationSettings(max_new_tokens=5, stop_at_line=True)


def ask(tmp_path, url, names=NAMES, **options):
    rows = [(name, "test", "none", [{"role": "user", "content": name}], None, "generate", 0) for name in names]
    questions = pl.DataFrame(rows, schema=QUESTIONS, orient="row").with_columns(asked=pl.col("sample_id"))
    questions.write_parquet(tmp_path / "samples.parquet")
    options = {"pause": 0.01, "timeout": 60.0, **options}
    endpoint = EndpointSettings("big", url, "model-x", **options)
    out = tmp_path / "out.parquet"
    facts = run(
        EndpointJob(endpoint, str(tmp_path / "samples.parquet"), str(out), SETTINGS, str(tmp_path / "parts")), silent
    )
    table = pl.read_parquet(out)
    assert dict(table.schema) == OUTPUTS and facts["rows"] == table.height
    return table


def question_of(body):
    return body["messages"][-1]["content"]


def parts(tmp_path):
    return sorted(pl.read_parquet(path)["asked"].item() for path in (tmp_path / "parts").glob("*.parquet"))


def test_answers_are_rows_like_those_of_a_local_model(tmp_path, monkeypatch):
    monkeypatch.setenv("BIG_KEY", "secret-1")
    with serving(lambda body, _: said(f"{question_of(body)}!\nand more")) as (url, seen):
        found = ask(tmp_path, url, key_env="BIG_KEY")
    assert found["output"].to_list() == [f"{name}!" for name in NAMES], "an answer of one line ends at its end"
    assert (
        set(found["prompt_tokens"]) == {7} and set(found["output_tokens"]) == {3} and set(found["finish"]) == {"stop"}
    )
    asked = seen[0]
    assert (asked["path"], asked["model"], asked["max_tokens"], asked["key"]) == (
        "/v1/chat/completions",
        "model-x",
        5,
        "Bearer secret-1",
    )
    assert parts(tmp_path) == NAMES


@pytest.mark.parametrize("as_date", [False, True])
def test_a_limited_rate_is_respected_by_all(tmp_path, as_date):
    """The first request is told to wait for a second: until then nobody asks."""
    times = []

    def reply(body, number):
        times.append(time.monotonic())
        if number == 1:
            later = datetime.now(UTC) + timedelta(seconds=2)
            return 429, {"Retry-After": format_datetime(later, usegmt=True) if as_date else "1"}, {"error": "slow down"}
        return said("yes")

    with serving(reply) as (url, _):
        found = ask(tmp_path, url, parallel=1)
    assert found["output"].to_list() == ["yes"] * 8 and len(times) == 9
    assert times[1] - times[0] >= 0.9


def test_a_queue_that_moves_is_waited_in(tmp_path):
    """Four ask at once, and one request in five is served: many a question is put off more often than it has tries."""
    with serving(lambda body, number: (429, {"Retry-After": "0.01"}, {}) if number % 5 else said("yes")) as (url, seen):
        found = ask(tmp_path, url, [f"s{number}" for number in range(24)])
    assert found["output"].to_list() == ["yes"] * 24 and len(seen) == 120


def test_a_queue_that_stands_still_is_left(tmp_path):
    limited = (429, {"Retry-After": "0.01"}, {})
    with (
        serving(lambda *_: limited) as (url, seen),
        pytest.raises(EndpointError, match=r"8 of 8 questions have no answer from big \(status 429\)"),
    ):
        ask(tmp_path, url, tries=3)
    assert len(seen) == 24


MISHAPS = {
    "cut": (200, {}, None),
    "down": (503, {}, b"no"),
    "broken": (500, {}, {"error": "x"}),
    "nonsense": (200, {}, b"<html>"),
    "half": (200, {}, {"choices": []}),
    "silent": (200, {}, {"choices": [{"message": {"content": None}}]}),
}


@pytest.mark.parametrize("mishap", MISHAPS)
def test_what_may_pass_is_tried_again(tmp_path, mishap):
    failed = set()

    def reply(body, _):
        name = question_of(body)
        if name in {"s2", "s5"} and name not in failed:
            failed.add(name)
            return MISHAPS[mishap]
        return said(name)

    with serving(reply) as (url, seen):
        found = ask(tmp_path, url)
    assert found["output"].to_list() == NAMES and found["error"].null_count() == 8 and len(seen) == 10


def test_an_endpoint_that_dies_in_the_middle_loses_nothing(tmp_path):
    told = r"4 of 8 questions have no answer from big \(status 500\); the others are kept"
    with (
        serving(lambda body, _: said("yes") if question_of(body) < "s4" else MISHAPS["broken"]) as (url, _),
        pytest.raises(EndpointError, match=told),
    ):
        ask(tmp_path, url, tries=2)
    assert parts(tmp_path) == NAMES[:4] and not (tmp_path / "out.parquet").exists()


def test_what_is_refused_for_good_is_the_rows_own_error(tmp_path):
    with serving(lambda body, _: (400, {}, {"error": "too long"}) if question_of(body) == "s3" else said("yes")) as (
        url,
        seen,
    ):
        found = ask(tmp_path, url)
    assert found.drop_nulls("error").select("sample_id", "error").rows() == [("s3", "the endpoint refused it (400)")]
    assert found["output"].null_count() == 1 and len(seen) == 8, "it is not asked again"


@pytest.mark.parametrize(
    ("status", "mend"), [(401, "check the key in BIG_KEY"), (404, "check url and model"), (302, "check url")]
)
def test_an_endpoint_that_refuses_everything_is_told_at_once(tmp_path, monkeypatch, status, mend):
    monkeypatch.setenv("BIG_KEY", "secret-1")
    with (
        serving(lambda *_: (status, {"Location": "/elsewhere"}, {})) as (url, seen),
        pytest.raises(EndpointError, match=mend) as caught,
    ):
        ask(tmp_path, url, key_env="BIG_KEY", parallel=1)
    assert len(seen) == 1 and "secret-1" not in str(caught.value)


def test_a_key_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EndpointError, match="set NO_SUCH_KEY in the environment"):
        ask(tmp_path, "http://127.0.0.1:9/v1", key_env="NO_SUCH_KEY")
    with pytest.raises(ValueError, match="should begin with http"):
        EndpointSettings("big", "ftp://x", "m")

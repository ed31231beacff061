"""The program that asks a model behind an OpenAI-compatible endpoint: the same questions, the same rows, over HTTP.

An endpoint limits its rate, times out and breaks in the middle. A 429 or 503 pauses everybody for as long as `Retry-After`
says, and is no failed try while others are answered: who waits in a queue that moves gets there. Other failures that may
pass are tried again after pauses that double. Each answer is written beside at once, for it was paid for. What has no
answer after all tries is an error of the run, once the rest is done: a failure that may pass must not become a row. What
the endpoint refuses for good (a prompt that is too long) is an error of that row alone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import polars as pl

from evaluation.inference import OUTPUTS, GenerationSettings, read_samples, write_whole
from evaluation.lines import first_line
from records import Progress

if TYPE_CHECKING:
    import httpx

FINISHES = {"stop": "stop", "length": "length"}
ROW_ERRORS = {400, 413, 422}
"""Statuses by which an endpoint refuses one question for good."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EndpointSettings:
    """One entry of `endpoints`: a model that others serve by the OpenAI API."""

    # what it is called: letters, digits and underscores
    name: str
    # the API's address up to /v1
    url: str
    # the model's name there
    model: str
    # the prompt file around each open sample, by its name; none when empty
    prompt: str = ""
    # whether it competes on the test split; a judge need not
    competes: bool = True
    # the environment variable that holds the key
    key_env: str = field(default="", metadata={"runtime": True})
    # requests at once
    parallel: int = field(default=4, metadata={"runtime": True})
    # tries of one question; one that the endpoint puts off while it answers others does not count
    tries: int = field(default=6, metadata={"runtime": True})
    # seconds until an answer is given up
    timeout: float = field(default=120.0, metadata={"runtime": True})
    # the first pause in seconds; each further one is twice as long
    pause: float = field(default=1.0, metadata={"runtime": True})

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise ValueError(
                f"url: {self.url!r} should begin with http:// or https://, and end before /chat/completions"
            )
        if min(self.parallel, self.tries) < 1 or min(self.timeout, self.pause) <= 0:
            raise ValueError("parallel and tries: must be at least 1; timeout and pause: above zero")


@dataclass(frozen=True)
class EndpointJob:
    """An endpoint and what it is asked: `samples`, `out` and `parts` as of `inference.AnswerJob`."""

    endpoint: EndpointSettings
    samples: str
    out: str
    settings: GenerationSettings
    parts: str


class EndpointError(RuntimeError):
    """The endpoint cannot be used, or some questions have no answer yet; the message says what was kept."""


def run(job: EndpointJob, progress: Progress) -> dict[str, object]:
    """Ask every question and write the outputs, whole or not at all; the figures of the run.

    Raises:
        EndpointError: the endpoint refuses everything (address, key, model), or some questions have no answer after all
            tries. What was answered lies in `parts`.
    """
    import httpx

    samples = read_samples(job.samples)
    begun, found, missing = time.perf_counter(), dict[int, dict[str, Any]](), list[str]()
    with httpx.Client(timeout=job.endpoint.timeout, headers=_headers(job.endpoint), trust_env=False) as client:
        asker = _Asker(client, job)
        with ThreadPoolExecutor(job.endpoint.parallel) as pool:
            waiting = {pool.submit(asker.ask, row): place for place, row in enumerate(samples.to_dicts())}
            try:
                for done, future in enumerate(as_completed(waiting), 1):
                    _take(future.result, waiting[future], found, missing)
                    progress(done, samples.height, "samples")
            except EndpointError:
                pool.shutdown(cancel_futures=True)
                raise
    if missing:
        raise EndpointError(
            f"{len(missing)} of {samples.height} questions have no answer from {job.endpoint.name} ({missing[0]}); "
            "the others are kept: run again"
        )
    table = pl.DataFrame([found[place] for place in range(samples.height)], schema=OUTPUTS)
    write_whole(table, job.out)
    return {
        "rows": table.height,
        "failed": table["error"].count(),
        "answer_tokens": int(table["output_tokens"].sum()),
        "seconds": round(time.perf_counter() - begun, 3),
    }


class _Failed(NamedTuple):
    """A try without an answer, and whether it was for the endpoint's rate alone."""

    reason: str
    limited: bool = False


class _Unanswered(RuntimeError):
    """One question has no answer after all tries, for a reason that may pass."""


def _take(result: Any, place: int, found: dict[int, dict[str, Any]], missing: list[str]) -> None:
    try:
        found[place] = result()
    except _Unanswered as error:
        missing.append(str(error))


class _Asker:
    """Asks one question after the other, in several threads that pause together."""

    def __init__(self, client: httpx.Client, job: EndpointJob) -> None:
        self.client, self.job, self.lock, self.not_before = client, job, threading.Lock(), 0.0
        self.useless, self.answered = "", 0

    def ask(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row of outputs. Raises _Unanswered when all tries failed, EndpointError when it is of no use to go on."""
        failed, stuck, known, reason = 0, 0, self.answered, ""
        while max(failed, stuck) < self.job.endpoint.tries:
            self._wait()
            if self.useless:
                raise EndpointError(self.useless)
            begun, before = time.perf_counter(), self.answered
            outcome = self._try(row, self.job.endpoint.pause * 2 ** (failed + stuck))
            if not isinstance(outcome, _Failed):
                with self.lock:
                    self.answered += 1
                return self._kept(row, outcome | {"seconds": time.perf_counter() - begun})
            if outcome.limited:
                stuck = 0 if self.answered > known else stuck + 1
            else:
                failed += 1
            known, reason = before, outcome.reason
        raise _Unanswered(reason)

    def _try(self, row: Mapping[str, Any], pause: float) -> dict[str, Any] | _Failed:
        """What to enter, or why there is nothing yet, after the pause that this asks for."""
        import httpx

        try:
            answer = self.client.post(_address(self.job.endpoint), json=_body(row, self.job))
        except httpx.TransportError as error:
            time.sleep(pause)
            return _Failed(type(error).__name__)
        status = answer.status_code
        if status in {429, 503}:
            self._pause(_retry_after(answer.headers.get("retry-after"), pause))
            return _Failed(f"status {status}", limited=True)
        if status in ROW_ERRORS:
            log.warning("%s: %s", row["sample_id"], answer.text[:500])
            return {"error": f"the endpoint refused it ({status})"}
        if status < 500 and status != 408 and not answer.is_success:
            self.useless = _refused(self.job.endpoint, status)
            raise EndpointError(self.useless)
        if answer.is_success and (output := _output(answer, self.job.settings)) is not None:
            return output
        time.sleep(pause)
        return _Failed(f"status {status}" + (", and no answer in it" if answer.is_success else ""))

    def _wait(self) -> None:
        while (left := self.not_before - time.monotonic()) > 0:
            time.sleep(left)

    def _pause(self, seconds: float) -> None:
        with self.lock:
            self.not_before = max(self.not_before, time.monotonic() + seconds)

    def _kept(self, row: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, Any]:
        whole = {column: output.get(column) for column in OUTPUTS} | {
            column: row[column] for column in ("sample_id", "purpose", "prompt")
        }
        if self.job.parts:
            table = pl.DataFrame([whole], schema=OUTPUTS).with_columns(asked=pl.lit(row["asked"]))
            Path(self.job.parts).mkdir(parents=True, exist_ok=True)
            write_whole(table, str(Path(self.job.parts) / f"{row['asked']}.parquet"))
        return whole


def _address(endpoint: EndpointSettings) -> str:
    return endpoint.url.rstrip("/") + "/chat/completions"


def _headers(endpoint: EndpointSettings) -> dict[str, str]:
    if not endpoint.key_env:
        return {}
    key = os.environ.get(endpoint.key_env)
    if not key:
        raise EndpointError(f"endpoint {endpoint.name}: set {endpoint.key_env} in the environment; it holds the key")
    return {"Authorization": f"Bearer {key}"}


def _body(row: Mapping[str, Any], job: EndpointJob) -> dict[str, Any]:
    settings = job.settings
    return {
        "model": job.endpoint.model,
        "messages": row["messages"],
        "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "seed": settings.seed,
    }


def _output(answer: httpx.Response, settings: GenerationSettings) -> dict[str, Any] | None:
    """What to enter of an answer; None when it is not of the API's form."""
    try:
        content = answer.json()
        choice, usage = content["choices"][0], content.get("usage") or {}
        text, finish = choice["message"]["content"], FINISHES.get(choice.get("finish_reason"), "stop")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None
    if not isinstance(text, str):
        return None
    tokens = {
        name: usage.get(key)
        for name, key in (("output_tokens", "completion_tokens"), ("prompt_tokens", "prompt_tokens"))
    }
    counted = {name: value for name, value in tokens.items() if isinstance(value, int)}
    return {"output": first_line(text) if settings.stop_at_line else text.strip(), "finish": finish, **counted}


def _retry_after(said: str | None, otherwise: float) -> float:
    """Seconds to wait by a `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3)."""
    if said is None:
        return otherwise
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return otherwise


def _refused(endpoint: EndpointSettings, status: int) -> str:
    mend = {401: "check the key", 403: "check the key", 404: "check url and model"}.get(status, "check url")
    key = f" in {endpoint.key_env}" if endpoint.key_env and status in {401, 403} else ""
    return f"endpoint {endpoint.name} ({endpoint.url}) answers {status}: {mend}{key}"

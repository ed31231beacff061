"""Twenty thousand tasks and five thousand annotations on a real server, with the time of each step printed."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from annotation import labels as labels_module
from annotation.adjudication import consensus_by_project, labels_of, open_disagreements
from annotation.agreement import annotator_quality, counted, judgements
from annotation.blinding import pseudonym
from annotation.labels import LABEL_SCHEMA, pull_changes, state_digest
from annotation.projects import config_digest
from annotation.settings import ProjectSettings, TrustSettings
from annotation.sync import synchronise
from tests.annotation.building import answer, project_id, tasks, there

PROJECT = [ProjectSettings()]
TASKS, ANNOTATIONS, BULK = 20_000, 5_000, 10_000
VALUES = ("a_clearly", "a_slightly", "tie", "b_clearly", "both_bad")


def timed(name: str, work: Callable[[], Any]) -> Any:
    begun = time.monotonic()
    found = work()
    print(f"{name}: {time.monotonic() - begun:.1f} s")
    return found


def given(desired: pl.DataFrame, annotator: str) -> pl.DataFrame:
    """Answers to the first tasks, as an earlier pull had them."""
    rows = []
    for number, task in enumerate(desired.head(ANNOTATIONS).iter_rows(named=True)):
        said = {"choices": [VALUES[number % len(VALUES)]]}
        result = [{"from_name": "preference", "to_name": "prompt", "type": "choices", "value": said}]
        raw = {"result": result, "was_cancelled": False, "lead_time": 5.0}
        own = {name: task[name] for name in ("task_digest", "sample_id", "project", "kind")}
        about = {
            "annotation_id": str(number),
            "annotator": annotator,
            "ordinal": 0,
            "status": "submitted",
            "value": "a",
        }
        rows.append(own | about | {"raw": json.dumps(raw), "config_digest": config_digest(PROJECT[0])})
    return pl.DataFrame(rows, schema=LABEL_SCHEMA)


@pytest.mark.long
@pytest.mark.timeout(3000)  # a machine that does other things takes five times as long
def test_twenty_thousand_tasks_and_five_thousand_annotations(client, studio, secret, monkeypatch):
    monkeypatch.setattr(labels_module, "MARGIN", timedelta(0))
    desired = tasks(TASKS)
    first = timed(f"{BULK:,} tasks sent", lambda: synchronise(client, desired.head(BULK), PROJECT, secret))
    again = timed("the same again", lambda: synchronise(client, desired.head(BULK), PROJECT, secret))
    assert (first.imported, again.imported, again.unchanged) == (BULK, 0, BULK)
    known = given(desired.tail(BULK), pseudonym(secret.key, studio.email))
    whole = timed(
        f"{BULK:,} more, {ANNOTATIONS:,} of them with answers",
        lambda: synchronise(client, desired, PROJECT, secret, known),
    )
    assert whole.imported == BULK and there(client, project_id(whole)) == sorted(desired["task_digest"])
    timed("a look for the sensor", lambda: state_digest(client, secret))
    labels, marks = timed(
        f"{ANNOTATIONS:,} annotations fetched", lambda: pull_changes(client, desired, secret, None, {})
    )
    assert labels.height == ANNOTATIONS and labels["status"].unique().to_list() == ["submitted"]
    same, marks = timed("fetched again, on top", lambda: pull_changes(client, desired, secret, labels, marks))
    assert same.equals(labels)
    answer(client, project_id(whole), desired["sample_id"][0], "b")
    more, _ = timed("one more, on top", lambda: pull_changes(client, desired, secret, labels, marks))
    assert more.height == ANNOTATIONS + 1 and labels.join(more, on="annotation_id", how="anti").is_empty()
    other = labels.with_columns(
        annotator=pl.lit("another"),
        annotation_id=pl.col("annotation_id") + "x",
        value=pl.when(pl.int_range(pl.len()) % 10 == 0).then(pl.lit("tie")).otherwise("value"),
    )
    both, trust = pl.concat([labels, other]), TrustSettings()
    answers = counted(both)
    consensus = timed("consensus of two people", lambda: consensus_by_project(judgements(answers)))
    quality, _ = timed("agreement with 1,000 resamples", lambda: annotator_quality(answers, consensus[1], trust))
    assert quality.filter(annotator="everyone")["shared"][0] == ANNOTATIONS
    table = timed("labels", lambda: labels_of(both, both.clear(), trust)).table
    opened = open_disagreements(both, trust).table.height
    assert table.height == ANNOTATIONS and table.filter(how="disputed").height == opened > 0

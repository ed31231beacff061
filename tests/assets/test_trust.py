"""The stages of trust as they are called: labels that agree too little stop the dataset, and say whom to speak with."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from annotation.labels import LABEL_SCHEMA
from annotation.routing import gold_questions, tasks_of
from annotation.settings import AnnotationSettings, ProjectSettings, RoutingSettings, TrustSettings
from assets.trust import adjudicated_labels, adjudication_tasks, annotator_quality, held_against, kinds_scored
from evaluation.scores import human_ratings, human_win_rate
from evaluation.statistics import BootstrapSettings
from tests.annotation.answering import answers
from tests.annotation.test_policies import drafts, samples


def checks_of(rows: pl.DataFrame, trust: TrustSettings) -> str:
    """What the check `agreement` of the labels says; `preferences` is not made where it says something."""
    quality = annotator_quality(rows, trust)
    pairs = quality.others["annotator_pairs"]
    outcome = adjudicated_labels(rows, rows.clear(), quality.table, pairs, trust)
    assert adjudicated_labels.checks == ("agreement",) and outcome.table.height == 12
    return outcome.checks["agreement"]


def test_no_dataset_is_made_of_labels_that_agree_less_than_is_stated() -> None:
    alike = [(f"t{number}", person, "ab"[number % 2]) for number in range(12) for person in ("ann", "bob")]
    apart = [(f"t{number}", "cy", "ba"[number % 2]) for number in range(12)]
    asked = TrustSettings(min_alpha=0.67)
    assert checks_of(answers(*alike), asked) == ""
    said = checks_of(answers(*alike, *apart), asked)
    assert "project preference, preference: alpha" in said and "ann and cy, on 0% of 12 tasks" in said
    assert checks_of(answers(*alike, *apart), TrustSettings()) == ""


KNOWN = {
    "preference": ("human_win_rate", '{question: "Two and two?", a: "4", b: "5", answer: a}'),
    "rating": ("human_rating", '{question: "Two and two?", a: "5", answer: {correct: 1}}'),
}


@pytest.mark.parametrize("kind", KNOWN)
def test_known_questions_say_something_of_annotators_and_of_no_model(
    kind: Literal["preference", "rating"], tmp_path: Path
) -> None:
    metric, known = KNOWN[kind]
    (tmp_path / "gold.yaml").write_text(f"- {known}")
    project = ProjectSettings(name="asked", kind=kind, gold="gold.yaml")
    pool, settings = samples(12), AnnotationSettings(projects=(project,), routing=RoutingSettings(budget=6))
    tasks = tasks_of(pool, drafts(pool), settings, gold_questions([project], tmp_path)).table
    assert tasks.height == 7
    value = "a" if kind == "preference" else '{"correct": 1, "helpful": 1}'
    shown = pl.col(name for name in tasks.columns if name in LABEL_SCHEMA)
    given = [
        tasks.select(
            shown, annotator=pl.lit(person), value=pl.lit(value), ordinal=0, status=pl.lit("submitted"), lead_time=9.0
        )
        for person in ("ann", "bob")
    ]
    rows = pl.concat([pl.DataFrame(schema=LABEL_SCHEMA), *given], how="diagonal_relaxed")
    quality = annotator_quality(rows, TrustSettings())
    assert quality.table.filter(annotator="ann", criterion="correct" if kind == "rating" else kind)["gold"].item() == 1
    labels = adjudicated_labels(rows, rows.clear(), quality.table, quality.others["annotator_pairs"], TrustSettings())
    asked = tasks.filter(pl.col("gold").is_null())
    assert set(labels.table["task_digest"]) == set(asked["task_digest"]) and labels.dropped == {"known question": 1}
    scores = pl.concat([human_win_rate(rows), human_ratings(rows, BootstrapSettings(resamples=100))])
    assert scores["metric"].str.starts_with(metric).all()
    by_model = pl.concat([asked[side].drop_nulls() for side in ("model_a", "model_b")]).value_counts()
    for model, count in by_model.iter_rows():
        assert scores.filter(model=model)["n"].unique().to_list() == [count]
    assert set(scores["model"]) == set(by_model["model_a"])
    assert adjudication_tasks(rows, settings).table.is_empty()


def test_labels_count_as_used_by_the_judges_that_were_held_against_their_kind() -> None:
    agreed = pl.DataFrame({"judge": ["pairs", "rates", "idle"], "n": [4, 3, 0]})
    rated = pl.DataFrame({"judge": ["rates", "idle"]})
    assert held_against(agreed, rated) == ["preference", "rating"]
    assert held_against(agreed.filter(judge="pairs"), rated) == ["preference"] == held_against(agreed.head(1), None)
    assert held_against(agreed.filter(judge="rates"), rated) == ["rating"] and held_against(agreed.clear(), None) == []


def test_labels_count_as_used_by_scores_where_their_kind_stands_in_them() -> None:
    assert kinds_scored([]) == []
    assert kinds_scored(["human_win_rate"]) == ["preference"]
    assert kinds_scored(["human_rating correct", "human_win_rate", "human_rating brief"]) == ["preference", "rating"]

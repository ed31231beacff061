"""The stages of trust as they are called: labels that agree too little stop the dataset, and say whom to speak with."""

from __future__ import annotations

import polars as pl

from annotation.settings import TrustSettings
from assets.trust import adjudicated_labels, annotator_quality, held_against, kinds_scored
from tests.annotation.answering import answers


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

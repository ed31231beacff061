"""Agreement against published figures, and what it must not depend on."""

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.agreement import EVERYONE, annotator_quality, below, counted, judgements
from annotation.alpha import alpha, alpha_of
from annotation.consensus import ACCURACIES
from annotation.settings import TrustSettings
from tests.annotation.answering import answers

SETTINGS = TrustSettings()
NOBODY = pl.DataFrame(schema={"project": pl.String, "criterion": pl.String, **ACCURACIES})
PUBLISHED = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
)
"""Four observers of twelve units (Krippendorff 2011, section C); 0 is no answer."""

tables = st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=30)


def counts(observers: tuple[tuple[int, ...], ...], n_values: int) -> np.ndarray:
    units = np.array(observers).T
    return np.stack([(units == value + 1).sum(axis=1) for value in range(n_values)], axis=1)


def test_alpha_is_the_published_one() -> None:
    found = alpha(counts(PUBLISHED, 5), SETTINGS)
    assert found.value == pytest.approx(0.743, abs=0.0005)
    assert found.low < found.value < found.high <= 1


def test_ordinal_alpha_is_the_published_one() -> None:
    assert alpha(counts(PUBLISHED, 5), SETTINGS, "ordinal").value == pytest.approx(0.815, abs=0.0005)


@given(tables)
def test_ordinal_alpha_knows_the_order_and_not_its_direction(table: list[list[int]]) -> None:
    given_counts = np.array(table, dtype=np.int64)
    value = alpha(given_counts, SETTINGS, "ordinal").value
    turned = alpha(given_counts[:, ::-1], SETTINGS, "ordinal").value
    assert (value is None) == (turned is None) and (value is None or turned == pytest.approx(value))
    two = given_counts[:, :2]
    assert alpha(two, SETTINGS, "ordinal").value == alpha(two, SETTINGS).value, "two values have no order"


@given(tables)
def test_names_of_values_and_order_of_tasks_mean_nothing_to_alpha(table: list[list[int]]) -> None:
    given_counts = np.array(table, dtype=np.int64)
    value = alpha(given_counts, SETTINGS).value
    for same in (given_counts[:, ::-1], given_counts[::-1]):
        other = alpha(same, SETTINGS).value
        assert (value is None) == (other is None) and (value is None or other == pytest.approx(value))


@given(tables)
def test_a_task_with_one_answer_says_nothing_of_agreement(table: list[list[int]]) -> None:
    given_counts = np.array(table, dtype=np.int64)
    single = np.vstack([given_counts, [[0, 1, 0]]])
    assert alpha(single, SETTINGS) == alpha(given_counts, SETTINGS)


@st.composite
def observed(draw) -> np.ndarray:
    """(annotators, tasks): values 1 to 5, or no answer; at least two values, and a task with two answers."""
    shape = draw(st.tuples(st.integers(2, 5), st.integers(2, 12)))
    cell = st.sampled_from([*range(1, draw(st.integers(2, 5)) + 1), np.nan])
    table = np.array(
        draw(st.lists(st.lists(cell, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]))
    )
    table[:2, 0] = (1, 2)
    return table


@given(observed(), st.sampled_from(["nominal", "ordinal", "interval"]))
@settings(max_examples=300, deadline=None)
def test_alpha_is_that_of_the_library_krippendorff(table: np.ndarray, scale: str) -> None:
    domain = np.unique(table[~np.isnan(table)])
    theirs = krippendorff.alpha(reliability_data=table, value_domain=list(domain), level_of_measurement=scale)
    given_counts = np.stack([(table == value).sum(axis=0) for value in domain], axis=1)
    assert alpha(given_counts, SETTINGS, scale, domain).value == pytest.approx(theirs, abs=1e-8)


def test_levels_of_a_rubric_are_apart_by_their_order_or_by_their_number() -> None:
    rated = answers(
        *(
            (f"t{number}", person, f'{{"c": {level}}}')
            for number, pair in enumerate(((1, 1), (1, 2), (5, 5)))
            for person, level in zip(("ann", "bob"), pair, strict=True)
        )
    )
    judged = judgements(rated.with_columns(kind=pl.lit("rating")))
    found = {scale: alpha_of(judged, TrustSettings(scale=scale)).value for scale in ("ordinal", "interval")}
    table = np.array([[1, 1, 5], [1, 2, 5]], dtype=float)
    for scale, value in found.items():
        wanted = krippendorff.alpha(reliability_data=table, value_domain=[1, 2, 5], level_of_measurement=scale)
        assert value == pytest.approx(wanted, abs=1e-8)
    assert found["interval"] > found["ordinal"], "1 and 2 are near, 5 is far from both"


def test_alpha_is_unknown_where_nobody_shares_a_task_or_nothing_varies() -> None:
    assert alpha(np.array([[1, 0], [0, 1]]), SETTINGS).value is None
    assert alpha(np.array([[2, 0], [3, 0]]), SETTINGS).value is None


def test_the_last_answer_counts_and_skips_do_not() -> None:
    rows = answers(("t", "ann", "a"), ("t", "ann", "b"), ("t", "bob", None), ("u", "ann", "tie"))
    assert counted(rows).select("task_digest", "annotator", "value").rows() == [("t", "ann", "b"), ("u", "ann", "tie")]


def test_who_draws_others_apart_and_who_favours_a_side_is_seen() -> None:
    rows = answers(
        *((f"t{number}", person, "ab"[number % 2]) for number in range(20) for person in ("ann", "bob")),
        *((f"t{number}", "cy", "a") for number in range(20)),
    )
    quality, pairs = annotator_quality(rows, NOBODY, SETTINGS)
    by_person = {row["annotator"]: row for row in quality.to_dicts()}
    assert by_person["ann"]["agreement"] == pytest.approx(0.75) and by_person["cy"]["agreement"] == pytest.approx(0.5)
    assert by_person["cy"]["left"] == 1.0 and by_person["cy"]["left_low"] > 0.8
    assert by_person["ann"]["left_low"] < 0.5 < by_person["ann"]["left_high"]
    assert by_person["cy"]["longer"] == 0.0
    agreements = {(a, b): share for a, b, share in pairs.select("annotator_a", "annotator_b", "agreement").rows()}
    assert agreements == {("ann", "bob"): 1.0, ("ann", "cy"): 0.5, ("bob", "cy"): 0.5}
    assert by_person[EVERYONE]["tasks"] == 20


def test_answers_that_took_outlyingly_short_or_long_are_counted() -> None:
    rows = pl.concat(
        [
            answers(*((f"t{number}", "ann", "a") for number in range(20)), lead_time=30.0),
            answers(*((f"t{number}", "bob", "a") for number in range(20, 40)), lead_time=40.0),
            answers(*((f"t{number}", "cy", "a") for number in range(40, 45)), lead_time=0.5),
            answers(*((f"t{number}", "dee", "a") for number in range(45, 48)), lead_time=3600.0),
        ]
    )
    quality, _ = annotator_quality(rows, NOBODY, SETTINGS)
    found = {name: (hasty, slow) for name, hasty, slow in quality.select("annotator", "hasty", "slow").rows()}
    assert found == {"ann": (0, 0), "bob": (0, 0), "cy": (5, 0), "dee": (0, 3), EVERYONE: (5, 3)}


def test_the_gate_names_project_criterion_and_the_pair_that_agrees_least() -> None:
    rows = answers(
        *((f"t{number}", person, "ab"[number % 2]) for number in range(12) for person in ("ann", "bob")),
        *((f"t{number}", "cy", "ba"[number % 2]) for number in range(12)),
    )
    quality, pairs = annotator_quality(rows, NOBODY, SETTINGS)
    said = below(quality, pairs, TrustSettings(min_alpha=0.6))
    assert "project preference, preference: alpha" in said and "ann and cy, on 0% of 12 tasks" in said
    assert below(quality, pairs, SETTINGS) == ""
    agreeing, same = annotator_quality(rows.filter(pl.col("annotator") != "cy"), NOBODY, SETTINGS)
    assert below(agreeing, same, TrustSettings(min_alpha=0.6)) == ""


def test_the_gate_asks_for_shared_tasks() -> None:
    quality, pairs = annotator_quality(answers(("t", "ann", "a")), NOBODY, SETTINGS)
    assert "raise `annotators`" in below(quality, pairs, TrustSettings(min_alpha=0.6))
    assert annotator_quality(answers(), NOBODY, SETTINGS)[0].is_empty()

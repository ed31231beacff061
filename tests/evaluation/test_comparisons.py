"""Comparisons among many, and in slices: what is planted is found where it is, and chance is not taken for it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.comparisons import (
    COMPARISONS,
    SLICES,
    WAYS,
    adjusted,
    by_metric,
    compare,
    compare_slices,
    estimated,
    points,
    unless_alike,
)
from evaluation.statistics import BootstrapSettings, mean_interval, paired_difference

QUICK = BootstrapSettings(resamples=200, permutations=2_000)

p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8)


def holm(values: list[float | None]) -> list[float | None]:
    """Holm 1979, step by step: the smallest p is multiplied by their number, the next by one less, none below the one before."""
    ordered = sorted((value, place) for place, value in enumerate(values) if value is not None)
    found, least = dict.fromkeys(range(len(values))), 0.0
    for step, (value, place) in enumerate(ordered):
        least = max(least, min(1.0, value * (len(ordered) - step)))
        found[place] = least
    return list(found.values())


@given(p_values)
def test_adjusted_p_values_are_holms(values: list[float | None]) -> None:
    table = pl.DataFrame({"p_value": pl.Series(values, dtype=pl.Float64)})
    assert adjusted(table)["p_adjusted"].to_list() == [
        None if value is None else pytest.approx(value, abs=1e-8) for value in holm(values)
    ]


def planted(effect_on_long: float) -> tuple[dict[str, dict[str, pl.DataFrame]], pl.DataFrame]:
    """Two contestants on 200 samples of two kinds; b differs from a on the long ones alone."""
    rng = np.random.default_rng(3)
    names = [f"s{number:03}" for number in range(200)]
    is_long = np.arange(200) % 2 == 1
    texts = ["x" * (2_000 if long else 20) for long in is_long]
    samples = pl.DataFrame(
        {
            "sample_id": names,
            "group": names,
            "slice": ["all"] * 200,
            "source": ["one", "one", "two", "two"] * 50,
            "openness": ["open"] * 200,
            "messages": [[{"role": "user", "content": text}] for text in texts],
        }
    )
    first = rng.normal(50, 10, 200)
    second = first + rng.normal(0, 2, 200) + effect_on_long * is_long
    found = {}
    for model, values in (("base", first), ("finetune", second)):
        rows = pl.DataFrame({"sample_id": names, "metric": "chrf", "value": values, "weight": 1.0})
        found[model] = by_metric(rows, samples)
    return found, samples


def test_a_loss_is_found_in_its_slice() -> None:
    found, samples = planted(-3.0)
    table = compare_slices(found, samples, "test", QUICK)
    assert dict(table.schema) == SLICES
    worse = table.filter("regression").select("sliced_by", "slice").rows()
    assert ("length", "over 1,000 characters") in worse and ("length", "up to 100 characters") not in worse
    assert set(table["sliced_by"]) == {"length", "source"}, "one slice alone tells nothing"


def test_a_loss_is_found_in_whatever_samples_are_parted_by() -> None:
    found, samples = planted(-3.0)
    is_long = pl.int_range(pl.len()) % 2 == 1
    told = samples.with_columns(
        slice=pl.when(is_long).then(pl.lit("hard")).otherwise(pl.lit("easy")),
        source=pl.when(is_long).then(pl.lit("web")).otherwise(pl.lit("mail")),
        openness=pl.when(is_long).then(pl.lit("open")).otherwise(pl.lit("closed")),
        language=pl.when(is_long).then(pl.lit("de")).otherwise(pl.lit("en")),
        topic=pl.when(is_long).then(pl.lit("tide, anchor")).otherwise(pl.lit("oven, dough")),
    )
    table = compare_slices(found, told, "test", QUICK)
    worse = set(table.filter("regression").select("sliced_by", "slice").rows())
    assert worse == {
        ("slice", "hard"),
        ("source", "web"),
        ("language", "de"),
        ("topic", "tide, anchor"),
        ("openness", "open"),
        ("length", "over 1,000 characters"),
    }
    assert set(table["sliced_by"]) == set(WAYS)
    none = told.with_columns(language=pl.lit(None, pl.String), topic=pl.lit(None, pl.String))
    assert not {"language", "topic"} & set(compare_slices(found, none, "test", QUICK)["sliced_by"])


@pytest.mark.parametrize(
    ("base", "finetune", "difference"), [([1.0] * 150 + [0.0] * 10, None, 0), ([0.0] * 160, [1.0] * 160, 1), ([1.0] * 160, [0.0] * 160, -1)]
)  # fmt: skip
def test_two_that_differ_alike_on_all_samples_may_do_otherwise_on_others(base, finetune, difference) -> None:
    """Of 160 samples none was an exception: Wilson's interval ends at z² / (n + z²), 2.3 points."""
    names = [f"s{number:03}" for number in range(160)]
    samples = pl.DataFrame({"sample_id": names, "group": names})
    rows = pl.DataFrame({"sample_id": names, "metric": "exact_match", "weight": 1.0})
    told = {"base": base, "finetune": finetune or base}
    found = {model: by_metric(rows.with_columns(value=pl.Series(values)), samples) for model, values in told.items()}
    row = compare(found, "test", QUICK).row(0, named=True)
    end = 1.959964**2 / (160 + 1.959964**2)
    assert row["difference"] == difference and row["detectable"] == pytest.approx(end, abs=1e-6)
    assert row["low"] == pytest.approx(max(-1, difference - end), abs=1e-6)
    assert row["high"] == pytest.approx(min(1, difference + end), abs=1e-6)
    assert row["better"] == {0: None, 1: "finetune", -1: "base"}[difference]


def test_differences_are_said_in_points_of_the_metric() -> None:
    said = [points("exact_match", 1.0), points("exact_match", -0.023), points("chrf", 31.4), points("perplexity", 2.0)]
    assert said == ["100 points", "-2.3 points", "31 points", "2 in perplexity"]


def test_nothing_is_a_regression_where_nothing_differs() -> None:
    found, samples = planted(0.0)
    assert not compare_slices(found, samples, "test", QUICK)["regression"].any()
    assert compare_slices(found, samples, "test", QUICK).filter(pl.col("p_adjusted") < pl.col("p_value")).is_empty()


def test_a_slice_of_few_samples_is_left_out() -> None:
    found, samples = planted(-3.0)
    few = samples.with_columns(source=pl.when(pl.int_range(pl.len()) < 9).then(pl.lit("few")).otherwise("source"))
    assert "few" not in compare_slices(found, few, "test", QUICK)["slice"].to_list()


def test_one_contestant_has_nobody_to_be_compared_with() -> None:
    found, samples = planted(0.0)
    alone = {"base": found["base"]}
    assert compare(alone, "test", QUICK).is_empty() and dict(compare(alone, "test", QUICK).schema) == COMPARISONS
    assert compare_slices(alone, samples, "test", QUICK).is_empty()


@pytest.mark.parametrize(("metric", "span"), [("chrf", 100.0), ("exact_match", 1.0)])
def test_alike_on_all_samples_is_never_certain_in_any_metric_with_a_range(metric: str, span: float) -> None:
    end = span * 1.96**2 / (40 + 1.96**2)
    same = np.linspace(0, span, 40)
    found = unless_alike(paired_difference(same, same + span / 3, settings=QUICK), np.full(40, span / 3), metric, 0.95)
    assert found.low == pytest.approx(span / 3 - end, rel=1e-3) and found.detectable == pytest.approx(end, rel=1e-3)
    none = np.zeros(40)
    score = estimated(none, mean_interval(none, settings=QUICK), metric, 0.95)
    assert (score.value, score.low) == (0, 0) and score.high == pytest.approx(end, rel=1e-3)
    mixed = mean_interval(same, settings=QUICK)
    assert estimated(same, mixed, metric, 0.95) == mixed and estimated(none, mixed, "perplexity", 0.95) == mixed

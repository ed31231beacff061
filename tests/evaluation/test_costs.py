"""Prices times what was measured, and from where on it pays."""

import polars as pl
import pytest

from evaluation.costs import COSTS, PriceSettings, Spent, costs, minutes_of
from tests.evaluation.tables import outputs

PRICES = PriceSettings(machine_hour=3.6, person_hour=60.0, million_tokens={"big": 10.0})


def answered(seconds, **about):
    rows = [
        {"sample_id": f"s{n}", "output": "x", "seconds": seconds, "prompt_tokens": 90, "output_tokens": 10}
        for n in range(10)
    ]
    return outputs(*rows, {"sample_id": "failed", "error": "too long", "seconds": 99.0}, **about)


def row_of(table, model):
    return table.filter(model=model).row(0, named=True)


def test_every_figure_is_an_amount_times_a_price():
    rivals = {"base": answered(4.0), "tuned": answered(1.0), "big": answered(0.5)}
    table = costs(rivals, {"tuned": Spent(3600, 30)}, PRICES, "base")
    assert dict(table.schema) == COSTS
    tuned = row_of(table, "tuned")
    assert (tuned["answers"], tuned["seconds"], tuned["tokens"]) == (10, 1.0, 100.0)
    assert tuned["per_answer"] == pytest.approx(0.001) and tuned["per_million_tokens"] == pytest.approx(10)
    assert tuned["training"] == pytest.approx(3.6) and tuned["annotation"] == pytest.approx(30)
    assert tuned["break_even"] == 11_200, "33.6 spent, 0.003 saved with each answer"
    assert row_of(table, "big")["per_answer"] == pytest.approx(0.001)
    assert row_of(table, "base")["break_even"] is None


def test_what_costs_no_less_never_pays():
    table = costs({"base": answered(1.0), "tuned": answered(1.0)}, {"tuned": Spent(10)}, PRICES, "base")
    assert row_of(table, "tuned")["break_even"] is None
    nothing = costs({"base": outputs()}, {}, PRICES, "base")
    assert nothing["per_answer"].to_list() == [None]


def test_a_model_is_charged_for_the_texts_that_it_learned_from_and_for_no_other_label():
    samples = pl.DataFrame({"sample_id": ["a", "b", "c", "d"], "reference": ["theirs", "theirs", "its own", None]})
    written = pl.DataFrame({"sample_id": ["a", "b", "c"], "reference": ["theirs", "theirs", "another"]})
    answers = pl.DataFrame(
        [
            ("a", "demonstration", 60.0),
            ("a", "demonstration", 30.0),
            ("a", "preference", 600.0),
            ("a", "demonstration", None),
            ("b", "demonstration", 600.0),
            ("c", "demonstration", 600.0),
        ],
        schema=["sample_id", "kind", "lead_time"],
        orient="row",
    )
    learned = pl.DataFrame({"sample_id": ["a", "c", "d"]})
    assert minutes_of(learned, samples, written, answers) == 1.5, "two wrote for a, b was held out, c has its own"
    assert minutes_of(learned.clear(), samples, written, answers) == 0

"""What an answer is worth, against hand-made and published values."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import METRICS, chrf, sample_metrics
from tests.evaluation.tables import outputs, samples


def test_chrf_against_its_formula():
    """One character n-gram order at a time: "abcd" against "abce" shares 3 of 4, 2 of 3, 1 of 2 and 0 of 1."""
    expected = 100 * (3 / 4 + 2 / 3 + 1 / 2 + 0) / 4
    assert chrf("abcd", "abce") == pytest.approx(expected, abs=0.01)


def test_chrf_weighs_recall_over_precision():
    long = "Return the number of rows of the table"
    assert chrf(long, "Return the number of rows") > chrf("Return the number of rows", long)


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.strip))
def test_chrf_of_the_reference_itself_is_100_and_of_nothing_0(text):
    assert chrf(f" {text}\n", text) == pytest.approx(100)
    assert chrf("", text) == 0


def test_perplexity_and_bits_of_a_coin():
    """Two tokens of probability 1/2 each, over a reference of two bytes: perplexity 2, one bit per byte."""
    row = {"sample_id": "a", "nll": 2 * math.log(2), "tokens": 2, "reference_bytes": 2}
    found = {
        m: (v, w)
        for m, v, w in sample_metrics(outputs(row), samples({"sample_id": "a"}))
        .select("metric", "value", "weight")
        .rows()
    }
    assert set(found) == {"perplexity", "bits_per_byte"}
    assert math.exp(found["perplexity"][0]) == pytest.approx(2)
    assert found["bits_per_byte"] == (pytest.approx(1), 2.0)


def test_each_sample_gets_the_metrics_of_its_kind():
    asked = samples(
        {"sample_id": "open"},
        {"sample_id": "closed", "openness": "closed", "checker": "exact", "reference": "int"},
        {"sample_id": "nobody knows", "reference": None},
        {"sample_id": "failed"},
    )
    rows = [{"sample_id": name, "output": "int"} for name in ("open", "closed", "nobody knows", "gone")]
    found = sample_metrics(outputs(*rows, {"sample_id": "failed", "output": "int", "error": "too long"}), asked)
    assert found.select("sample_id", "metric").rows() == [
        ("closed", "exact_match"),
        ("open", "chrf"),
        ("open", "length"),
    ]
    assert set(found["metric"]) <= set(METRICS)


def test_an_answer_of_nothing_is_scored_and_no_answer_is_not():
    asked = samples({"sample_id": "a"}, {"sample_id": "b"})
    found = sample_metrics(outputs({"sample_id": "a", "output": ""}, {"sample_id": "b", "output": None}), asked)
    assert found.select("sample_id", "metric", "value").rows() == [("a", "chrf", 0.0), ("a", "length", 0.0)]
    assert sample_metrics(outputs(), asked).is_empty()

"""What an answer is worth, against hand-made and published values."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.metrics import METRICS, chrf, sample_metrics, text_digest, vectors_of
from evaluation.options import options_of
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
        ("open", "rouge_l"),
    ]
    assert set(found["metric"]) <= set(METRICS)


def test_an_answer_of_nothing_is_scored_and_no_answer_is_not():
    asked = samples({"sample_id": "a"}, {"sample_id": "b"})
    found = sample_metrics(outputs({"sample_id": "a", "output": ""}, {"sample_id": "b", "output": None}), asked)
    assert set(found.select("sample_id", "metric", "value").rows()) == {
        ("a", "chrf", 0.0),
        ("a", "length", 0.0),
        ("a", "rouge_l", 0.0),
    }
    assert sample_metrics(outputs(), asked).is_empty()


def test_similarity_is_the_cosine_of_two_texts_that_have_vectors():
    asked = samples({"sample_id": "a", "reference": "Yes."}, {"sample_id": "b", "reference": "Unknown."})
    table = pl.DataFrame(
        {"text_digest": [text_digest(text) for text in ("Yes.", "No.")], "vector": [[1.0, 0.0], [0.6, 0.8]]}
    )
    rows = outputs({"sample_id": "a", "output": " No. "}, {"sample_id": "b", "output": "No."})
    found = sample_metrics(rows, asked, vectors_of(table)).filter(metric="similarity")
    assert found.select("sample_id", "value").rows() == [("a", pytest.approx(0.6))]


def test_the_likeliest_option_is_scored_beside_the_letter_that_was_written():
    asked = samples({"sample_id": "a", "openness": "closed", "checker": "choice", "reference": "B"})
    row = {"sample_id": "a", "output": "I would say A", "option_nll": [2.0, 0.5, 3.0]}
    found = dict(sample_metrics(outputs(row), asked).select("metric", "value").rows())
    assert found == {"choice_match": 0.0, "choice_likelihood": 1.0}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Which?\nA) red\nB) green\nC) blue", 3),
        ("Which?\n(A) red\n(B) green", 2),
        ("Which?\n A. red\n B. green\n C. blue\n D. none", 4),
        ("A. Smith asks: what is 2 + 2?", 0),
        ("What is 2 + 2?", 0),
        ("", 0),
    ],
)
def test_options_are_lines_that_begin_with_letters(text, count):
    assert options_of([{"role": "user", "content": text}]) == count

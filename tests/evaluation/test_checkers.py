"""Which answers the checkers hold for right: as people write them, and as models do."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import records
from evaluation.checkers import (
    CHECKERS,
    METRIC_OF,
    choice,
    exact,
    f1,
    fault_of,
    json_value,
    normalise,
    numeric,
    pattern,
    schema,
)
from evaluation.metrics import METRICS, sample_metrics
from evaluation.selection import trial_metric

PERSON = json.dumps({"type": "object", "required": ["name"], "properties": {"age": {"type": "integer"}}})
ELSEWHERE = json.dumps({"$ref": "http://127.0.0.1:9/schema.json"})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def test_the_names_are_those_that_a_task_may_give():
    assert tuple(METRIC_OF) == records.CHECKERS
    assert set(METRIC_OF.values()) <= set(METRICS)


@pytest.mark.parametrize(
    ("output", "reference", "same"),
    [
        ("dict[str, int]", "dict[str,int]", True),
        ("```python\n`int`\n```", "int", True),
        ("  str | None. ", "str|None", True),
        ("'Foo'", '"Foo"', True),
        ("the  answer\nbecause", "the answer", True),
        ("Int", "int", False),
        ("int | None", "int", False),
        ("", "", False),
        ("```", "``", False),
        ("a b", "ab", False),
    ],
)
def test_exact_match(output, reference, same):
    assert exact(output, reference) == same


@settings(deadline=None)
@given(st.text())
def test_normalising_twice_changes_nothing_more_for_plain_words(text):
    words = " ".join(text.split())
    if words.isalnum():
        assert normalise(words) == normalise(normalise(words))


@pytest.mark.parametrize(
    ("output", "reference", "right"),
    [
        ("The total is 1,234 apples.", "1234", True),
        ("3 + 4 = 7", "#### 7", True),
        ("It costs $12.50", "12.5", True),
        ("about 25%", "0.25", True),
        ("1/4 of them", "0.25", True),
        ("−3", "-3", True),
        ("½", "0.5", True),
        ("0.30000000000000004", "0.3", True),
        ("7 or 8", "7", False),
        ("3/0", "3", False),
        ("seven", "7", False),
        ("1,2", "12", False),
    ],
)
def test_numbers(output, reference, right):
    assert numeric(output, reference) == right


@pytest.mark.parametrize(
    ("output", "reference", "right"),
    [
        ("B", "B", True),
        ("b.", "B", True),
        ("(B)", "B", True),
        ("B) because it rains", "(B)", True),
        ("The answer is **C**, not (A)... I mean (C)", "C", True),
        ("Answer: D", "D", True),
        ("A good question", "A", False),
        ("I cannot say", "I", False),
        ("K", "A", False),
        ("B or C", "B", False),
        ("", "B", False),
    ],
)
def test_options(output, reference, right):
    assert choice(output, reference) == right


@pytest.mark.parametrize(
    ("check", "output", "reference", "right"),
    [
        (pattern, "AB-12\n", r"[A-Z]{2}-\d+", True),
        (pattern, "see AB-12", r"[A-Z]{2}-\d+", False),
        (pattern, "a" * 50_000 + "!", r"(a+)+", False),
        (json_value, '{"b": [1], "a": 2}', '{"a": 2, "b": [1]}', True),
        (json_value, "Here it is:\n```json\n[1, 2]\n```", "[1, 2]", True),
        (json_value, "[2, 1]", "[1, 2]", False),
        (json_value, "true", "1", False),
        (json_value, "null and void", "null", False),
        (json_value, "[" * 100_000, "[]", False),
        (schema, '{"name": "Ada", "age": 36}', PERSON, True),
        (schema, '{"name": "Ada", "age": "old"}', PERSON, False),
        (schema, "Ada", PERSON, False),
    ],
)
def test_structure(check, output, reference, right):
    assert check(output, reference) == right


def test_words():
    assert f1("The cat sat.", "a cat sat") == 1
    assert f1("cat", "cat sat") == pytest.approx(2 / 3)
    assert (f1("dog", "cat"), f1("", "cat"), f1("", "the")) == (0, 0, 1)


@pytest.mark.parametrize(
    ("check", "reference", "said"),
    [
        (numeric, "seven", "no number"),
        (choice, "K", "no option"),
        (pattern, "(", "no regular expression"),
        (json_value, "{", "not JSON"),
        (schema, '{"type": "thing"}', "no JSON Schema"),
    ],
)
def test_a_reference_that_is_none_is_an_error_and_not_a_wrong_answer(check, reference, said):
    with pytest.raises(ValueError, match=said):
        check("1", reference)


def test_a_schema_is_not_fetched_from_elsewhere():
    from referencing.exceptions import Unresolvable

    with pytest.raises(Exception) as caught:
        schema("1", ELSEWHERE)
    assert isinstance(caught.value.__cause__ or caught.value, Unresolvable)


@given(json_values)
def test_a_value_is_itself_however_it_is_laid_out(value):
    assert json_value(json.dumps(value, indent=2, sort_keys=True), json.dumps(value)) == 1


@given(st.text(max_size=40), st.sampled_from(["exact", "numeric", "choice", "f1"]))
@settings(max_examples=200)
def test_any_text_can_be_checked(text, name):
    _, check = CHECKERS[name]
    assert 0 <= check(text, "(B) 12") <= 1


def test_each_sample_is_checked_as_it_asks():
    asked = pl.DataFrame(
        {
            "sample_id": ["n", "c"],
            "reference": ["4", "B"],
            "openness": ["closed", "closed"],
            "checker": ["numeric", "choice"],
            "split": ["validation"] * 2,
        }
    )
    answers = pl.DataFrame(
        {
            "sample_id": ["n", "c"],
            "purpose": ["test"] * 2,
            "prompt": ["none"] * 2,
            "output": ["2 + 2 = 4", "(C)"],
            "nll": pl.Series([None, None], dtype=pl.Float64),
            "tokens": pl.Series([None, None], dtype=pl.Int64),
            "reference_bytes": pl.Series([None, None], dtype=pl.Int64),
            "error": pl.Series([None, None], dtype=pl.String),
        }
    )
    found = sample_metrics(answers, asked).select("sample_id", "metric", "value").rows()
    assert found == [("c", "choice_match", 0.0), ("n", "numeric_match", 1.0)]
    assert trial_metric(asked) == "choice_match"
    assert sample_metrics(answers, asked.with_columns(checker=pl.lit("numbr"))).is_empty()


@pytest.mark.parametrize(
    ("checker", "reference", "told"),
    [
        ("numbr", "4", "there is no checker 'numbr'"),
        ("numeric", "four", "has no number"),
        ("choice", "none of these", "names no option"),
        ("pattern", "(", "no regular expression"),
        ("json", "{", "not JSON"),
        ("schema", '{"type": 3}', "no JSON Schema"),
    ],
)
def test_a_reference_that_no_answer_can_be_checked_against_is_told(checker, reference, told):
    assert told in fault_of(checker, reference)
    assert fault_of("json", "{}") is fault_of("exact", "") is None

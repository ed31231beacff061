"""Each sample is open or closed for a stated reason, and the model speaks only where it has learnt something."""

import polars as pl
import pytest

from annotation.routing import DECISIONS, decide_openness
from annotation.routing.openness import Model, fit, rule_for, train
from evaluation.checkers import CHECKERS
from records import MESSAGES

OPTIONS = "Which one?\nA) tea\nB) coffee\nC) milk"


@pytest.mark.parametrize(
    ("prompt", "reference", "checker"),
    [
        ("How many?", "1,234", "numeric"),
        ("How many?", " 25 % ", "numeric"),
        ("How much?", "$3.50", "numeric"),
        (OPTIONS, "B", "choice"),
        (OPTIONS, "(C)", "choice"),
        ("Which letter begins the alphabet?", "A", "exact"),
        ("Extract.", '{"name": "Ada"}', "json"),
        ("Extract.", "[1, 2]", "json"),
        ("Extract.", '{"type": "object", "properties": {"a": {}}}', "schema"),
        ("Name an ISO date.", r"^\d{4}-\d\d-\d\d$", "pattern"),
        ("A price from ^ to $", "^ to $", "exact"),
        ("Capital of France?", "Paris", "exact"),
        ("True or false?", "true", "exact"),
        ("Square it.", "assert f(2) == 4", "unit_test"),
        ("Square it.", "from math import sqrt\n\ndef check(f):\n    assert sqrt(f(2)) == 2\ncheck(f)", "unit_test"),
        ("What are tests?", "Use assert to say what holds.\nIt is a statement.", None),
        ("Write it.", "def f(x):\n    assert x > 0\n    return x * x", None),
        ("Say hello.", "Hello there!", None),
        ("Tell a story.", "Once upon a time there was a fox.", None),
        ("Write it.", "one\ntwo", None),
    ],
)
def test_the_shape_of_the_reference_names_the_checker(prompt, reference, checker):
    found, reason = rule_for(prompt, reference, runs=True)
    assert found == checker and reason
    if checker == "unit_test":
        assert rule_for(prompt, reference)[0] is None, "open where answers may not be run"
    elif checker is not None:
        assert CHECKERS[checker][1](reference, reference) >= (0.0 if checker in ("pattern", "schema") else 1.0)


def rows(*given: tuple[str, str | None], openness: str = "open", checker: str | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "sample_id": f"s{number:04}",
                "messages": [{"role": "user", "content": prompt}],
                "reference": reference,
                "openness": openness,
                "checker": checker,
            }
            for number, (prompt, reference) in enumerate(given)
        ],
        schema={
            "sample_id": pl.String,
            "messages": MESSAGES,
            "reference": pl.String,
            "openness": pl.String,
            "checker": pl.String,
        },
    )


def taught(count: int) -> list[tuple[str, str | None]]:
    closed = [(f"How many {n} times {n} apples are there?", str(n * n)) for n in range(count)]
    open_ones = [
        (f"Write a story about apple number {n}.", f"Once there was an apple, and it was {n}.") for n in range(count)
    ]
    return [*closed, *open_ones]


def test_what_the_record_says_stands():
    told = decide_openness(rows(("How many?", "4"), openness="closed", checker="f1"), "auto").table.row(0, named=True)
    assert (told["openness"], told["checker"], told["decided_by"]) == ("closed", "f1", "record")
    told = decide_openness(rows(("How many?", "4")), "open").table.row(0, named=True)
    assert (told["openness"], told["decided_by"]) == ("open", "record"), "rules speak only where the task asks for them"


def test_a_model_learns_from_what_rules_decided_and_says_how_sure_it_is():
    asked = [("How many pears are there in 3 boxes of 4?", None), ("Write a poem about a pear.", None)]
    outcome = decide_openness(rows(*taught(60), *asked), "auto")
    assert dict(outcome.table.schema) == DECISIONS
    closed, open_one = outcome.table.tail(2).to_dicts()
    assert (closed["openness"], closed["checker"], closed["decided_by"]) == ("closed", "numeric", "model")
    assert closed["probability"] > 0.8 and "a model of 120 decided prompts, right on" in closed["reason"]
    assert "asks how many or how much" in closed["reason"]
    assert (open_one["openness"], open_one["checker"], open_one["decided_by"]) == ("open", None, "model")
    assert "asks to write" in open_one["reason"]
    assert outcome.notes["closed by rule"] == 60 and outcome.notes["closed by model"] == 1


def test_the_decisions_depend_on_no_order_of_rows():
    table = rows(*taught(40), ("How many figs?", None))
    mixed = table.sample(fraction=1, shuffle=True, seed=3)
    assert decide_openness(table, "auto").table.equals(decide_openness(mixed, "auto").table)


def test_too_little_to_learn_from_leaves_a_sample_open():
    outcome = decide_openness(rows(*taught(10), ("How many figs?", None)), "auto")
    last = outcome.table.tail(1).row(0, named=True)
    assert (last["openness"], last["decided_by"]) == ("open", "default")
    assert outcome.notes["openness model"].startswith("none: 20 samples are decided, 10 of them open")


def test_a_model_that_learnt_nothing_says_nothing():
    prompts = [f"Item {n}" for n in range(200)]
    answers = ["open" if n % 2 else "exact" for n in range(200)]
    assert not isinstance(train(prompts, answers), Model)


def test_the_fit_is_the_least_of_its_loss():
    import numpy as np

    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(80, 5)), rng.integers(3, size=80)
    design = np.hstack([inputs, np.ones((80, 1))])

    def loss(weights):
        scores = design @ weights
        scores -= scores.max(axis=1, keepdims=True)
        chances = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return -chances[np.arange(80), targets].mean() + 0.5e-2 * (weights**2).sum()

    weights = fit(inputs, targets, 3)
    least = loss(weights)
    assert all(loss(weights + 1e-2 * rng.normal(size=weights.shape)) > least for _ in range(20))


def test_no_samples_are_no_decisions():
    assert decide_openness(rows(), "auto").table.is_empty()

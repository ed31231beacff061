"""Scores and comparisons from rows whose right answer is known, with the books in order."""

import json
import math

import numpy as np
import polars as pl
import pytest

from evaluation.comparisons import COMPARISONS, could_see, points
from evaluation.scores import (
    CHOICES,
    SAMPLE_SCORES,
    SCORES,
    choose_prompt,
    human_ratings,
    human_win_rate,
    score_contestants,
)
from evaluation.statistics import BootstrapSettings
from tests.evaluation.tables import outputs, samples

QUICK = BootstrapSettings(resamples=500, permutations=500)
NAMES = [f"s{number:02}" for number in range(40)]
ASKED = samples(*({"sample_id": name, "reference": f"Return the number {name}."} for name in NAMES))


def likelihoods(nll, **about):
    rows = [
        {"sample_id": name, "nll": nll + place % 5, "tokens": 10, "reference_bytes": 20}
        for place, name in enumerate(NAMES)
    ]
    return outputs(*rows, **about)


def answers(text, **about):
    return outputs(*({"sample_id": name, "output": text.format(name)} for name in NAMES), **about)


def balanced(outcome, taken):
    return outcome.kept + sum(outcome.dropped.values()) + sum(outcome.failed.values()) == taken


def row_of(table, **about):
    return table.filter(**about).row(0, named=True)


def test_a_better_model_is_found_better():
    base = pl.concat(
        [
            likelihoods(40.0),
        ]
    )
    tuned = likelihoods(30.0, model="tuned", version="v2", prompt="none")
    outcome = score_contestants({"base": base, "tuned": tuned}, ASKED, "d1", QUICK)
    assert dict(outcome.table.schema) == SCORES
    score = row_of(outcome.table, model="tuned", metric="perplexity")
    assert score["value"] == pytest.approx(math.exp(3.2), abs=1e-6)
    assert score["low"] < score["value"] < score["high"]
    assert (score["prompt"], score["model_version"], score["dataset_version"], score["split"], score["n"]) == (
        "none",
        "v2",
        "d1",
        "test",
        40,
    )
    table = outcome.others["comparisons"]
    assert dict(table.schema) == COMPARISONS
    found = row_of(table, metric="perplexity")
    assert (found["model_a"], found["model_b"], found["better"], found["n"]) == ("base", "tuned", "tuned", 40)
    assert found["difference"] == pytest.approx(math.exp(3.2) - math.exp(4.2), abs=1e-6)
    assert found["low"] <= found["difference"] <= found["high"] < 0
    assert found["p_value"] < 0.01
    assert balanced(outcome, 40)


def test_equal_models_are_not_told_apart():
    outcome = score_contestants({"a": answers("Return {}."), "b": answers("Return {}.")}, ASKED, "d1", QUICK)
    found = row_of(outcome.others["comparisons"], metric="chrf")
    assert (found["difference"], found["p_value"], found["better"]) == (0.0, 1.0, None)


def test_nothing_depends_on_the_order_of_rows():
    contestants = {"a": answers("Return {}."), "b": likelihoods(3.0)}
    mixed = {name: table.sample(fraction=1, shuffle=True, seed=3) for name, table in contestants.items()}
    first, second = (
        score_contestants(contestants, ASKED, "d", QUICK),
        score_contestants(mixed, ASKED.reverse(), "d", QUICK),
    )
    assert first.table.equals(second.table)
    assert first.others["comparisons"].equals(second.others["comparisons"])


def test_failures_are_in_the_books_and_in_no_score():
    good = answers("Return {}.")
    failed = pl.col("sample_id").is_in(NAMES[:4])
    base = good.with_columns(error=pl.when(failed).then(pl.lit("too long")), output=pl.when(~failed).then("output"))
    tuned = good.filter(pl.col("sample_id").is_in(NAMES[:30]))
    outcome = score_contestants(
        {"base": base, "tuned": tuned}, pl.concat([ASKED, samples({"sample_id": "unasked"})]), "d", QUICK
    )
    assert outcome.kept == 26
    assert outcome.failed == {"base: too long": 4, "tuned: not asked": 10}
    assert outcome.dropped == {"nobody was asked": 1}
    assert outcome.table.filter(metric="chrf")["n"].to_list() == [36, 30]
    assert set(outcome.others["comparisons"]["n"]) == {26}


def test_a_reference_that_its_checker_cannot_use_fails_alone():
    asked = pl.concat(
        [ASKED, samples({"sample_id": "odd", "openness": "closed", "checker": "numeric", "reference": "?"})]
    )
    rows = pl.concat([answers("Return {}."), outputs({"sample_id": "odd", "output": "3"})])
    outcome = score_contestants({"base": rows}, asked, "d", QUICK)
    assert outcome.failed == {"the reference is none for the checker numeric": 1} and outcome.kept == 40
    assert "numeric_match" not in outcome.table["metric"] and row_of(outcome.table, metric="chrf")["n"] == 40
    told = row_of(outcome.others["sample_scores"], sample_id="odd")
    assert (told["metric"], told["value"]) == ("numeric", None) and "has no number" in told["error"]


def test_scores_are_made_of_what_each_sample_gave():
    outcome = score_contestants({"a": answers("Return {}.")}, ASKED, "d", QUICK)
    each = outcome.others["sample_scores"]
    assert dict(each.schema) == SAMPLE_SCORES
    assert each.filter(metric="chrf")["value"].mean() == pytest.approx(row_of(outcome.table, metric="chrf")["value"])


def test_it_is_told_what_could_be_seen():
    outcome = score_contestants({"a": answers("Return {}."), "b": answers("{}")}, ASKED, "d", QUICK)
    compared = outcome.others["comparisons"]
    detectable = compared.filter(metric="rouge_l")["detectable"].item()
    assert could_see(compared)["rouge_l"] == f"with 40 samples you can see {detectable:.2g} points"
    assert points("exact_match", 0.0625) == "6.2 points"


def test_another_purpose_is_not_scored_as_test():
    outcome = score_contestants({"a": answers("x", purpose="validation")}, ASKED, "d", QUICK)
    assert outcome.table.is_empty()
    assert outcome.dropped == {"nobody was asked": 40}
    assert score_contestants({}, ASKED, "d", QUICK).dropped == {"nobody was asked": 40}


def test_perplexity_is_not_compared_across_tokenizers_but_bits_are():
    other = likelihoods(30.0).with_columns(tokens=pl.lit(9, dtype=pl.Int64))
    outcome = score_contestants({"a": likelihoods(40.0), "b": other}, ASKED, "d", QUICK)
    assert outcome.others["comparisons"]["metric"].to_list() == ["bits_per_byte"]


def test_all_wrong_is_not_certainly_always_wrong():
    closed = ASKED.with_columns(openness=pl.lit("closed"), checker=pl.lit("exact"))
    score = row_of(score_contestants({"a": answers("no")}, closed, "d", QUICK).table, metric="exact_match")
    assert score["value"] == 0
    assert score["low"] == 0
    assert score["high"] == pytest.approx(0.0876, abs=1e-3)


def test_groups_that_are_alike_widen_the_interval():
    grouped = ASKED.with_columns(group=(pl.int_range(pl.len()) % 5).cast(pl.String))
    rows = likelihoods(30.0)
    narrow = row_of(score_contestants({"a": rows}, grouped, "d", QUICK).table, metric="perplexity")
    by_group = BootstrapSettings(resamples=500, permutations=500, unit="group")
    wide = row_of(score_contestants({"a": rows}, grouped, "d", by_group).table, metric="perplexity")
    assert wide["high"] - wide["low"] > 1.5 * (narrow["high"] - narrow["low"])
    assert wide["value"] == narrow["value"]


def test_a_contestant_under_two_prompts_is_refused():
    both = pl.concat([answers("a"), answers("a", prompt="other")])
    with pytest.raises(ValueError, match="several prompts"):
        score_contestants({"base": both}, ASKED, "d", QUICK)


def trials(**texts):
    return pl.concat([answers(text, purpose="validation", prompt=name) for name, text in texts.items()])


def test_the_best_prompt_is_chosen_and_ties_go_by_name():
    outcome = choose_prompt(
        trials(zeta="Return the number {}.", alpha="Return the number {}.", poor="no"), ASKED, QUICK
    )
    assert dict(outcome.table.schema) == CHOICES
    assert outcome.table.filter("chosen")["prompt"].to_list() == ["alpha"]
    assert outcome.table["n"].to_list() == [40, 40, 40]
    assert outcome.table["value"].to_list() == [100.0, pytest.approx(outcome.table["value"][1]), 100.0]


def test_prompts_are_compared_on_the_same_samples_only():
    """One prompt fails on the samples where the other does badly: that must not make it the better one."""
    table = trials(good="Return the number {}.", lucky="no").with_columns(
        error=pl.when((pl.col("prompt") == "good") & (pl.col("sample_id") < "s10")).then(pl.lit("too long"))
    )
    outcome = choose_prompt(table, ASKED, QUICK)
    assert outcome.table["n"].to_list() == [30, 30]
    assert outcome.notes["answers not compared"] == 20


def test_no_common_sample_is_an_error_and_so_is_an_unknown_metric():
    table = trials(a="x", b="y").with_columns(error=pl.when(prompt="a").then(pl.lit("too long")))
    with pytest.raises(ValueError, match="under all of the prompts a, b"):
        choose_prompt(table, ASKED, QUICK)
    with pytest.raises(ValueError, match="unknown"):
        choose_prompt(table, ASKED, QUICK, metric="bleu")


def test_a_metric_where_less_is_better():
    table = pl.concat([likelihoods(40.0, prompt="a"), likelihoods(30.0, prompt="b")])
    assert choose_prompt(table, ASKED, QUICK, metric="perplexity").table.filter("chosen")["prompt"].item() == "b"


LABELS = {
    "task_digest": pl.String,
    "sample_id": pl.String,
    "annotator": pl.String,
    "ordinal": pl.Int64,
    "kind": pl.String,
    "value": pl.String,
    "status": pl.String,
    "model_a": pl.String,
    "model_b": pl.String,
}


def labels(*rows):
    usual = {
        "annotator": "p",
        "ordinal": 0,
        "kind": "preference",
        "status": "submitted",
        "model_a": "base",
        "model_b": "tuned",
    }
    return pl.DataFrame([usual | row for row in rows], schema=LABELS)


def wins(table):
    return {model: (value, n) for model, value, n in table.select("model", "value", "n").rows()}


def test_answers_are_mapped_to_models_through_the_order_shown():
    table = human_win_rate(
        labels(
            {"task_digest": "1", "value": "a", "model_a": "tuned", "model_b": "base"},
            {"task_digest": "2", "value": "b"},
            {"task_digest": "3", "value": "a"},
            {"task_digest": "4", "value": "tie"},
        ),
        "d1",
    )
    assert dict(table.schema) == SCORES
    assert wins(table) == {"base": (0.375, 4), "tuned": (0.625, 4)}
    assert table.select("split", "metric", "dataset_version").unique().rows() == [("people", "human_win_rate", "d1")]
    assert all(low < value < high for low, value, high in table.select("low", "value", "high").rows())


def test_only_answers_that_count_are_counted_and_a_task_once():
    table = human_win_rate(
        labels(
            {"task_digest": "1", "value": "a", "ordinal": 0},
            {"task_digest": "1", "value": "b", "ordinal": 1},
            {"task_digest": "1", "value": "a", "annotator": "q"},
            {"task_digest": "2", "value": "b", "status": "withdrawn"},
            {"task_digest": "3", "value": "b", "status": "retracted"},
            {"task_digest": "4", "value": None, "status": "skipped"},
            {"task_digest": "5", "value": "cannot_answer"},
            {"task_digest": "6", "value": "both_bad"},
            {"task_digest": "7", "value": "a", "model_a": None, "model_b": None},
        )
    )
    assert wins(table) == {"base": (pytest.approx(1 / 3), 3), "tuned": (pytest.approx(2 / 3), 3)}


def test_no_answers_give_no_rows():
    assert human_win_rate(labels()).is_empty()
    assert dict(human_win_rate(labels()).schema) == SCORES


def test_scores_are_finite_numbers():
    table = score_contestants({"a": likelihoods(2.0)}, ASKED, "d", QUICK).table
    assert np.isfinite(table.select("value", "low", "high").to_numpy()).all()


def test_beside_a_score_stands_how_many_of_its_samples_the_model_has_seen():
    seen = pl.DataFrame({"sample_id": [*NAMES[:3], "unasked"], "contaminated": [True, False, True, True]})
    contestants = {"base": answers("Return."), "tuned": answers("Return {}.")}
    there = pl.DataFrame({"sample_id": [NAMES[5], "unasked"]})
    table = score_contestants(contestants, ASKED, "d", QUICK, seen={"tuned": seen}, in_corpus=there).table
    told = dict(table.select("model", pl.struct("overlapping", "contaminated", "in_corpus")).iter_rows())
    assert told["tuned"] == {"overlapping": 3, "contaminated": 2, "in_corpus": 1}
    unknown = {"overlapping": None, "contaminated": None, "in_corpus": 1}
    assert told["base"] == unknown, "what a base was trained on nobody knows"
    assert score_contestants(contestants, ASKED, "d", QUICK).table["in_corpus"].null_count() == table.height
    asked = labels(
        {"task_digest": "1", "sample_id": "s1", "value": "a"}, {"task_digest": "2", "sample_id": "s2", "value": "b"}
    )
    assert human_win_rate(asked, in_corpus=asked.select("sample_id"))["in_corpus"].to_list() == [2, 2]
    assert human_win_rate(asked)["in_corpus"].to_list() == [None, None]


def test_peoples_ratings_are_means_by_model_and_criterion_a_task_once():
    def rated(task, model, correct, **more):
        value = json.dumps({"correct": correct, "brief": 3})
        return {
            "task_digest": task,
            "sample_id": task,
            "kind": "rating",
            "value": value,
            "model_a": model,
            "model_b": None,
        } | more

    table = human_ratings(
        labels(
            rated("1", "base", 1),
            rated("1", "base", 3, ordinal=1),
            rated("1", "base", 5, annotator="q"),
            rated("2", "base", 2),
            rated("3", "tuned", 5),
            rated("4", "tuned", 4),
            rated("5", "tuned", 1, status="retracted"),
            {"task_digest": "6", "kind": "rating", "value": "cannot_answer", "model_b": None},
            {"task_digest": "7", "value": "a"},
        ),
        QUICK,
        "d1",
        pl.DataFrame({"sample_id": ["1"]}),
    )
    assert dict(table.schema) == SCORES
    told = {(row["model"], row["metric"]): (row["value"], row["n"], row["in_corpus"]) for row in table.to_dicts()}
    assert told == {
        ("base", "human_rating brief"): (3.0, 2, 1),
        ("base", "human_rating correct"): (3.0, 2, 1),
        ("tuned", "human_rating brief"): (3.0, 2, 0),
        ("tuned", "human_rating correct"): (4.5, 2, 0),
    }
    assert table.filter(metric="human_rating correct", model="tuned").select("low", "high").row(0) == (4.0, 5.0)
    assert set(table["split"]) == {"people"} and human_ratings(labels(), QUICK).is_empty()

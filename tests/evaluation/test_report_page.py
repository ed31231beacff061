"""The page: the verdict is made of the figures, text is text, and it opens alone."""

import html
import re
from dataclasses import replace

import polars as pl
import pytest

from evaluation.costs import PriceSettings, Spent, costs
from evaluation.experiments import CELLS, EFFECTS
from evaluation.preferences import AGREEMENT, RUBRICS, WIN_RATES
from evaluation.report_page import Report, report_page
from evaluation.scores import score_contestants
from evaluation.statistics import BootstrapSettings
from evaluation.verdict import main_metric, verdict
from tests.evaluation.tables import outputs, samples

QUICK = BootstrapSettings(resamples=300, permutations=300)
NAMES = [f"s{number:02}" for number in range(30)]
EVIL = "<script>alert(1)</script>"
ASKED = samples(*({"sample_id": name, "reference": f"Return the number {name}."} for name in NAMES))


def answers(text, **about):
    rows = [
        {"sample_id": name, "output": text.format(name), "seconds": 1.0, "prompt_tokens": 9, "output_tokens": 3}
        for name in NAMES
    ]
    return outputs(*rows, **about)


def report(better="Return the number {}.", worse=f"Nothing at all {EVIL}", labels=None):
    rivals = {"base": answers(worse), "tuned": answers(better, model="tuned", version="v2", prompt="none")}
    seen = {"tuned": pl.DataFrame({"sample_id": NAMES[:1], "contaminated": [False]})}
    found = score_contestants(rivals, ASKED, "d1", QUICK, seen=seen)
    table = costs(rivals, {"tuned": Spent(3600)}, PriceSettings(), "base")
    others = found.others
    return Report(
        found.table,
        others["comparisons"],
        others["slices"],
        others["sample_scores"],
        table,
        ASKED,
        rivals,
        labels=labels or {},
    )


def words(page):
    """The text of a page, its elements apart."""
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())


def said_of(made):
    return verdict(made.scores, made.comparisons, made.slices, made.costs, main_metric(made.scores))


def test_the_verdict_says_what_the_figures_say():
    text = said_of(report())
    assert (
        text.startswith("Finetune: tuned has ")
        and "tuned reaches chrf 100 (" in text
        and "base reaches chrf" in text
        and "is sure (p 0.0" in text
    )
    assert "with 30 samples you can see" in text and "0 stand too much in what it learnt from" in text
    assert "earns that back never" in text and "By other metrics surely better: tuned by rouge_l (" in text


def test_a_difference_that_may_be_chance_is_told_as_such():
    text = said_of(report(worse="Return the number {}."))
    assert "may be chance (p 1 among all comparisons" in text and "is sure" not in text
    assert "nothing to compare" in verdict(report().scores.clear(), *[pl.DataFrame()] * 3, "chrf")


def test_slices_are_counted_once_by_the_metric_of_the_verdict():
    made = report()
    asked = [("rouge_l", "short"), ("rouge_l", "long"), ("chrf", "short"), ("chrf", "long")]
    rows = [{"metric": metric, "sliced_by": "length", "slice": part} for metric, part in asked]
    known = pl.DataFrame(rows).with_columns(model_a=pl.lit("base"), model_b=pl.lit("tuned"), p_adjusted=pl.lit(0.001))
    lost = known.with_columns(better=pl.lit("base"))
    assert "tuned is surely worse in 2 slices of 2: length short and others." in said_of(replace(made, slices=lost))
    elsewhere = known.with_columns(better=pl.when(metric="rouge_l").then(pl.lit("base")))
    assert "tuned is surely worse in no slice." in said_of(replace(made, slices=elsewhere))


def test_a_base_without_a_score_does_not_end_the_report():
    made = report()
    told = made.costs.with_columns(model=pl.Series(["silent", "tuned"]), against=pl.lit("silent"))
    assert "tuned reaches chrf" in said_of(replace(made, costs=told))


@pytest.mark.parametrize(
    ("tuned", "base", "worthwhile", "advice"),
    [
        (0.9, 0.2, 5, "Finetune: "),
        (0.9, 0.2, 85, "The prompt is enough: "),
        (0.9, 0.9, 25, "The prompt is enough: "),
        (0.2, 0.9, 5, "The prompt is enough: "),
        (0.9, 0.8, 5, "Undecided: "),
    ],
)
def test_finetuning_is_advised_where_it_is_surely_worth_it(tuned, base, worthwhile, advice):
    def right(share, shift, **about):
        rows = [
            {"sample_id": name, "output": "yes" if (at * 7 + shift) % 30 < share * 30 else "no"}
            for at, name in enumerate(NAMES)
        ]
        return outputs(*rows, **about)

    closed = samples(
        *({"sample_id": name, "reference": "yes", "openness": "closed", "checker": "exact"} for name in NAMES)
    )
    rivals = {"base": right(base, 0), "tuned": right(tuned, 11, model="tuned", version="v2", prompt="none")}
    found = score_contestants(rivals, closed, "d1", QUICK)
    table = costs(rivals, {"tuned": Spent(60)}, PriceSettings(), "base")
    said = verdict(found.table, found.others["comparisons"], found.others["slices"], table, "exact_match", worthwhile)
    assert said.startswith(advice) and f"{worthwhile} points" in said, said
    untrained = costs(rivals, {}, PriceSettings(), "base")
    plain = verdict(found.table, found.others["comparisons"], found.others["slices"], untrained, "exact_match")
    assert plain.split()[1] == "reaches", "where nothing was trained, nothing is advised"


def test_the_page_stands_alone_and_shows_text_as_text():
    page = report_page(report())
    assert EVIL not in page and "&lt;script&gt;alert(1)" in page
    assert "http" not in page.replace("http-equiv", "") and 'src="data:image/svg+xml;base64,' in page
    for title in (
        "Quality",
        "Compared",
        "Cost",
        "Quality and price",
        "Slices that are worse",
        "Side by side",
        "Worst losses",
    ):
        assert f"<h2>{title}</h2>" in page
    assert "Dataset d1, test split." in page and "base v1 under the prompt plain; tuned v2" in page
    assert "1 an hour of this machine, 30 an hour of a person" in page and "tuned is better" in page
    assert page.count("<details>") == 1 + 20 + 0, "all slices, twenty outputs side by side, and tuned lost nowhere"
    assert report_page(report()) == page, "the same figures give the same page"


def test_losses_are_shown_worst_first():
    page = report_page(report(better="Return {}.", worse="Return the number {}."))
    assert "tuned against base: 20 of 30 losses" in page and page.count("<details>") == 41
    shown = re.findall(r"— chrf 100 → ([\d.]+)</summary>", page)
    assert len(shown) == 20 and sorted(shown, key=float) == shown


def test_who_never_answered_does_not_hide_what_the_others_said():
    made = report()
    mute = made.contestants["base"].with_columns(output=pl.lit(None, pl.String), error=pl.lit("gone"))
    page = report_page(replace(made, contestants={**made.contestants, "mute": mute}))
    assert "Without an answer: mute." in page and page.count("<details>") == 21


def test_items_of_our_own_are_not_looked_for_where_they_come_from():
    rows = [("split", "test", 40, None, 2, 0), ("set", "gsm8k", 40, 3, 0, 0)]
    rates = pl.DataFrame(rows, schema=("kind", "name", "n", "in_documents", "in_corpus", "in_training"), orient="row")
    page = report_page(replace(report(), rates=rates))
    assert "come from them" in page and "3 (7.5%)" in page and "2 (5.0%)" in page


def test_what_judges_say_and_what_factors_do_has_its_intervals():
    cell = {"cell": "a | none", "model": "a", "prompt": "none", "metric": "chrf", "value": 40.0, "low": 30.0, "high": 50.0, "n": 24, "failed": 1, "chosen": True}  # fmt: skip
    effect = {"factor": "retriever", "level": "bm25", "against": "none", "metric": "chrf", "difference": 6.5, "low": 2.0, "high": 9.0, "p_adjusted": 0.01, "detectable": 3.0, "n": 24, "cells": 4}  # fmt: skip
    rated = {"judge": "kind", "model": "tuned", "value": 3.5, "low": 3.0, "high": 4.0, "n": 20, "failed": 2}
    rate = {"judge": "strict", "model_a": "base", "model_b": "tuned", "value": 0.7, "low": 0.6, "high": 0.8, "p_adjusted": 0.02, "detectable": 0.08, "controlled": 0.55, "controlled_low": 0.45, "controlled_high": 0.65, "flipped": 0.1, "n": 60, "failed": 3}  # fmt: skip
    agreed = {"judge": "strict", "sliced_by": "all", "slice": "all", "n": 40, "agreement": 0.6, "kappa": 0.31, "low": 0.1, "high": 0.5, "required": 0.4, "may_gate": False}  # fmt: skip
    made = replace(
        report(),
        cells={"grid": pl.DataFrame([cell], schema=CELLS), "tuned": pl.DataFrame([cell], schema=CELLS)},
        effects=dict.fromkeys(("grid", "tuned"), pl.DataFrame([effect], schema=EFFECTS)),
        rubric_scores=pl.DataFrame([rated], schema=RUBRICS),
        win_rates=pl.DataFrame([rate], schema=WIN_RATES),
        agreement=pl.DataFrame([agreed], schema=AGREEMENT),
    )
    page = words(report_page(made))
    for said in (
        "Experiment grid",
        "tuned v2, the cell a | none.",
        "retriever: bm25 − none chrf 6.5 2 to 9 0.01 is sure with 24 samples you can see 3 points 4",
        "1 cells; chosen, and asked the test split: a | none",
        "strict tuned over base 0.7 0.6 to 0.8 0.02 0.08 0.55 0.45 to 0.65 0.1 60 3",
        "kind tuned 3.5 3 4 20 2",
        "strict all all 40 0.6 0.31 0.1 0.5 0.4 no",
    ):
        assert said in page


@pytest.mark.parametrize(("labels", "there"), [({"tuned": 8}, False), ({"tuned": 8, "more": 32}, True)])
def test_a_learning_curve_is_drawn_where_there_is_one(labels, there):
    made = report()
    more = made.scores.filter(model="tuned").with_columns(model=pl.lit("more"))
    whole = Report(**{**vars(made), "scores": pl.concat([made.scores, more]), "labels": labels})
    page = words(report_page(whole))
    assert ("What more labels brought" in page) == ("base 0 0%" in page) == there
    if there:
        assert page.index("base 0 0%") < page.index("tuned 8 25% 100 ") < page.index("more 32 100% 100 ")

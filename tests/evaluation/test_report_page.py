"""The page: the verdict is made of the figures, text is text, and it opens alone."""

import polars as pl
import pytest

from evaluation.costs import PriceSettings, Spent, costs
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
    assert "earns that back never" in text


def test_a_difference_that_may_be_chance_is_told_as_such():
    text = said_of(report(worse="Return the number {}."))
    assert "may be chance (p 1 among all comparisons" in text and "is sure" not in text
    assert "nothing to compare" in verdict(report().scores.clear(), *[pl.DataFrame()] * 3, "chrf")


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
    assert "http" not in page.replace("http-equiv", "") and 'src="data:image/png;base64,' in page
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
    assert page.count("<details>") == 1 + 20 + 0, "all slices, twenty outputs side by side, and tuned lost nowhere"
    assert report_page(report()) == page, "the same figures give the same page"


def test_losses_are_shown_worst_first():
    page = report_page(report(better="No.", worse="Return the number {}."))
    assert "tuned against base: 20 of 30 losses" in page and page.count("<details>") == 41


@pytest.mark.parametrize(("labels", "there"), [({"tuned": 8}, False), ({"tuned": 8, "more": 32}, True)])
def test_a_learning_curve_is_drawn_where_there_is_one(labels, there):
    made = report()
    more = made.scores.filter(model="tuned").with_columns(model=pl.lit("more"))
    whole = Report(**{**vars(made), "scores": pl.concat([made.scores, more]), "labels": labels})
    assert ("What more labels brought" in report_page(whole)) == there

"""Promotion: every rule decides, none by itself promotes, and what nobody knows does not pass."""

import polars as pl
import pytest

from evaluation.comparisons import COMPARISONS, SLICES
from evaluation.preferences import AGREEMENT, WIN_RATES
from evaluation.promotion import PROMOTED, RULES, Evidence, PromotionSettings, decide
from evaluation.scores import SCORES

VERSIONS = {"base": "b1", "tuned": "t1"}
SETTINGS = PromotionSettings(max_seconds=1.0)


def evidence(difference=5.0, p=0.001, contaminated=0, seconds=0.5, slices=((1.0, 4.0),), turned=False, **more):
    names = {"model_a": "tuned", "model_b": "base"} if turned else {"model_a": "base", "model_b": "tuned"}
    sign = -1 if turned else 1
    about = {"metric": "chrf", "split": "test", **names, "n": 100, "detectable": 1.5}
    better = "tuned" if difference > 0 else "base"
    row = about | {"difference": sign * difference, "p_adjusted": p, "better": better, "low": -1.0, "high": 1.0}
    parts = [
        about
        | {
            "sliced_by": "source",
            "slice": f"s{place}",
            "low": min(sign * low, sign * high),
            "high": max(sign * low, sign * high),
            "difference": sign * (low + high) / 2,
        }
        for place, (low, high) in enumerate(slices)
    ]
    score = {"model": "tuned", "metric": "chrf", "split": "test", "value": 30.0, "n": 100, "contaminated": contaminated}
    return Evidence(
        pl.DataFrame([score], schema=SCORES),
        pl.DataFrame([row], schema=COMPARISONS),
        pl.DataFrame(parts, schema=SLICES),
        {} if seconds is None else {"tuned": seconds},
        **more,
    )


@pytest.mark.parametrize("turned", [False, True])
def test_who_passes_all_rules_is_promoted_with_its_evidence(turned):
    decided, rules = decide(evidence(turned=turned), VERSIONS, ("base", "b1"), SETTINGS)
    assert (decided["model"], decided["version"], decided["over"], decided["decision"]) == (
        "tuned",
        "t1",
        "base",
        "rules",
    )
    assert "chrf +5 against base, p 0.001; with 100 samples you can see 1.5 points" in decided["reason"]
    assert dict(rules.schema) == RULES and rules["passed"].all() and {*decided, "weights", "asked_as"} == {*PROMOTED}
    assert rules["rule"].to_list() == ["better", "slices", "contamination", "latency"]


REFUSED = {
    "worse": ({"difference": -5.0}, "better"),
    "not sure": ({"p": 0.2}, "better"),
    "no p": ({"p": None}, "better"),
    "a slice": ({"slices": ((1.0, 4.0), (-9.0, -3.0))}, "slices"),
    "contaminated": ({"contaminated": 1}, "contamination"),
    "trained on who knows what": ({"contaminated": None}, "contamination"),
    "slow": ({"seconds": 1.5}, "latency"),
    "nobody measured": ({"seconds": None}, "latency"),
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_one_rule_is_enough_to_refuse(name, turned):
    changes, rule = REFUSED[name]
    decided, rules = decide(evidence(turned=turned, **changes), VERSIONS, ("base", "b1"), SETTINGS)
    assert (decided["model"], decided["decision"]) == ("base", "kept")
    assert rules.filter(~pl.col("passed"))["rule"].to_list() == [rule]


def test_a_slice_that_may_be_worse_by_chance_is_no_regression():
    decided, _ = decide(evidence(slices=((-9.0, 0.5),)), VERSIONS, ("base", "b1"), SETTINGS)
    assert decided["model"] == "tuned"


def judged(may_gate, low, high, turned=False):
    names = {"model_a": "tuned", "model_b": "base"} if turned else {"model_a": "base", "model_b": "tuned"}
    rate = {"judge": "j", **names, "controlled_low": low, "controlled_high": high}
    whole = {"judge": "j", "sliced_by": "all", "slice": "all", "kappa": 0.5, "may_gate": may_gate}
    return {"win_rates": pl.DataFrame([rate], schema=WIN_RATES), "agreement": pl.DataFrame([whole], schema=AGREEMENT)}


def test_a_judge_gates_only_where_people_agree_with_it():
    settings = PromotionSettings(judge="j")

    def promoted(**more):
        return decide(evidence(**more), VERSIONS, ("base", "b1"), settings)[0]["model"]

    assert (
        promoted(**judged(True, 0.55, 0.8)) == "tuned" and promoted(**judged(True, 0.2, 0.45, turned=True)) == "tuned"
    )
    assert promoted(**judged(True, 0.45, 0.8)) == "base", "it does not surely prefer it"
    assert promoted(**judged(False, 0.9, 1.0)) == "base", "nobody knows what the judge is worth"
    assert promoted() == "base"


def test_the_first_contestant_stands_until_another_passes_and_a_promoted_one_stays():
    assert decide(evidence(p=0.5), VERSIONS, None, SETTINGS)[0]["decision"] == "first"
    decided, rules = decide(evidence(difference=-5.0), VERSIONS, ("tuned", "t1"), SETTINGS)
    assert (decided["model"], decided["version"], decided["decision"]) == ("tuned", "t1", "kept"), (
        "the base must pass the rules too"
    )
    assert set(rules["candidate"]) == {"base"}
    decided, rules = decide(evidence(), VERSIONS, ("tuned", "t0"), SETTINGS)
    assert (decided["model"], decided["version"], decided["decision"]) == ("tuned", "t0", "kept"), "trained anew"
    assert set(rules["candidate"]) == {"base", "tuned"} and set(rules["against"]) == {"tuned t0"}
    assert decide(evidence(), VERSIONS, ("gone", "g1"), SETTINGS)[0]["model"] == "tuned"
    with pytest.raises(ValueError, match="metric: 'bleu'"):
        PromotionSettings(metric="bleu")

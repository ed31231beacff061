"""A base model on this disk judges: every reply is kept, what is no verdict counts nowhere, and the order's pull is seen."""

from pathlib import Path

import pytest

from evaluation.preferences import rubric_scores, verdicts_of, win_rates
from evaluation.statistics import BootstrapSettings
from tests.evaluation.lively_model import make_lively_model
from tests.evaluation.local_judging import ASKED, PAIRWISE, RUBRIC, judge_locally

QUICK = BootstrapSettings(resamples=200, permutations=200)


def test_a_model_that_says_nothing_sensible_decides_nothing(tmp_path: Path) -> None:
    base = make_lively_model(tmp_path / "model")
    rows = judge_locally(tmp_path, str(base), PAIRWISE, tokens=4)
    assert rows.height == 2 * 2 * len(ASKED) and set(rows["prompt"]) == {"1", "2"} and rows["verdict"].is_null().all()
    assert rows["output"].null_count() == 0, "raw replies are kept"
    said = win_rates({"local": verdicts_of(rows)}, QUICK).row(0, named=True)
    assert (said["n"], said["failed"], said["value"]) == (0, len(ASKED), None)


@pytest.mark.long
def test_the_small_real_model_judges(tmp_path: Path) -> None:
    from training.base import DEMO_MODEL, prepare_base

    base = prepare_base(DEMO_MODEL, tmp_path / "base").path
    rows = judge_locally(tmp_path, base, PAIRWISE)
    assert rows.height == 2 * len(ASKED) and rows["verdict"].is_in(["a", "b"]).all(), "shown how, it replies in form"
    said = win_rates({"local": verdicts_of(rows)}, QUICK).row(0, named=True)
    assert (said["n"], said["failed"]) == (len(ASKED), 0)
    assert abs(said["value"] - 0.5) <= (1 - said["flipped"]) / 2 + 1e-9, "what went with the order is nobody's win"
    rated = rubric_scores({"local": judge_locally(tmp_path, base, RUBRIC)}, QUICK)
    assert (rated["n"] + rated["failed"]).to_list() == [len(ASKED)] * 2
    assert all(1 <= value <= 5 for value in rated["value"].drop_nulls())

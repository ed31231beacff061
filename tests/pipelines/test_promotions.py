"""What a person decides over the rules: written with its reason, never lost, and seen by the graph."""

import polars as pl
import pytest

from assets.promotion import promoted_model
from evaluation.comparisons import by_metric, compare, compare_slices
from evaluation.promotion import PromotionSettings
from evaluation.scores import SAMPLE_SCORES, SCORES
from evaluation.settings import EvaluationSettings
from evaluation.statistics import BootstrapSettings
from pipelines.commits import Commit
from pipelines.promotions import decisions, observed, overrule
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import silent
from tests.evaluation.tables import outputs, samples

QUICK = BootstrapSettings(resamples=300, permutations=1_000)


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "headwater.yaml").write_text("sources: [{name: a, path: data}]\n")
    here = Workspace(tmp_path)
    rows = [
        {"model": name, "model_version": f"{name}-1", "split": "test", "metric": "chrf"} for name in ("base", "tuned")
    ]
    commit(here, "scores", pl.DataFrame(rows, schema=SCORES), "model")
    return here


def commit(workspace, table, frame, key, made="k"):
    store = workspace.store
    store.replace(frame, Commit(table, made, "r", {}, {}, "1", "", "", 0, "", 0, 0), store.head(table), (key,))


def gave(**rights):
    """What 40 samples gave each model: as many of them are right."""
    rows = [
        {"sample_id": f"s{at:02}", "model": name, "prompt": "none", "split": "test", "metric": "exact_match", "value": float(at < right), "weight": 1.0}
        for name, right in rights.items()
        for at in range(40)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SAMPLE_SCORES)


ASKED = samples(*({"sample_id": f"s{at:02}", "openness": "closed", "checker": "exact"} for at in range(40)))
FACTS = pl.DataFrame({"sample_id": ASKED["sample_id"], "language": "en", "topic": "all"})


def promoted(workspace, tuned_version="tuned-1", base=10, tuned=10, killed=False, grid=None):
    """The promoted model, which stands in the store from then on, unless the run is killed between its tables."""
    answers = {
        name: outputs({"sample_id": "s"}, model=name, version=version)
        for name, version in (("base", "base-1"), ("tuned", tuned_version))
    }
    rights = {"base": base, "tuned": tuned}
    if grid is not None:
        rights["grid"] = grid
        cell = {"cell": pl.lit("base | few_shot | bm25 | bfloat16 t0"), "cell_version": pl.lit("cell-1")}
        answers["grid"] = outputs({"sample_id": "s"}, model="grid", version="base-1").with_columns(**cell)
    given = gave(**rights)
    found = {name: by_metric(part, ASKED) for (name,), part in given.group_by("model", maintain_order=True)}
    compared = {"comparisons": compare(found, "test", QUICK), "slices": compare_slices(found, ASKED, "test", QUICK)}
    outcome = promoted_model(
        scores=pl.DataFrame(
            [
                {
                    "model": name,
                    "split": "test",
                    "metric": "exact_match",
                    "value": right / 40,
                    "n": 40,
                    "contaminated": 0,
                }
                for name, right in rights.items()
            ],
            schema=SCORES,
        ),
        comparisons=compared["comparisons"],
        slices=compared["slices"],
        sample_scores=given,
        samples=ASKED,
        sample_facts=FACTS,
        base_answers={"x": answers["base"]},
        answers={"tuned": answers["tuned"]},
        endpoint_answers=None,
        experiment_winner={"grid": answers["grid"]} if "grid" in answers else None,
        win_rates=None,
        judge_agreement=None,
        overruling=observed(workspace).value,
        promotion=PromotionSettings(metric="exact_match"),
        evaluation=EvaluationSettings(bootstrap=QUICK),
        run=Run(workspace, "promoted_model", "k", silent, lambda *_: {}),
    )
    made = f"k {tuned_version} {rights}"
    commit(workspace, "promoted_scores", outcome.others["promoted_scores"], "sample_id", made)
    if not killed:
        commit(workspace, "promoted_model", outcome.table, "model", made)
    return outcome.table.row(0, named=True)


def test_a_person_overrules_with_a_reason_and_for_that_version_alone(workspace):
    row = promoted(workspace)
    assert (row["model"], row["decision"]) == ("base", "first")
    before = observed(workspace).version
    assert overrule(workspace, "tuned", " The house wants its format. ") == "tuned-1"
    assert observed(workspace).version != before, "the graph sees it"
    row = promoted(workspace)
    assert (row["model"], row["decision"], row["reason"]) == ("tuned", "overruled", "The house wants its format.")
    row = promoted(workspace, "tuned-2")
    assert (row["model"], row["version"], row["decision"]) == ("tuned", "tuned-1", "overruled"), (
        "trained anew it must pass the rules"
    )
    assert row["over"] == "base", "whom it was put over is said as long as it stands"
    overrule(workspace, "base", "It was a mistake.")
    assert promoted(workspace)["model"] == "base" and decisions(workspace.store)["model"].to_list() == ["tuned", "base"]


def test_a_model_that_was_trained_anew_must_beat_its_predecessor(workspace):
    def now(version, base, tuned):
        row = promoted(workspace, version, base, tuned)
        return row["model"], row["version"], row["over"], row["decision"]

    assert now("tuned-1", 10, 11) == ("base", "base-1", None, "first"), "not surely better"
    assert now("tuned-1", 10, 30) == ("tuned", "tuned-1", "base", "rules")
    assert now("tuned-2", 10, 29) == ("tuned", "tuned-1", None, "kept"), (
        "better than the base, and not than what stands"
    )
    assert now("tuned-2", 10, 29) == ("tuned", "tuned-1", None, "kept"), "nor the second time"
    assert now("tuned-3", 10, 40) == ("tuned", "tuned-3", "tuned tuned-1", "rules")
    assert now("tuned-3", 10, 40) == ("tuned", "tuned-3", None, "kept")


def test_what_a_person_decided_holds_against_what_stood_then_and_ends_with_a_better_one_that_came_since(workspace):
    assert promoted(workspace, base=10, tuned=30)["model"] == "tuned"
    overrule(workspace, "base", "The licence of the other.")
    for _ in range(2):
        row = promoted(workspace, base=10, tuned=30)
        assert (row["model"], row["decision"]) == ("base", "overruled"), "the rules had their say of that one"
    row = promoted(workspace, "tuned-2", base=10, tuned=11)
    assert (row["model"], row["decision"]) == ("base", "overruled"), "not surely better"
    for decision in ("rules", "kept"):
        row = promoted(workspace, "tuned-2", base=10, tuned=35)
        assert (row["model"], row["version"], row["decision"]) == ("tuned", "tuned-2", decision)


def test_the_winner_of_an_experiment_is_a_candidate_and_its_cell_is_named(workspace):
    row = promoted(workspace, base=10, tuned=11, grid=35)
    assert (row["model"], row["version"], row["decision"]) == ("grid", "cell-1", "rules")
    assert (row["weights"], row["asked_as"]) == ("base-1", "base | few_shot | bm25 | bfloat16 t0")
    row = promoted(workspace, base=10, tuned=11, grid=35)
    assert (row["model"], row["decision"], row["weights"]) == ("grid", "kept", "base-1")


def test_a_decision_that_was_written_before_says_no_whom_it_stood_against_and_holds(workspace):
    overrule(workspace, "base", "It is ours.")
    old = decisions(workspace.store).drop("stood")
    commit(workspace, "overruled", old, "place")
    assert decisions(workspace.store)["stood"].to_list() == [None]
    assert promoted(workspace, base=10, tuned=35)["decision"] == "overruled"
    overrule(workspace, "tuned", "It is better.")
    assert decisions(workspace.store)["stood"].to_list() == [None, ["base-1", "tuned-1"]]


def test_a_run_that_is_killed_between_its_tables_takes_no_model_for_its_own_predecessor(workspace):
    promoted(workspace, "tuned-1", 10, 30)
    promoted(workspace, "tuned-2", 10, 40, killed=True)
    row = promoted(workspace, "tuned-2", 10, 40)
    assert (row["version"], row["over"], row["decision"]) == ("tuned-2", "tuned tuned-1", "rules")


def test_nothing_is_decided_without_a_reason_or_about_nobody(workspace):
    with pytest.raises(ValueError, match="say why"):
        overrule(workspace, "tuned", "  ")
    with pytest.raises(LookupError, match="no model 'other' with scores; there are: base, tuned"):
        overrule(workspace, "other", "because")
    assert decisions(workspace.store).is_empty()

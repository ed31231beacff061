"""What a person decides over the rules: written with its reason, never lost, and seen by the graph."""

import polars as pl
import pytest

from assets.promotion import promoted_model
from evaluation.comparisons import COMPARISONS, SLICES
from evaluation.promotion import PromotionSettings
from evaluation.scores import SCORES
from pipelines.commits import Commit
from pipelines.promotions import decisions, observed, overrule
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import silent
from tests.evaluation.tables import outputs


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "headwater.yaml").write_text("sources: [{name: a, path: data}]\n")
    here = Workspace(tmp_path)
    rows = [
        {"model": name, "model_version": f"{name}-1", "split": "test", "metric": "chrf"} for name in ("base", "tuned")
    ]
    commit(here, "scores", pl.DataFrame(rows, schema=SCORES), "model")
    return here


def commit(workspace, table, frame, key):
    store = workspace.store
    store.replace(frame, Commit(table, "k", "r", {}, {}, "1", "", "", 0, "", 0, 0), store.head(table), (key,))


def promoted(workspace, tuned_version="tuned-1"):
    answers = {
        name: outputs({"sample_id": "s"}, model=name, version=version)
        for name, version in (("base", "base-1"), ("tuned", tuned_version))
    }
    outcome = promoted_model(
        scores=pl.DataFrame(schema=SCORES),
        comparisons=pl.DataFrame(schema=COMPARISONS),
        slices=pl.DataFrame(schema=SLICES),
        base_answers={"x": answers["base"]},
        answers={"tuned": answers["tuned"]},
        endpoint_answers=None,
        win_rates=None,
        judge_agreement=None,
        overruling=observed(workspace).value,
        promotion=PromotionSettings(),
        run=Run(workspace, "promoted_model", "k", silent, lambda *_: {}),
    )
    return outcome.table.row(0, named=True)


def test_a_person_overrules_with_a_reason_and_for_that_version_alone(workspace):
    assert promoted(workspace)["model"] == "base" and promoted(workspace)["decision"] == "first"
    before = observed(workspace).version
    assert overrule(workspace, "tuned", " The house wants its format. ") == "tuned-1"
    assert observed(workspace).version != before, "the graph sees it"
    row = promoted(workspace)
    assert (row["model"], row["decision"], row["reason"]) == ("tuned", "overruled", "The house wants its format.")
    assert promoted(workspace, "tuned-2")["model"] == "base", "a model trained anew must pass the rules"
    overrule(workspace, "base", "It was a mistake.")
    assert promoted(workspace)["model"] == "base" and decisions(workspace.store)["model"].to_list() == ["tuned", "base"]


def test_nothing_is_decided_without_a_reason_or_about_nobody(workspace):
    with pytest.raises(ValueError, match="say why"):
        overrule(workspace, "tuned", "  ")
    with pytest.raises(LookupError, match="no model 'other' with scores; there are: base, tuned"):
        overrule(workspace, "other", "because")
    assert decisions(workspace.store).is_empty()

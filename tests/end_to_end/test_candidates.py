"""Candidates of several models, an endpoint among them, several per prompt; and a judge whose doubt decides who is asked first."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import edit, heads, headwater
from tests.evaluation.serving import said, serving

TOLD = "messages:\n  - role: user\n    content: 'Which is better? {{question}} [A] {{answer_a}} [B] {{answer_b}}'\n"
ROUTING = "routing:\n    policy: uncertainty\n    candidates: 2\n    random_share: 0.25\n    budget: 6\n    spare: 2"


@pytest.mark.long
def test_candidates_come_from_all_models_and_doubt_comes_first(built: Built, tmp_path: Path) -> None:
    root = built.copy(tmp_path).root

    def reply(body, _):
        """A model that answers, and a judge that is sure of some pairs (it goes by the text) and else of the place."""
        text = body["messages"][-1]["content"]
        if "Which is better" not in text:
            return said(f"Return thing number {len(text)}.")
        first, second = text.split("[A]")[1].split("[B]")
        sure = (len(first) + len(second)) % 2
        return said("[[A]]" if not sure or first.strip() < second.strip() else "[[B]]")

    with serving(reply) as (url, _):
        (root / "judge.yaml").write_text(TOLD)
        served = f"\nendpoints:\n  - {{name: big, url: '{url}', model: x, pause: 0.01}}\n"
        judges = "judges:\n  - {name: strict, instructions: judge.yaml, endpoint: big, samples: 2, tries: 1}\n"
        edit(root, lambda text: text.replace("routing:\n    budget: 12", ROUTING) + served + judges)
        ran = headwater("run", "annotation_tasks", "-w", root)
        assert ran.code == 0, ran.out + ran.err
    store = Workspace(root).store
    drafts = store.scan("drafts").collect()
    assert drafts.group_by("sample_id", "model").len()["len"].to_list() == [2] * (8 * 3)
    assert set(drafts["model"]) == {"base", "finetune", "big"}
    assert set(drafts["temperature"]) == {0.8} and set(drafts["seed"]) == {0, 1} and set(drafts["draft"]) == {0, 1}
    judged = store.scan("draft_judgements").collect()
    assert set(judged["shown"]) <= {"ab", "ba"} and judged["verdict"].null_count() == 0
    tasks = store.scan("annotation_tasks").collect().sort("rank")
    by_policy = tasks.filter(policy="uncertainty")["reason"].to_list()
    assert by_policy and all("a judge's margin between its drafts is" in reason for reason in by_policy)
    margins = [float(reason.rsplit(" ", 1)[1]) for reason in by_policy]
    assert margins == sorted(margins), "doubt first"
    assert tasks.filter("random").height == 2 and heads(root)["annotation_tasks"].books.missing == 0
    assert tasks.height == tasks.filter(pl.col("model_a") != pl.col("model_b")).height, "two models are compared"

"""Tasks of lm-evaluation-harness in a workspace, as a person runs them."""

from pathlib import Path

from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import computed, edit, heads, headwater
from tests.evaluation.harness.conftest import write_tasks

ENTRY = "\nharness:\n  - {name: small, path: tasks, tasks: [capitals, say]}\n"
OWN = ["harness_answers_small", "harness_comparisons_small", "harness_items_small", "harness_scores_small"]


def test_scores_of_tasks_stand_among_the_others_and_change_with_their_files(built: Built, tmp_path: Path) -> None:
    root = built.copy(tmp_path).root
    write_tasks(root / "tasks")
    edit(root, lambda text: text + ENTRY)
    before = heads(root)
    ran = headwater("run", "-w", root)
    assert ran.code == 0, ran.out + ran.err
    assert set(OWN) <= set(computed(before, heads(root))) <= {*OWN, "annotation_progress", "scores", "sample_scores", "comparisons", "slices", "evaluation_report"}  # fmt: skip
    scores = Workspace(root).store.scan("scores").filter(split="harness").collect()
    assert scores.select("model", "metric").sort("model", "metric").rows() == [
        (model, metric)
        for model in ("base", "finetune")
        for metric in ("capitals acc", "capitals mcc", "say exact_match")
    ]
    assert scores.filter(metric="capitals acc")["n"].to_list() == [4, 4] and scores["low"].null_count() == 0
    page = Path(headwater("report", "scores", "-w", root).out.strip()).read_text()
    assert "<h2>Compared on tasks of lm-evaluation-harness</h2>" in page and "capitals acc" in page
    traced = headwater("trace", "finetune/capitals acc", "-w", root)
    assert traced.code == 0 and "capitals acc" in traced.out, traced.err

    (root / "tasks" / "say.yaml").write_text(
        (root / "tasks" / "say.yaml").read_text() + "process_docs: !function x.y\n"
    )
    refused = headwater("run", "-w", root)
    said = " ".join(refused.err.split())
    assert refused.code == 1 and "say.yaml:11: !function x.y runs code" in said and "trust_code: true" in said

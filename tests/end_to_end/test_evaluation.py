"""Judges, experiments and promotion in a workspace, as a person runs them."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import computed, edit, heads, headwater
from tests.evaluation.serving import said, serving, serving_model

TOLD = "messages:\n  - role: user\n    content: 'Which is better? {{question}} [A] {{answer_a}} [B] {{answer_b}}'\n"
JUDGED = ["evaluation_report", "judge_agreement", "judgements_strict", "ratings", "rubric_scores", "win_rates"]


def test_a_run_ends_with_the_verdict_and_where_to_read_more(built: Built) -> None:
    said = built.first.out
    assert f"Verdict {heads(built.root)['evaluation_report'].notes['verdict']}" in said
    assert f"headwater report --open -w {built.root}" in said.split("Next:")[1]


@pytest.mark.long
def test_changed_instructions_judge_again_and_generate_nothing(built: Built, tmp_path: Path) -> None:
    root = built.copy(tmp_path).root

    def reply(body, _):
        if "Which is better" not in body["messages"][-1]["content"] and "prefer" not in body["messages"][-1]["content"]:
            return said("Return the thing.")
        return said("[[B]]" if len(body["messages"][-1]["content"]) % 3 else "what a question")

    with serving(reply) as (url, seen):
        (root / "judge.yaml").write_text(TOLD)
        served = f"\nendpoints:\n  - {{name: big, url: '{url}', model: x, pause: 0.01}}\n"
        judges = "judges:\n  - {name: strict, instructions: judge.yaml, endpoint: big, samples: 4, tries: 2}\n"
        edit(root, lambda text: text + served + judges)
        ran = headwater("run", "-w", root)
        assert ran.code == 0, ran.out + ran.err
        store, first = Workspace(root).store, heads(root)
        rows = store.scan("judgements_strict").collect()
        assert set(rows["shown"]) == {"ab", "ba"} and set(rows["model_a"]) | set(rows["model_b"]) == {
            "base",
            "finetune",
            "big",
        }
        garbage = rows.filter(pl.col("verdict").is_null())
        assert garbage.height and set(garbage["output"]) == {"what a question"} and set(garbage["prompt"]) == {"1", "2"}
        books = first["judgements_strict"].books
        assert books.failed == {"the reply is no verdict": garbage.height} and books.missing == 0
        assert {"base", "finetune", "big"} == set(store.scan("scores").filter(metric="chrf").collect()["model"])
        rates = store.scan("win_rates").collect()
        assert rates.height == 3 and (rates["n"] + rates["failed"]).to_list() == [4] * 3
        asked = len(seen)
        assert headwater("run", "-w", root).code == 0 and len(seen) == asked, "nothing is asked twice"
        (root / "judge.yaml").write_text(TOLD.replace("is better", "do you prefer"))
        again = headwater("run", "-w", root)
        assert again.code == 0, again.out + again.err
        assert computed(first, heads(root)) == JUDGED
        assert all("prefer" in body["messages"][-1]["content"] for body in seen[asked:]) and len(seen) > asked


@pytest.mark.long
def test_a_contestant_that_dies_in_the_middle_is_asked_the_rest_later(built: Built, tmp_path: Path) -> None:
    root, alive, answered = built.copy(tmp_path).root, [False], list[str]()

    def reply(body, number):
        if number == 2:
            return 429, {"Retry-After": "0.01"}, {}
        if not alive[0] and number > 5:
            return 200, {}, None
        answered.append(json.dumps([body["messages"], body["temperature"], body["seed"]]))
        return said("Return the thing.")

    with serving(reply) as (url, _):
        served = f"\nendpoints:\n  - {{name: big, url: '{url}', model: x, pause: 0.01, tries: 2, parallel: 1}}\n"
        edit(root, lambda text: text.replace("answered: 8", "answered: 9") + served)
        before = heads(root)
        broken = headwater("run", "-w", root)
        told = " ".join((broken.out + broken.err).split())
        assert broken.code == 1 and "questions have no answer from big" in told and "the others are kept" in told
        after = heads(root)
        assert {"answers_finetune", "base_answers_tiny_base"} <= set(computed(before, after)), "the rest goes on"
        assert "endpoint_answers_big" not in after and after["scores"].version == before["scores"].version
        assert answered
        alive[0] = True
        ran = headwater("run", "-w", root)
        assert ran.code == 0, ran.out + ran.err
        assert len(answered) == len(set(answered)), "what was answered is not asked again"
        store = Workspace(root).store
        rows = store.scan("endpoint_answers_big").collect()
        assert rows["error"].null_count() == rows.height and rows["output"].null_count() == 0
        scores = store.scan("scores").filter(split="test", metric="chrf").collect()
        assert set(scores["model"]) == {"base", "finetune", "big"} and set(scores["n"]) == {9}


@pytest.mark.long
def test_an_experiment_asks_each_cell_once_and_its_best_meets_the_test_split(
    built: Built, tmp_path: Path, tiny_base: Path
) -> None:
    root = built.copy(tmp_path).root
    with serving_model(tiny_base) as (url, seen):
        _grid(root, tiny_base, url, seen)


def _grid(root: Path, tiny_base: Path, url: str, seen: list[dict[str, object]]) -> None:
    levels = "models: [tiny_base, finetune, served], retrievers: [none, bm25]"
    grid = f"experiments:\n  - {{name: grid, {levels}, samples: 4}}\n"
    served = f"endpoints:\n  - {{name: served, url: '{url}', model: x, competes: false}}\n"
    (root / "judge.yaml").write_text(TOLD)
    judge = "judges:\n  - {name: strict, instructions: judge.yaml, endpoint: served, samples: 2, tries: 1}\n"
    more = f"\n{served}{grid}{judge}embedding: {{model: {tiny_base}}}\npromotion: {{slice_margin: 1}}\n"
    edit(root, lambda text: text + more)
    ran = headwater("run", "-w", root)
    assert ran.code == 0, ran.out + ran.err
    store = Workspace(root).store
    cells, first = store.scan("experiment_cells_grid").collect(), store.scan("experiment_answers_grid").collect()
    assert cells.height == 6 and cells["chosen"].sum() == 1
    assert set(cells["model"]) == {"tiny_base", "finetune", "served"} and cells["failed"].sum() == 0
    of_served = first.filter(pl.col("model").str.starts_with("served"))
    assert of_served.height == 8 and len(seen) >= 8 and of_served["output"].null_count() == 0
    effects = store.scan("experiment_effects_grid").collect()
    assert effects.select("factor", "cells").rows() == [("model", 2), ("model", 2), ("retriever", 3)]
    assert set(first["purpose"]) == {"validation"} and set(
        store.scan("experiment_winner_grid").collect()["purpose"]
    ) == {"test"}
    scores = store.scan("scores").collect()
    assert {"base", "finetune", "grid"} <= set(scores["model"]) and set(
        scores.filter(metric="similarity")["model"]
    ) == {"base", "finetune", "grid"}
    judged = store.scan("judgements_strict").collect()["pair"]
    assert set(judged) == {"base/finetune", "base/grid", "finetune/grid"}, "the winner is judged like the others"
    samples = store.scan("samples").select("sample_id", "split").collect()
    sources = store.scan("retrieval_index").collect().join(samples, left_on="passage_id", right_on="sample_id")
    assert set(sources["split"]) == {"train"}, "no question finds its own answer"

    said = headwater("report", "scores", "-w", root)
    page = Path(said.out.strip()).read_text()
    assert said.code == 0 and "<h2>Worst losses</h2>" in page and "reaches chrf" in page and "<script" not in page
    costs = store.scan("evaluation_report").collect()
    assert costs["per_answer"].null_count() == 0 and costs.filter(model="finetune")["training"].item() > 0

    asked = len(seen)
    edit(root, lambda text: text.replace("retrievers: [none, bm25]", "retrievers: [none, bm25, embedding]"))
    assert headwater("run", "-w", root).code == 0
    assert len(seen) <= asked + 4 + 16, "of the endpoint's cells the new one alone, and the test split where it won"
    second = store.scan("experiment_answers_grid").collect()
    fine = first.filter(pl.col("error").is_null())
    kept = second.join(fine, on=["model", "sample_id", "asked", "seconds"], how="semi")
    assert kept.height == fine.height, "cells that were asked are not asked again"
    assert second.height == first.height * 3 // 2

    promoted = store.scan("promoted_model").collect().row(0, named=True)
    rules = store.scan("promotion_rules").collect()
    assert (promoted["model"], promoted["decision"]) == ("base", "kept") and not rules["passed"].all()
    assert headwater("promote", "finetune", "-w", root).code != 0, "not without a reason"
    said = headwater("promote", "finetune", "--reason", "It writes our format.", "-w", root)
    assert said.code == 0 and headwater("run", "-w", root).code == 0, said.err
    row = store.scan("promoted_model").collect().row(0, named=True)
    assert (row["model"], row["decision"], row["reason"]) == ("finetune", "overruled", "It writes our format.")
    known = rules.filter(candidate="grid")
    assert (
        known["version"].n_unique() == 1
        and known["rule"].to_list() == rules.filter(candidate="finetune")["rule"].to_list()
    )
    said = headwater("promote", "grid", "--reason", "It may look things up.", "-w", root)
    assert said.code == 0 and headwater("run", "-w", root).code == 0, said.err
    row = store.scan("promoted_model").collect().row(0, named=True)
    chosen = store.scan("experiment_cells_grid").filter("chosen").collect()["cell"].item()
    winner = store.scan("experiment_winner_grid").head(1).collect().row(0, named=True)
    assert (row["model"], row["over"], row["asked_as"], row["weights"]) == (
        "grid",
        "finetune",
        chosen,
        winner["model_version"],
    )
    assert row["version"] == winner["cell_version"] == known["version"][0] != row["weights"]

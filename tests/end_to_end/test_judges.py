"""A judge behind an endpoint, in a workspace: changed instructions judge again, and nothing is generated again."""

from pathlib import Path

import polars as pl

from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import computed, edit, heads, headwater
from tests.evaluation.serving import said, serving

TOLD = "messages:\n  - role: user\n    content: 'Which is better? {{question}} [A] {{answer_a}} [B] {{answer_b}}'\n"
JUDGED = ["judge_agreement", "judgements_strict", "ratings", "rubric_scores", "win_rates"]


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

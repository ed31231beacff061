"""Answers that are code are run against their samples' tests, from a file of tasks to a score, and trained on by nobody."""

import json
import random
import re
from pathlib import Path

import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.code_base import ADJECTIVES, THINGS, VERBS
from tests.end_to_end.workspaces import edit, heads, headwater, make_small
from tests.evaluation.serving import said, serving


def words(draw: random.Random) -> str:
    return f"{draw.choice(VERBS)} {draw.choice(ADJECTIVES)} {draw.choice(THINGS)} {draw.choice(VERBS)} {draw.choice(THINGS)}"


def write_tasks(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    rows = []
    for number in range(40):
        draw = random.Random(number)
        wanted = f"add_{number} that adds {number * 7919}"
        rows.append(
            {
                "question": f"{words(draw)}: {words(draw)}, in Python as {wanted}: {words(draw)}.",
                "answer": f"assert add_{number}(1) == {number * 7919 + 1}",
            }
        )
        rows.append(
            {"question": f"{words(draw)}, {words(draw)}? {words(draw)}?", "answer": f"They {words(draw)}. So it is."}
        )
    (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def reply(body, _):
    asked = re.search(r"add_(\d+) that adds (\d+)", body["messages"][-1]["content"])
    if asked is None:
        return said("It is red.")
    return said(f"```python\ndef add_{asked[1]}(x):\n    return x + {asked[2]}\n```")


@pytest.mark.long
def test_answers_are_run_once_it_is_allowed(tmp_path: Path, tiny_base: Path) -> None:
    root = tmp_path / "workspace"
    assert headwater("init", root, "--template", "qa").code == 0
    write_tasks(root / "data")
    make_small(root, tiny_base)
    edit(root, lambda text: text.replace("recipe: qa", "recipe: qa\n  checker: auto", 1) + "\nunit_tests: on\n")
    with serving(reply) as (url, _):
        served = f"endpoints:\n  - {{name: able, url: '{url}', model: x, pause: 0.01}}\n"
        edit(root, lambda text: text + served)
        ran = headwater("run", "-w", root)
    assert ran.code == 0, ran.out + ran.err
    store = Workspace(root).store
    reasons = store.scan("openness").collect().filter(checker="unit_test")
    assert reasons.height == 40 and set(reasons["reason"]) == {"the reference is Python that asserts"}
    scores = {row["model"]: row for row in store.scan("scores").filter(metric="unit_test_pass").collect().to_dicts()}
    assert scores["able"]["value"] == 1.0 and scores["base"]["value"] == 0.0 and scores["able"]["n"] >= 4
    released = store.scan("instructions").collect()
    assert not released["reference"].str.contains("assert").any()
    assert heads(root)["instructions"].books.dropped["the reference checks answers and is none"] == 40
    assert {name: head.books.missing for name, head in heads(root).items() if head.books and head.books.missing} == {}

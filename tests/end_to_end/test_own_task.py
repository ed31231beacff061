"""A workspace of one's own: a folder of any text, or of chats, runs to scores."""

import json
import random
from pathlib import Path

import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.code_base import ADJECTIVES, THINGS, VERBS
from tests.end_to_end.workspaces import heads, headwater, make_small


def sentence(draw: random.Random) -> str:
    return f"They {draw.choice(VERBS)} the {draw.choice(ADJECTIVES)} {draw.choice(THINGS)} and {draw.choice(VERBS)} {draw.choice(THINGS)}."


def write_texts(folder: Path) -> None:
    for number in range(40):
        draw = random.Random(number)
        paragraphs = [" ".join(sentence(draw) for _ in range(5)) for _ in range(4)]
        (folder / f"text_{number:02}.txt").write_text("\n\n".join(paragraphs))


def write_chats(folder: Path) -> None:
    lines = []
    for number in range(80):
        draw = random.Random(number)
        turns = [
            {"role": "user", "content": sentence(draw) + " Why?"},
            {"role": "assistant", "content": sentence(draw)},
        ]
        lines.append(json.dumps({"messages": turns}))
    (folder / "chats.jsonl").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(("template", "write"), [("completion", write_texts), ("chat", write_chats)])
def test_a_folder_of_ones_own_runs_to_scores(template: str, write, tmp_path: Path, tiny_base: Path) -> None:
    root = tmp_path / "workspace"
    assert headwater("init", root, "--template", template).code == 0
    write(root / "data")
    make_small(root, tiny_base)
    said = headwater("run", "-w", root)
    assert said.code == 0, said.out + said.err
    scores = Workspace(root).store.scan("scores").collect()
    assert {"chrf", "perplexity"} <= set(scores["metric"])
    assert {"base", "finetune"} <= set(scores["model"])
    assert {name: head.books.missing for name, head in heads(root).items() if head.books and head.books.missing} == {}

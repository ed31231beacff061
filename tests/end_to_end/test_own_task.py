"""A workspace of one's own: a folder of any text, of chats, or of questions in columns of one's own, runs to scores."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.code_base import ADJECTIVES, THINGS, VERBS
from tests.end_to_end.workspaces import build, edit, heads, headwater, make_small


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


def write_questions(folder: Path) -> None:
    """Questions in columns of one's own, in each of the usual formats."""
    rows = [
        {"ask": f"{sentence(draw)} Why?", "reply": sentence(draw)}
        for draw in (random.Random(each) for each in range(90))
    ]
    pl.DataFrame(rows[:30]).write_csv(folder / "questions.csv")
    pl.DataFrame(rows[30:60]).write_ndjson(folder / "questions.jsonl")
    pl.DataFrame(rows[60:]).write_parquet(folder / "questions.parquet")
    edit(folder.parent, lambda text: text.replace("# columns: {question: question, answer: answer}", COLUMNS))


COLUMNS = "columns: {question: ask, answer: reply}"


TEMPLATES = [("chat", write_chats), ("completion", write_texts), ("qa", write_questions)]


def made(root: Path, template: str, write: Callable[[Path], None]) -> Path:
    """A workspace of the template over a folder of one's own."""
    assert headwater("init", root, "--template", template).code == 0
    write(root / "data")
    return root


def assert_all_is_accounted_for(root: Path) -> None:
    assert {name: head.books.missing for name, head in heads(root).items() if head.books and head.books.missing} == {}


@pytest.mark.parametrize(("template", "write"), TEMPLATES)
def test_a_folder_of_ones_own_becomes_what_is_trained_and_tested_on(template: str, write, tmp_path: Path) -> None:
    root = made(tmp_path / "workspace", template, write)
    build(root, "instructions")
    released = Workspace(root).store.scan("instructions").collect()
    assert released.height > 60 and set(released["split"]) == {"train", "validation", "test"}
    assert_all_is_accounted_for(root)


@pytest.mark.long
@pytest.mark.parametrize(("template", "write"), TEMPLATES)
def test_a_folder_of_ones_own_runs_to_scores(template: str, write, tmp_path: Path, tiny_base: Path) -> None:
    root = made(tmp_path / "workspace", template, write)
    make_small(root, tiny_base)
    said = headwater("run", "-w", root)
    assert said.code == 0, said.out + said.err
    scores = Workspace(root).store.scan("scores").collect()
    assert {"chrf", "perplexity"} <= set(scores["metric"])
    assert {"base", "finetune"} <= set(scores["model"])
    assert_all_is_accounted_for(root)

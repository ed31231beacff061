"""The two made-up tasks: the same data everywhere, answers that follow from their questions, and no example that is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evaluation.prompts import load_prompt
from pipelines.settings_file import load_config
from pipelines.templates import init
from pipelines.templates.examples import FAULTS, MAKERS, SAMPLES, THINGS, WHEN


def rows_of(root: Path, template: str) -> dict[str, str]:
    lines = (root / "data" / f"{template}.jsonl").read_text("utf-8").splitlines()
    return {row["question"]: row["answer"] for row in map(json.loads, lines)}


@pytest.mark.parametrize("template", MAKERS)
def test_the_same_data_everywhere_and_no_prompt_shows_what_is_asked(tmp_path: Path, template: str) -> None:
    root = init(tmp_path / "one", template).parent
    rows = rows_of(root, template)
    assert len(rows) == SAMPLES[template] and rows_of(init(tmp_path / "two", template).parent, template) == rows
    config = load_config(root / "headwater.yaml")
    shown = [message["content"] for path in config.prompts for message in load_prompt(root / path).messages]
    assert len(shown) > 8 and not set(shown) & set(rows), "an example is none of the samples"


def test_answers_follow_from_their_questions(tmp_path: Path) -> None:
    for question, answer in rows_of(init(tmp_path / "a", "finetune-pays").parent, "finetune-pays").items():
        flat, thing, fault, when = answer[:2], answer[3:5], answer[6], answer[8]
        told = {code: word for words in (THINGS, FAULTS, WHEN) for word, code in words.items()}
        assert answer == f"{flat}/{thing}-{fault}/{when}" and f"lat {int(flat)}" in question
        assert all(told[code] in question for code in (thing, fault, when)), question
    for question, answer in rows_of(init(tmp_path / "b", "prompt-is-enough").parent, "prompt-is-enough").items():
        assert re.findall(r"[0-9]{4}", question) == [answer]

"""A base model on this disk as judge, asked as the pipeline does: pairs of a right and a wrong answer, and ratings of both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import yaml

from evaluation import inference
from evaluation.inference import GenerationSettings
from evaluation.judging import JudgeSettings, load_instructions, pairs_of
from pipelines.judging import ask_judge, judge_of
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import silent
from tests.evaluation.tables import outputs, samples

SHOWN = (
    ("What do cows give?", "Milk.", "The moon.", "A", 5),
    ("Where do fish live?", "In a letter.", "In water.", "B", 1),
    ("How many legs has a cat?", "On Monday.", "Four.", "B", 1),
    ("What is the colour of snow?", "White.", "A spoon.", "A", 5),
)
"""Questions that are shown judged, so that a small model sees the form: question, two answers, which is right, the first one's rating."""


def _turns(shown: Callable[[str, str, str], str], asked: str, replies: Sequence[str]) -> str:
    turns = [
        turn
        for (question, first, second, *_), reply in zip(SHOWN, replies, strict=True)
        for turn in (
            {"role": "user", "content": shown(question, first, second)},
            {"role": "assistant", "content": reply},
        )
    ]
    return yaml.safe_dump({"messages": [*turns, {"role": "user", "content": asked}]})


def _pair(question: str, first: str, second: str) -> str:
    return f"Question: {question}\n[A] {first}\n[B] {second}\nWhich answer is right?"


def _alone(question: str, answer: str, _: str = "") -> str:
    return f"Question: {question}\nAnswer: {answer}\nHow good is this answer, from 1 to 5?"


PAIRWISE = _turns(_pair, _pair("{{question}}", "{{answer_a}}", "{{answer_b}}"), [f"[[{row[3]}]]" for row in SHOWN])
RUBRIC = _turns(_alone, _alone("{{question}}", "{{answer}}"), [f"[[{row[4]}]]" for row in SHOWN])
ASKED = {
    "What is the capital of France?": ("Paris.", "A kind of cheese."),
    "What is two plus two?": ("Four.", "It rains."),
    "Which colour has grass?": ("Green.", "Seven."),
    "What do bees make?": ("Honey.", "Cars."),
    "How many days has a week?": ("Seven.", "Blue."),
    "What do we drink?": ("Water.", "Stones."),
    "What is the opposite of hot?": ("Cold.", "A bicycle."),
    "Which animal barks?": ("A dog.", "A table."),
}


def judge_locally(root: Path, base: str, told: str, tries: int = 2, tokens: int = 24) -> pl.DataFrame:
    """The judgements of the model in folder `base` on the eight pairs, or on their sixteen answers."""
    (root / "headwater.yaml").write_text("sources: [{name: a, path: data}]\n")
    (root / "judge.yaml").write_text(told)
    names = [f"s{place}" for place in range(len(ASKED))]
    known = samples(*({"sample_id": name, "messages": [{"role": "user", "content": text}]} for name, text in zip(names, ASKED, strict=True)))  # fmt: skip
    rivals = {
        model: outputs(
            *({"sample_id": name, "output": pair[side]} for name, pair in zip(names, ASKED.values(), strict=True))
        )
        for side, model in enumerate(("right", "wrong"))
    }
    how = GenerationSettings(max_new_tokens=tokens, threads=1)
    judge = JudgeSettings("local", "judge.yaml", base=base, tries=tries, generation=how)
    run = Run(Workspace(root), "judgements_local", "k" * 32, silent, lambda _, job: json.loads(json.dumps(inference.run(job, silent))))  # fmt: skip
    instructions = load_instructions(root / "judge.yaml")
    known_base = {Path(base).name: pl.DataFrame([{"name": base, "digest": "d" * 32, "path": base}])}
    pairs = pairs_of(rivals, known, judge, instructions.kind)
    return ask_judge(run, judge_of(judge, known_base, (), run), pairs, instructions, judge)

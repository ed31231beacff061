"""What a judge is asked, and what its reply says: two answers in both orders, or one answer against a rubric.

Instructions are a file with a digest, like a prompt: `{{answer_a}}` and `{{answer_b}}` make a pairwise judge, `{{answer}}`
one that rates; `{{question}}` and `{{reference}}` stand where they like. Judges favour an order (Zheng et al. 2023, "Judging
LLM-as-a-Judge", section 3.3), so each pair is shown both ways, and only who wins both ways has won (section 3.4).

A reply counts when it names one verdict: `[[A]]`, `[[B]]`, `[[tie]]` or `[[4]]`, or a line such as "verdict: A". Whatever names
none, or two that differ, is no verdict: it is asked again by the rule in the settings, and then stands as failed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Literal

import polars as pl
import yaml

from evaluation.inference import OUTPUTS, GenerationSettings
from evaluation.selection import drawn
from records import MESSAGES, Message, digest

Kind = Literal["pairwise", "rubric"]

MARKS = ("question", "reference", "answer", "answer_a", "answer_b")
_MARK = re.compile(r"\{\{(" + "|".join(MARKS) + r")\}\}")
_BRACKETS = re.compile(r"\[\[\s*([A-Za-z]+|\d+)\s*\]\]")
_LINE = re.compile(r"^\W*(?:verdict|winner|rating|score)\W+([A-Za-z]+|\d+)\W*$", re.IGNORECASE | re.MULTILINE)
_WORDS = {"a": "a", "b": "b", "c": "tie", "tie": "tie"}
HOTTER = 0.7
"""The temperature of further tries, at least: the same question put in the same way would have the same answer."""

PAIRS = {
    "sample_id": pl.String(),
    "pair": pl.String(),
    "question": pl.String(),
    "reference": pl.String(),
    "model_a": pl.String(),
    "model_b": pl.String(),
    "output_a": pl.String(),
    "output_b": pl.String(),
}
"""The schema of pairs: `pair` names what is compared; a rubric rates `output_a` alone, and b is null."""

JUDGEMENTS = {
    **OUTPUTS,
    "asked": pl.String(),
    "pair": pl.String(),
    "shown": pl.String(),
    "model_a": pl.String(),
    "model_b": pl.String(),
    "length_a": pl.Int64(),
    "length_b": pl.Int64(),
    "verdict": pl.String(),
    "rating": pl.Float64(),
}
"""The schema of judgements: a row for each try, with the raw reply in `output`; `prompt` is the number of the try. `shown` is ab
or ba, the order in which the answers stood; `verdict` names the model's side (a, b or tie) whatever the order was. Both
`verdict` and `rating` are null where the reply is none."""


@dataclass(frozen=True)
class JudgeSettings:
    """One entry of `judges`: who judges, by which instructions, and when it is believed."""

    # what it is called: letters, digits and underscores
    name: str
    # the file with its instructions, relative to the workspace
    instructions: str
    # a model that judges: a Hugging Face id, or a folder that begins with ./ or /
    base: str = ""
    # or an entry of `endpoints` that judges
    endpoint: str = ""
    # test samples on which two contestants are compared, of those that both answered; for a rubric, of those that all did
    samples: int = 60
    # draws them
    seed: int = 0
    # how often a question is put until the reply is a verdict
    tries: int = 3
    # of people's ratings, the criterion that a rating is held against; the mean of all when empty
    criterion: str = ""
    # agreement with people (Cohen's kappa; of ratings weighted by squared distance) below which the judge may not gate
    min_kappa: float = 0.4
    # labels of people on which that must rest, at least
    min_labels: int = 30
    # how it is asked
    generation: GenerationSettings = field(default_factory=lambda: GenerationSettings(max_new_tokens=256))

    def __post_init__(self) -> None:
        if bool(self.base) == bool(self.endpoint):
            raise ValueError("name either `base` or `endpoint`: one of them judges")
        if min(self.samples, self.tries) < 1:
            raise ValueError("samples and tries: must be at least 1")


@dataclass(frozen=True)
class Instructions:
    """What a judge is told: messages with marks, the kind of judgement, and of a rubric the scale; `digest` names it all."""

    kind: Kind
    messages: tuple[Message, ...]
    low: int
    high: int
    digest: str


def load_instructions(path: str | Path) -> Instructions:
    """The instructions in a YAML file: `messages`, and for a rubric `scale: [lowest, highest]` (1 to 5).

    Raises:
        ValueError: the file, and what to write there, when it holds no instructions.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML; quote the text, or use a block: content: |") from error
    messages = content.get("messages") if isinstance(content, dict) else None
    if not isinstance(messages, list) or not all(
        isinstance(each, dict) and set(each) == {"role", "content"} for each in messages
    ):
        raise ValueError(f"{path}: should hold `messages:`, a list of role and content")
    turns = tuple(Message(role=str(each["role"]), content=str(each["content"])) for each in messages)
    low, high = _scale(path, content)
    said = json.dumps([list(turns), low, high], ensure_ascii=False)
    return Instructions(_kind(path, turns), turns, low, high, digest("judge", said))


def _scale(path: Path, content: Mapping[str, object]) -> tuple[int, int]:
    scale = content.get("scale", [1, 5])
    if not (
        isinstance(scale, list)
        and len(scale) == 2
        and all(isinstance(end, int) for end in scale)
        and scale[0] < scale[1]
    ):
        raise ValueError(f"{path}: scale: should be two whole numbers, the lowest and the highest: scale: [1, 5]")
    return scale[0], scale[1]


def _kind(path: Path, messages: Sequence[Message]) -> Kind:
    found = {mark for message in messages for mark in _MARK.findall(message["content"])}
    if messages and messages[-1]["role"] == "user":
        if {"answer_a", "answer_b"} <= found and "answer" not in found:
            return "pairwise"
        if "answer" in found and not {"answer_a", "answer_b"} & found:
            return "rubric"
    raise ValueError(
        f"{path}: the last message is the user's, and either {{{{answer_a}}}} and {{{{answer_b}}}} (which of two is better) "
        "or {{answer}} (a rating) stand in the messages"
    )


def pairs_of(
    contestants: Mapping[str, pl.DataFrame], samples: pl.DataFrame, settings: JudgeSettings, kind: Kind
) -> pl.DataFrame:
    """What is judged (PAIRS): every two contestants on open test samples that both answered, the first ones of one drawn order.

    For a rubric it is each contestant, on samples that all answered who answered any: mean levels stand side by side, and who
    fails on hard samples would have the better one.
    """
    answers = _answers(contestants)
    open_ones = samples.filter(pl.col("openness") == "open")
    order = drawn(open_ones, settings.seed, open_ones.height).select("sample_id", "reference", question=question_text())
    groups = list(combinations(answers, 2)) if kind == "pairwise" else [(name,) for name in answers]
    whole = [name for name, rows in answers.items() if rows.height]
    parts = [pl.DataFrame(schema=PAIRS)]
    for group in groups:
        chosen = order
        for name in group if kind == "pairwise" else whole:
            chosen = chosen.join(answers[name], on="sample_id", how="semi", maintain_order="left")
        parts.append(_group(chosen.head(settings.samples), answers, group))
    return pl.concat(parts)


def unanswered(contestants: Mapping[str, pl.DataFrame], samples: pl.DataFrame) -> str:
    """Whom no judge compares on how many samples, since it did not answer what another one answered; "" when all did."""
    open_ones = samples.filter(pl.col("openness") == "open").select("sample_id")
    answers = {name: open_ones.join(rows, on="sample_id", how="semi") for name, rows in _answers(contestants).items()}
    asked = pl.concat([open_ones.clear(), *answers.values()]).n_unique()
    missing = [f"{name} {asked - rows.height:,}" for name, rows in answers.items() if rows.height < asked]
    return f"Of {asked:,} open test samples without an answer: {', '.join(missing)}" if missing else ""


def _answers(contestants: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """What each contestant said of the test split."""
    said = (pl.col("purpose") == "test") & pl.col("output").is_not_null()
    return {name: rows.filter(said) for name, rows in contestants.items()}


def question_text() -> pl.Expr:
    """A chat as text: the turns one after the other, as people see them."""
    return pl.col("messages").list.eval(pl.element().struct.field("content")).list.join("\n\n")


def _group(chosen: pl.DataFrame, answers: Mapping[str, pl.DataFrame], group: Sequence[str]) -> pl.DataFrame:
    rows = chosen
    for side, name in zip("ab", group, strict=False):
        rows = rows.join(answers[name].select("sample_id", pl.col("output").alias(f"output_{side}")), on="sample_id")
        rows = rows.with_columns(pl.lit(name).alias(f"model_{side}"))
    if len(group) == 1:
        nothing = pl.lit(None, dtype=pl.String)
        rows = rows.with_columns(output_b=nothing, model_b=nothing)
    return rows.with_columns(pair=pl.lit("/".join(group))).select(PAIRS.keys())


def people_pairs(labels: pl.DataFrame) -> pl.DataFrame:
    """The pairs (PAIRS) that people decided, as they saw them; `pair` is the task's digest."""
    decided = labels.filter((pl.col("kind") == "preference") & pl.col("value").is_not_null())
    nothing = pl.lit(None, dtype=pl.String)
    return decided.with_columns(pair="task_digest", question="prompt_text", reference=nothing).select(PAIRS.keys())


def people_rated(labels: pl.DataFrame) -> pl.DataFrame:
    """What people rated (PAIRS without a second answer), as they saw it; `pair` is the task's digest."""
    rated = labels.filter((pl.col("kind") == "rating") & pl.col("value").is_not_null()).unique(
        "task_digest", maintain_order=True
    )
    nothing = pl.lit(None, dtype=pl.String)
    about = rated.with_columns(pair="task_digest", question="prompt_text", reference=nothing)
    return about.with_columns(model_b=nothing, output_b=nothing).select(PAIRS.keys())


def questions_of(pairs: pl.DataFrame, instructions: Instructions) -> pl.DataFrame:
    """What the judge is asked, with the columns of `selection.QUESTIONS` and those that tell what is judged."""
    orders = ("ab", "ba") if instructions.kind == "pairwise" else ("ab",)
    rows = [_question(row, order, instructions) for row in pairs.to_dicts() for order in orders if _differ(row)]
    texts = ("sample_id", "purpose", "pair", "shown", "model_a", "model_b", "reference", "want", "prompt")
    schema = dict.fromkeys(texts, pl.String()) | {"messages": MESSAGES, "options": pl.Int64()}
    schema |= {"length_a": pl.Int64(), "length_b": pl.Int64()}
    return pl.DataFrame(rows, schema=schema)


def _differ(row: Mapping[str, str]) -> bool:
    return row["output_b"] is None or row["output_a"].strip() != row["output_b"].strip()


def _question(row: Mapping[str, str], order: str, instructions: Instructions) -> dict[str, object]:
    first, second = (row["output_a"], row["output_b"]) if order == "ab" else (row["output_b"], row["output_a"])
    said = {"question": row["question"], "reference": row["reference"] or "", "answer": first, "answer_a": first}
    said["answer_b"] = second or ""
    messages = [
        Message(role=each["role"], content=_MARK.sub(lambda found: said[found[1]], each["content"]))
        for each in instructions.messages
    ]
    kept = {name: row[name] for name in ("sample_id", "pair", "model_a", "model_b")}
    lengths = {f"length_{side}": None if row[f"output_{side}"] is None else len(row[f"output_{side}"]) for side in "ab"}
    about = {"purpose": f"{row['pair']} {order}", "shown": order, "reference": None, "want": "generate", "prompt": "1"}
    return {**kept, **lengths, **about, "messages": messages, "options": 0}


def equal_answers(pairs: pl.DataFrame) -> pl.DataFrame:
    """Judgements (JUDGEMENTS) of pairs whose answers are the same text: ties, about which nobody is asked."""
    rows = [
        {
            **{name: row[name] for name in ("sample_id", "pair", "model_a", "model_b")},
            "purpose": f"{row['pair']} {order}",
            "prompt": "0",
            "shown": order,
            "verdict": "tie",
            "finish": "equal answers",
            **{f"length_{side}": len(row[f"output_{side}"]) for side in "ab"},
        }
        for row in pairs.to_dicts()
        for order in ("ab", "ba")
        if not _differ(row)
    ]
    return pl.DataFrame(rows, schema=JUDGEMENTS)


def judged(questions: pl.DataFrame, answers: pl.DataFrame, instructions: Instructions) -> pl.DataFrame:
    """The replies as judgements (JUDGEMENTS); `answers` has OUTPUTS and `asked`."""
    about = questions.select(
        "sample_id", "purpose", "prompt", "pair", "shown", "model_a", "model_b", "length_a", "length_b"
    )
    joined = answers.join(about, on=("sample_id", "purpose", "prompt"))
    texts = joined.select("output", "shown").rows()
    verdicts = [verdict(text, shown) if instructions.kind == "pairwise" else None for text, shown in texts]
    ratings = [rating(text, instructions) if instructions.kind == "rubric" else None for text, _ in texts]
    said = {"verdict": pl.Series(verdicts, dtype=pl.String), "rating": pl.Series(ratings, dtype=pl.Float64)}
    return joined.with_columns(**said).select(JUDGEMENTS.keys())


def again(questions: pl.DataFrame, judgements: pl.DataFrame, attempt: int) -> pl.DataFrame:
    """The questions whose reply was no verdict, as they are put once more."""
    failed = judgements.filter(pl.col("verdict").is_null() & pl.col("rating").is_null() & pl.col("error").is_null())
    return questions.join(failed, on=("sample_id", "purpose"), how="semi").with_columns(prompt=pl.lit(str(attempt)))


def verdict(text: str | None, shown: str) -> str | None:
    """The side that a reply prefers: a, b or tie, whatever the order was; None when it names no verdict, or several."""
    found = {_WORDS.get(word.lower(), "") for word in _said(text)}
    if len(found) != 1 or not (word := found.pop()):
        return None
    return word if shown == "ab" or word == "tie" else {"a": "b", "b": "a"}[word]


def rating(text: str | None, instructions: Instructions) -> float | None:
    """The rating that a reply gives; None when there is none, or several, or it lies outside the scale."""
    found = {int(word) if word.isdigit() else None for word in _said(text)}
    number = found.pop() if len(found) == 1 else None
    return None if number is None or not instructions.low <= number <= instructions.high else float(number)


def _said(text: str | None) -> list[str]:
    text = text or ""
    alone = text.strip().strip("*.'\"()")
    if alone.lower() in {"a", "b", "tie"} or alone.isdecimal():
        return [alone]
    return _BRACKETS.findall(text) or _LINE.findall(text)

"""Whether a sample is closed-ended (an automatic check exists) or open-ended (people or judges must look), and why.

What the recipe or the record says comes first. Where the task leaves it open (`checker: auto`), the shape of the reference
decides, by rules that anyone can read. Where there is no reference to look at, a small model of the prompt decides, if
the rules have decided enough samples to learn from and it is better than always giving the more frequent answer on a
fifth that it has not seen: multinomial logistic regression over a few dozen cheap features. An error costs a person's
minute in one direction and a lost question in the other, so the model must be sure to call a sample closed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

import records
from annotation.routing.shown import prompt_text

Floats = npt.NDArray[np.float64]

DECISIONS = {
    "sample_id": pl.String,
    "openness": pl.String,
    "checker": pl.String,
    "decided_by": pl.String,
    "reason": pl.String,
    "probability": pl.Float64,
}
"""One row per sample. `decided_by` is `record` (the recipe or the record says so), `rule`, `model` or `default` (open, since
nothing decides); `probability` is the model's, that the sample is what it says."""

AUTO = "auto"
SHORT_WORDS = 3
SURE = 0.8
LEAST, LEAST_OF_EACH, MOST = 40, 8, 5_000
"""How many decided samples a model needs, of each sort how many, and from how many it learns at most."""

_NUMBER = re.compile(r"[-+−]?[$€£]?\s?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?(\s*/\s*\d+)?\s*%?")
_LETTER = re.compile(r"\(?[A-J]\)?[.)]?")
_OPTION = re.compile(r"(?m)^\s*\(?([A-J])[.):]\s+\S")
_PATTERN = re.compile(r"\^.*[\[\](){}\\.*+?|].*\$", re.DOTALL)
_ASSERTION = re.compile(r"(?m)^\s*(assert\b|self\.assert\w+\()")
_TESTS = re.compile(
    r"\s*(assert\b|import \w|from [\w.]+ import |(async )?def (test|check)\w*\(|class \w+\(.*TestCase\))"
)
_SENTENCE = re.compile(r"[.!?;:]\s|[.!?]$|\n")


def rule_for(prompt: str, reference: str, runs: bool = False) -> tuple[str | None, str]:
    """The checker that fits a reference (None: no check does), and why. The first rule that applies decides.

    `runs` says whether answers may be run: where they may not, unit tests check nothing.
    """
    text = reference.strip()
    if _LETTER.fullmatch(text) and len(set(_OPTION.findall(prompt))) > 1:
        return "choice", "the prompt lists options, and the reference names one"
    found, value = _json(text)
    if found and isinstance(value, dict) and ("$schema" in value or {"type", "properties"} <= value.keys()):
        return "schema", "the reference is a JSON Schema"
    if found and isinstance(value, dict | list):
        return "json", "the reference is a JSON value"
    if _NUMBER.fullmatch(text):
        return "numeric", "the reference is a number"
    if _PATTERN.fullmatch(text) and _compiles(text):
        return "pattern", "the reference is a regular expression from ^ to $"
    if _TESTS.match(text) and _ASSERTION.search(text):
        if runs:
            return "unit_test", "the reference is Python that asserts"
        return None, "the reference holds unit tests, and `unit_tests` does not allow that answers are run"
    words = len(text.split())
    if words <= SHORT_WORDS and not _SENTENCE.search(text):
        return "exact", f"the reference has {words} words, and is no sentence"
    return None, f"no check fits a reference of {words} words"


def decide_openness(samples: pl.DataFrame, mode: str, runs: bool = False) -> records.Outcome:
    """Of each sample (sample_id, messages, reference, openness, checker) the decision (`DECISIONS`), by sample_id.

    `mode` is the task's `checker`: only under `auto` do rules and the model speak; else what the records say stands. `runs`
    says whether answers may be run against unit tests.
    """
    if mode != AUTO:
        table = _recorded(samples.sort("sample_id"))
        return records.Outcome(table, notes=_counts(table))
    rows = [_decided(row, runs) for row in samples.sort("sample_id").iter_rows(named=True)]
    undecided = [place for place, row in enumerate(rows) if row["decided_by"] == "default"]
    notes: dict[str, Any] = {}
    if undecided:
        prompts = [prompt_text(messages) for messages in samples.sort("sample_id")["messages"].to_list()]
        known = [place for place, row in enumerate(rows) if row["decided_by"] != "default"]
        model = train([prompts[place] for place in known], [rows[place]["checker"] or "open" for place in known])
        notes["openness model"] = model.said if isinstance(model, Model) else model
        if isinstance(model, Model):
            told = model.tell([prompts[place] for place in undecided])
            for place, decision in zip(undecided, told, strict=True):
                rows[place] |= decision
    table = pl.DataFrame(rows, schema=DECISIONS)
    return records.Outcome(table, notes=notes | _counts(table))


def _counts(table: pl.DataFrame) -> dict[str, Any]:
    counts = table.group_by("openness", "decided_by").len().sort("openness", "decided_by")
    return {f"{openness} by {by}": count for openness, by, count in counts.iter_rows()}


def _recorded(samples: pl.DataFrame) -> pl.DataFrame:
    """What the records say."""
    named = pl.format("the record names the checker {}", pl.col("checker").fill_null("None"))
    is_closed = pl.col("openness").eq_missing(pl.lit("closed"))
    reason = pl.when(is_closed).then(named).otherwise(pl.lit("no checker is named for it"))
    known = samples.with_columns(decided_by=pl.lit("record"), reason=reason, probability=pl.lit(None))
    return known.select(pl.col(name).cast(kind) for name, kind in DECISIONS.items())


def _decided(row: dict[str, Any], runs: bool) -> dict[str, Any]:
    about = {"sample_id": row["sample_id"], "openness": row["openness"], "checker": row["checker"], "probability": None}
    if row["openness"] == "closed":
        return about | {"decided_by": "record", "reason": f"the record names the checker {row['checker']}"}
    if row["reference"] is None:
        return about | {"decided_by": "default", "reason": "no reference, and too little to learn from"}
    checker, reason = rule_for(prompt_text(row["messages"]), row["reference"], runs)
    openness = "open" if checker is None else "closed"
    return about | {"openness": openness, "checker": checker, "decided_by": "rule", "reason": reason}


FEATURES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("asks how many or how much", r"\bhow (many|much|long|far|old|often)\b"),
        ("asks to compute", r"\b(calculate|compute|solve|sum|total|percent|average|difference|product of)\b"),
        ("has digits", r"\d"),
        ("has an arithmetic sign between numbers", r"\d\s*[-+*/×÷=^]\s*\d"),
        ("lists options", r"(?m)^\s*\(?[A-J][.):]\s+\S"),
        ("asks which", r"\bwhich\b"),
        ("asks who, where or when", r"\b(who|where|when|what year|what date|capital of)\b"),
        ("asks for yes or no", r"\b(yes or no|true or false|is it true)\b"),
        ("asks for JSON or a format", r"\b(json|schema|regex|regular expression|extract|format)\b"),
        ("asks for one word or number", r"\b(one word|single word|only the|just the|name of)\b"),
        ("asks to write", r"\b(write|compose|draft|create|invent|imagine|design)\b"),
        ("asks to explain", r"\b(explain|describe|discuss|why|compare|how (do|can|would|should))\b"),
        ("asks to summarise or rewrite", r"\b(summari[sz]e|rewrite|rephrase|paraphrase|translate|improve)\b"),
        ("asks for advice or opinion", r"\b(advice|suggest|recommend|opinion|tips|ideas|think)\b"),
        ("names a text form", r"\b(story|poem|essay|letter|e-?mail|article|song|speech|blog|docstring)\b"),
        ("has code", r"```|\bdef \w+\(|\breturn\b|[{};]\s*$"),
        ("ends with a question mark", r"\?\s*$"),
    )
)
BUCKETS = 48


def features(prompts: Sequence[str]) -> Floats:
    """(prompts, features): signs of `FEATURES`, lengths, and the first words in `BUCKETS` buckets."""
    rows = np.zeros((len(prompts), len(FEATURES) + 2 + BUCKETS))
    for row, prompt in zip(rows, prompts, strict=True):
        words = prompt.split()
        row[: len(FEATURES)] = [pattern.search(prompt) is not None for _, pattern in FEATURES]
        row[len(FEATURES)] = np.log1p(len(words)) / 4
        row[len(FEATURES) + 1] = np.log1p(prompt.count("\n"))
        for word in words[:2]:
            row[-BUCKETS + int(records.digest(word.lower())[:8], 16) % BUCKETS] += 0.5
    return rows


@dataclass(frozen=True)
class Model:
    """Multinomial logistic regression: a weight per feature (and a constant) and class; `open` is one of the classes."""

    classes: tuple[str, ...]
    weights: Floats
    said: str

    def tell(self, prompts: Sequence[str]) -> list[dict[str, Any]]:
        """Of each prompt openness, checker, reason and probability."""
        inputs = _with_constant(features(prompts))
        chances = _softmax(inputs @ self.weights)
        place = self.classes.index("open")
        return [self._decision(row, float(p[place]), p, place) for row, p in zip(inputs, chances, strict=True)]

    def _decision(self, inputs: Floats, is_open: float, chances: Floats, place: int) -> dict[str, Any]:
        closed = 1 - is_open >= SURE
        best = int(np.argmax(np.where(np.arange(len(chances)) == place, -1.0, chances)))
        probability = round(1 - is_open if closed else is_open, 3)
        pull = inputs[: len(FEATURES)] * (self.weights[: len(FEATURES), best] - self.weights[: len(FEATURES), place])
        strongest = int(np.argmax(pull if closed else -pull))
        why = f", most since it {FEATURES[strongest][0]}" if inputs[strongest] else ""
        return {
            "openness": "closed" if closed else "open",
            "checker": self.classes[best] if closed else None,
            "decided_by": "model",
            "reason": f"{self.said}{why}",
            "probability": probability,
        }


def train(prompts: Sequence[str], answers: Sequence[str]) -> Model | str:
    """A model of decided prompts (`answers`: a checker, or `open`), or in words why there is none.

    Every fifth, by a hash of its text, is kept out, and says how good the model is.
    """
    drawn = sorted(zip(prompts, answers, strict=True), key=lambda pair: records.digest("openness", *pair))[:MOST]
    of_open = sum(answer == "open" for _, answer in drawn)
    if len(drawn) < LEAST or min(of_open, len(drawn) - of_open) < LEAST_OF_EACH:
        return f"none: {len(drawn)} samples are decided, {of_open} of them open; {LEAST}, {LEAST_OF_EACH} of each sort, are needed"
    inputs, classes = features([prompt for prompt, _ in drawn]), sorted({answer for _, answer in drawn})
    targets = np.array([classes.index(answer) for _, answer in drawn])
    held_out = np.arange(len(drawn)) % 5 == 0
    weights = fit(inputs[~held_out], targets[~held_out], len(classes))
    told = _softmax(_with_constant(inputs[held_out]) @ weights)[:, classes.index("open")] > 0.5
    is_open = targets[held_out] == classes.index("open")
    right, usual = float((told == is_open).mean()), float(max(is_open.mean(), 1 - is_open.mean()))
    if right <= usual:
        return f"none: right on {right:.0%} of {held_out.sum()} held-out samples, where always the same answer is on {usual:.0%}"
    said = f"a model of {len(drawn)} decided prompts, right on {right:.0%} of {held_out.sum()} held-out ones"
    return Model(tuple(classes), fit(inputs, targets, len(classes)), said)


def fit(
    inputs: Floats, targets: npt.NDArray[np.int64], n_classes: int, penalty: float = 1e-2, rounds: int = 600
) -> Floats:
    """(features + 1, classes): weights that minimise cross-entropy and a squared penalty, by accelerated gradient descent
    (Nesterov 1983) with the step that the curvature bounds."""
    design = _with_constant(inputs)
    wanted = np.eye(n_classes)[targets]
    step = 1 / (0.5 * float(np.linalg.norm(design, 2)) ** 2 / len(design) + penalty)
    weights: Floats = np.zeros((design.shape[1], n_classes))
    ahead = weights
    for number in range(rounds):
        slope = design.T @ (_softmax(design @ ahead) - wanted) / len(design) + penalty * ahead
        before, weights = weights, ahead - step * slope
        ahead = weights + number / (number + 3) * (weights - before)
    return weights


def _with_constant(inputs: Floats) -> Floats:
    return np.hstack([inputs, np.ones((len(inputs), 1))])


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _json(text: str) -> tuple[bool, Any]:
    try:
        return True, json.loads(text)
    except (ValueError, RecursionError):
        return False, None


def _compiles(pattern: str) -> bool:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError:
        return False
    return True

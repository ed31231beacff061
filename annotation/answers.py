"""What an answer of Label Studio says, by the kind of its project; one that does not fit is invalid, never guessed at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from annotation.projects import RATED

CANNOT = "cannot_answer"
VALUES = ("a", "b", "tie", "both_bad", CANNOT)
REASONS = ("broken", "private", "expert", "unclear")
"""Why somebody cannot answer."""

STRENGTHS = ("clearly", "slightly")

Given = dict[str, Mapping[str, Any]]


def answer_of(raw: Mapping[str, Any], kind: str) -> dict[str, str | None]:
    """kind, value, strength, why, note and status of an answer as Label Studio keeps it (result, was_cancelled)."""
    answer: dict[str, str | None] = dict.fromkeys(("value", "strength", "why", "note"))
    answer |= {"kind": kind, "status": "submitted"}
    if raw["was_cancelled"]:
        return answer | {"status": "skipped"}
    given: Given = {item.get("from_name"): item.get("value", {}) for item in raw["result"] or []}
    answer["note"] = "\n".join(given.get("note", {}).get("text", [])) or None
    if CANNOT in (_choice(given, "cannot"), _choice(given, "preference")):
        why = _choice(given, "why")
        return answer | {"value": CANNOT, "why": why if why in REASONS else None}
    found = {"preference": _preference, "rating": _rating, "demonstration": _demonstration}[kind](given)
    return answer | (found or {"status": "invalid"})


def _choice(given: Given, control: str) -> str | None:
    choices = given.get(control, {}).get("choices", [])
    return choices[0] if len(choices) == 1 else None


def _preference(given: Given) -> dict[str, str | None] | None:
    value, _, strength = (_choice(given, "preference") or "").partition("_")
    if strength in STRENGTHS and value in ("a", "b"):
        return {"value": value, "strength": strength}
    whole = _choice(given, "preference")
    return {"value": whole} if whole in VALUES else None


def _rating(given: Given) -> dict[str, str | None] | None:
    """A line of the rubric may be left out; one at least must be there."""
    levels = {name: _choice(given, name) for name in given if str(name).startswith(RATED)}
    told = {
        name.removeprefix(RATED): int(level) for name, level in levels.items() if level is not None and level.isdigit()
    }
    return {"value": json.dumps(told, sort_keys=True)} if told and len(told) == len(levels) else None


def _demonstration(given: Given) -> dict[str, str | None] | None:
    text = "\n".join(given.get("answer", {}).get("text", [])).strip()
    return {"value": text} if text else None

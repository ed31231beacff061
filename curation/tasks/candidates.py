"""What a recipe finds in a content: candidates for samples, and why some of them will not do.

A candidate that breaks a rule stays in the books, with the reason in place of its text, so that nothing is lost in
silence and the evidence stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pyarrow as pa

from records import MESSAGES, Message

TOO_LONG = "too long"
REFERENCE_EMPTY = "reference empty"
NO_PROMPT = "no prompt"

_TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
CANDIDATE_TYPE = pa.struct(
    [
        ("messages", pa.list_(_TURN)),
        ("reference", pa.string()),
        ("slice", pa.string()),
        ("openness", pa.string()),
        ("checker", pa.string()),
        ("line", pa.int64()),
        ("name", pa.string()),
        ("group", pa.string()),
        ("dropped", pa.string()),
    ]
)
"""The Arrow type of one candidate, an element of the list column `samples`."""

CANDIDATE = pl.Struct(
    {
        "messages": MESSAGES,
        "reference": pl.String,
        "slice": pl.String,
        "openness": pl.String,
        "checker": pl.String,
        "line": pl.Int64,
        "name": pl.String,
        "group": pl.String,
        "dropped": pl.String,
    }
)
"""The same type for Polars."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One sample as a recipe found it; `dropped` is the rule that it breaks, if any.

    `reference` is None where nobody knows the answer yet. `group` is what must stay on one side of a split when the
    content says so itself (a user), else None. `line` counts from 1.
    """

    slice: str
    messages: Sequence[Message] = ()
    reference: str | None = None
    openness: str = "open"
    checker: str | None = None
    line: int | None = None
    name: str | None = None
    group: str | None = None
    dropped: str | None = None


class UnreadableContent(ValueError):
    """A content that is no input for the recipe. The message is a reason, then `: ` and the detail."""


def user(text: str) -> list[Message]:
    """A prompt of one turn."""
    return [{"role": "user", "content": text}]


def checked(candidate: Candidate, checker: str) -> Candidate:
    """The candidate with the task's checker. Without a reference there is nothing to check against: it stays open, as all do
    where each is to be looked at by itself (`auto`)."""
    if checker in ("open", "auto") or candidate.reference is None:
        return candidate
    return replace(candidate, openness="closed", checker=checker)


def screened(candidate: Candidate, max_chars: int) -> Candidate:
    """The candidate if every recipe's rules let it through, else its reason without its text.

    Rules, in this order: a prompt with something in it, a reference that is not blank, a prompt of at most `max_chars`
    characters over all of its messages.
    """
    reason = candidate.dropped or _broken_rule(candidate, max_chars)
    if reason is None:
        return candidate
    return replace(candidate, messages=(), reference=None, dropped=reason)


def _broken_rule(candidate: Candidate, max_chars: int) -> str | None:
    if not any(turn["content"].strip() for turn in candidate.messages if turn["role"] != "system"):
        return NO_PROMPT
    if candidate.reference is not None and not candidate.reference.strip():
        return REFERENCE_EMPTY
    return TOO_LONG if sum(len(turn["content"]) for turn in candidate.messages) > max_chars else None


def as_record(candidate: Candidate) -> dict[str, Any]:
    """The candidate as one value of `CANDIDATE_TYPE`."""
    return {name: getattr(candidate, name) for name in CANDIDATE_TYPE.names}

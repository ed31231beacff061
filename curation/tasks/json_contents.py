"""The two kinds of structured content: a chat, and a record (a row of a table), each as canonical JSON.

Readers turn exports of any shape into these, so that a recipe knows two shapes only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from curation.tasks.candidates import UnreadableContent
from records import Message

CHAT = "application/vnd.headwater.chat+json"
RECORD = "application/vnd.headwater.record+json"
ROLES = ("system", "user", "assistant")


def chat_of(text: str) -> tuple[list[Message], str | None]:
    """The turns of a chat, and its user where the content names one.

    The content is a list of `{role, content}`, or an object with that list as `messages` and perhaps `user`.
    Raises UnreadableContent.
    """
    value = _json(text)
    owner = value.get("user") if isinstance(value, dict) else None
    turns = value.get("messages") if isinstance(value, dict) else value
    return messages_of(turns), None if owner is None else str(owner)


def messages_of(turns: object) -> list[Message]:
    """Turns checked for their shape: roles of `ROLES`, contents that are text. Raises UnreadableContent."""
    if not isinstance(turns, Sequence) or isinstance(turns, str):
        raise UnreadableContent("not a chat: it is no list of {role, content}")
    return [_message(turn, position) for position, turn in enumerate(turns, 1)]


def _message(turn: object, position: int) -> Message:
    if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
        raise UnreadableContent(f"not a chat: turn {position} has no text as its content")
    if turn.get("role") not in ROLES:
        raise UnreadableContent(f"not a chat: the role of turn {position} is none of {', '.join(ROLES)}")
    return {"role": turn["role"], "content": turn["content"]}


def record_of(text: str) -> dict[str, object]:
    """A row: values by column. Raises UnreadableContent."""
    value = _json(text)
    if not isinstance(value, dict):
        raise UnreadableContent("not a record: it is no JSON object")
    return value


def _json(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableContent(f"not JSON: {type(error).__name__}") from error
    return value

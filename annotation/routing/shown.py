"""A chat as people read it, and as policies compare it."""

from __future__ import annotations

import records


def prompt_text(messages: list[records.Message]) -> str:
    """A chat as a person reads it: the last question alone, or each turn under its speaker's name."""
    shown = [message for message in messages if message["role"] != "system"] or messages
    if len(shown) == 1:
        return shown[0]["content"]
    return "\n\n".join(f"{message['role'].capitalize()}:\n{message['content']}" for message in shown)


def draw(seed: int, name: str) -> str:
    """The place of a sample in the drawn order: it depends on no other sample, so that a new one shifts few."""
    return records.digest("routing", str(seed), name)

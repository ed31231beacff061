"""Conversations: given all that was said before, what does the assistant say last?

One sample per conversation, as in the chat datasets that TRL reads: earlier answers are part of the prompt, so that no
turn is both question and answer. All conversations of a user share a group where the content names its user.
"""

from __future__ import annotations

from collections.abc import Iterator

from curation.tasks.candidates import Candidate, checked
from curation.tasks.json_contents import CHAT, chat_of
from curation.tasks.settings import TaskSettings


def find(text: str, media_type: str, settings: TaskSettings) -> Iterator[Candidate]:
    """One candidate of a chat; the reference is the last turn if that is the assistant's, else None.

    Raises UnreadableContent where the content is no chat.
    """
    if media_type != CHAT:
        return
    turns, owner = chat_of(text)
    answered = bool(turns) and turns[-1]["role"] == "assistant"
    reference = turns[-1]["content"].strip() if answered else None
    prompt = turns[:-1] if answered else turns
    yield checked(Candidate("chat", prompt, reference, group=owner), settings.checker)

"""The few record types, and the three identities, that more than one package speaks of.

A *document* is a place, a *content* is the text that stands there, a *sample* is a question asked of a model. Each has
one name that is a function of what it is and of nothing else, so that a copy, a move or another machine changes none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypedDict

import polars as pl


class Message(TypedDict):
    """One turn of a chat: who speaks (`system`, `user` or `assistant`), and what."""

    role: str
    content: str


MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""The column type of a chat: a list of messages."""


class Progress(Protocol):
    """Told how far a piece of work is; the receiver makes rate and time left of it."""

    def __call__(self, done: int, total: int | None = None, unit: str = "rows") -> None: ...


def silent(done: int, total: int | None = None, unit: str = "rows") -> None:
    """The progress that nobody watches."""


class Picture(NamedTuple):
    """A plot or an image that an asset shows beside its table: what it is called, and PNG bytes."""

    title: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage made of its input, with the books: taken in = kept + dropped + failed.

    `table` is the new table. `kept` is how many units of the input came through (the rows of `table` when None);
    `dropped` and `failed` count the others by reason. `others` are further tables of the same stage, by name.
    `checks` says of each of the stage's own checks what is wrong, or "" when nothing is.
    `notes` are facts that a person wants to see beside the table (numbers, short texts, markdown), never text of the data.
    """

    table: pl.DataFrame
    kept: int | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    checks: Mapping[str, str] = field(default_factory=dict)


def digest(*parts: str | bytes) -> str:
    """A 128-bit BLAKE2b digest (32 hexadecimal digits) of the parts, each framed by its length.

    Lone surrogates are hashed as they are, so that text which is not valid Unicode has a name too.
    """
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def doc_id(source: str, locator: str) -> str:
    """The name of a place: the source as `headwater.yaml` calls it, and the locator relative to its root."""
    return digest("document", source, locator)


def content_digest(text: str) -> str:
    """The name of a content: of the text alone, wherever it stands."""
    return digest("content", text)


def sample_id(task: str, messages: Sequence[Mapping[str, str]]) -> str:
    """The name of a sample: its task and its prompt; never its place, reference or split."""
    turns = [[message["role"], message["content"]] for message in messages]
    return digest("sample", task, json.dumps(turns, ensure_ascii=False))

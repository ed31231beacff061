"""One input, every contestant: what `headwater try` shows side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from evaluation.inference import GenerationSettings, answer
from evaluation.loading import load_model
from evaluation.prompts import Prompt, render
from records import MESSAGES, Message, Progress, silent


@dataclass(frozen=True)
class Contestant:
    """A model as it is asked: folders of the base and of an adapter, and the prompt around the input."""

    name: str
    base: str
    adapter: str | None = None
    prompt: Prompt | None = None


def try_prompt(
    text: str,
    contestants: Sequence[Contestant],
    settings: GenerationSettings | None = None,
    progress: Progress = silent,
) -> list[tuple[str, str]]:
    """Each contestant's name and answer to `text` as a user's message, in the order given; one model is loaded at a time.

    `progress` is told before each who is asked.

    Raises:
        LoadingError: a model cannot be loaded.
        ValueError: the text is empty, or too long for a model.
    """
    if not text.strip():
        raise ValueError("there is nothing to answer: the text is empty")
    settings = settings or GenerationSettings()
    found = []
    for place, contestant in enumerate(contestants):
        progress(place, len(contestants), "models", contestant.name)
        found.append((contestant.name, _answer(text, contestant, settings)))
    return found


def _answer(text: str, contestant: Contestant, settings: GenerationSettings) -> str:
    messages = render(contestant.prompt, [Message(role="user", content=text)])
    loaded = load_model(contestant.base, contestant.adapter, settings.precision, settings.device, settings.threads)
    found = answer(loaded, _row(messages), replace(settings, share_prefix=False), silent).row(0, named=True)
    if found["error"] is not None:
        raise ValueError(f"{contestant.name}: {found['error']}")
    return str(found["output"])


def _row(messages: Sequence[Message]) -> pl.DataFrame:
    """The one sample, as `inference.answer` reads it."""
    row = {"sample_id": "tried", "purpose": "try", "prompt": None, "reference": None, "want": "generate"}
    schema = dict.fromkeys(row, pl.String()) | {"messages": MESSAGES}
    return pl.DataFrame([row | {"messages": list(messages)}], schema=schema)

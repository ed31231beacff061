"""Chats to token ids: the prompt as the model's own template lays it out, and the reference as its next tokens.

The reference is encoded by itself and put after the prompt, so that prompt and reference split at the same place for
every model and prompt. Special tokens that happen to stand in a reference's text (code about chat models has them) are
encoded as the plain text that they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.options import LETTERS
from records import Message


@dataclass(frozen=True)
class Question:
    """One row of samples in token ids. `place` is its row, `reference` is None unless its likelihood is wanted.

    `name` is made of sample and prompt; it breaks ties of order, and seeds draws.
    """

    place: int
    name: str
    prompt: tuple[int, ...]
    reference: tuple[int, ...] | None
    reference_bytes: int
    generate: bool
    options: tuple[int, ...] = ()
    """The tokens of the options' letters, from A on, of a multiple-choice question."""


class QuestionError(ValueError):
    """This sample cannot be asked; the message becomes the row's error."""


def encode(row: Mapping[str, Any], place: int, tokenizer: Any, context: int | None, max_new_tokens: int) -> Question:
    """A row of samples (sample_id, messages, reference, want, prompt) as token ids.

    Raises:
        QuestionError: the template refuses the messages, the reference is empty, or all is longer than `context` tokens.
    """
    generate = row["want"] in ("generate", "both")
    prompt = _prompt_ids(tokenizer, row["messages"])
    reference = _reference_ids(tokenizer, row["reference"]) if row["want"] in ("likelihood", "both") else None
    size = len((row["reference"] or "").encode()) if reference else 0
    answer = max(max_new_tokens if generate else 0, len(reference or ()))
    if context is not None and len(prompt) + answer > context:
        raise QuestionError(f"too long: prompt and answer exceed the context of {context} tokens")
    name, options = f"{row['sample_id']} {row['prompt'] or ''}", _option_ids(tokenizer, row.get("options") or 0)
    return Question(place, name, prompt, reference, size, generate, options)


def end_of_turn(tokenizer: Any) -> int:
    """The token that ends an assistant's turn: what the template puts after it, else the end-of-sequence token.

    Raises:
        ValueError: the tokenizer has neither.
    """
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "ANSWER"}]
    if tokenizer.chat_template is not None:
        tail = str(tokenizer.apply_chat_template(turns, tokenize=False)).rpartition("ANSWER")[2]
        ids = tokenizer(tail, add_special_tokens=False)["input_ids"]
        if ids and ids[0] in tokenizer.all_special_ids:
            return int(ids[0])
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-sequence token; set eos_token in its tokenizer_config.json")
    return int(tokenizer.eos_token_id)


def stop_tokens(tokenizer: Any, generation_config: Any) -> frozenset[int]:
    """Every token at which an answer ends: the end of turn, and those that the model's generation config names."""
    named = generation_config.eos_token_id if generation_config is not None else None
    ids = named if isinstance(named, list) else [named]
    return frozenset([end_of_turn(tokenizer), *(int(token) for token in ids if token is not None)])


def _prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> tuple[int, ...]:
    from jinja2 import TemplateError

    try:
        text = _prompt_text(tokenizer, messages)
    except TemplateError as error:
        raise QuestionError(f"the model's chat template refuses the messages: {error}") from error
    ids = tokenizer(text, add_special_tokens=tokenizer.chat_template is None)["input_ids"]
    if not ids:
        raise QuestionError("the prompt is empty")
    return tuple(ids)


def _prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The chat as the template lays it out; a model without one reads the contents, each followed by a blank line."""
    if tokenizer.chat_template is None:
        return "".join(message["content"] + "\n\n" for message in messages)
    turns = [dict(message) for message in messages]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _option_ids(tokenizer: Any, count: int) -> tuple[int, ...]:
    ids = [tokenizer(letter, add_special_tokens=False)["input_ids"] for letter in LETTERS[:count]]
    if any(len(each) != 1 for each in ids):
        raise QuestionError("the tokenizer has no single token for each option's letter")
    return tuple(each[0] for each in ids)


def _reference_ids(tokenizer: Any, reference: str | None) -> tuple[int, ...]:
    ids = tokenizer(reference or "", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    if not ids:
        raise QuestionError("a likelihood was asked for, and there is no reference")
    return tuple(ids)

"""Prompt files: what is said around a sample, so that prompting can compete with finetuning on equal terms.

A prompt is the rival that a finetune must beat, so it is data with a digest, not code. There is no template engine:
one mark, `{{input}}`, is replaced by text, once and literally. Whatever braces, marks or YAML the data holds stays
text (code, the demo's own data, is full of braces). Few-shot examples are simply user and assistant messages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import polars as pl
import yaml

from records import MESSAGES, Message, digest

INPUT = "{{input}}"
"""The mark that the sample's last user message replaces."""

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Prompt:
    """A named list of messages; `digest` names what they say, whatever the file is called."""

    name: str
    messages: tuple[Message, ...]
    digest: str


NONE = Prompt("none", (), digest("prompt", "[]"))
"""The prompt that adds nothing: a sample's messages as they are."""


def load_prompt(path: str | Path) -> Prompt:
    """The prompt in a YAML file, named by the file's stem.

    Raises:
        ValueError: the file, the key and what to write there, when it is not a prompt.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if path.stem == NONE.name:
        raise ValueError(f"{path}: the name 'none' means no prompt at all; give the file another name")
    try:
        content: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(
            f"{path}: not valid YAML ({_one_line(error)}); quote the text, or use a block: content: |"
        ) from error
    messages = tuple(_message(path, place, item) for place, item in enumerate(_items(path, content)))
    _check_input(path, messages)
    return Prompt(path.stem, messages, _digest_of(messages))


def render(prompt: Prompt | None, messages: Sequence[Message]) -> list[Message]:
    """The messages that a model is given: the prompt's, with the sample's last user message at `{{input}}`.

    Earlier turns of the sample stand just before the prompt's last message. A chat has one system message, at its
    head: where both have one, the sample's follows the prompt's after a blank line. Without a prompt (None, or the
    one named "none") the sample's messages come back as they are.

    Raises:
        ValueError: the sample does not end with a user message.
    """
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("a sample's messages must end with one of role 'user': the turn that is to be answered")
    if prompt is None or prompt.name == NONE.name:
        return [_turn(message["role"], message["content"]) for message in messages]
    question = prompt.messages[-1]["content"].replace(INPUT, messages[-1]["content"])
    turns = [*prompt.messages[:-1], *messages[:-1], _turn("user", question)]
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    head = [_turn("system", system)] if system else []
    return head + [_turn(turn["role"], turn["content"]) for turn in turns if turn["role"] != "system"]


def prompts_table(paths: Sequence[str | Path]) -> pl.DataFrame:
    """The prompts of some files as a table (prompt, digest, messages), by name.

    Raises:
        ValueError: a file is no prompt, or two files have the same name.
    """
    prompts = sorted((load_prompt(path) for path in paths), key=lambda prompt: prompt.name)
    for first, second in pairwise(prompts):
        if first.name == second.name:
            raise ValueError(f"two prompt files are called {first.name!r}: rename one, scores are told apart by it")
    rows = [{"prompt": prompt.name, "digest": prompt.digest, "messages": list(prompt.messages)} for prompt in prompts]
    return pl.DataFrame(rows, schema={"prompt": pl.String, "digest": pl.String, "messages": MESSAGES})


def _items(path: Path, content: object) -> list[object]:
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a prompt file is a mapping; begin it with 'messages:'")
    if unknown := sorted(str(key) for key in content if key != "messages"):
        raise ValueError(f"{path}: unknown key {unknown[0]!r}; the only one is 'messages' (remarks are YAML comments)")
    items = content.get("messages")
    if not isinstance(items, list) or not items:
        raise ValueError(f"{path}: messages: must be a list of role and content, with at least one message")
    return cast("list[object]", items)


def _message(path: Path, place: int, item: object) -> Message:
    where = f"{path}: messages[{place}]"
    if not isinstance(item, dict) or set(item) != {"role", "content"}:
        raise ValueError(f"{where}: must have exactly the keys 'role' and 'content'")
    if item["role"] not in ROLES:
        raise ValueError(f"{where}.role: must be one of {', '.join(ROLES)}, not {item['role']!r}")
    if item["role"] == "system" and place:
        raise ValueError(f"{where}.role: a system message can only be the first; move it up, or make it 'user'")
    if not isinstance(item["content"], str):
        raise ValueError(f"{where}.content: must be text, not {type(item['content']).__name__}; put it in quotes")
    return _turn(item["role"], item["content"])


def _check_input(path: Path, messages: Sequence[Message]) -> None:
    last = len(messages) - 1
    if messages[last]["role"] != "user":
        raise ValueError(
            f"{path}: messages[{last}].role: the last message must be of role 'user': it asks the question"
        )
    if INPUT not in messages[last]["content"]:
        raise ValueError(f"{path}: messages[{last}].content: must contain {INPUT}, where the sample goes")
    for place, message in enumerate(messages[:last]):
        if INPUT in message["content"]:
            raise ValueError(f"{path}: messages[{place}].content: {INPUT} belongs in the last message only")


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _digest_of(messages: Sequence[Message]) -> str:
    turns = [[message["role"], message["content"]] for message in messages]
    return digest("prompt", json.dumps(turns, ensure_ascii=False))


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}: " if mark else ""
    return place + str(getattr(error, "problem", None) or "cannot be read")

"""From rows of a release to token ids: what the model reads, and what it is trained to say.

A row is TRL's conversational prompt/completion: two lists of messages. The prompt is rendered exactly as it will be at
inference (the chat template with the generation prompt) and tokenized alone; the completion is the rest of the rendered
chat, up to and with the token that ends the turn. Tokenizing the two apart means that no token straddles the border, so
the model is asked in training just what it will be asked later.

What becomes of each row is counted: TRL 1.16 cuts a long prompt from the right, so that no label is left, and then
reports loss 0.0 and success (its issue 6668); here such a row is left out and counted, or refused.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

import records


class DatasetError(ValueError):
    """The training data cannot be used; the message names the row and the mend."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a release: its name, and the messages before and after the border."""

    sample_id: str
    prompt: Sequence[Mapping[str, str]]
    completion: Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Example:
    """One row as token ids. Only `completion` carries loss. `cut` tokens of the completion did not fit."""

    sample_id: str
    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    cut: int = 0

    @property
    def length(self) -> int:
        """Number of tokens, prompt and completion."""
        return len(self.prompt) + len(self.completion)


def read_rows(release: Path, split: str) -> list[Row]:
    """The rows of one split of a release folder (`data/SPLIT-*.parquet`), sorted by sample_id; [] if it has none.

    A row that a mixture takes more than once is there so often. Raises DatasetError when a column is missing, or when rows of
    one sample_id are not the same.
    """
    files = sorted((release / "data").glob(f"{split}-*.parquet"))
    if not files:
        return []
    table = pl.concat([_read(file) for file in files]).sort("sample_id")
    twice = table.unique().filter(pl.col("sample_id").is_duplicated()).sort("sample_id")["sample_id"]
    if len(twice):
        raise DatasetError(f"{release}, split {split}: sample_id {twice[0]} stands there with more than one text")
    return [Row(*values) for values in table.iter_rows()]


def _read(file: Path) -> pl.DataFrame:
    columns = ["sample_id", "prompt", "completion"]
    missing = sorted(set(columns) - set(pl.read_parquet_schema(file)))
    if missing:
        raise DatasetError(f"{file}: no column {', '.join(missing)}; a release has sample_id, prompt and completion")
    return pl.read_parquet(file, columns=columns)


def shuffled(rows: Sequence[Row], seed: int) -> Iterator[Row]:
    """The rows without end, pass after pass, each pass in an order drawn from seed and sample_id (and which copy) alone."""
    if not rows:
        return
    seen: Counter[str] = Counter()
    names: list[tuple[str, ...]] = []
    for row in rows:
        copy = seen[row.sample_id]
        names.append((row.sample_id, str(copy)) if copy else (row.sample_id,))
        seen[row.sample_id] += 1
    lap = 0
    while True:
        keys = [records.digest("order", str(seed), str(lap), *name) for name in names]
        yield from (rows[place] for place in sorted(range(len(rows)), key=keys.__getitem__))
        lap += 1


def subset(rows: Sequence[Row], count: int, share: float, seed: int) -> list[Row]:
    """The rows that may be learnt from: `count` of them (0: all), or `share` of them, whichever is fewer, drawn by seed and name.

    A smaller subset is a part of a larger one, so that a learning curve adds rows and exchanges none.

    Raises DatasetError when the count is negative, or the share not above 0 and at most 1.
    """
    if count < 0 or not 0 < share <= 1:
        raise DatasetError(f"rows: {count} should be 0 or more, and share: {share} above 0 and at most 1")
    size = min(count or len(rows), math.ceil(share * len(rows)))
    if size >= len(rows):
        return list(rows)
    drawn = sorted(rows, key=lambda row: records.digest("subset", str(seed), row.sample_id))[:size]
    return sorted(drawn, key=lambda row: row.sample_id)


def tokenize(row: Row, tokenizer: Any, stops: frozenset[int]) -> Example:
    """The token ids of a row. `stops` are the ids that end a turn; the completion ends with the last of them.

    Raises DatasetError when the row has no completion, or the template renders a prompt differently once it is answered.
    """
    (example,) = encoded([row], [rendered(row, tokenizer)], tokenizer, stops)
    if isinstance(example, DatasetError):
        raise example
    return example


def rendered(row: Row, tokenizer: Any) -> tuple[str, str]:
    """What the chat template makes of a row: the prompt as inference will render it, and what comes after it.

    Raises DatasetError as `tokenize` does, and where the template leaves out or changes the answer.
    """
    if not any(message["content"] for message in row.completion):
        raise DatasetError(
            f"sample {row.sample_id}: the completion is empty, every label would be masked; drop the row"
        )
    try:
        prompt = tokenizer.apply_chat_template(list(row.prompt), tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template([*row.prompt, *row.completion], tokenize=False)
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "jinja2":
            raise
        raise DatasetError(
            f"sample {row.sample_id}: the chat template refuses it ({error}); change the task's turns, or the template"
        ) from error
    if not whole.startswith(prompt):
        raise DatasetError(
            f"sample {row.sample_id}: the chat template renders the prompt differently with an answer behind it, so "
            "training would not ask what inference asks; use a template whose prompt is a prefix of the whole chat"
        )
    if not prompt:
        raise DatasetError(f"sample {row.sample_id}: the prompt is empty; give it at least one message")
    answer = whole[len(prompt) :]
    if any(message["content"].strip() not in answer for message in row.completion):
        raise DatasetError(
            f"sample {row.sample_id}: the chat template leaves out or changes the answer; use one that writes it as it is"
        )
    return prompt, answer


def encoded(
    rows: Sequence[Row], texts: Sequence[tuple[str, str] | DatasetError], tokenizer: Any, stops: frozenset[int]
) -> Iterator[Example | DatasetError]:
    """Rendered rows as token ids, all in one call of the tokenizer; errors are handed on."""
    flat = [part for each in texts if not isinstance(each, DatasetError) for part in each]
    ids = iter(tokenizer(flat, add_special_tokens=False)["input_ids"] if flat else [])
    for row, each in zip(rows, texts, strict=True):
        if isinstance(each, DatasetError):
            yield each
        else:
            first, second = next(ids), next(ids)
            yield Example(row.sample_id, tuple(first), _up_to_stop(second, tokenizer.eos_token_id, stops))


def _up_to_stop(ids: Sequence[int], eos: int, stops: frozenset[int]) -> tuple[int, ...]:
    """What generation will emit: all up to the token that ends the turn, which is added where a template has none."""
    last = max((place for place, token in enumerate(ids) if token in stops), default=None)
    return (*ids, eos) if last is None else tuple(ids[: last + 1])


def stop_tokens(tokenizer: Any, generation_config: Any) -> frozenset[int]:
    """The ids that end a turn: what the model's generation configuration says, and the tokenizer's end of sequence."""
    configured = generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in (*ids, tokenizer.eos_token_id) if token is not None)


@dataclass(frozen=True, slots=True)
class Choice:
    """The examples that training uses, in order, with the books over the rows of the split.

    rows = used + overlong + unused. `examples` is longer than `used` when the data is gone through more than once.
    """

    examples: tuple[Example, ...]
    rows: int
    used: int
    overlong: int
    truncated: int

    @property
    def unused(self) -> int:
        """Rows that were not reached."""
        return self.rows - self.used - self.overlong


def choose(
    rows: Sequence[Row],
    count: int,
    *,
    tokenizer: Any,
    stops: frozenset[int],
    seed: int,
    max_length: int,
    overlong: Literal["drop", "truncate"],
) -> Choice:
    """The first `count` examples in the order of the seed, each at most `max_length` tokens.

    A row that is too long is left out (`drop`) or loses the end of its completion (`truncate`). Raises DatasetError when
    no row is left, and, with `truncate`, when a prompt leaves no room for any label.
    """
    distinct = len({row.sample_id for row in rows})
    seen: dict[str, Example | None] = {}
    chosen: list[Example] = []
    for row in shuffled(rows, seed):
        if len(chosen) == count or (len(seen) == distinct and not chosen):
            break
        if row.sample_id not in seen:
            seen[row.sample_id] = _fit(tokenize(row, tokenizer, stops), max_length, overlong)
        example = seen[row.sample_id]
        if example is not None:
            chosen.append(example)
    if rows and not chosen:
        raise DatasetError(
            f"none of {len(rows)} rows fits into max_length {max_length}; raise it, or shorten the prompts"
        )
    fitting = [example for example in seen.values() if example is not None]
    truncated = sum(example.cut > 0 for example in fitting)
    return Choice(tuple(chosen), distinct, len(fitting), len(seen) - len(fitting), truncated)


def _fit(example: Example, max_length: int, overlong: Literal["drop", "truncate"]) -> Example | None:
    room = max_length - len(example.prompt)
    if len(example.completion) <= room:
        return example
    if overlong == "drop":
        return None
    if room < 1:
        raise DatasetError(
            f"sample {example.sample_id}: its prompt has {len(example.prompt)} tokens and max_length is {max_length}, so "
            'every label would be masked; raise max_length, shorten the prompt, or set overlong to "drop"'
        )
    cut = len(example.completion) - room
    return dataclasses.replace(example, completion=example.completion[:room], cut=cut)

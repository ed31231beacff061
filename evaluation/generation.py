"""Answers, token by token, in batches: greedy by default, and rows that are done leave the batch at once.

A loop of our own beside transformers' `generate`, for three reasons that the demo's two cores feel: the shared prefix
comes as a cache, finished rows cost nothing more, and an answer of one line ends at its line's end. With a temperature
each row draws from its own generator (seed, sample, prompt), so that a draw depends on no neighbour.

In bf16 the rounding of a row depends on the batch's shape: a near-tie of two tokens may fall either way. For one set of
samples and settings the batches are the same, and so are the answers; batch sizes are therefore settings that count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.batches import Batch, Read
from evaluation.encoding import Question
from evaluation.lines import first_line, has_ended
from evaluation.loading import Loaded
from records import digest

if TYPE_CHECKING:
    import torch

Finish = Literal["stop", "line", "length", "not finite"]


@dataclass(frozen=True)
class Decoding:
    """How an answer is made, and the tokens at which it ends."""

    max_new_tokens: int
    stop_at_line: bool
    temperature: float
    seed: int
    stops: frozenset[int]
    until: tuple[str, ...] = ()
    """Texts at which it ends too; they may come in the middle of a token, and are left in."""


@dataclass
class Answer:
    """An answer that grows: its tokens (without the one that ended it), and why it ended."""

    question: Question
    tokens: list[int] = field(default_factory=list)
    finish: Finish = "length"


def generate(loaded: Loaded, batch: Batch, prompts: Read, decoding: Decoding) -> list[Answer]:
    """The answers to a batch of questions whose prompts were read, in its order; uses up the cache of `prompts`."""
    answers = [Answer(question) for question in batch.questions]
    live = list(range(len(answers)))
    draws = _Draws(batch.questions, decoding)
    state = prompts
    for place in range(decoding.max_new_tokens):
        tokens = draws.pick(state.logits, live)
        going = [row for row, token in enumerate(tokens) if _grow(answers[live[row]], token, decoding, loaded)]
        if not going or place + 1 == decoding.max_new_tokens:
            break
        if len(going) < len(live):
            state = _narrow(state, going)
            live = [live[row] for row in going]
        state = _step(loaded, state, [tokens[row] for row in going])
    return answers


def text_of(answer: Answer, loaded: Loaded, decoding: Decoding) -> str:
    """The answer as text, without special tokens and outer whitespace; its first line of substance when it stops at one."""
    text = str(loaded.tokenizer.decode(answer.tokens, skip_special_tokens=True))
    return first_line(text) if decoding.stop_at_line else text.strip()


class _Draws:
    """Picks each row's next token: the likeliest, or a draw by the Gumbel trick from the row's own generator."""

    def __init__(self, questions: Sequence[Question], decoding: Decoding) -> None:
        self.temperature = decoding.temperature
        self.generators = [_generator(question, decoding.seed) for question in questions]

    def pick(self, logits: torch.Tensor, live: Sequence[int]) -> list[int]:
        """One token for each row of `logits` (rows, vocabulary); -1 where they are not finite."""
        import torch

        scores = logits.float()
        if self.temperature > 0:
            noise = np.stack([self.generators[row].gumbel(size=scores.shape[1]) for row in live]).astype(np.float32)
            scores = scores / self.temperature + torch.from_numpy(noise).to(scores.device)
        best = scores.max(dim=1)
        pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        return [int(token) if math.isfinite(value) else -1 for value, token in pairs]


def _generator(question: Question, seed: int) -> np.random.Generator:
    return np.random.default_rng(int(digest("draw", str(seed), question.name), 16))


def _grow(answer: Answer, token: int, decoding: Decoding, loaded: Loaded) -> bool:
    """Give the answer its next token; False when that ends it."""
    if token < 0:
        answer.finish = "not finite"
        return False
    if token in decoding.stops:
        answer.finish = "stop"
        return False
    answer.tokens.append(token)
    if decoding.stop_at_line and "\n" in loaded.tokenizer.decode([token]) and _has_line(answer, loaded):
        answer.finish = "line"
        return False
    if decoding.until and _has_any(decoding.until, answer, loaded):
        answer.finish = "stop"
        return False
    return True


def _has_line(answer: Answer, loaded: Loaded) -> bool:
    return has_ended(str(loaded.tokenizer.decode(answer.tokens, skip_special_tokens=True)))


def _has_any(ends: Sequence[str], answer: Answer, loaded: Loaded) -> bool:
    text = str(loaded.tokenizer.decode(answer.tokens, skip_special_tokens=True))
    return any(end in text for end in ends)


def _narrow(state: Read, rows: list[int]) -> Read:
    """Keep some rows of everything that a batch carries from step to step."""
    import torch

    index = torch.tensor(rows, device=state.mask.device)
    state.cache.batch_select_indices(index)
    return Read(state.logits[index], state.mask[index], state.positions[index], state.cache)


def _step(loaded: Loaded, state: Read, tokens: list[int]) -> Read:
    """Read one new token per row."""
    import torch

    mask = torch.cat([state.mask, torch.ones_like(state.mask[:, :1])], dim=1)
    answer = loaded.model(
        input_ids=torch.tensor(tokens, device=mask.device)[:, None],
        attention_mask=mask,
        position_ids=state.positions + 1,
        past_key_values=state.cache,
        use_cache=True,
    )
    return Read(answer.logits[:, -1], mask, state.positions + 1, answer.past_key_values)

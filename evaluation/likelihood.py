"""How likely a model holds the reference: the sum of -ln p over its tokens, given the prompt.

What is counted, exactly: the tokens of the reference alone, each given the prompt as the model's template lays it out
(with the mark that opens the assistant's turn) and the reference's tokens before it. The token that ends the turn is
not among them: it stands beside as `end_nll`. So perplexity and bits per byte speak of the reference's text, and are
not moved by how surely a model knows when to stop (a finetune learns that in its first steps).

Logits are computed only where a reference token is predicted: the head of a 135M model with a vocabulary of 49,152 is
a fifth of its work. A question that is answered too is read once for both.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from evaluation.batches import Batch, Read, logits_of
from evaluation.encoding import Question
from evaluation.loading import Loaded

if TYPE_CHECKING:
    import torch


class Likelihood(NamedTuple):
    """The reference's summed NLL in nats, its number of tokens, the NLL of the end of turn after it, and its UTF-8 bytes."""

    place: int
    nll: float
    tokens: int
    end_nll: float
    reference_bytes: int

    @property
    def finite(self) -> bool:
        """Whether the model gave numbers."""
        return math.isfinite(self.nll) and math.isfinite(self.end_nll)


def likelihoods(loaded: Loaded, batch: Batch, end: int) -> Iterator[Likelihood]:
    """The likelihood of each question's reference, in the batch's order; `end` is the end-of-turn token."""
    references = [question.reference or () for question in batch.questions]
    inputs = [question.prompt[batch.prefix.length :] + (question.reference or ()) for question in batch.questions]
    logits_of_all = logits_of(loaded, batch, inputs, max(map(len, references)) + 1)
    for question, logits in zip(batch.questions, logits_of_all, strict=True):
        yield _weigh(question, logits[-len(question.reference or ()) - 1 :], end)


def likelihoods_after(loaded: Loaded, questions: Sequence[Question], prompts: Read, end: int) -> Iterator[Likelihood]:
    """The same, of questions whose prompts were read for an answer already; those without a reference are passed over."""
    import torch

    width = max(len(question.reference or ()) for question in questions)
    rows = [[*(question.reference or ()), *[0] * (width - len(question.reference or ()))] for question in questions]
    ids = torch.tensor(rows, device=loaded.device)
    answer = loaded.model(
        input_ids=ids,
        attention_mask=torch.cat([prompts.mask, torch.ones_like(ids)], dim=1),
        position_ids=prompts.positions + 1 + torch.arange(width, device=loaded.device),
        past_key_values=copy.deepcopy(prompts.cache),
        use_cache=True,
    )
    logits = torch.cat([prompts.logits[:, None], answer.logits], dim=1)
    for row, question in enumerate(questions):
        if question.reference is not None:
            yield _weigh(question, logits[row, : len(question.reference) + 1], end)


def _weigh(question: Question, logits: torch.Tensor, end: int) -> Likelihood:
    """`logits` (tokens of the reference + 1, vocabulary) predict the reference's tokens and the end of turn."""
    import torch
    from torch.nn.functional import cross_entropy

    reference = question.reference or ()
    targets = torch.tensor([*reference, end], device=logits.device)
    losses = cross_entropy(logits.float(), targets, reduction="none").double()
    nll, end_nll = float(losses[:-1].sum()), float(losses[-1])
    return Likelihood(question.place, nll, len(reference), end_nll, question.reference_bytes)

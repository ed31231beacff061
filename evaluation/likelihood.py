"""How likely a model holds the reference: the sum of -ln p over its tokens, given the prompt.

What is counted, exactly: the tokens of the reference alone, each given the prompt as the model's template lays it out
(with the mark that opens the assistant's turn) and the reference's tokens before it. The token that ends the turn is
not among them: it stands beside as `end_nll`. So perplexity and bits per byte speak of the reference's text, and are
not moved by how surely a model knows when to stop (a finetune learns that in its first steps).

Logits are computed only where a reference token is predicted: the head of a 135M model with a vocabulary of 49,152 is
a fifth of its work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from evaluation.batches import Batch, choose_attention, last_columns, pad_left
from evaluation.loading import Loaded


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
    import torch
    from torch.nn.functional import cross_entropy

    references = [question.reference or () for question in batch.questions]
    inputs = [question.prompt[batch.prefix.length :] + (question.reference or ()) for question in batch.questions]
    ids, mask, positions = pad_left(inputs, batch.prefix, loaded)
    choose_attention(loaded, mask.shape[1])
    answer = loaded.model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=batch.prefix.fork(len(inputs)),
        use_cache=batch.prefix.cache is not None,
        logits_to_keep=last_columns(ids, max(len(reference) for reference in references) + 1),
    )
    for question, reference, logits in zip(batch.questions, references, answer.logits, strict=True):
        targets = torch.tensor([*reference, end], device=loaded.device)
        losses = cross_entropy(logits[-len(targets) :].float(), targets, reduction="none").double()
        nll, end_nll = float(losses[:-1].sum()), float(losses[-1])
        yield Likelihood(question.place, nll, len(reference), end_nll, question.reference_bytes)

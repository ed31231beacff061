"""How examples become tensors: which share a step, which share a pass, and which share a row.

A *step* is one update of the weights, on the next `batch` examples; what it holds changes the result. A *pass* is one
forward and backward through the model, a *row* one line of its input; how a step is laid out in passes and rows only
changes speed and memory.

Padding is wasted work. On a CPU every example has its own row, padded on the right to the longest of its pass (the causal
mask then hides the padding, and attention takes its fast path without a mask), and only rows of like length share a pass:
SmolLM2-135M on two cores at 256 tokens trains 440 tokens/s per core with 8 rows a pass, 410 with 2 and 355 with 1, so a
small pass costs less than a tenth of padding. On a GPU several examples are packed into one row. Packed rows pass
`position_ids` that begin anew with each example, and *no* attention mask: transformers then builds a block-diagonal mask,
whereas a mask of ones lets each example read those before it (logits differ by 1.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.examples import Example

if TYPE_CHECKING:
    import torch

PADDING = 0.1
"""The largest part of a pass that may be padding, unless the pass is a single row."""


def plan_steps(examples: Sequence[Example], batch: int) -> list[Sequence[Example]]:
    """Cut the examples, in their order, into steps of `batch`."""
    return [examples[start : start + batch] for start in range(0, len(examples), batch)]


def pack(examples: Sequence[Example], capacity: int) -> list[list[Example]]:
    """Put the examples into as few rows of `capacity` tokens as best-fit decreasing finds (as TRL's `bfd`)."""
    rows: list[list[Example]] = []
    room: list[int] = []
    for example in sorted(examples, key=lambda example: (-example.length, example.sample_id)):
        fitting = [(left, at) for at, left in enumerate(room) if left >= example.length]
        if fitting:
            left, at = min(fitting)
            rows[at].append(example)
            room[at] = left - example.length
        else:
            rows.append([example])
            room.append(capacity - example.length)
    return rows


def plan_passes(rows: Sequence[list[Example]], tokens_per_pass: int) -> list[list[list[Example]]]:
    """Group rows of like length into passes of at most `tokens_per_pass` places, a tenth of them empty (or of one row)."""
    passes: list[list[list[Example]]] = []
    filled = 0
    for row in sorted(rows, key=_length):
        longest = _length(row)
        places = (len(passes[-1]) + 1) * longest if passes else 0
        if passes and places <= tokens_per_pass and filled + longest >= (1 - PADDING) * places:
            passes[-1].append(row)
            filled += longest
        else:
            passes.append([row])
            filled = longest
    return passes


def _length(row: Sequence[Example]) -> int:
    return sum(example.length for example in row)


@dataclass(frozen=True, slots=True)
class Tensors:
    """The input of one pass of R rows of L tokens.

    `input_ids`, `position_ids`: [R, L] int64. `predictors`: [n] int64, the flat places (row x L + column) whose logits
    predict a label; `labels`: [n] int64, what they should predict. `padding` is how many of the R x L places are empty.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    predictors: torch.Tensor
    labels: torch.Tensor
    padding: int


def tensors(rows: Sequence[Sequence[Example]], pad_id: int) -> Tensors:
    """Lay out one pass. Padding is on the right; its positions begin at 0, as if it were an example of its own."""
    import torch

    width = max(map(_length, rows))
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    positions = torch.zeros((len(rows), width), dtype=torch.long)
    predictors: list[int] = []
    labels: list[int] = []
    for line, row in enumerate(rows):
        start = 0
        for example in row:
            end = start + example.length
            ids[line, start:end] = torch.tensor(example.prompt + example.completion)
            positions[line, start:end] = torch.arange(example.length)
            first = line * width + start + len(example.prompt) - 1
            predictors += range(first, first + len(example.completion))
            labels += example.completion
            start = end
        single = len(row) == 1
        positions[line, start:] = torch.arange(start, width) if single else torch.arange(width - start)
    padding = len(rows) * width - sum(map(_length, rows))
    return Tensors(ids, positions, torch.tensor(predictors), torch.tensor(labels), padding)

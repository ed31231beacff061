"""The settings of evaluation and of the product: how much is asked of each contestant, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from evaluation.inference import GenerationSettings
from evaluation.statistics import BootstrapSettings


@dataclass(frozen=True)
class EvaluationSettings:
    """How contestants are compared. Samples are drawn by seed, so that all contestants answer the same ones."""

    # validation samples on which prompts compete
    prompt_samples: int = 24
    # open test samples that are answered (chrF)
    answered: int = 100
    # open test samples whose reference is weighed (perplexity); the answered ones are among them
    weighed: int = 400
    # closed test samples that are answered (exact match)
    closed: int = 60
    # draws the samples
    seed: int = 0
    # how a model is asked
    generation: GenerationSettings = field(default_factory=GenerationSettings)
    # how intervals and tests are computed
    bootstrap: BootstrapSettings = field(default_factory=BootstrapSettings)


@dataclass(frozen=True)
class ProposalSettings:
    """The product: answers to samples that nobody has answered."""

    # how many samples are answered; one costs about half a second on two cores
    limit: int = 40
    # draws the samples
    seed: int = 0
    # the entry of `models` that answers; the last one when empty
    model: str = ""

"""What decontamination can be told: where the evaluation sets lie, how matches are measured, and what becomes of them.

GPT-3 (Brown et al. 2020, appendix C) took a run of 13 words shared with an item for contamination, Tülu 3 (Lambert et
al. 2024, section 3.2) half of an item's tokens in shared runs of 8. Both are measured here: `longest_run` and `share`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SEED_WORDS = 4
"""Words of the runs by which items are found. Of 13 words with any two replaced, 4 in a row are still as they were."""


@dataclass(frozen=True)
class EvaluationSet:
    """One entry of `evaluation_sets`: files of items that nothing may be trained on."""

    # What evidence and reports call it: letters, digits and underscores.
    name: str
    # File or folder; `~` is the home folder, a relative path starts at the workspace.
    path: str
    # Files that belong to it, as globs relative to the folder.
    include: tuple[str, ...] = ("**/*",)
    # Columns that hold text, each an item of its own; dots lead into nested ones. All that hold text when none is named.
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class MatchSettings:
    """What counts as a match, and is written down."""

    # Words from which on an item is found by its parts; shorter ones must be there whole.
    ngram: int = 13
    # Fewest words of an item that is looked for, and of a match.
    min_words: int = 8
    # A match is written down from this share of the item's words on, or if it has a run of `ngram` words.
    floor: float = 0.3

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be looked for."""
        if not SEED_WORDS <= self.min_words <= self.ngram:
            raise ValueError(
                f"min_words: {self.min_words} should be {SEED_WORDS} or more, and at most ngram ({self.ngram})"
            )
        if not 0 < self.floor <= 1:
            raise ValueError(f"floor: {self.floor} is no share; give one over 0, and at most 1")


@dataclass(frozen=True)
class DecontaminationSettings:
    """What becomes of documents that hold evaluation items."""

    # `drop` them, `cut` the spans and keep the rest, or `keep` them and only report.
    documents: Literal["drop", "cut", "keep"] = "drop"
    # More than this share of an item's words is too much.
    max_share: float = 0.5
    # So is a run of more words than this that is the same as in an item; null: no limit.
    max_run: int | None = None
    # How matches are measured.
    matches: MatchSettings = field(default_factory=MatchSettings)

    def __post_init__(self) -> None:
        """Raises ValueError for a limit below what is measured."""
        if not self.matches.floor <= self.max_share <= 1:
            raise ValueError(
                f"max_share: {self.max_share} should be at most 1, and at least matches.floor ({self.matches.floor}), "
                "below which nothing is written down"
            )


@dataclass(frozen=True)
class HeldOutSettings:
    """What becomes of training samples that hold a sample of the validation or test split."""

    # `drop` them from the release, `cut` the held-out sample out of them, or `keep` them and only report.
    samples: Literal["drop", "cut", "keep"] = "drop"
    # More than this share of a held-out sample's words is too much.
    max_share: float = 0.5
    # So is a run of more words than this that is the same as in one; null: no limit.
    max_run: int | None = None

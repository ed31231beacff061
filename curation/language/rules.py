"""Which languages are kept, and how sure the model must be.

CCNet (Wenzek et al. 2020, section 3.2) takes fastText's word for a document from a probability of 0.5 on, FineWeb (Penedo
et al. 2024, section 3.3) keeps what is English with 0.65 or more, which is the default here. On a mixed text the
probability is shared among its languages, so that the limit tells mixtures too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from curation.language.model import CODES, UNKNOWN
from curation.rules import LANGUAGE, Rule


@dataclass(frozen=True)
class LanguageRules:
    """The languages and the threshold."""

    # The languages that are kept, by their codes; all, when none is named. `und` is text without letters.
    allowed: tuple[str, ...] = ()
    # The model's least probability of the language.
    min_confidence: float = 0.65

    def __post_init__(self) -> None:
        """Raises ValueError for a language that is not told, and a confidence that is no probability."""
        check_languages("language.allowed", self.allowed)
        if not 0 <= self.min_confidence <= 1:
            raise ValueError(f"language.min_confidence: {self.min_confidence} is no probability; give 0 to 1")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules on the table `language`."""
        sure = Rule("language.min_confidence", LANGUAGE[0], "confidence", "<", self.min_confidence)
        if not self.allowed:
            return (sure,)
        return (Rule("language.allowed", *LANGUAGE, "not in", self.allowed), sure)


def check_languages(setting: str, named: Iterable[str]) -> None:
    """Raises ValueError for a code that no text will ever be told to be in."""
    unknown = [code for code in named if code not in CODES and code != UNKNOWN]
    if unknown:
        raise ValueError(
            f"{setting}: {', '.join(map(repr, unknown))} is no language that is told; codes are ISO 639-1 in lower case "
            "(en, de, zh), else 639-3, and docs/data-engineers.md says where they are listed"
        )

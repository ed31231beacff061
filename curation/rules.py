"""A rule as data: which evidence it looks at, how it compares, and with what. Nothing here reads a text.

Being data, a rule can be applied to a million rows at once, shown beside its signal's distribution, and tried with
another threshold. The rules of each paper stand in a file of their own; `curation.rule_sets` gathers them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Comparison = Literal["<", "<=", ">", ">=", "in", "not in"]
LANGUAGE = ("language", "language")
"""The table, and its column, that says what language a content is in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A content fails the rule when `column` of the table `evidence` stands in this relation to `threshold`.

    `name` is `<set>.<setting>`, which is also where the threshold stands in `headwater.yaml`. What is null fails no
    rule. With `languages` the rule is for contents in these alone, with `except_languages` for all others; several
    rules may bear one name if they are for different languages.
    """

    name: str
    evidence: str
    column: str
    comparison: Comparison
    threshold: float | tuple[str, ...]
    languages: tuple[str, ...] = ()
    except_languages: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[tuple[str, str], ...]:
        """The evidence that the rule is decided on: tables with their columns."""
        by_language = self.languages or self.except_languages
        return ((self.evidence, self.column), *((LANGUAGE,) if by_language else ()))

    def concerns(self, language: str | None) -> bool:
        """Whether the rule is for contents in that language."""
        if self.languages:
            return language in self.languages
        return language not in self.except_languages


class Thresholds(Protocol):
    """The settings of a rule set: a frozen dataclass of thresholds that knows the rules it makes."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with their thresholds, in the order in which they decide."""
        ...


EMPTY = Rule("empty", "quality", "n_words", "<", 1)
"""The one rule that holds whatever `headwater.yaml` says: a text without a word is none."""

"""The rule sets that `rules:` in `headwater.yaml` can name, and what they are decided on.

A new set is a dataclass of thresholds in a file of its own, whose `rules` say what they compare, and one line in
`RuleSet`. The tables of evidence follow from the rules: what no rule looks at is no input of the verdicts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import model_validator

from curation.c4 import C4Rules
from curation.decontamination.rules import ContaminationRules
from curation.fineweb import FineWebRules
from curation.gopher import GopherRules
from curation.language.rules import LanguageRules, check_languages
from curation.privacy.rules import PrivacyRules
from curation.refinedweb import RefinedWebRules
from curation.rules import EMPTY, Rule, Thresholds

_OPTIONS = ("languages", "except_languages")


@dataclass(frozen=True)
class RuleSet:
    """One entry of `rules`: the rules of one paper, with its thresholds or with one's own."""

    # Gopher's quality and repetition rules.
    gopher: GopherRules | None = None
    # C4's rules for pages.
    c4: C4Rules | None = None
    # FineWeb's rules, which follow Gopher's and C4's.
    fineweb: FineWebRules | None = None
    # The languages that are kept, and how sure the model must be of them.
    language: LanguageRules | None = None
    # RefinedWeb's limit on lines of the page around a text.
    refinedweb: RefinedWebRules | None = None
    # Evaluation items in training data; there by itself where `evaluation_sets` are named.
    contamination: ContaminationRules | None = None
    # Secrets, and too much personal data of any kind; only where `privacy` is on.
    privacy: PrivacyRules | None = None
    # The set is for contents in these languages alone; for all, when none is named.
    languages: tuple[str, ...] = ()
    # The set is for contents in all languages but these, also where no language is known.
    except_languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError unless there is exactly one set, for the order of sets must be plain, for languages that are told."""
        if sum(getattr(self, name) is not None for name in SETS) != 1:
            raise ValueError(f"an entry of `rules` names one set: {_or(SETS)}")
        if self.languages and self.except_languages:
            raise ValueError("give `languages` or `except_languages`, not both")
        for name in _OPTIONS:
            check_languages(name, getattr(self, name))

    @model_validator(mode="before")
    @classmethod
    def _spelt_out(cls, entry: object) -> object:
        """A bare name, and a set without thresholds, as keys. Raises ValueError for a name that is none."""
        keys = [entry] if isinstance(entry, str) else list(entry) if isinstance(entry, Mapping) else []
        for key in keys:
            if key not in SETS and (key not in _OPTIONS or isinstance(entry, str)):
                raise ValueError(f"there is no rule set {key!r}; there are {_or(SETS)}")
        if isinstance(entry, Mapping):
            return {key: {} if value is None and key in SETS else value for key, value in entry.items()}
        return {entry: {}} if isinstance(entry, str) else entry

    @property
    def thresholds(self) -> Thresholds:
        """The one set that the entry names."""
        chosen: Thresholds = next(at for name in SETS if (at := getattr(self, name)) is not None)
        return chosen

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with their thresholds and languages."""
        only, but = self.languages, self.except_languages
        return tuple(dataclasses.replace(rule, languages=only, except_languages=but) for rule in self.thresholds.rules)


SETS = tuple(field.name for field in dataclasses.fields(RuleSet) if field.name not in _OPTIONS)
"""The names of the sets."""

Rules = tuple[RuleSet, ...]
"""What `rules:` holds: `["c4", {"gopher": {"min_words": 30}}]` is `(RuleSet(c4=C4Rules()), RuleSet(gopher=…))`."""


def rules_of(sets: Rules) -> tuple[Rule, ...]:
    """All the rules on evidence in the order in which they decide, `EMPTY` first."""
    return (EMPTY, *(rule for one in sets for rule in one.rules))


def evidence_of(rules: Iterable[Rule]) -> dict[str, tuple[str, ...]]:
    """The tables that rules are decided on, each with the columns that they look at."""
    needed = dict.fromkeys(place for rule in rules for place in rule.needs)
    return {table: tuple(column for other, column in needed if other == table) for table, _ in needed}


def _or(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"

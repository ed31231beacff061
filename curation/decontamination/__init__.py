"""Decontamination: evaluation items found in what is trained on, though case, setting or some words were changed."""

from curation.decontamination.cleaning import (
    RATES,
    cleaned,
    leaking,
    rates_of_sets,
    rates_of_splits,
    seen_in_training,
    training_samples,
)
from curation.decontamination.evaluation_sets import ITEMS, read_evaluation_sets
from curation.decontamination.evidence import CONTAMINATION, contamination
from curation.decontamination.held_out import OVERLAPS, overlaps
from curation.decontamination.in_corpus import IN_CORPUS, find_in_corpus, update_in_corpus
from curation.decontamination.rules import ContaminationRules, contaminated, cuts
from curation.decontamination.settings import (
    DecontaminationSettings,
    EvaluationSet,
    HeldOutSettings,
    MatchSettings,
)

__all__ = [
    "CONTAMINATION",
    "IN_CORPUS",
    "ITEMS",
    "OVERLAPS",
    "RATES",
    "ContaminationRules",
    "DecontaminationSettings",
    "EvaluationSet",
    "HeldOutSettings",
    "MatchSettings",
    "cleaned",
    "contaminated",
    "contamination",
    "cuts",
    "find_in_corpus",
    "leaking",
    "overlaps",
    "rates_of_sets",
    "rates_of_splits",
    "read_evaluation_sets",
    "seen_in_training",
    "training_samples",
    "update_in_corpus",
]

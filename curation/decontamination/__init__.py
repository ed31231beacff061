"""Decontamination: evaluation items found in what is trained on, though case, setting or some words were changed."""

from curation.decontamination.evaluation_sets import ITEMS, read_evaluation_sets
from curation.decontamination.evidence import CONTAMINATION, contamination
from curation.decontamination.held_out import OVERLAPS, dropped_samples, overlaps, seen_in_training
from curation.decontamination.rules import ContaminationRules, contaminated, cuts
from curation.decontamination.settings import (
    DecontaminationSettings,
    EvaluationSet,
    HeldOutSettings,
    MatchSettings,
)

__all__ = [
    "CONTAMINATION",
    "ITEMS",
    "OVERLAPS",
    "ContaminationRules",
    "DecontaminationSettings",
    "EvaluationSet",
    "HeldOutSettings",
    "MatchSettings",
    "contaminated",
    "contamination",
    "cuts",
    "dropped_samples",
    "overlaps",
    "read_evaluation_sets",
    "seen_in_training",
]

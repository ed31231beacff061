"""Decontamination: evaluation items found in what is trained on, though case, setting or some words were changed."""

from curation.decontamination.evaluation_sets import ITEMS, read_evaluation_sets
from curation.decontamination.evidence import CONTAMINATION, contamination
from curation.decontamination.rules import ContaminationRules, contaminated, cuts
from curation.decontamination.settings import DecontaminationSettings, EvaluationSet, MatchSettings

__all__ = [
    "CONTAMINATION",
    "ITEMS",
    "ContaminationRules",
    "DecontaminationSettings",
    "EvaluationSet",
    "MatchSettings",
    "contaminated",
    "contamination",
    "cuts",
    "read_evaluation_sets",
]

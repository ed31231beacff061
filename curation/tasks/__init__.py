"""From contents to samples: built-in recipes, one's own, and the table they end in."""

from curation.tasks.candidates import CANDIDATE, CANDIDATE_TYPE
from curation.tasks.collection import SAMPLES, collect_samples
from curation.tasks.extraction import extract_samples
from curation.tasks.named_columns import absent_columns
from curation.tasks.settings import TaskSettings

__all__ = [
    "CANDIDATE",
    "CANDIDATE_TYPE",
    "SAMPLES",
    "TaskSettings",
    "absent_columns",
    "collect_samples",
    "extract_samples",
]

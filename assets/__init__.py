"""What exists: every stage of the lineage graph, from left to right."""

from assets import annotation, curation, datasets, documents, drafts, embedding, evaluation, judges, models, trust
from pipelines.stages import Stage

STAGES: list[Stage] = [
    *documents.STAGES,
    *curation.STAGES,
    *datasets.STAGES,
    *models.STAGES,
    *embedding.STAGES,
    *evaluation.STAGES,
    *judges.STAGES,
    *drafts.STAGES,
    *annotation.STAGES,
    *trust.STAGES,
]

"""What exists: every stage of the lineage graph, from left to right."""

from assets import (
    annotation,
    curation,
    datasets,
    documents,
    drafts,
    embedding,
    evaluation,
    experiments,
    harness,
    judges,
    models,
    promotion,
    report,
    trust,
)
from pipelines.stages import Stage

STAGES: list[Stage] = [
    *documents.STAGES,
    *curation.STAGES,
    *datasets.STAGES,
    *models.STAGES,
    *embedding.STAGES,
    *evaluation.STAGES,
    *harness.STAGES,
    *experiments.STAGES,
    *judges.STAGES,
    *promotion.STAGES,
    *report.STAGES,
    *drafts.STAGES,
    *annotation.STAGES,
    *trust.STAGES,
]

"""How far annotation is: what is asked, what is done, and what the people's answers are worth so far."""

from __future__ import annotations

import polars as pl

import records
from annotation.agreement import EVERYONE, counted
from annotation.settings import ADJUDICATION, AnnotationSettings

PROGRESS = {
    "project": pl.String,
    "asked": pl.Int64,
    "done": pl.Int64,
    "begun": pl.Int64,
    "waiting": pl.Int64,
    "people": pl.Int64,
    "answers": pl.Int64,
    "cannot_answer": pl.Int64,
    "skipped": pl.Int64,
    "budget_left": pl.Int64,
    "alpha": pl.Float64,
}
"""One row per project. Of the tasks that are asked now, `done` have answers of as many people as the project wants, `begun` of
some, `waiting` of nobody; `budget_left` is how many more tasks may wait, null for adjudication, which has no budget. `people`,
`answers`, `cannot_answer` and `skipped` count all that was ever given; `alpha` is Krippendorff's."""


def annotation_progress(
    tasks: pl.DataFrame, annotations: pl.DataFrame, quality: pl.DataFrame, settings: AnnotationSettings
) -> records.Outcome:
    """The table `PROGRESS` of tasks (`routing.TASK_SCHEMA`) and annotations (`labels.LABEL_SCHEMA`) of all projects."""
    wanted = {project.name: project.annotators for project in settings.projects}
    names = sorted({*tasks["project"], *annotations["project"], *wanted})
    alphas = dict(quality.filter(pl.col("annotator") == EVERYONE).select("project", "alpha").iter_rows())
    rows = [
        _row(
            name,
            tasks.filter(project=name),
            annotations.filter(project=name),
            wanted.get(name, 1),
            None if name == ADJUDICATION else settings.routing.budget,
        )
        | {"alpha": alphas.get(name)}
        for name in names
    ]
    return records.Outcome(pl.DataFrame(rows, schema=PROGRESS))


def _row(
    name: str, tasks: pl.DataFrame, annotations: pl.DataFrame, wanted: int, budget: int | None
) -> dict[str, object]:
    answers = counted(annotations)
    given = answers.group_by("task_digest").agg(people=pl.col("annotator").n_unique())
    people = tasks.join(given, on="task_digest", how="left")["people"].fill_null(0)
    waiting = int((people == 0).sum())
    return {
        "project": name,
        "asked": tasks.height,
        "done": int((people >= wanted).sum()),
        "begun": int(((people > 0) & (people < wanted)).sum()),
        "waiting": waiting,
        "people": answers["annotator"].n_unique(),
        "answers": answers.height,
        "cannot_answer": int((answers["value"] == "cannot_answer").sum()),
        "skipped": annotations.filter(status="skipped").height,
        "budget_left": None if budget is None else max(0, budget - waiting),
    }

"""How far annotation is: what is asked, what is done, and what the people's answers are worth so far."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

import records
from annotation.adjudication import decides
from annotation.agreement import EVERYONE, counted
from annotation.answers import CANNOT
from annotation.settings import ADJUDICATION, AnnotationSettings

PROGRESS = {
    "project": pl.String,
    "asked": pl.Int64,
    "sent": pl.Int64,
    "done": pl.Int64,
    "begun": pl.Int64,
    "waiting": pl.Int64,
    "people": pl.Int64,
    "answers": pl.Int64,
    "cannot_answer": pl.Int64,
    "skipped": pl.Int64,
    "budget_left": pl.Int64,
    "alpha": pl.Float64,
    "used_by": pl.String,
}
"""One row per project. Of the tasks that are asked now, `sent` are on the server (the others wait for their day), `done` have
answers of as many people as the project wants, `begun` of some, `waiting` of nobody. `budget_left` is how many samples more the
project may ask about, null for adjudication, which has no budget. `people`, `answers`, `cannot_answer` and `skipped` count all
that was ever given; `alpha` is Krippendorff's, the lowest of a rubric's; `used_by` names what was made of labels of
the project, or of decisions on them, each in its version: a dataset, scores, or the agreement of judges."""


def annotation_progress(
    tasks: pl.DataFrame,
    annotations: pl.DataFrame,
    quality: pl.DataFrame,
    settings: AnnotationSettings,
    there: pl.DataFrame,
    made: Mapping[str, pl.Series],
) -> records.Outcome:
    """The table `PROGRESS` of tasks (`routing.TASK_SCHEMA`) and annotations (`labels.LABEL_SCHEMA`) of all projects.

    `there` are the tasks on the server (`sync.THERE_SCHEMA`), `made` says of each thing that was made of labels, by its name
    with its version, of which tasks (task_digest).
    """
    is_adjudication = tasks["project"].str.starts_with(ADJUDICATION)
    on_server = tasks.filter(is_adjudication | tasks["task_digest"].is_in(there["task_digest"].implode()))
    wanted = {project.name: (project.annotators, project.annotators_share) for project in settings.projects}
    names = sorted({*tasks["project"], *annotations["project"], *wanted})
    lowest = quality.filter(pl.col("annotator") == EVERYONE).group_by("project").agg(pl.col("alpha").min())
    alphas = dict(lowest.iter_rows())
    users = {name: decides(digests) for name, digests in made.items()}
    rows = [
        _row(
            name,
            tasks.filter(project=name),
            on_server.filter(project=name),
            annotations.filter(project=name),
            wanted.get(name, (1, 1.0)),
            _budget(name, settings),
        )
        | {"alpha": alphas.get(name), "used_by": _used_by(annotations.filter(project=name), users)}
        for name in names
    ]
    return records.Outcome(pl.DataFrame(rows, schema=PROGRESS))


def _used_by(answers: pl.DataFrame, users: Mapping[str, frozenset[str]]) -> str | None:
    told = set(counted(answers)["task_digest"])
    return ", ".join(name for name, digests in users.items() if told & digests) or None


def _budget(name: str, settings: AnnotationSettings) -> int | None:
    own = {project.name: project.budget for project in settings.projects}.get(name)
    return None if name.startswith(ADJUDICATION) else settings.routing.budget if own is None else own


def _done(people: pl.Series, annotators: int, share: float) -> int:
    """How many tasks are done, given how many people answered each: which of them need one answer alone is up to Label Studio."""
    by_all = int((people >= annotators).sum())
    by_some = int(((people > 0) & (people < annotators)).sum())
    return by_all + min(by_some, len(people) - max(by_all, round(share * len(people))))


def _row(
    name: str,
    tasks: pl.DataFrame,
    sent: pl.DataFrame,
    annotations: pl.DataFrame,
    wanted: tuple[int, float],
    budget: int | None,
) -> dict[str, object]:
    answers = counted(annotations)
    given = answers.group_by("task_digest").agg(people=pl.col("annotator").n_unique())
    people = tasks.join(given, on="task_digest", how="left")["people"].fill_null(0)
    waiting = int((people == 0).sum())
    done = _done(people, *wanted)
    return {
        "project": name,
        "asked": tasks.height,
        "sent": sent.height,
        "done": done,
        "begun": tasks.height - waiting - done,
        "waiting": waiting,
        "people": answers["annotator"].n_unique(),
        "answers": answers.height,
        "cannot_answer": int((answers["value"] == CANNOT).sum()),
        "skipped": annotations.filter(status="skipped").height,
        "budget_left": None if budget is None else max(0, budget - sent["gold"].null_count()),
    }

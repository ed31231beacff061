"""When people's answers are trusted: disagreements decided by a third person, annotators measured, and one label per task."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from annotation.adjudication import adjudication_project, consensus_by_project, labels_of, open_disagreements
from annotation.agreement import annotator_quality as measure_annotators
from annotation.agreement import below, counted, judgements
from annotation.labels import pull
from annotation.progress import annotation_progress as tell_progress
from annotation.projects import our_projects
from annotation.settings import AnnotationSettings, TrustSettings
from annotation.sync import synchronise
from assets.annotation import known_labels, not_taken_back
from pipelines.servers import annotation_server
from pipelines.stages import Output, Run, stage
from records import Outcome


@stage(group="annotation", code_version="1", primary_key="task_digest", unit="tasks", needs=("annotation",))
def adjudication_tasks(annotations: pl.DataFrame, trust: TrustSettings) -> Outcome:
    """Tasks on which people disagree, to be decided by somebody else."""
    return open_disagreements(annotations, trust)


@stage(
    group="annotation",
    code_version="1",
    primary_key="annotation_id",
    world=True,
    unit="annotations",
    needs=("annotation",),
    kinds=("labelstudio",),
)
def adjudications(
    adjudication_tasks: pl.DataFrame,
    labels_on_server: str,
    samples: pl.LazyFrame,
    tombstones: pl.DataFrame,
    run: Run,
) -> Outcome:
    """What was decided where people disagree: the project of disagreements, brought to what is open, and its answers."""
    before = not_taken_back(known_labels(run, "adjudications"), samples, tombstones, run)
    known = before.table
    with annotation_server(run.workspace) as server:
        if server is None:
            return replace(before, notes={"server": "no annotation server: the decisions pulled last stand"})
        client, secret = server.client, server.credentials
        if adjudication_tasks.is_empty() and not our_projects(client, secret.workspace, adjudication=True):
            return before
        project = [adjudication_project()]
        report = synchronise(client, adjudication_tasks, project, secret, known, run.progress, adjudication=True)
        labels = pull(client, adjudication_tasks, secret, known, run.progress, adjudication=True)
    links = [f"[{name}]({address})" for name, address in report.addresses.items()]
    waiting = report.there.filter(pl.col("state") == "waiting").height
    notes = {"projects": " ".join(links), "waiting": waiting}
    return replace(not_taken_back(labels, samples, tombstones, run), notes=notes)


@stage(
    group="annotation",
    code_version="1",
    needs=("annotation",),
    unit="annotations",
    outputs=(
        Output("annotator_quality", ("project", "criterion", "annotator")),
        Output("annotator_pairs", ("project", "criterion", "annotator_a", "annotator_b")),
    ),
)
def annotator_quality(annotations: pl.DataFrame, trust: TrustSettings) -> Outcome:
    """How far people agree, how sure each is, how long each takes, and whether a side or a length draws them."""
    answers = counted(annotations)
    _, accuracies = consensus_by_project(judgements(answers))
    table, pairs = measure_annotators(answers, accuracies, trust)
    uncounted = annotations.height - answers.height
    dropped = {"skipped, taken back, or answered again": uncounted} if uncounted else {}
    return Outcome(table, answers.height, dropped, others={"annotator_pairs": pairs})


@stage(
    group="annotation",
    code_version="1",
    primary_key="task_digest",
    needs=("annotation",),
    unit="tasks",
    checks=("agreement",),
)
def adjudicated_labels(
    annotations: pl.DataFrame,
    adjudications: pl.DataFrame,
    annotator_quality: pl.DataFrame,
    annotator_pairs: pl.DataFrame,
    trust: TrustSettings,
) -> Outcome:
    """One label per task: what its annotators mean together, or what was decided where they disagree."""
    labels = labels_of(annotations, adjudications, trust)
    return replace(labels, checks={"agreement": below(annotator_quality, annotator_pairs, trust)})


@stage(group="annotation", code_version="1", primary_key="project", needs=("annotation",), unit="projects")
def annotation_progress(
    annotation_tasks: pl.DataFrame,
    adjudication_tasks: pl.DataFrame,
    annotations: pl.DataFrame,
    adjudications: pl.DataFrame,
    annotator_quality: pl.DataFrame,
    annotation: AnnotationSettings,
) -> Outcome:
    """Per project: how much is asked, how much is done, what is left of the budget, and how far people agree."""
    tasks, answers = pl.concat([annotation_tasks, adjudication_tasks]), pl.concat([annotations, adjudications])
    return tell_progress(tasks, answers, annotator_quality, annotation)


STAGES = [adjudication_tasks, adjudications, annotator_quality, adjudicated_labels, annotation_progress]

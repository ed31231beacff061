"""When people's answers are trusted: disagreements decided by a third person, annotators measured, and one label per task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import polars as pl

from annotation.adjudication import adjudication_projects, consensus_by_project, labels_of, open_disagreements
from annotation.agreement import annotator_quality as measure_annotators
from annotation.agreement import below, counted, judgements
from annotation.labels import private_samples, pull_changes
from annotation.progress import annotation_progress as tell_progress
from annotation.projects import our_projects
from annotation.settings import AnnotationSettings, TrustSettings
from annotation.sync import synchronise
from assets.annotation import SEEN, known_labels, not_taken_back, seen_before
from assets.pictures import annotator_pictures
from pipelines.servers import annotation_server
from pipelines.stages import Output, Run, stage
from pipelines.takedowns import takedowns
from records import Outcome


@stage(group="annotation", code_version="2", primary_key="task_digest", unit="tasks", needs=("annotation",))
def adjudication_tasks(annotations: pl.DataFrame, annotation: AnnotationSettings) -> Outcome:
    """Tasks on which people disagree, to be decided by somebody else."""
    return open_disagreements(annotations, annotation.trust, annotation.projects)


@stage(
    group="annotation",
    code_version="3",
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
    annotation: AnnotationSettings,
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
        projects = adjudication_projects(annotation.projects)
        wanted = set(adjudication_tasks["project"]) | {
            ours.name for ours in our_projects(client, secret.workspace, True)
        }
        projects = [project for project in projects if project.name in wanted]
        report = synchronise(client, adjudication_tasks, projects, secret, known, run.progress, adjudication=True)
        marks = seen_before(run, "adjudications")
        labels, marks = pull_changes(client, adjudication_tasks, secret, known, marks, run.progress, adjudication=True)
    links = [f"[{name}]({address})" for name, address in report.addresses.items()]
    waiting = report.there.filter(pl.col("state") == "waiting").height
    notes = {"projects": " ".join(links), "waiting": waiting, SEEN: marks}
    return replace(not_taken_back(labels, samples, tombstones, run), notes=notes)


@stage(
    group="annotation",
    code_version="2",
    needs=("annotation",),
    unit="annotations",
    outputs=(
        Output("annotator_quality", ("project", "criterion", "annotator")),
        Output(
            "annotator_pairs",
            ("project", "criterion", "annotator_a", "annotator_b"),
            about="How far each two annotators agree.",
        ),
    ),
)
def annotator_quality(annotations: pl.DataFrame, trust: TrustSettings) -> Outcome:
    """How far people agree, how sure each is, how long each takes, and whether a side or a length draws them."""
    answers = counted(annotations)
    _, accuracies = consensus_by_project(judgements(answers))
    table, pairs = measure_annotators(answers, accuracies, trust)
    uncounted = annotations.height - answers.height
    dropped = {"skipped, taken back, or answered again": uncounted} if uncounted else {}
    shown = annotator_pictures(table)
    return Outcome(table, answers.height, dropped, others={"annotator_pairs": pairs}, pictures=shown)


@stage(
    group="annotation",
    code_version="2",
    primary_key=("task_digest", "criterion"),
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


@stage(group="annotation", code_version="5", primary_key="project", needs=("annotation",), unit="projects")
def annotation_progress(
    annotation_tasks: pl.DataFrame,
    adjudication_tasks: pl.DataFrame,
    label_studio_projects: pl.DataFrame,
    annotations: pl.DataFrame,
    adjudications: pl.DataFrame,
    annotator_quality: pl.DataFrame,
    preferences: pl.LazyFrame,
    demonstrations: pl.LazyFrame,
    scores: pl.LazyFrame,
    judge_agreement: pl.DataFrame | None,
    rubric_scores: pl.DataFrame | None,
    annotation: AnnotationSettings,
    run: Run,
) -> Outcome:
    """Per project: how much is asked and done, what is left of the budget, how far people agree, and which dataset and scores have their labels."""
    tasks, answers = pl.concat([annotation_tasks, adjudication_tasks]), pl.concat([annotations, adjudications])
    made = {
        _release(run, name): rows.select("task_digest").collect().to_series()
        for name, rows in (("preferences", preferences), ("demonstrations", demonstrations))
    }
    if scored := kinds_scored(scores.filter(split="people").select("metric").collect()["metric"]):
        made[f"scores {_version(run, 'scores')}"] = of_kinds(annotations, scored)
    kinds = [] if judge_agreement is None else held_against(judge_agreement, rubric_scores)
    made[f"judge_agreement {_version(run, 'judge_agreement')}"] = of_kinds(annotations, kinds)
    return tell_progress(tasks, answers, annotator_quality, annotation, label_studio_projects, made)


def kinds_scored(metrics: Iterable[str]) -> list[str]:
    """The kinds of labels that stand in scores of people's: preferences as win rates, ratings by their criteria."""
    kinds = {"human_win_rate": "preference", "human_rating": "rating"}
    return sorted({kinds[metric.partition(" ")[0]] for metric in metrics})


def held_against(judge_agreement: pl.DataFrame, rubric_scores: pl.DataFrame | None) -> list[str]:
    """The kinds of labels that a judge was held against: ratings, if it is one of those that rate, else preferences."""
    judges = set(judge_agreement.filter(pl.col("n") > 0)["judge"])
    raters = set() if rubric_scores is None else set(rubric_scores["judge"])
    return [kind for kind, found in (("preference", judges - raters), ("rating", judges & raters)) if found]


def of_kinds(annotations: pl.DataFrame, kinds: Sequence[str]) -> pl.Series:
    """The tasks (task_digest) of some kinds."""
    return annotations.filter(pl.col("kind").is_in(kinds))["task_digest"]


def _release(run: Run, dataset: str) -> str:
    head = run.workspace.store.head(dataset)
    return f"{dataset} {head.notes.get('release', 'none') if head else 'none'}"


def _version(run: Run, table: str) -> str:
    head = run.workspace.store.head(table)
    return head.version if head else "none"


@stage(group="annotation", code_version="1", primary_key="sample_id", world=True, unit="samples", needs=("annotation",))
def takedown_previews(
    annotations: pl.DataFrame, adjudications: pl.DataFrame, samples: pl.LazyFrame, run: Run
) -> Outcome:
    """Samples that an annotator found private: what taking each back would touch, and the command that does. Nothing is taken back here."""
    found = private_samples(pl.concat([annotations, adjudications]))
    left = set(samples.select("sample_id").collect().to_series())
    named = [name for name in found if name in left]
    table = takedowns(run.workspace, named)
    gone = len(found) - table.height
    notes = {"commands": "\n".join(f"- `{command}`" for command in table["command"])} if named else {}
    return Outcome(table, dropped={"the sample is gone": gone} if gone else {}, notes=notes)


STAGES = [
    adjudication_tasks,
    adjudications,
    annotator_quality,
    adjudicated_labels,
    annotation_progress,
    takedown_previews,
]

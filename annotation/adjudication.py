"""From several people's answers to one label per task: their consensus, or the word of a third person where they disagree.

A disagreement opens a task in a project of its own, with the same question and the same two answers in the same places; who
answers it decides. All answers are kept: a label says how it came to be, and what it was made from stands in `annotations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

import records
from annotation.agreement import counted, judgements
from annotation.answers import CANNOT
from annotation.consensus import ACCURACIES, CONSENSUS, dawid_skene
from annotation.routing import TASK_SCHEMA
from annotation.settings import ADJUDICATION, ProjectSettings, TrustSettings

TITLES = {"preference": "Decide where others disagree", "rating": "Decide where ratings lie apart"}
GUIDELINES = {
    "preference": (
        "Two people who compared these answers did not agree. Decide which of the two you would rather be given: your answer counts "
        "instead of theirs. Whoever answered such a task before should leave it to somebody else.\n"
        "Keys: 1 and 2 A is better, 3 equally good, 4 and 5 B is better, 6 both are bad, 7 cannot answer; Ctrl+Enter submits, "
        "Ctrl+Space skips."
    ),
    "rating": (
        "Two people who rated this answer lie two levels apart or more. Decide: your rating counts instead of theirs. Whoever rated "
        "it before should leave it to somebody else.\n"
        "Keys: the first line of the rubric 1 to 5, the next q w e r t, then a s d f g, then z x c v b; 7 cannot answer; Ctrl+Enter "
        "submits, Ctrl+Space skips."
    ),
}
APART = 2
"""Levels between two ratings that are a disagreement: neighbours mean nearly the same."""

SHOWN = ("sample_id", "project", "kind", "prompt_text", "output_a", "output_b", "model_a", "model_b")

LABELS = {
    "task_digest": pl.String,
    "criterion": pl.String,
    **dict.fromkeys(SHOWN, pl.String),
    "value": pl.String,
    "clearly": pl.Float64,
    "confidence": pl.Float64,
    "people": pl.Int64,
    "agreed": pl.Float64,
    "how": pl.String,
}
"""One row per task with an answer that counts, and criterion (of a rating: each line of the rubric). `how` is `single` (one
person), `consensus` (several, by Dawid and Skene), `written` (one of several texts, by a draw), `adjudicated`, `disputed` (it
waits for adjudication; `value` is null) or `unanswerable` (nobody could answer); `people` judged, `agreed` is the share of them
that gave `value`, `clearly` the share of these to whom it was clear, and `confidence` its probability by the consensus."""


def adjudication_projects(projects: Sequence[ProjectSettings]) -> list[ProjectSettings]:
    """The projects in which disagreements are decided: one for all preferences, and one for each rubric."""
    made = [_adjudication(project) for project in projects if project.kind != "demonstration"]
    return list({project.name: project for project in made}.values())


def _adjudication(project: ProjectSettings) -> ProjectSettings:
    kind = project.kind
    return ProjectSettings(
        _project_name(kind, project.name), kind, TITLES[kind], GUIDELINES[kind], criteria=project.criteria
    )


def _project_name(kind: str, project: str) -> str:
    return ADJUDICATION if kind == "preference" else f"{ADJUDICATION}_{project}"


def disputed(answers: pl.DataFrame, settings: TrustSettings) -> pl.DataFrame:
    """The tasks and criteria on which `agreement.counted` answers disagree so far that somebody else must decide."""
    key = ["task_digest", "criterion"]
    votes = judgements(answers).group_by(*key, "kind", "value").agg(votes=pl.len())
    level = pl.when(pl.col("kind") == "rating").then("value").cast(pl.Int64, strict=False)
    tasks = votes.group_by(key).agg(
        apart=pl.when((pl.col("kind") == "rating").all())
        .then(level.max() - level.min() >= APART)
        .otherwise(pl.len() > 1),
        leaders=(pl.col("votes") == pl.col("votes").max()).sum(),
    )
    rules = {
        "never": pl.lit(value=False),
        "split": pl.col("apart") & (pl.col("leaders") > 1),
        "disagreement": pl.col("apart"),
    }
    return tasks.filter(rules[settings.adjudicate]).select(key).sort(key)


def open_disagreements(
    annotations: pl.DataFrame, settings: TrustSettings, projects: Sequence[ProjectSettings] = (ProjectSettings(),)
) -> records.Outcome:
    """The disagreements as tasks (`routing.TASK_SCHEMA`) of `adjudication_projects`. Books: tasks with answers that count."""
    answers = counted(annotations)
    shown = answers.unique("task_digest", keep="first", maintain_order=True)
    apart = shown.join(disputed(answers, settings), on="task_digest", how="semi", maintain_order="left")
    names = [_project_name(kind, project) for kind, project in apart.select("kind", "project").iter_rows()]
    renamed = apart.with_columns(
        task_digest=pl.Series([_digest(task) for task in apart["task_digest"]], dtype=pl.String),
        project=pl.Series(names, dtype=pl.String),
        policy=pl.lit("adjudication"),
        reason=pl.lit("people disagree"),
        rank=pl.int_range(1, pl.len() + 1),
        random=pl.lit(value=False),
    )
    there = [project.name for project in adjudication_projects(projects)]
    asked = renamed.filter(pl.col("project").is_in(there)).select(
        pl.col(name).cast(kind) for name, kind in TASK_SCHEMA.items()
    )
    dropped = {"no disagreement": shown.height - apart.height, "its project is gone": apart.height - asked.height}
    return records.Outcome(asked, dropped={reason: count for reason, count in dropped.items() if count})


def labels_of(annotations: pl.DataFrame, adjudications: pl.DataFrame, settings: TrustSettings) -> records.Outcome:
    """One label (`LABELS`) per task that somebody answered, and criterion; both tables as `labels.LABEL_SCHEMA`.

    Books: in are the tasks of `annotations`, dropped those without an answer that counts, and known questions.
    """
    given = counted(annotations)
    answers = given.filter(pl.col("gold").is_null())
    table = pl.concat([_judged_labels(answers, adjudications, settings), _written_labels(answers)])
    answered = answers["task_digest"].n_unique()
    dropped = {
        "known question": given["task_digest"].n_unique() - answered,
        "no answer that counts": annotations["task_digest"].n_unique() - given["task_digest"].n_unique(),
    }
    notes = dict(table["how"].value_counts(sort=True).sort("how").iter_rows())
    return records.Outcome(
        table.sort("task_digest", "criterion"),
        kept=answered,
        dropped={reason: count for reason, count in dropped.items() if count},
        notes=notes,
    )


KEY = ["task_digest", "criterion"]


def _judged_labels(answers: pl.DataFrame, adjudications: pl.DataFrame, settings: TrustSettings) -> pl.DataFrame:
    """The labels of preferences and ratings."""
    asked = answers.filter(pl.col("kind") != "demonstration")
    judged = judgements(asked)
    consensus, _ = consensus_by_project(judged)
    lines = judged.select(KEY).unique()
    unable = asked.join(lines, on="task_digest", how="anti").select("task_digest", criterion="kind").unique()
    names = pl.concat([lines, unable]).sort(KEY)
    words = pl.Series([_digest(task) for task in names["task_digest"]], dtype=pl.String)
    rows = (
        names.with_columns(adjudication=words)
        .join(disputed(asked, settings).with_columns(disputed=True), on=KEY, how="left")
        .with_columns(pl.col("disputed").fill_null(value=False))
        .join(asked.unique("task_digest", keep="first").select("task_digest", *SHOWN), on="task_digest")
        .join(consensus, on=KEY, how="left")
        .join(_decisions(adjudications), on=["adjudication", "criterion"], how="left")
        .with_columns(people=pl.col("people").fill_null(0), how=_how())
        .with_columns(value=_value())
    )
    shares = judged.join(rows.select(*KEY, final="value"), on=KEY)
    is_theirs = pl.col("value") == pl.col("final")
    agreed = shares.group_by(KEY).agg(
        agreed=is_theirs.mean(), clearly=(pl.col("strength") == "clearly").filter(is_theirs).mean()
    )
    return rows.join(agreed, on=KEY, how="left").select(LABELS.keys()).cast(LABELS)  # type: ignore[arg-type]


def _written_labels(answers: pl.DataFrame) -> pl.DataFrame:
    """The labels of demonstrations: of several people's texts one, by a draw that favours nobody."""
    written = answers.filter(kind="demonstration")
    draws = [records.digest("written", *pair) for pair in written.select("task_digest", "annotator").iter_rows()]
    drawn = written.with_columns(pl.Series("_draw", draws, dtype=pl.String)).sort(
        "task_digest", pl.col("value") == CANNOT, "_draw"
    )
    told = pl.col("value") != CANNOT
    shared = drawn.group_by("task_digest").agg(
        people=told.sum().cast(pl.Int64),
        agreed=(pl.col("value") == pl.col("value").first()).filter(told).mean(),
    )
    kinds = pl.when(pl.col("people") == 0).then(pl.lit("unanswerable"))
    return (
        drawn.unique("task_digest", keep="first", maintain_order=True)
        .join(shared, on="task_digest")
        .with_columns(
            criterion=pl.col("kind"),
            value=pl.when(pl.col("people") > 0).then("value"),
            clearly=pl.lit(None),
            confidence=pl.lit(None),
            how=kinds.when(pl.col("people") == 1).then(pl.lit("single")).otherwise(pl.lit("written")),
        )
        .select(LABELS.keys())
        .cast(LABELS)  # type: ignore[arg-type]
    )


def consensus_by_project(judged: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`consensus.CONSENSUS` with criterion, and project and criterion with `consensus.ACCURACIES`: each by itself, for who is
    careful in one need not be in another."""
    labels = [pl.DataFrame(schema=CONSENSUS).with_columns(criterion=pl.lit(""))]
    people = [pl.DataFrame(schema={"project": pl.String, "criterion": pl.String, **ACCURACIES})]
    for (project, criterion), part in judged.group_by(["project", "criterion"], maintain_order=True):
        consensus, accuracies = dawid_skene(part)
        labels.append(consensus.with_columns(criterion=pl.lit(criterion)))
        people.append(
            accuracies.select(pl.lit(project).alias("project"), pl.lit(criterion).alias("criterion"), *ACCURACIES)
        )
    return pl.concat(labels), pl.concat(people)


def _decisions(adjudications: pl.DataFrame) -> pl.DataFrame:
    """What was decided of each adjudication task and criterion: the last judgement that was made."""
    judged = judgements(counted(adjudications)).sort("task_digest", "criterion", "annotator")
    last = judged.unique(KEY, keep="last", maintain_order=True)
    return last.select("criterion", adjudication="task_digest", decision="value")


def _value() -> pl.Expr:
    undecided = pl.col("how").is_in(["disputed", "unanswerable"])
    decided = pl.when(pl.col("how") == "adjudicated").then("decision")
    return decided.when(undecided).then(None).otherwise("value")


def _how() -> pl.Expr:
    return (
        pl.when(pl.col("disputed") & pl.col("decision").is_not_null())
        .then(pl.lit("adjudicated"))
        .when("disputed")
        .then(pl.lit("disputed"))
        .when(pl.col("people").fill_null(0) == 0)
        .then(pl.lit("unanswerable"))
        .when(pl.col("people") == 1)
        .then(pl.lit("single"))
        .otherwise(pl.lit("consensus"))
    )


def decides(task_digests: Iterable[str]) -> frozenset[str]:
    """Some tasks, and the tasks that decide about them where people disagree."""
    named = frozenset(task_digests)
    return named | {_digest(name) for name in named}


def _digest(task_digest: str) -> str:
    """The name of the task that decides about another."""
    return records.digest("adjudication", task_digest)

"""From several people's answers to one label per task: their consensus, or the word of a third person where they disagree.

A disagreement opens a task in a project of its own, with the same question and the same two answers in the same places; who
answers it decides. All answers are kept: a label says how it came to be, and what it was made from stands in `annotations`.
"""

from __future__ import annotations

import polars as pl

import records
from annotation.agreement import counted, judgements
from annotation.consensus import ACCURACIES, dawid_skene
from annotation.routing import TASK_SCHEMA
from annotation.settings import ADJUDICATION, ProjectSettings, TrustSettings

TITLE = "Decide where others disagree"
GUIDELINES = (
    "Two people who compared these answers did not agree. Decide which of the two you would rather be given: your answer counts "
    "instead of theirs. Whoever answered such a task before should leave it to somebody else.\n"
    "Keys: 1 A is better, 2 B is better, 3 equally good, 4 both are bad, 5 cannot answer; Ctrl+Enter submits, Ctrl+Space skips."
)

SHOWN = ("sample_id", "project", "kind", "prompt_text", "output_a", "output_b", "model_a", "model_b")

LABELS = {
    "task_digest": pl.String,
    **dict.fromkeys(SHOWN, pl.String),
    "value": pl.String,
    "confidence": pl.Float64,
    "people": pl.Int64,
    "agreed": pl.Float64,
    "how": pl.String,
}
"""One row per task with an answer that counts. `how` is `single` (one person), `consensus` (several, by Dawid and Skene),
`adjudicated`, `disputed` (it waits for adjudication; `value` is null) or `unanswerable` (nobody could answer); `people` judged,
`agreed` is the share of them that gave `value`, and `confidence` its probability by the consensus."""


def adjudication_project() -> ProjectSettings:
    """The project in which disagreements are decided."""
    return ProjectSettings(name=ADJUDICATION, title=TITLE, guidelines=GUIDELINES)


def disputed(answers: pl.DataFrame, settings: TrustSettings) -> pl.DataFrame:
    """The tasks (task_digest) on which `agreement.counted` answers disagree so far that somebody else must decide."""
    votes = judgements(answers).group_by("task_digest", "value").agg(votes=pl.len())
    tasks = votes.group_by("task_digest").agg(
        values=pl.len(), most=pl.col("votes").max(), leaders=(pl.col("votes") == pl.col("votes").max()).sum()
    )
    rules = {"never": pl.lit(value=False), "split": pl.col("leaders") > 1, "disagreement": pl.col("values") > 1}
    return tasks.filter(rules[settings.adjudicate]).select("task_digest").sort("task_digest")


def open_disagreements(annotations: pl.DataFrame, settings: TrustSettings) -> records.Outcome:
    """The disagreements as tasks (`routing.TASK_SCHEMA`) of the project `adjudication`. Books: tasks with answers that count."""
    answers = counted(annotations)
    shown = answers.unique("task_digest", keep="first", maintain_order=True)
    open_ones = shown.join(disputed(answers, settings), on="task_digest", how="semi", maintain_order="left")
    renamed = open_ones.with_columns(
        task_digest=pl.Series([_digest(task) for task in open_ones["task_digest"]], dtype=pl.String),
        project=pl.lit(ADJUDICATION),
    )
    agreed = shown.height - open_ones.height
    return records.Outcome(renamed.select(TASK_SCHEMA.keys()), dropped={"no disagreement": agreed} if agreed else {})


def labels_of(annotations: pl.DataFrame, adjudications: pl.DataFrame, settings: TrustSettings) -> records.Outcome:
    """One label (`LABELS`) per task that somebody answered; `annotations` and `adjudications` as `labels.LABEL_SCHEMA`.

    Books: in are the tasks of `annotations`, dropped those without an answer that counts.
    """
    answers = counted(annotations)
    judged = judgements(answers)
    consensus, _ = consensus_by_project(judged)
    decided = _decisions(adjudications)
    names = answers.select("task_digest").unique().sort("task_digest")
    words = pl.Series([_digest(task) for task in names["task_digest"]], dtype=pl.String)
    rows = (
        names.with_columns(adjudication=words, disputed=pl.col("task_digest").is_in(_open(answers, settings)))
        .join(answers.unique("task_digest", keep="first").select("task_digest", *SHOWN), on="task_digest")
        .join(consensus, on="task_digest", how="left")
        .join(decided, on="adjudication", how="left")
        .with_columns(people=pl.col("people").fill_null(0), how=_how())
        .with_columns(
            value=pl.when(pl.col("how") == "adjudicated")
            .then("decision")
            .when(_undecided())
            .then(None)
            .otherwise("value")
        )
    )
    shares = judged.join(rows.select("task_digest", final="value"), on="task_digest")
    agreed = shares.group_by("task_digest").agg(agreed=(pl.col("value") == pl.col("final")).mean())
    table = rows.join(agreed, on="task_digest", how="left").select(LABELS.keys()).sort("task_digest")
    unanswered = annotations["task_digest"].n_unique() - table.height
    notes = dict(table["how"].value_counts(sort=True).sort("how").iter_rows())
    return records.Outcome(table, dropped={"no answer that counts": unanswered} if unanswered else {}, notes=notes)


def consensus_by_project(judged: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`consensus.CONSENSUS` of all projects together, and project with `consensus.ACCURACIES`: who is careful in one need not be in another."""
    found = [(project, *dawid_skene(part)) for (project,), part in judged.group_by(["project"], maintain_order=True)]
    empty = dawid_skene(judged.clear())
    consensus = pl.concat([empty[0], *(each[1] for each in found)])
    named = [each[2].select(pl.lit(each[0]).alias("project"), *ACCURACIES) for each in found]
    return consensus, pl.concat([empty[1].select(pl.lit("").alias("project"), *ACCURACIES), *named])


def _decisions(adjudications: pl.DataFrame) -> pl.DataFrame:
    """What was decided of each adjudication task: the last judgement that was made."""
    judged = judgements(counted(adjudications)).sort("task_digest", "annotator")
    return judged.unique("task_digest", keep="last").select(adjudication="task_digest", decision="value")


def _open(answers: pl.DataFrame, settings: TrustSettings) -> pl.Expr:
    return pl.lit(disputed(answers, settings)["task_digest"]).implode()


def _undecided() -> pl.Expr:
    return pl.col("how").is_in(["disputed", "unanswerable"])


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


def _digest(task_digest: str) -> str:
    """The name of the task that decides about another."""
    return records.digest("adjudication", task_digest)

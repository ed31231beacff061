"""Brings people's answers back, as rows that stay what they are.

A row's name is made of the task, the configuration, the annotator's pseudonym and the number of that annotator's answer to
the task: never of Label Studio's ids, which begin again at 1 in a new database. No time stands in a row, so that pulling twice gives the
same table, digest for digest. An answer is that of the account which changed it last; what another had said there is kept as taken back,
where it was pulled before. A label that was pulled once is not lost when its task or project is: it is carried over
from the table before. One that was taken back on the server is kept too, and marked.

What is fetched is what changed since a mark, which the pull before gave: the time of the newest change that it saw. Label Studio
moves a task's time when a label is given, changed, skipped or deleted; one that goes with its task is kept anyway. All the same the
number of labels is held against the server's own, and where another is missing than before, all is fetched. A mark that
is lost, or of another server, costs time and no label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

import records
from annotation import client as api
from annotation.answers import answer_of
from annotation.blinding import pseudonym, unseal
from annotation.client import Client
from annotation.credentials import Credentials
from annotation.projects import OurProject, our_projects

LABEL_SCHEMA = {
    "annotation_id": pl.String,
    "sample_id": pl.String,
    "task_digest": pl.String,
    "project": pl.String,
    "annotator": pl.String,
    "ordinal": pl.Int64,
    "kind": pl.String,
    "value": pl.String,
    "strength": pl.String,
    "why": pl.String,
    "note": pl.String,
    "gold": pl.String,
    "model_a": pl.String,
    "model_b": pl.String,
    "prompt_text": pl.String,
    "output_a": pl.String,
    "output_b": pl.String,
    "lead_time": pl.Float64,
    "config_digest": pl.String,
    "status": pl.String,
    "raw": pl.String,
}
"""One row per answer. `ordinal` counts one annotator's answers to one task, from 0. `value` is one of `answers.VALUES` for a preference
(`strength` says how clearly: clearly or slightly), JSON of levels by criterion for a rating, the text for a demonstration,
`cannot_answer` for all (`why` is one of `answers.REASONS`), and null when skipped or invalid. `gold` has the accepted values of a
known question. `lead_time` is in seconds; `status` is submitted, skipped, invalid (does not fit the configuration, which
Label Studio accepts through its API), withdrawn (the task is no longer asked) or retracted (taken back on the server); `raw`
is Label Studio's result as JSON. `model_a` and `model_b` are null of a known question, which is nobody's
win for that, and where the workspace's key was lost."""


Marks = Mapping[str, str]
"""Per project (the server's number) of which configuration, key and accounts the rows are, what the newest change was that the pull
has seen, and how many labels we keep that the server has no more."""

AT_ONCE = timedelta(seconds=1)
"""An answer that is made has two times, some microseconds apart; one that was changed since, more than this."""

MARGIN = timedelta(minutes=1)
"""How much older than the mark a change may be and still be fetched: what was written first need not be there first."""


def pull(
    client: Client,
    desired: pl.DataFrame,
    secret: Credentials,
    known: pl.DataFrame | None = None,
    progress: records.Progress = records.silent,
    adjudication: bool = False,
) -> pl.DataFrame:
    """All labels of the workspace's projects (`LABEL_SCHEMA`), by annotation_id, all of them fetched; see `pull_changes`."""
    return pull_changes(client, desired, secret, known, {}, progress, adjudication)[0]


def pull_changes(
    client: Client,
    desired: pl.DataFrame,
    secret: Credentials,
    known: pl.DataFrame | None,
    marks: Marks,
    progress: records.Progress = records.silent,
    adjudication: bool = False,
) -> tuple[pl.DataFrame, Marks]:
    """All labels of the workspace's projects (`LABEL_SCHEMA`), by annotation_id, and the marks for the next pull; with
    `adjudication`, of that one project alone.

    `desired` are the tasks that are asked now (`routing.TASK_SCHEMA`): labels of others are `withdrawn`. `known` is the
    table of the pull before, and `marks` are what that gave; its labels are kept where the server has lost them. Raises
    LabelStudioError when the server cannot be reached or a configuration was edited by hand.
    """
    ours, emails = our_projects(client, secret.workspace, adjudication), api.users(client)
    looks = [_look(client, project, known, marks, _owners(secret, emails), progress) for project in ours]
    found = [
        (look.project, task, annotation)
        for look in looks
        for task in look.tasks
        if "task_digest" in task["data"]
        for annotation in task["annotations"]
    ]
    found.sort(key=lambda item: (_said_by(item[2]) != item[2]["completed_by"], item[2]["created_at"], item[2]["id"]))
    counts: dict[tuple[str, str, str], int] = {}
    rows = [_label(project, task, annotation, emails, secret, counts) for project, task, annotation in found]
    pulled = pl.concat([pl.DataFrame(rows, schema=LABEL_SCHEMA), *(look.unchanged for look in looks)])
    if known is not None:
        pulled = pl.concat([pulled, _carried_over(client, ours, known, pulled)])
    labels = _with_withdrawn(_with_gold(pulled, desired, known), desired).sort("annotation_id")
    return labels, {str(look.project.id): look.mark(labels) for look in looks}


@dataclass(frozen=True)
class _Look:
    """What a project has: tasks to be read, and the labels of all others as they were."""

    project: OurProject
    tasks: Sequence[Mapping[str, Any]]
    unchanged: pl.DataFrame
    about: str
    newest: str
    count: int

    def mark(self, labels: pl.DataFrame) -> str:
        return f"{self.about} {self.newest} {_given(_of(labels, self.project)) - self.count}"


def _owners(secret: Credentials, emails: Mapping[int, str]) -> str:
    """Names the key and the accounts, which decide what a row says of its annotator."""
    return records.digest("owners", pseudonym(secret.key, secret.workspace), json.dumps(sorted(emails.items())))


def _look(
    client: Client,
    project: OurProject,
    known: pl.DataFrame | None,
    marks: Marks,
    owners: str,
    progress: records.Progress,
) -> _Look:
    """Reads what changed since the mark; or all that is answered, where there is no mark or it does not add up."""
    _, count, newest = api.project_state(client, project.id)
    about = records.digest("mark of who said what", project.config_digest, owners)
    match marks.get(str(project.id), "").split(" "):
        case [before, last, gone] if known is not None and before == about and last and last <= newest:
            changed = list(api.tasks(client, project.id, datetime.fromisoformat(last) - MARGIN, progress))
            unchanged = _others(known, project, [task["data"].get("task_digest") for task in changed])
            if count + int(gone) == _given(unchanged) + sum(task["total_annotations"] for task in changed):
                return _Look(project, changed, unchanged, about, newest, count)
    answered = list(api.tasks(client, project.id, "answered", progress))
    return _Look(project, answered, pl.DataFrame(schema=LABEL_SCHEMA), about, newest, count)


def _of(labels: pl.DataFrame, project: OurProject) -> pl.DataFrame:
    return labels.filter(config_digest=project.config_digest, project=project.name)


def _given(labels: pl.DataFrame) -> int:
    """How many are labels as the server counts them: neither skipped nor taken back."""
    is_given = pl.col("raw").str.contains('"was_cancelled": false', literal=True) & (pl.col("status") != "retracted")
    return labels.filter(is_given).height


def _others(known: pl.DataFrame, project: OurProject, changed: Sequence[str | None]) -> pl.DataFrame:
    """The known labels of a project's tasks that did not change, as they were before anything was withdrawn."""
    rows = _of(known.select(list(LABEL_SCHEMA)), project).filter(~pl.col("task_digest").is_in(changed))
    first = pl.Series("first", [_first_status(row) for row in rows.select("raw", "kind").to_dicts()], dtype=pl.String)
    is_retracted = pl.col("status") == "retracted"
    return rows.with_columns(status=pl.when(is_retracted).then("status").otherwise(first))


def private_samples(labels: pl.DataFrame) -> list[str]:
    """The samples (sample_id, sorted) of which somebody says that they are private; what was taken back is not said."""
    said = labels.filter((pl.col("why") == "private") & (pl.col("status") != "retracted") & pl.col("gold").is_null())
    return sorted(said["sample_id"].unique())


def state_digest(client: Client, secret: Credentials) -> str:
    """Changes when a task or label of the workspace does: one request per project, a tenth of a second. For a sensor."""
    states = [(ours.id, *api.project_state(client, ours.id)) for ours in our_projects(client, secret.workspace)]
    return records.digest("label studio", secret.workspace, json.dumps(states))


def _said_by(annotation: Mapping[str, Any]) -> int:
    """The account that said what an answer says now. In the free edition everyone can open and update the answer of another,
    and whoever opens a row of the table sees the newest one first, whose ever it is. What a program gives in somebody's name is
    that person's: it is written once."""
    made, changed = (datetime.fromisoformat(annotation[name]) for name in ("created_at", "updated_at"))
    is_changed = changed - made > AT_ONCE and annotation.get("updated_by") is not None
    return int(annotation["updated_by" if is_changed else "completed_by"])


def _label(
    project: OurProject,
    task: Mapping[str, Any],
    annotation: Mapping[str, Any],
    emails: Mapping[int, str],
    secret: Credentials,
    counts: dict[tuple[str, str, str], int],
) -> dict[str, Any]:
    """One row; `counts` numbers the answers of one annotator to one task in the order they were made."""
    data, digest = task["data"], str(task["data"]["task_digest"])
    annotator = pseudonym(secret.key, emails.get(_said_by(annotation), "an account that is gone"))
    slot = (project.config_digest, digest, annotator)
    counts[slot] = ordinal = counts.get(slot, -1) + 1
    raw = {name: annotation[name] for name in ("result", "was_cancelled", "lead_time")}
    answer = answer_of(raw, project.kind)
    models = unseal(secret.key, digest, str(data.get("sealed", ""))) or (None, None)
    shown = {name: data.get(name) for name in ("sample_id", "task_digest", "prompt_text", "output_a", "output_b")}
    return shown | {
        "annotation_id": records.digest("annotation", *slot, str(ordinal)),
        "project": project.name,
        "annotator": annotator,
        "ordinal": ordinal,
        **answer,
        "gold": None,
        "model_a": models[0],
        "model_b": models[1],
        "lead_time": annotation["lead_time"],
        "config_digest": project.config_digest,
        "raw": json.dumps(raw, sort_keys=True, ensure_ascii=False),
    }


def _carried_over(
    client: Client, ours: Sequence[OurProject], known: pl.DataFrame, pulled: pl.DataFrame
) -> pl.DataFrame:
    """Known labels that the server does not have: as they are when their task is gone too, else retracted."""
    absent = known.select(list(LABEL_SCHEMA)).join(pulled, on="annotation_id", how="anti")
    lost = absent.filter(pl.col("status") != "retracted")
    if lost.is_empty():
        return absent
    there = [
        {"config_digest": project.config_digest, "task_digest": task["data"].get("task_digest")}
        for project in ours
        for task in api.tasks(client, project.id)
    ]
    present = pl.DataFrame(there, schema={"config_digest": pl.String, "task_digest": pl.String})
    retracted = lost.join(present, on=["config_digest", "task_digest"], how="semi")["annotation_id"].to_list()
    first_status = pl.Series("status", [_first_status(row) for row in absent.to_dicts()], dtype=pl.String)
    is_retracted = (pl.col("status") == "retracted") | pl.col("annotation_id").is_in(retracted)
    return absent.with_columns(status=pl.when(is_retracted).then(pl.lit("retracted")).otherwise(first_status))


def _first_status(row: Mapping[str, str]) -> str:
    return str(answer_of(json.loads(row["raw"]), row["kind"])["status"])


def _with_gold(labels: pl.DataFrame, desired: pl.DataFrame, known: pl.DataFrame | None) -> pl.DataFrame:
    """The known answers beside the labels: those of now, else those of when the task was asked."""
    tables = [table.select("task_digest", "gold") for table in (desired, known) if table is not None]
    answers = pl.concat(tables).drop_nulls().unique("task_digest", keep="first", maintain_order=True)
    return (
        labels.drop("gold")
        .join(answers, on="task_digest", how="left", maintain_order="left")
        .select(list(LABEL_SCHEMA))
    )


def _with_withdrawn(labels: pl.DataFrame, desired: pl.DataFrame) -> pl.DataFrame:
    is_asked = pl.col("task_digest").is_in(desired["task_digest"].to_list())
    is_withdrawn = is_asked.not_() & (pl.col("status") != "retracted")
    return labels.with_columns(status=pl.when(is_withdrawn).then(pl.lit("withdrawn")).otherwise("status"))

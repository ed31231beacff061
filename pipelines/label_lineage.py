"""What became of a person's answer: the label of its task, and the figures that were made with it.

Whether an answer counts is asked of the functions that count it, so that no figure is named that it is no part of: of two
answers of one person to one task only the last stands in scores, and one that was skipped stands nowhere.
"""

from __future__ import annotations

import json

import polars as pl

from annotation.adjudication import decides
from annotation.agreement import counted
from evaluation.preferences import PEOPLE
from evaluation.scores import scored
from pipelines.lineage import tables_like
from pipelines.lookup import Row, rows_where
from pipelines.releases import ReleaseFolder, files_of, holding
from pipelines.store import Store
from pipelines.workspace import Workspace

LABEL_TABLES = ("annotations", "adjudications")
"""The tables of what people answered: the second has what was decided where they disagreed."""


def task_of(store: Store, answer: Row) -> str:
    """The task that an answer is about: its own; of a decision, the task on which people disagreed."""
    asked = rows_where(store, "annotations", pl.col("sample_id") == answer["sample_id"], ("task_digest",))
    tasks = sorted({row["task_digest"] for row in asked})
    return next((task for task in tasks if answer["task_digest"] in decides([task])), str(answer["task_digest"]))


def why_not(store: Store, answer: Row) -> str:
    """Why an answer counts nowhere; empty where it does."""
    alike = _answers(store, answer)
    if answer["annotation_id"] in set(counted(alike)["annotation_id"]):
        return ""
    if answer["status"] not in ("submitted", "withdrawn") or answer["value"] is None:
        return f"counts nowhere: {answer['status']}"
    return "counts nowhere: the same person answered the task again"


def _answers(store: Store, answer: Row) -> pl.DataFrame:
    """All answers to the task of one, of its own table."""
    for table in LABEL_TABLES:
        rows = rows_where(store, table, pl.col("task_digest") == answer["task_digest"])
        if any(row["annotation_id"] == answer["annotation_id"] for row in rows):
            return pl.DataFrame(rows, infer_schema_length=None)
    return pl.DataFrame([answer])


def labels_with(store: Store, task: str) -> list[Row]:
    """The label of a task, one row per criterion."""
    found = rows_where(store, "adjudicated_labels", pl.col("task_digest") == task)
    return sorted(found, key=lambda row: str(row["criterion"]))


def releases_with(workspace: Workspace, answer: Row, task: str) -> dict[ReleaseFolder, list[str]]:
    """The releases that hold the answer's task, each with its splits. Of several texts one is drawn: without it there are none."""
    dataset = {"preference": "preferences", "demonstration": "demonstrations"}.get(answer["kind"])
    drawn = {row["value"] for row in labels_with(workspace.store, task)}
    if answer["kind"] == "demonstration" and answer["value"] not in drawn:
        return {}
    found: dict[ReleaseFolder, list[str]] = {}
    for release in holding(workspace, [answer["sample_id"]]):
        for split, path in files_of(release) if release.dataset == dataset else ():
            if pl.scan_parquet(path).filter(pl.col("task_digest") == task).collect().height:
                found.setdefault(release, []).append(split)
    return found


def named_demonstrations(store: Store) -> str | None:
    """The release of demonstrations that the samples, as they stand, have references of."""
    head = store.head("samples")
    return head.inputs.get("named_demonstrations") if head else None


def scores_with(store: Store, answer: Row) -> list[Row]:
    """The scores of people's that an answer is part of: win rates of both models, or ratings by the criteria of its rubric."""
    alike = rows_where(store, "annotations", pl.col("task_digest") == answer["task_digest"])
    names = {"preference": ["human_win_rate"], "rating": []}.get(answer["kind"])
    if names is None or not alike:
        return []
    counts = scored(pl.DataFrame(alike, infer_schema_length=None), answer["kind"])
    if answer["annotation_id"] not in set(counts["annotation_id"]):
        return []
    names += [f"human_rating {name}" for name in json.loads(answer["value"])] if answer["kind"] == "rating" else []
    about = pl.col("metric").is_in(names) & pl.col("model").is_in([answer["model_a"], answer["model_b"]])
    found = rows_where(store, "scores", (pl.col("split") == "people") & about)
    return sorted(found, key=lambda row: (row["metric"], row["model"]))


def win_rates_with(store: Store, label: Row) -> list[Row]:
    """The win rates among people, of a label that prefers one of two models or calls them alike."""
    if label["kind"] != "preference" or label["value"] is None:
        return []
    both = [label["model_a"], label["model_b"]]
    of_them = pl.col("model_a").is_in(both) & pl.col("model_b").is_in(both)
    return rows_where(store, "win_rates", (pl.col("judge") == PEOPLE) & of_them)


def judges_with(store: Store, task: str) -> list[Row]:
    """How far each judge that judged the task, too, agrees with people."""
    names = [
        table.removeprefix("judgements_")
        for table in tables_like(store, "judgements")
        if rows_where(store, table, pl.col("pair") == task, ("pair",))
    ]
    whole = pl.col("judge").is_in(names) & (pl.col("sliced_by") == "all")
    return sorted(rows_where(store, "judge_agreement", whole), key=lambda row: str(row["judge"]))


def quality_with(store: Store, answer: Row) -> list[Row]:
    """What is known of the annotator by this and the other answers in the project."""
    own = (pl.col("project") == answer["project"]) & (pl.col("annotator") == answer["annotator"])
    return sorted(rows_where(store, "annotator_quality", own), key=lambda row: str(row["criterion"]))

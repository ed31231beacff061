"""Brings Label Studio to what should be asked, by our own ids, whatever happened before.

Label Studio knows no idempotent import: the same tasks sent twice are there twice, and after a cut connection the
client cannot know whether they came. So nothing is remembered between runs. Each run looks at what is there, compares it
with what is wanted (by `task_digest`, which covers the question, the drafts and the models), and does the difference;
where a request broke, it waits until the server is quiet and looks again. A run killed at any point is mended by the
next one. What people did is never undone: a task that someone answered, skipped or began is never deleted, and the
condition is judged by the server within the request that deletes.

Labels answer a configuration. When it changes, a new project is opened with the tasks nobody has answered yet, and the
old one keeps its answers under a title that says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

import records
from annotation import client as api
from annotation.client import Client
from annotation.credentials import Credentials
from annotation.errors import Unreachable
from annotation.projects import CLOSED, TITLE_LIMIT, OurProject, address, config_digest, our_projects, project_fields
from annotation.settings import ProjectSettings
from annotation.task_bodies import chunks, task_bodies

ROUNDS = 5
QUIET_SECONDS = 1.0
QUIET_READS = 60
FREE = ("title", "maximum_annotations", "overlap_cohort_percentage")
"""Fields of a project that change no question, and so are changed where it stands."""

THERE_SCHEMA = {
    "task_digest": pl.String,
    "sample_id": pl.String,
    "project": pl.String,
    "state": pl.String,
    "config_digest": pl.String,
    "project_id": pl.Int64,
}
"""What is on the server, one row per task. `state` is waiting, answered, or withdrawn (no longer wanted, kept for its
answer); `project_id` is the server's number, and not the address, which moves with the port."""


@dataclass(frozen=True)
class Daily:
    """How many tasks may be new in a project on a day, and which day it is (UTC, as 2026-01-31)."""

    tasks: int
    today: str


@dataclass(frozen=True)
class SyncReport:
    """What a run did, in tasks: wanted = imported + unchanged + answered_before (under an earlier configuration) + held_back
    (their turn is on another day).

    `deleted` were no longer wanted and untouched; `withdrawn` are no longer wanted and kept, because someone answered,
    skipped or began them. `addresses` has the place of each project, `there` the tasks on the server (`THERE_SCHEMA`).
    """

    wanted: int
    imported: int
    unchanged: int
    answered_before: int
    deleted: int
    withdrawn: int
    held_back: int = 0
    addresses: Mapping[str, str] = field(default_factory=dict)
    there: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=THERE_SCHEMA))


@dataclass(frozen=True)
class _Task:
    """A task as the server has it; `touched` when someone answered or skipped it, `made` on which day (UTC)."""

    id: int
    project: OurProject
    sample_id: str
    digest: str
    answered: bool
    touched: bool
    made: str


@dataclass(frozen=True)
class _Plan:
    """The difference between what is wanted and what is there, for one project of the settings."""

    current: OurProject
    older: list[OurProject]
    missing: pl.DataFrame
    surplus: list[_Task]
    kept: list[_Task]
    withdrawn: list[_Task]
    answered_before: int
    held_back: int


def synchronise(
    client: Client,
    desired: pl.DataFrame,
    settings: Sequence[ProjectSettings],
    secret: Credentials,
    known: pl.DataFrame | None = None,
    progress: records.Progress = records.silent,
    adjudication: bool = False,
    daily: Daily | None = None,
) -> SyncReport:
    """Makes the workspace's projects hold the `desired` tasks (`routing.TASK_SCHEMA`), and says what was done.

    With `adjudication` it is the projects of disagreements alone, else all but those. With `daily`, no more tasks are new in
    a project on a day than that allows: the first by rank go, the others wait.

    `known` are labels pulled earlier (`labels.pull`): where a project was deleted by hand, it is rebuilt with them.
    Raises LabelStudioError when the server cannot be reached or a configuration was edited by hand, ValueError for a
    task whose project is not among the settings. Run again, it finishes what it had begun.
    """
    names = {project.name for project in settings}
    if strangers := set(desired["project"].unique()) - names:
        raise ValueError(f"tasks name projects that annotation.projects does not: {', '.join(sorted(strangers))}")
    reports = [
        _synchronise_project(
            client, desired.filter(pl.col("project") == project.name), project, secret, known, progress, daily
        )
        for project in settings
    ]
    gone = [ours for ours in our_projects(client, secret.workspace, adjudication) if ours.name not in names]
    kept, deleted = _retire(client, gone)
    return _together(reports, kept, deleted)


def _synchronise_project(
    client: Client,
    desired: pl.DataFrame,
    project: ProjectSettings,
    secret: Credentials,
    known: pl.DataFrame | None,
    progress: records.Progress,
    daily: Daily | None,
) -> SyncReport:
    """Looks, compares, acts; once a request broke, until a look finds nothing left to do: an import may arrive late."""
    imported: int | None = None
    deleted, has_broken = 0, False
    for _ in range(ROUNDS):
        try:
            plan = _plan(client, desired, project, secret, known, progress, daily)
            imported = plan.missing.height if imported is None else imported
            gone = _delete(client, plan.surplus)
            deleted += gone
            _import(client, plan, secret, known, progress)
            _close(client, plan.older)
            if not has_broken or not (plan.missing.height or gone):
                return _report(client, desired, plan, imported, deleted, begun=len(plan.surplus) - gone)
        except Unreachable:
            has_broken = True
            _wait_until_quiet(client, secret.workspace)
    raise Unreachable(
        f"the connection to Label Studio at {client.url} broke {ROUNDS} times: run again when it is stable"
    )


def _plan(
    client: Client,
    desired: pl.DataFrame,
    project: ProjectSettings,
    secret: Credentials,
    known: pl.DataFrame | None,
    progress: records.Progress,
    daily: Daily | None,
) -> _Plan:
    current, older = _ensure_project(client, project, secret.workspace)
    there = [task for ours in (current, *older) for task in _look(client, ours, progress)]
    plan = _compare(desired, there, current, older, _answered_elsewhere(known, current))
    return plan if daily is None else _within(plan, there, daily, known)


def _within(plan: _Plan, there: Sequence[_Task], daily: Daily, known: pl.DataFrame | None) -> _Plan:
    """The plan with no more new tasks than the day has room for; what a project holds tells how many came today.

    A task whose answer is known is given back and not asked, so it takes no room.
    """
    given = set[str]() if known is None else set(known.filter(pl.col("status") != "retracted")["task_digest"])
    is_back = pl.col("task_digest").is_in(list(given))
    back, fresh = plan.missing.filter(is_back), plan.missing.filter(~is_back).sort("rank", maintain_order=True)
    room = max(0, daily.tasks - sum(task.made == daily.today for task in there))
    return replace(plan, missing=pl.concat([back, fresh.head(room)]), held_back=max(0, fresh.height - room))


def _ensure_project(client: Client, project: ProjectSettings, workspace: str) -> tuple[OurProject, list[OurProject]]:
    """The project of the present configuration, made when it is not there, and the earlier ones of the same name."""
    wanted = config_digest(project)
    ours = [candidate for candidate in our_projects(client, workspace) if candidate.name == project.name]
    current = next((candidate for candidate in ours if candidate.config_digest == wanted), None)
    fields = project_fields(project, workspace)
    if current is None:
        current = OurProject(api.create_project(client, fields), project.name, wanted)
    elif moved := {name: fields[name] for name in FREE if getattr(current.remote, name) != fields[name]}:
        api.update_project(client, current.id, moved)
    return current, [candidate for candidate in ours if candidate.id != current.id]


def _look(client: Client, ours: OurProject, progress: records.Progress) -> Iterator[_Task]:
    """The tasks of a project that are ours; tasks that a person added by hand are none of our business."""
    for task in api.tasks(client, ours.id, progress=progress):
        data, answers, skips = task["data"], task["total_annotations"], task["cancelled_annotations"]
        if "task_digest" in data and "sample_id" in data:
            made = str(task["created_at"])[:10]
            yield _Task(
                task["id"], ours, data["sample_id"], data["task_digest"], answers > 0, answers + skips > 0, made
            )


def _compare(
    desired: pl.DataFrame,
    there: Sequence[_Task],
    current: OurProject,
    older: list[OurProject],
    answered_elsewhere: set[str],
) -> _Plan:
    """What to send and what to take away. Of equal tasks the first touched one stays, else the first."""
    wanted = set(desired["task_digest"])
    elsewhere = {task.digest for task in there if task.project is not current and task.answered} | answered_elsewhere
    asked_here = wanted - elsewhere
    present: set[str] = set()
    kept: list[_Task] = []
    withdrawn: list[_Task] = []
    surplus: list[_Task] = []
    for task in sorted(there, key=lambda task: (not task.touched, task.id)):
        is_asked = task.project is current and task.digest in asked_here and task.digest not in present
        if is_asked:
            present.add(task.digest)
        if is_asked or (task.touched and task.digest in wanted):
            kept.append(task)
        else:
            (withdrawn if task.touched else surplus).append(task)
    missing = desired.filter(pl.col("task_digest").is_in(asked_here - present)).unique(
        "task_digest", maintain_order=True
    )
    return _Plan(current, older, missing, surplus, kept, withdrawn, len(wanted & elsewhere), held_back=0)


def _answered_elsewhere(known: pl.DataFrame | None, current: OurProject) -> set[str]:
    """Tasks of which a label is known that answers an earlier configuration, whether or not its project is still there."""
    if known is None:
        return set()
    is_answer = pl.col("value").is_not_null() & (pl.col("status") != "retracted")
    return set(known.filter(is_answer & (pl.col("config_digest") != current.config_digest))["task_digest"])


def _delete(client: Client, surplus: Sequence[_Task]) -> int:
    """Takes away what nobody touched; the server has the last word on each."""
    by_project: dict[int, list[int]] = {}
    for task in surplus:
        by_project.setdefault(task.project.id, []).append(task.id)
    return sum(api.delete_unanswered(client, project_id, ids) for project_id, ids in by_project.items())


def _import(
    client: Client, plan: _Plan, secret: Credentials, known: pl.DataFrame | None, progress: records.Progress
) -> None:
    done, total = 0, plan.missing.height
    for chunk in chunks(task_bodies(client, plan.missing, plan.current.config_digest, secret, known)):
        api.import_tasks(client, plan.current.id, chunk)
        done += len(chunk)
        progress(done, total, "tasks")


def _close(client: Client, older: Sequence[OurProject]) -> None:
    """Says in the title of an earlier project that it is over; one without any task is deleted."""
    for ours in older:
        total, _, _ = api.project_state(client, ours.id)
        if total == 0:
            api.delete_project(client, ours.id)
        elif not ours.remote.title.startswith(CLOSED):
            api.update_project(client, ours.id, {"title": (CLOSED + ours.remote.title)[:TITLE_LIMIT]})


def _retire(client: Client, gone: Sequence[OurProject]) -> tuple[list[_Task], int]:
    """Empties and closes projects that the settings no longer have; the tasks that stay for their answers, and how many went."""
    there = [task for ours in gone for task in _look(client, ours, records.silent)]
    deleted = _delete(client, [task for task in there if not task.touched])
    _close(client, gone)
    return [task for task in there if task.touched], deleted


def _wait_until_quiet(client: Client, workspace: str) -> None:
    """Waits until two looks, a second apart, find as many tasks: an import whose connection broke may still be at work."""
    before: list[tuple[int, int]] | None = None
    for _ in range(QUIET_READS):
        now = [(ours.id, api.project_state(client, ours.id)[0]) for ours in our_projects(client, workspace)]
        if now == before:
            return
        before = now
        time.sleep(QUIET_SECONDS)
    raise Unreachable(
        f"Label Studio at {client.url} is still taking tasks in from elsewhere: run again when that has ended"
    )


def _report(client: Client, desired: pl.DataFrame, plan: _Plan, imported: int, deleted: int, begun: int) -> SyncReport:
    wanted = desired["task_digest"].n_unique()
    newest_first = sorted(plan.kept, key=lambda task: task.project is not plan.current)
    rows = [_row(task, "answered" if task.answered else "waiting") for task in newest_first]
    rows += [_row(task, "withdrawn") for task in plan.withdrawn]
    sent = plan.missing.select(
        "task_digest",
        "sample_id",
        "project",
        pl.lit("waiting").alias("state"),
        pl.lit(plan.current.config_digest).alias("config_digest"),
        pl.lit(plan.current.id, pl.Int64).alias("project_id"),
    )
    return SyncReport(
        wanted=wanted,
        imported=imported,
        unchanged=wanted - imported - plan.answered_before - plan.held_back,
        answered_before=plan.answered_before,
        deleted=deleted,
        withdrawn=len(plan.withdrawn) + begun,
        held_back=plan.held_back,
        addresses={plan.current.name: address(client, plan.current.id)},
        there=_one_row_per_task(pl.concat([sent, pl.DataFrame(rows, schema=THERE_SCHEMA)])),
    )


def _one_row_per_task(rows: pl.DataFrame) -> pl.DataFrame:
    """A task skipped under one configuration and asked again under the next is on the server twice; an answer counts first."""
    rank = pl.col("state").replace_strict({"answered": 0, "waiting": 1, "withdrawn": 2}, return_dtype=pl.Int8)
    return (
        rows.sort(rank, maintain_order=True)
        .unique("task_digest", keep="first", maintain_order=True)
        .sort("task_digest")
    )


def _row(task: _Task, state: str) -> dict[str, str | int]:
    ours = task.project
    return {
        "task_digest": task.digest,
        "sample_id": task.sample_id,
        "project": ours.name,
        "state": state,
        "config_digest": ours.config_digest,
        "project_id": ours.id,
    }


def _together(reports: Sequence[SyncReport], kept: Sequence[_Task], deleted: int) -> SyncReport:
    """One report of all projects, with the tasks that projects gone from the settings still hold."""
    retired = pl.DataFrame([_row(task, "withdrawn") for task in kept], schema=THERE_SCHEMA)
    there = pl.concat([*(report.there for report in reports), retired])
    return SyncReport(
        wanted=sum(report.wanted for report in reports),
        imported=sum(report.imported for report in reports),
        unchanged=sum(report.unchanged for report in reports),
        answered_before=sum(report.answered_before for report in reports),
        deleted=sum(report.deleted for report in reports) + deleted,
        withdrawn=sum(report.withdrawn for report in reports) + len(kept),
        held_back=sum(report.held_back for report in reports),
        addresses={name: place for report in reports for name, place in report.addresses.items()},
        there=_one_row_per_task(there),
    )

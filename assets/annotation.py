"""People: the tasks that should be asked, what stands on the server, and the answers."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl

from annotation.errors import LabelStudioError
from annotation.labels import LABEL_SCHEMA, Marks, pull_changes, state_digest
from annotation.routing import FEEDBACK, feedback_table, tasks_of
from annotation.routing import gold_questions as read_gold
from annotation.settings import LOOPBACK, AnnotationSettings, LabelStudioSettings, RoutingSettings
from annotation.sync import THERE_SCHEMA, Daily, synchronise
from annotation.webhooks import ensure_webhooks, loopback_address
from assets.drafts import asked_for, margins_of
from curation.tombstones import TAKEN_BACK
from curation.tombstones import known as known_by_mark
from pipelines.forgetting import key_of
from pipelines.servers import Connection, annotation_server
from pipelines.stages import Observation, Run, observable, stage
from pipelines.workspace import Workspace
from records import Outcome, digest


@observable(group="annotation", needs=("annotation",))
def labels_on_server(workspace: Workspace) -> Observation:
    """What people have answered in Label Studio, by a cheap look at the server."""
    with annotation_server(workspace) as server:
        version = "no annotation server" if server is None else state_digest(server.client, server.credentials)
    routing = workspace.config.annotation.routing if workspace.config.annotation else RoutingSettings()
    if server is not None and routing.per_day is not None:
        version = digest("day", version, today())  # a new day has room for tasks that wait
    return Observation(version, version)


def today() -> str:
    """The day that Label Studio's own times are in."""
    return datetime.now(UTC).date().isoformat()


@observable(group="annotation", needs=("annotation",))
def gold_questions(workspace: Workspace) -> Observation:
    """Questions whose answer is known, as the files of the projects have them."""
    settings = workspace.config.annotation or AnnotationSettings()
    table = read_gold(settings.projects, workspace.root)
    return Observation(digest("gold", table.write_json()), table)


@observable(group="annotation", needs=("annotation",))
def feedback(workspace: Workspace) -> Observation:
    """The thumbs that users of the product gave, by question."""
    named = (workspace.config.annotation or AnnotationSettings()).routing.feedback
    table = pl.DataFrame(schema=FEEDBACK) if named is None else feedback_table(workspace.root / named)
    return Observation(digest("feedback", table.write_json()), table)


@stage(
    group="annotation",
    code_version="2",
    primary_key="task_digest",
    unit="samples",
    needs=("annotation",),
    asks=asked_for,
)
def annotation_tasks(
    drafts: pl.DataFrame,
    samples: pl.DataFrame,
    gold_questions: pl.DataFrame,
    feedback: pl.DataFrame | None,
    draft_judgements: pl.DataFrame | None,
    annotation: AnnotationSettings,
) -> Outcome:
    """What should be asked, in which order and why; closed samples never cost a person's time."""
    asked = samples.join(drafts.select("sample_id").unique(), on="sample_id", how="semi")
    margins = {} if draft_judgements is None else margins_of(draft_judgements)
    return tasks_of(asked, drafts, annotation, gold_questions, feedback, margins)


@stage(
    group="annotation",
    code_version="2",
    primary_key="task_digest",
    world=True,
    unit="tasks",
    needs=("annotation",),
    kinds=("labelstudio",),
)
def label_studio_projects(
    annotation_tasks: pl.DataFrame,
    labels_on_server: str,
    annotation: AnnotationSettings,
    label_studio: LabelStudioSettings,
    run: Run,
) -> Outcome:
    """What stands on the Label Studio server, brought to what should be asked."""
    with annotation_server(run.workspace) as server:
        if server is None:
            waiting = annotation_tasks.height
            said = f"no annotation server: {waiting} samples wait; `headwater up` starts one"
            return Outcome(_known(run, run.node, THERE_SCHEMA), notes={"server": said, "waiting": waiting})
        report = synchronise(
            server.client,
            annotation_tasks,
            annotation.projects,
            server.credentials,
            known_labels(run, "annotations"),
            run.progress,
            daily=_daily(annotation.routing),
        )
        hints = _ask_for_hints(server, label_studio)
    links = [f"[{name}]({address})" for name, address in report.addresses.items()]
    notes = {
        "projects": " ".join(links),
        "imported": report.imported,
        "deleted": report.deleted,
        "withdrawn": report.withdrawn,
        "wait for another day": report.held_back,
        **hints,
    }
    return Outcome(report.there, notes=notes)


def _ask_for_hints(server: Connection, settings: LabelStudioSettings) -> dict[str, str]:
    """Asks for hints of new labels; where the server refuses the address, that is said, and the poll goes on without."""
    address = settings.webhook
    if address is None:
        return {}
    if address == LOOPBACK:
        address = f"http://{loopback_address(server.credentials)}:{settings.webhook_port}/"
    try:
        ensure_webhooks(server.client, server.credentials, address)
    except LabelStudioError as error:
        return {
            "hints": f"no hints of new labels are sent to {address} (is it public, and known to the server?): {error}"
        }
    return {"hints": f"hints of new labels are sent to {address}"}


def _daily(routing: RoutingSettings) -> Daily | None:
    return None if routing.per_day is None else Daily(routing.per_day, today())


@stage(
    group="annotation",
    code_version="3",
    primary_key="annotation_id",
    world=True,
    unit="annotations",
    needs=("annotation",),
)
def annotations(
    label_studio_projects: pl.DataFrame,
    annotation_tasks: pl.DataFrame,
    labels_on_server: str,
    samples: pl.LazyFrame,
    tombstones: pl.DataFrame,
    run: Run,
) -> Outcome:
    """People's answers, one row each; the annotator is a pseudonym."""
    with annotation_server(run.workspace) as server:
        known = known_labels(run, "annotations")
        if server is None:
            notes = {"server": "no annotation server: the answers pulled last stand"}
            return replace(not_taken_back(known, samples, tombstones, run), notes=notes)
        client, secret, marks = server.client, server.credentials, seen_before(run, "annotations")
        rows, marks = pull_changes(client, annotation_tasks, secret, known, marks, run.progress)
    return replace(not_taken_back(rows, samples, tombstones, run), notes={SEEN: marks})


def not_taken_back(rows: pl.DataFrame, samples: pl.LazyFrame, tombstones: pl.DataFrame, run: Run) -> Outcome:
    """The answers, but those to samples that were taken back and that no other document gives."""
    if tombstones.is_empty():
        return Outcome(rows)
    left = samples.select("sample_id").collect().to_series().implode()
    absent = rows.filter(~pl.col("sample_id").is_in(left))["sample_id"]
    gone = known_by_mark(absent, tombstones, key_of(run.workspace), "sample")["name"]
    kept = rows.filter(~pl.col("sample_id").is_in(gone.implode()))
    return Outcome(kept, dropped={TAKEN_BACK: rows.height - kept.height} if rows.height > kept.height else {})


SEEN = "newest changes seen"


def seen_before(run: Run, table: str) -> Marks:
    """What the pull that made a table has seen: it stands beside the rows, in the same commit."""
    head = run.workspace.store.head(table)
    marks: Marks = head.notes.get(SEEN, {}) if head else {}
    return marks


def known_labels(run: Run, table: str) -> pl.DataFrame:
    """The answers that were pulled last into a table (`LABEL_SCHEMA`); none before the first time."""
    return _known(run, table, LABEL_SCHEMA)


def _known(run: Run, table: str, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """The rows of a table, with the columns of now: one that an earlier version did not have is null."""
    store = run.workspace.store
    rows = store.scan(table).collect() if store.head(table) else pl.DataFrame(schema=schema)
    missing = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in rows.columns]
    return rows.with_columns(missing).select(list(schema))


STAGES = [labels_on_server, gold_questions, feedback, annotation_tasks, label_studio_projects, annotations]

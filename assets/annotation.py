"""People: drafts to choose between, the tasks that should be asked, what stands on the server, and the answers."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from annotation.labels import LABEL_SCHEMA, pull, state_digest
from annotation.routing import choose_samples, preference_tasks
from annotation.settings import AnnotationSettings, LabelStudioSettings, RoutingSettings
from annotation.sync import THERE_SCHEMA, synchronise
from curation.tombstones import TAKEN_BACK
from curation.tombstones import known as known_by_mark
from evaluation.selection import open_questions
from evaluation.settings import EvaluationSettings
from pipelines.contestants import answered, ask, base_contestant, finetuned
from pipelines.forgetting import key_of
from pipelines.servers import annotation_server
from pipelines.stages import Observation, Run, observable, stage
from pipelines.workspace import Workspace
from records import Outcome

LIBRARIES = ("torch", "transformers", "peft")


@observable(group="annotation", needs=("annotation",))
def labels_on_server(workspace: Workspace) -> Observation:
    """What people have answered in Label Studio, by a cheap look at the server."""
    with annotation_server(workspace) as server:
        version = "no annotation server" if server is None else state_digest(server.client, server.credentials)
    return Observation(version, version)


@stage(
    group="annotation",
    code_version="2",
    needs=("annotation",),
    primary_key=("sample_id", "model"),
    unit="drafts",
    recorded=True,
    pool="gpu",
    uses=LIBRARIES,
)
def drafts(
    samples: pl.DataFrame,
    model: dict[str, pl.DataFrame],
    base_model: dict[str, pl.DataFrame],
    best_prompt: dict[str, pl.DataFrame] | None,
    prompts: pl.DataFrame | None,
    routing: RoutingSettings,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """Two drafts for each open sample that goes to people: the base's and the finetuned model's."""
    entry = run.workspace.config.models[-1]
    chosen = choose_samples(samples, routing)
    base = base_contestant(
        base_model[entry.base_name], (best_prompt or {}).get(entry.base_name), prompts, run.workspace
    )
    tuned = finetuned(model[entry.name], base_model[entry.base_name], run.workspace)
    rows = [
        ask(run, each, open_questions(chosen, "draft", each.prompt), evaluation.generation) for each in (base, tuned)
    ]
    return answered(run, pl.concat(rows))


@stage(group="annotation", code_version="1", primary_key="task_digest", unit="samples", needs=("annotation",))
def annotation_tasks(drafts: pl.DataFrame, samples: pl.DataFrame, annotation: AnnotationSettings) -> Outcome:
    """What should be asked: pairs of drafts, in an order hidden and drawn by seed; closed samples never cost a person's time."""
    names = drafts["model"].unique(maintain_order=True).to_list()
    asked = samples.join(drafts.select("sample_id").unique(), on="sample_id", how="semi")
    first, second = (drafts.filter((pl.col("model") == name) & pl.col("error").is_null()) for name in names)
    return preference_tasks(asked, first, second, annotation.routing, annotation.projects[0].name, (names[0], names[1]))


@stage(
    group="annotation",
    code_version="1",
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
        )
    links = [f"[{name}]({address})" for name, address in report.addresses.items()]
    notes = {
        "projects": " ".join(links),
        "imported": report.imported,
        "deleted": report.deleted,
        "withdrawn": report.withdrawn,
    }
    return Outcome(report.there, notes=notes)


@stage(
    group="annotation",
    code_version="1",
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
        rows = pull(server.client, annotation_tasks, server.credentials, known, run.progress)
    return not_taken_back(rows, samples, tombstones, run)


def not_taken_back(rows: pl.DataFrame, samples: pl.LazyFrame, tombstones: pl.DataFrame, run: Run) -> Outcome:
    """The answers, but those to samples that were taken back and that no other document gives."""
    if tombstones.is_empty():
        return Outcome(rows)
    left = samples.select("sample_id").collect().to_series().implode()
    absent = rows.filter(~pl.col("sample_id").is_in(left))["sample_id"]
    gone = known_by_mark(absent, tombstones, key_of(run.workspace), "sample")["name"]
    kept = rows.filter(~pl.col("sample_id").is_in(gone.implode()))
    return Outcome(kept, dropped={TAKEN_BACK: rows.height - kept.height} if rows.height > kept.height else {})


def known_labels(run: Run, table: str) -> pl.DataFrame:
    """The answers that were pulled last into a table (`LABEL_SCHEMA`); none before the first time."""
    return _known(run, table, LABEL_SCHEMA)


def _known(run: Run, table: str, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    store = run.workspace.store
    return store.scan(table).collect() if store.head(table) else pl.DataFrame(schema=schema)


STAGES = [labels_on_server, drafts, annotation_tasks, label_studio_projects, annotations]

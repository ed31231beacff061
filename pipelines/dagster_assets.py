"""From nodes of the graph to assets of Dagster: names, versions, checks and what a person sees beside them.

Nothing is decided here. An asset's body brings its node up to date and reports each table's version by content, so that
Dagster's own lineage, staleness and history speak of data, not of runs. Law 1 is a blocking check of every stage.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import dagster as dg

from pipelines.automation import out_of_date
from pipelines.commits import Commit
from pipelines.engine import Ran, libraries, run_node
from pipelines.graph import SETTINGS, Graph, Input, Node
from pipelines.inputs import observe
from pipelines.launch import dagster_context
from pipelines.previews import books_markdown, picture_markdown, preview_rows, write_preview
from pipelines.reports import REPORT
from pipelines.settings import settings_version
from pipelines.stages import Observation
from pipelines.staleness import SAMPLES, report_moves, staleness_of, staleness_specs
from pipelines.watching import LogWatcher, is_watched, watched_by
from pipelines.workspace import Workspace

OWNER = "team:headwater"
FORCE_TAG = "headwater/force"
"""The run tag by which the UI forces a computation: `headwater/force: true`."""
CHECK = "accounted"
UNEQUAL = "warning"
"""The metadata of an asset that was computed again from the same inputs, and came out different."""


def observables(graph: Graph, workspace: Workspace) -> dict[str, Callable[[], str]]:
    """What stands at the head of the graph: asset key to a function that gives its data version now.

    Settings are read from disk at each call, so that an edited file is a changed input.
    """
    looks: dict[str, Callable[[], str]] = {}
    for node in graph:
        for given in node.inputs:
            if given.role in {"settings", "entry"}:
                looks[SETTINGS + given.name] = partial(_version_of_part, workspace, node, given)
        if node.stage.kind == "observable":
            looks[node.name] = partial(_version_seen, workspace, node)
    return looks


def _version_of_part(workspace: Workspace, node: Node, given: Input) -> str:
    config = workspace.reload().config
    if given.role == "settings":
        return settings_version(config.part(given.name))
    entries = getattr(config, node.stage.each)
    return settings_version(next((entry for entry in entries if entry.name == node.entry_name), None))


def _version_seen(workspace: Workspace, node: Node) -> str:
    return observe(node, workspace.reload()).version


Loaded = tuple[Workspace, Graph]
Load = Callable[[], Loaded]
"""Reads `headwater.yaml` anew: a workspace and its graph as they are now, so that an edit applies at the next run."""


def source_assets(graph: Graph, load: Load) -> list[dg.SourceAsset]:
    """The observable source assets: settings, raw data, prompts."""
    specs = [
        (SETTINGS + section, f"The part `{section.replace('__', '.')}` of headwater.yaml.", "sources", "yaml")
        for section in graph.sections
    ]
    specs += [
        (node.name, node.stage.description, node.stage.group, "files")
        for node in graph
        if node.stage.kind == "observable"
    ]
    return [_source(*spec, load) for spec in specs]


def _source(name: str, description: str, group: str, kind: str, load: Load) -> dg.SourceAsset:
    def look() -> dg.DataVersion:
        workspace, graph = load()
        return dg.DataVersion(observables(graph, workspace)[name]())

    tags = {f"dagster/kind/{kind}": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        decorate = dg.observable_source_asset(name=name, description=description, group_name=group, tags=tags)
        return decorate(look)


def asset_of(node: Node, load: Load) -> dg.AssetsDefinition:
    """The Dagster asset of a node; of several tables, one asset each, made together."""
    specs = [_spec(node, output.name) for output in node.outputs]

    @dg.multi_asset(
        name=node.name,
        specs=specs,
        check_specs=_check_specs(node),
        op_tags={"headwater/stage": node.stage.name},
        pool=node.stage.pool,
    )
    def body(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        force = context.run.tags.get(FORCE_TAG, "").lower() in {"true", "1", "yes"}
        workspace, graph = load()
        ran = _watched(graph.node_of(node.name), graph, workspace, force, context)
        if node.name == SAMPLES and ran.computed:
            report_moves(context.instance, workspace)
        for output in node.outputs:
            yield _result(node, ran, ran.commits[output.name], workspace)

    return body


def _watched(node: Node, graph: Graph, workspace: Workspace, force: bool, context: dg.AssetExecutionContext) -> Ran:
    seen: dict[str, Observation] = {}
    token = dagster_context.set(context)
    try:
        if is_watched():
            return run_node(node, graph, workspace, seen, force)
        with watched_by(LogWatcher(context.log.info)):
            return run_node(node, graph, workspace, seen, force)
    finally:
        dagster_context.reset(token)


def _spec(node: Node, table: str) -> dg.AssetSpec:
    used = [f"{name} {version}" for name, version in libraries(node).items()]
    return dg.AssetSpec(
        table,
        deps=node.dependencies(),
        description=node.stage.description,
        group_name=node.stage.group,
        code_version=", ".join([node.stage.code_version, *used]),
        owners=[OWNER],
        kinds={"delta", *node.stage.kinds},
        automation_condition=out_of_date(),
    )


def _result(node: Node, ran: Ran, commit: Commit, workspace: Workspace) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(
        asset_key=commit.table,
        data_version=dg.DataVersion(commit.version),
        metadata=metadata_of(ran, commit, workspace),
        check_results=[
            _check(commit),
            *_own_checks(node, commit),
            *(staleness_of(commit.table, workspace) if node.stage.trained else []),
        ],
    )


def _check_specs(node: Node) -> list[dg.AssetCheckSpec]:
    specs = [
        dg.AssetCheckSpec(CHECK, asset=output.name, blocking=True, description="in = kept + dropped + failed")
        for output in node.outputs
    ]
    specs += [dg.AssetCheckSpec(name, asset=node.outputs[0].name, blocking=True) for name in node.stage.checks]
    return specs + (staleness_specs(node.outputs[0].name) if node.stage.trained else [])


def _own_checks(node: Node, commit: Commit) -> list[dg.AssetCheckResult]:
    if commit.table != node.outputs[0].name:
        return []
    wrong = {name: commit.checks.get(name, "the stage did not answer it") for name in node.stage.checks}
    return [
        dg.AssetCheckResult(
            asset_key=commit.table, check_name=name, passed=not said, metadata={"said": said or "nothing is wrong"}
        )
        for name, said in wrong.items()
    ]


def _check(commit: Commit) -> dg.AssetCheckResult:
    books = commit.books
    missing = books.missing if books else 0
    said = (
        f"{abs(missing)} {books.unit if books else 'rows'} are in no book"
        if missing > 0
        else "counted twice"
        if missing
        else "all accounted for"
    )
    return dg.AssetCheckResult(
        asset_key=commit.table,
        check_name=CHECK,
        passed=missing == 0,
        metadata={"said": said, **({"in": books.taken} if books else {})},
    )


def metadata_of(ran: Ran, commit: Commit, workspace: Workspace) -> Mapping[str, dg.MetadataValue]:
    """What a person wants to see beside an asset; never text of the data."""
    preview = write_preview(workspace, commit)
    rows = preview_rows(workspace.store.scan(commit.table, commit.number).head(5).collect())
    found: dict[str, dg.MetadataValue] = {
        "outcome": dg.MetadataValue.text("computed" if ran.computed else "unchanged"),
        "dagster/row_count": dg.MetadataValue.int(commit.rows),
        "rows came": dg.MetadataValue.int(commit.added if ran.computed else 0),
        "rows went": dg.MetadataValue.int(commit.removed if ran.computed else 0),
        "seconds": dg.MetadataValue.float(round(ran.seconds, 3)),
        "settings": dg.MetadataValue.json(commit.settings),
        "rows in full": dg.MetadataValue.path(str(preview)),
    }
    if rows:
        found["preview"] = dg.MetadataValue.table([dg.TableRecord(row) for row in rows])
    if commit.books:
        found["books"] = dg.MetadataValue.md(books_markdown(commit.books))
    for name, value in commit.notes.items():
        found[name] = dg.MetadataValue.path(str(workspace.state / value)) if name == REPORT else _note(value)
    for picture in ran.pictures:
        found[picture.title] = dg.MetadataValue.md(picture_markdown(picture))
    if ran.unequal:
        found[UNEQUAL] = dg.MetadataValue.md(
            "**Computed again from the same inputs, and different**: this stage is not deterministic."
        )
    return found


def _note(value: Any) -> dg.MetadataValue:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    if isinstance(value, str):
        return dg.MetadataValue.md(value)
    return dg.MetadataValue.json(value)

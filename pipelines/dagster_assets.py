"""From nodes of the graph to assets of Dagster: names, versions, checks and what a person sees beside them.

Nothing is decided here. An asset's body brings its node up to date and reports each table's version by content, so that
Dagster's own lineage, staleness and history speak of data, not of runs. Law 1 is a blocking check of every stage.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import dagster as dg

from pipelines.asset_pages import metadata_of
from pipelines.automation import out_of_date
from pipelines.commits import Books, Commit
from pipelines.engine import Ran, libraries, run_node
from pipelines.findings import facts_by
from pipelines.graph import SETTINGS, Graph, Input, Node
from pipelines.inputs import observe, one_look
from pipelines.launch import dagster_context
from pipelines.settings import canonical, settings_version
from pipelines.stages import Observation, Output
from pipelines.staleness import SAMPLES, report_moves, staleness_of, staleness_specs
from pipelines.watching import LogWatcher, is_watched, watched_by
from pipelines.workspace import Workspace

OWNER = "team:headwater"
FORCE_TAG = "headwater/force"
"""The run tag by which the UI forces a computation: `headwater/force: true`."""
CHECK = "accounted"


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
    return settings_version(_part(workspace.reload(), node, given))


def _part(workspace: Workspace, node: Node, given: Input) -> Any:
    """The part of the settings that an input of a node names."""
    if given.role == "settings":
        return workspace.config.part(given.name)
    entries = getattr(workspace.config, node.stage.each)
    return next((entry for entry in entries if entry.name == node.entry_name), None)


def _version_seen(workspace: Workspace, node: Node) -> str:
    return observe(node, workspace.reload()).version


Loaded = tuple[Workspace, Graph]
Load = Callable[[], Loaded]
"""Reads `headwater.yaml` anew: a workspace and its graph as they are now, so that an edit applies at the next run."""


def source_assets(graph: Graph, load: Load) -> list[dg.SourceAsset]:
    """The observable source assets: settings, raw data, prompts, each with what headwater.yaml says of it."""
    workspace, _ = load()
    parts = {
        given.name: _part(workspace, node, given)
        for node in graph
        for given in node.inputs
        if given.role in {"settings", "entry"}
    }
    specs = [
        (
            SETTINGS + section,
            f"The part {section.replace('__', '.')} of headwater.yaml.",
            "sources",
            "yaml",
            parts[section],
        )
        for section in graph.sections
    ]
    specs += [
        (node.name, node.stage.description, node.stage.group, "files", node.entry)
        for node in graph
        if node.stage.kind == "observable"
    ]
    return [_source(*spec, load) for spec in specs]


def _source(name: str, description: str, group: str, kind: str, part: Any, load: Load) -> dg.SourceAsset:
    def look() -> dg.ObserveResult:
        workspace, graph = load()
        with one_look():
            version = dg.DataVersion(observables(graph, workspace)[name]())
            return dg.ObserveResult(data_version=version, metadata=facts_by(graph, workspace)(name))

    tags = {f"dagster/kind/{kind}": ""}
    shown = {} if part is None else {"settings": dg.MetadataValue.json(canonical(part))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        decorate = dg.observable_source_asset(
            name=name, description=description, group_name=group, tags=tags, metadata=shown
        )
        return decorate(look)


def asset_of(node: Node, load: Load) -> dg.AssetsDefinition:
    """The Dagster asset of a node; of several tables, one asset each, made together."""
    specs = [_spec(node, output) for output in node.outputs]

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


def _spec(node: Node, output: Output) -> dg.AssetSpec:
    used = [f"{name} {version}" for name, version in libraries(node).items()]
    return dg.AssetSpec(
        output.name,
        deps=node.dependencies(),
        description=output.about or node.stage.description,
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
        metadata={"said": said, **(_counts(books) if books else {})},
    )


def _counts(books: Books) -> dict[str, int]:
    dropped, failed = sum(books.dropped.values()), sum(books.failed.values())
    return {"in": books.taken, "kept": books.kept, "dropped": dropped, "failed": failed}

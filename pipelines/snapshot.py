"""What runs and what is out of date, as Dagster's own event log says it: what every asset of a tick is judged by.

This is the one place that uses private parts of Dagster: the resolver behind the badge "Unsynced" in its UI, which
compares code versions and data versions with what the last materialisation recorded, the reader of runs in progress, and
the history of checks. No public function tells them; `tests/pipelines/test_snapshot.py` tells when they move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from weakref import WeakKeyDictionary

import dagster as dg
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph, BaseAssetNode
from dagster._core.definitions.data_version import (
    CachingStaleStatusResolver,
    StaleCause,
    StaleCauseCategory,
    StaleStatus,
)
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.base import AssetRecord

Graph = BaseAssetGraph[BaseAssetNode]

UNSEEN = "INITIAL"
"""What Dagster takes for the data version of a source that nobody has observed."""


class Snapshot(NamedTuple):
    """What one tick sees of the world; every asset is judged by the same one.

    `busy` are planned by a run that is not past them yet. `causes` says of an asset that is out of date what differs:
    parents with other data, and the asset itself for all else (never built, its code, its dependencies). `absent` were
    never materialised or observed; `rejected` stand, but a blocking check failed on what stands (looked up for parents
    of what is out of date). `marks` names what stands of each asset now: what a failed try of its children is remembered
    against.
    """

    busy: frozenset[dg.AssetKey]
    causes: Mapping[dg.AssetKey, frozenset[dg.AssetKey]]
    absent: frozenset[dg.AssetKey]
    rejected: frozenset[dg.AssetKey]
    marks: Mapping[dg.AssetKey, str]


def take_snapshot(instance: dg.DagsterInstance, graph: Graph, time: TemporalContext) -> Snapshot:
    """Ask Dagster what runs and what is out of date: the one place that uses its private parts.

    First the runs, then the versions, each read afresh: a run that ends between the two is seen as ended, and with
    what it materialised. The other way round its asset would look idle and out of date, and would run again.
    """
    runs, view = (AssetGraphView(temporal_context=time, instance=instance, asset_graph=graph) for _ in range(2))
    plans, records = (each.get_inner_queryer_for_back_compat() for each in (runs, view))
    built = sorted(graph.materializable_asset_keys)
    plans.prefetch_asset_records(built)
    busy = {key for key in built if plans.get_in_progress_asset_subset(asset_key=key).bool_value}
    records.prefetch_asset_records(built)
    resolver = CachingStaleStatusResolver(instance, graph, view, records)
    stale = [key for key in built if resolver.get_status(key) != StaleStatus.FRESH]
    causes = {key: _differing(key, resolver.get_stale_causes(key)) for key in stale}
    latest = {key: _latest(records.get_asset_record(key)) for key in built}
    seen = {key: resolver.get_current_data_version(key).value for key in graph.observable_asset_keys}
    absent = {key for key, record in latest.items() if record is None}
    absent |= {key for key, version in seen.items() if version == UNSEEN}
    parents = {parent for key in causes for parent in graph.get(key).parent_keys}
    rejected = {key for key in parents if (record := latest.get(key)) and _is_rejected(instance, graph, key, record)}
    marks = {key: str(record and record.storage_id) for key, record in latest.items()} | seen
    return Snapshot(frozenset(busy), causes, frozenset(absent), frozenset(rejected), marks)


def _latest(record: AssetRecord | None) -> dg.EventLogRecord | None:
    return record.asset_entry.last_materialization_record if record else None


def _is_rejected(instance: dg.DagsterInstance, graph: Graph, key: dg.AssetKey, made: dg.EventLogRecord) -> bool:
    """Whether a blocking check failed on this very materialisation, as its last word: a later run that came to nothing
    has planned the check again, but has not changed what stands."""
    ended = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
    history = instance.event_log_storage.get_asset_check_execution_history
    for check in graph.get(key).check_keys:
        record = next(iter(history(check, limit=1, status=ended) if graph.get(check).blocking else []), None)
        found = record.evaluation if record else None
        if record is None or found is None or found.passed or found.severity != dg.AssetCheckSeverity.ERROR:
            continue
        target = found.target_materialization_data
        if record.run_id == made.run_id or (target and target.storage_id == made.storage_id):
            return True
    return False


def _differing(key: dg.AssetKey, causes: Sequence[StaleCause]) -> frozenset[dg.AssetKey]:
    data = [cause for cause in causes if cause.category == StaleCauseCategory.DATA]
    parents = [cause.dependency_asset_key for cause in data if cause.dependency_asset_key]
    return frozenset(parents) | (frozenset() if causes and len(parents) == len(causes) else {key})


class Taken(NamedTuple):
    """A snapshot, the tick it was taken for, and the last event that was recorded then, in which of Dagster's homes."""

    tick: datetime
    home: str
    last_event: int | None
    snapshot: Snapshot

    def holds(self, view: AssetGraphView) -> bool:
        """Whether it is of this tick, or nothing ran then and nothing was recorded since (a wiped asset leaves no
        record, so it is believed for a minute at most)."""
        if (view.instance.root_directory, view.last_event_id) != (self.home, self.last_event):
            return False
        age = (view.effective_dt - self.tick).total_seconds()
        return age == 0 or (not self.snapshot.busy and 0 < age < 60)


_taken: WeakKeyDictionary[Graph, Taken] = WeakKeyDictionary()
"""The last snapshot of a graph. A house at rest is looked at 17,000 times a day, and a snapshot of 40 assets and 20
sources costs 0.3 s of CPU; to find that the last one holds costs nothing."""


def snapshot_of(view: AssetGraphView) -> Snapshot:
    """The snapshot of the tick that this view belongs to."""
    last = _taken.get(view.asset_graph)
    if last and last.holds(view):
        return last.snapshot
    time = TemporalContext(effective_dt=view.effective_dt, last_event_id=view.last_event_id)
    snapshot = take_snapshot(view.instance, view.asset_graph, time)
    _taken[view.asset_graph] = Taken(view.effective_dt, view.instance.root_directory, view.last_event_id, snapshot)
    return snapshot

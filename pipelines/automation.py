"""When Dagster's daemon runs an asset: whenever it is out of date, and only then.

The conditions that Dagster ships look at *events*. `eager()` runs everything below a source for an exact copy of a
document, ignores code versions, and forgets a change that comes while a run is on; conditions on changed data versions
see a change once, at the tick after it, and forget it too. `OutOfDate` looks at the *level* instead: the code version
and the data versions that stand now, against those that the last materialisation recorded. Nothing has to be
remembered, so nothing can be forgotten.

What is asked for, and what not:

- A touched file gives the same data version: nothing. An exact copy stops where the data version stays.
- An asset waits while anything upstream of it, or itself, runs or is asked for in the same tick: whether it must run is
  known when its inputs are. The exception is an asset that must run whatever its inputs turn out to be (never built, or
  its code or another input changed) and whose parents are asked for in this tick: it joins their run, so that a first
  build, or a release with new code, is one run for the whole chain.
- A failed asset is tried `tries` times, with a pause between (a dead worker, a full memory, a lost network), and then
  left alone until its code or one of its inputs is new; a parent that was materialised again counts as new. A run that
  it joined is not counted.
- Nothing runs on a parent whose blocking check failed. A parent that failed to run at all holds nothing back: what it
  made before still stands.

What stands at the head of the graph is in `observation.py`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import dagster as dg

from pipelines.snapshot import UNSEEN, Graph, Snapshot, snapshot_of


class Attempt(NamedTuple):
    """How often an asset was tried on the same ground (`mark`), and when it was asked for last (seconds since 1970)."""

    mark: str
    tried: int
    at: float


class OutOfDate(dg.AutomationCondition[dg.AssetKey]):
    """True of an asset that is out of date and whose inputs are settled. See the module for what that means.

    `tries` is how often a failing asset is asked for on the same code and inputs, `pause_seconds` the least time
    between two of them. Its sensor must be evaluated in the code server, as `automation_sensor` is.
    """

    def __init__(self, tries: int = 2, pause_seconds: float = 60) -> None:
        if tries < 1:
            raise ValueError(f"OutOfDate: tries is {tries}; an asset needs at least one.")
        self.tries = tries
        self.pause_seconds = pause_seconds

    @property
    def name(self) -> str:
        return "out_of_date"

    @property
    def description(self) -> str:
        return "Code or an input differs from what the last materialisation recorded, and the inputs are settled"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        snapshot, key = snapshot_of(context.asset_graph_view), context.key
        if key not in snapshot.causes:
            return dg.AutomationResult(context, context.get_empty_subset())
        asked = _asked(context)
        ready = not context.candidate_subset.is_empty and is_settled(key, context.asset_graph, snapshot, asked)
        joins = not asked.isdisjoint(context.asset_graph.get(key).parent_keys)
        attempt = self._next_attempt(context, snapshot, joins) if ready else None
        if attempt is None:
            return dg.AutomationResult(context, context.get_empty_subset(), cursor=context.cursor)
        return dg.AutomationResult(context, context.candidate_subset, cursor=json.dumps(attempt))

    def _next_attempt(
        self, context: dg.AutomationContext[dg.AssetKey], snapshot: Snapshot, joins: bool
    ) -> Attempt | None:
        """The attempt to make now, if any. One that joins its parents' run is no try yet: where a parent fails, it is
        not even begun. It is made once; after that the asset waits until its parents are done."""
        now = context.evaluation_time.timestamp()
        last = Attempt(*json.loads(context.cursor)) if context.cursor else Attempt("", 0, now)
        mark = _ground(context.key, context.asset_graph, snapshot)
        if mark != last.mark:
            return Attempt(mark, 0 if joins else 1, now)
        if joins or last.tried >= self.tries or now - last.at < self.pause_seconds:
            return None
        return Attempt(mark, last.tried + 1, now)


def _asked(context: dg.AutomationContext[dg.AssetKey]) -> frozenset[dg.AssetKey]:
    """The assets that this tick asks for already (parents are evaluated before children)."""
    subsets = context.request_subsets_by_key.items()
    return frozenset(key for key, subset in subsets if isinstance(key, dg.AssetKey) and not subset.is_empty)


def _ground(key: dg.AssetKey, graph: Graph, snapshot: Snapshot) -> str:
    """A digest of what a try of the asset stands on: its code version, and what stands of its parents."""
    node = graph.get(key)
    parents = sorted((parent.to_user_string(), snapshot.marks.get(parent, UNSEEN)) for parent in node.parent_keys)
    return hashlib.blake2b(json.dumps([node.code_version, parents]).encode(), digest_size=16).hexdigest()


def is_settled(key: dg.AssetKey, graph: Graph, snapshot: Snapshot, asked: Collection[dg.AssetKey]) -> bool:
    """Whether an asset that is out of date may run now: it is idle, it must run whatever comes of the parents that are
    asked for in this tick, and its other parents are there, sound and at rest (nothing runs or is asked for upstream).
    """
    if key in snapshot.busy or not snapshot.causes[key] - frozenset(asked):
        return False
    waiting = [parent for parent in graph.get(key).parent_keys if parent not in asked]
    if any(parent in snapshot.absent or parent in snapshot.rejected for parent in waiting):
        return False
    return not any(each in snapshot.busy or each in asked for each in _upstream(waiting, graph))


def _upstream(keys: Collection[dg.AssetKey], graph: Graph) -> Iterator[dg.AssetKey]:
    """The assets and everything they come from, each once."""
    found, queue = set(keys), list(keys)
    while queue:
        key = queue.pop()
        yield key
        new = graph.get(key).parent_keys - found
        found |= new
        queue.extend(new)


def out_of_date(tries: int = 2, pause_seconds: float = 60) -> dg.AutomationCondition[dg.AssetKey]:
    """The condition of every asset of Headwater, as it stands beside Dagster's own (`eager()`, `on_missing()`)."""
    return OutOfDate(tries, pause_seconds)


class QuietSensor(dg.AutomationConditionSensorDefinition):
    """Without the two lines that each tick leaves in the log, 34,000 a day, among which an error is not seen."""

    def evaluate_tick(self, context: dg.SensorEvaluationContext) -> Any:
        context.log.addFilter(lambda record: record.levelno > logging.INFO)
        return super().evaluate_tick(context)


def automation_sensor(
    name: str = "automation", minimum_interval_seconds: int = 4
) -> dg.AutomationConditionSensorDefinition:
    """The sensor that evaluates the conditions of all assets; it is on unless someone switches it off in the UI.

    The daemon looks at its sensors every five seconds, so with four this one ticks at each look (five would often come
    some milliseconds early, and wait for the next). Without `include_sources` nothing below a source would be
    evaluated, and only the code server knows our condition (both are what Dagster calls beta, and warns of).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return QuietSensor(
            name,
            target=dg.AssetSelection.all(include_sources=True),
            use_user_code_server=True,
            default_status=dg.DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=minimum_interval_seconds,
            description="Runs what is out of date: whose code or inputs differ from what was materialised last.",
        )

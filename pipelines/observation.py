"""What stands at the head of the graph: sources, settings, prompts and base models, whose owner is not Headwater.

They are observable source assets, and `observation_sensor` reports their data versions without a run: a tick over a dozen
costs hundredths of a second, whereas Dagster's own observation costs a run (a process of seconds, a row in the list of
runs, a place in the queue). They must be *observable*: of a plain external asset Dagster ignores every observation, and
what is below it never learns that it changed.

The version is recorded before anything reads the source, so what a stage has read is never older than what Dagster
says that it read: a change in between costs a run that finds nothing to do, and is never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import dagster as dg

from pipelines.extras import with_mend
from pipelines.findings import Facts, in_words
from pipelines.inputs import one_look
from pipelines.settling import Settling

FactsOf = Callable[[str], Facts]

DATA_VERSION = "dagster/data_version"
"""The tag by which Dagster knows the data version of an observation."""


class ObservationError(LookupError):
    """Sources that could not be looked at, each with its error. The others were reported all the same."""

    def __init__(self, errors: Mapping[str, Exception]) -> None:
        lines = [f"{key}: {type(error).__name__}: {with_mend(str(error))}" for key, error in sorted(errors.items())]
        super().__init__(
            "These sources could not be looked at; what is below them stays as it is.\n" + "\n".join(lines)
        )
        self.errors = dict(errors)


def no_facts(name: str) -> Facts:
    """Nothing is told of what a look found."""
    return {}


def observe(
    instance: dg.DagsterInstance, observables: Mapping[str, Callable[[], str]], facts_of: FactsOf = no_facts
) -> list[str]:
    """Look at each source, and record an observation of those whose data version is not the one recorded last.

    `observables` maps an asset key (`"sources/docs"`) to a function that gives its data version; `facts_of` tells of one that
    changed what stands beside that. Returns the keys that changed. Raises ObservationError after the last source, when one could not be looked at.
    """
    changed, errors = [], {}
    for name, version_of in observables.items():
        try:
            version = version_of()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one source, the others are looked at
            errors[name] = error
            continue
        key = dg.AssetKey.from_user_string(name)
        if version != recorded_version(instance, key):
            tags = {DATA_VERSION: version}
            instance.report_runless_asset_event(dg.AssetObservation(key, tags=tags, metadata=facts_of(name)))
            changed.append(name)
    if errors:
        raise ObservationError(errors) from next(iter(errors.values()))
    return changed


def recorded_version(instance: dg.DagsterInstance, key: dg.AssetKey) -> str | None:
    """The data version of a source as it was observed last; None when it never was."""
    records = instance.fetch_observations(key, limit=1).records
    observation = records[0].asset_observation if records else None
    return observation.tags.get(DATA_VERSION) if observation else None


def observation_sensor(
    observables: Mapping[str, Callable[[], str]],
    name: str = "observation",
    minimum_interval_seconds: int = 10,
    told: Callable[[dg.DagsterInstance, list[str]], None] | None = None,
    bursty: Collection[str] = (),
    facts_of: FactsOf = no_facts,
) -> dg.SensorDefinition:
    """A sensor that calls `observe` at every tick. A source that cannot be looked at makes the tick fail, in red, with
    its name and error; the other sources are reported before. A new version of a `bursty` one is reported when it has
    settled (`settling.py`). What was found stands in the tick's words, for Dagster calls every tick without a run skipped."""

    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        def recorded(name: str) -> str | None:
            return recorded_version(context.instance, dg.AssetKey.from_user_string(name))

        settling = Settling(observables, bursty, context.cursor, recorded)
        found: dict[str, Facts] = {}

        def facts(name: str) -> Facts:
            return found.setdefault(name, facts_of(name))

        try:
            with one_look():
                changed = observe(context.instance, settling.looks, facts)
        finally:
            context.update_cursor(settling.cursor)
        if told is not None and changed:
            told(context.instance, changed)
        return dg.SkipReason(
            f"Found: {' | '.join(in_words(name, found[name]) for name in changed)}"
            if changed
            else f"Nothing new: {len(observables)} sources, settings and the like looked at"
        )

    return dg.SensorDefinition(
        name,
        evaluation_fn=look,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=minimum_interval_seconds,
        description="Looks at sources, settings and prompts, and reports those whose data version is new.",
    )

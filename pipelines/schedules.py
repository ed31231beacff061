"""Schedules of `headwater.yaml`: what runs by the clock although nothing changed, or before the automation would look.

A scheduled run asks for its assets outright; each of them returns at once where nothing changed, so a schedule that
comes round too often costs seconds, not work. Schedules are off until someone switches them on in the UI: a copied
workspace must not start to work by itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dagster as dg

if TYPE_CHECKING:
    from pipelines.settings import ScheduleSettings


def build_schedules(settings: Sequence[ScheduleSettings], assets: Collection[str]) -> list[dg.ScheduleDefinition]:
    """The schedules as Dagster wants them, all switched off.

    `assets` are the names that may be scheduled (`"corpus"`, `"models/summary"`). Raises ValueError that names the key,
    as in `schedules[1].cron`, for a bad or repeated name, a bad cron, an unknown time zone or an unknown asset.
    """
    for place, each in enumerate(settings):
        _check(f"schedules[{place}]", each, [other.name for other in settings[:place]], assets)
    return [_schedule(each) for each in settings]


def _check(key: str, settings: ScheduleSettings, taken: Sequence[str], assets: Collection[str]) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_]+", settings.name):
        raise ValueError(f"{key}.name: {settings.name!r} may have letters, digits and underscores alone.")
    if settings.name in taken:
        raise ValueError(f"{key}.name: {settings.name!r} is the name of an earlier schedule; choose another.")
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{key}.timezone: no time zone {settings.timezone!r}; write one as 'Europe/Berlin'."
        ) from error
    for asset in settings.assets:
        if asset not in assets:
            raise ValueError(f"{key}.assets: no asset {asset!r}; there are {', '.join(sorted(assets))}.")
    try:
        _schedule(settings)
    except dg.DagsterInvalidDefinitionError as error:
        raise ValueError(f"{key}.cron: {settings.cron!r} is no cron schedule; write one as '0 6 * * 1-5'.") from error


def _schedule(settings: ScheduleSettings) -> dg.ScheduleDefinition:
    named = [dg.AssetKey.from_user_string(name) for name in settings.assets]
    return dg.ScheduleDefinition(
        name=settings.name,
        target=dg.AssetSelection.assets(*named) if named else dg.AssetSelection.all(),
        cron_schedule=settings.cron,
        execution_timezone=settings.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Runs {', '.join(settings.assets) or 'all assets'} at {settings.cron} ({settings.timezone}).",
    )

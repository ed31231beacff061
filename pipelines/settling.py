"""Sources that change in bursts: a new version is reported once it has settled, so that a burst makes one run.

People submit a label every few seconds. A run for each would fill the queue with runs that are out of date before they
begin. A version that two looks in a row saw is settled; one that keeps changing is reported all the same after
`PATIENCE` looks, so that steady work is not held back for ever. What was seen stands in the sensor's cursor; losing that
costs one look.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping

PATIENCE = 30
"""Looks, some ten seconds apart, after which a version that never settles is reported."""

Looks = Mapping[str, Callable[[], str]]


class Settling:
    """The looks of a sensor, those of `names` with patience; `cursor` is what to remember until the next tick."""

    def __init__(
        self, looks: Looks, names: Collection[str], cursor: str | None, recorded: Callable[[str], str | None]
    ) -> None:
        self._looks, self._names, self._recorded = looks, names, recorded
        self._pending: dict[str, tuple[str, int]] = {
            name: (str(version), int(count)) for name, (version, count) in json.loads(cursor or "{}").items()
        }

    @property
    def looks(self) -> dict[str, Callable[[], str]]:
        """Functions that give the version to report: the one recorded last while a new one has not settled."""
        return {name: self._patient(name) if name in self._names else look for name, look in self._looks.items()}

    @property
    def cursor(self) -> str:
        """The versions that have not settled, and for how many looks, as JSON."""
        return json.dumps(self._pending)

    def _patient(self, name: str) -> Callable[[], str]:
        def look() -> str:
            seen, recorded = self._looks[name](), self._recorded(name)
            before, count = self._pending.pop(name, ("", 0))
            if recorded is None or seen in (recorded, before) or count >= PATIENCE:
                return seen
            self._pending[name] = (seen, count + 1)
            return recorded

        return look

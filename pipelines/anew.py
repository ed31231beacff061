"""Why what a stage has made is not gone on from: settings or code that changed since, in words.

Rows that came or went are no reason. Folds and measures follow them at the cost of what moved, and every other stage is
made of whole tables anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pipelines.commits import Commit
from pipelines.graph import SETTINGS, Input, Node

MOST = 4
"""So many settings are named."""


def why_anew(node: Node, head: Commit | None, draft: Commit, elements: Collection[str]) -> str:
    """Why a node's tables, of which `head` is the first's newest commit, are made anew under another recipe; empty where there
    are none yet, or only inputs moved. `elements` are the inputs that no recipe names."""
    if head is None or head.recipe == draft.recipe:
        return ""
    names = list(dict.fromkeys(_settings_that_changed(node, head, draft)))
    more = f" and {len(names) - MOST:,} more" if len(names) > MOST else ""
    said = [f"{', '.join(names[:MOST])}{more} changed"] if names else []
    if head.code_version != draft.code_version:
        said.append(f"code version {head.code_version} → {draft.code_version}")
    others = {*head.inputs, *draft.inputs}.difference(elements)
    if not said and node.stage.uses and not any(_moved(name, head, draft) for name in others):
        said.append(f"another version of {' or '.join(node.stage.uses)}")
    return "; ".join(said)


def _settings_that_changed(node: Node, head: Commit, draft: Commit) -> Iterator[str]:
    for given in node.inputs:
        if given.role in {"settings", "entry"} and _moved(SETTINGS + given.name, head, draft):
            yield from _differing(_label(node, given), head.settings.get(given.name), draft.settings.get(given.name))


def _moved(name: str, head: Commit, draft: Commit) -> bool:
    return head.inputs.get(name) != draft.inputs.get(name)


def _label(node: Node, given: Input) -> str:
    """A part of headwater.yaml by its path there."""
    return f"{node.stage.each}.{node.entry_name}" if given.role == "entry" else given.name.replace("__", ".")


def _differing(path: str, before: Any, now: Any) -> list[str]:
    """The paths of the settings that are not what they were."""
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return [path]
    names = [name for name in dict.fromkeys((*now, *before)) if now.get(name) != before.get(name)]
    return [deeper for name in names for deeper in _differing(f"{path}.{name}", before.get(name), now.get(name))] or [
        path
    ]

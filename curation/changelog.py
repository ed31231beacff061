"""The changelog of a dataset: for each release what came, what left and what changed since the one before, and why.

An entry is named by its release and the one before, and stands once, so that a run that was killed and runs again adds
nothing. Entries have no date: a release is its content, and the same content may be released on another day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from curation.release_diff import ADDED, CHANGED, REMOVED

CHANGELOG = "CHANGELOG.md"
_WORDS = {ADDED: "came", REMOVED: "left", CHANGED: "changed"}
_VERSION = 16


def entry(
    version: str, splits: Mapping[str, int], parent: str | None, counts: pl.DataFrame, beside: Sequence[str] = ()
) -> str:
    """The entry of a release as Markdown.

    `counts` is `curation.release_diff.summary` against the release before; `beside` says what else is other (settings,
    code), in words.
    """
    rows = " · ".join(f"{count:,} {split}" for split, count in splits.items())
    lines = [_heading(version, parent), "", f"{sum(splits.values()):,} rows: {rows}.", ""]
    if parent is None:
        return "\n".join([*lines, "The first release.", ""])
    lines += [f"- {row['rows']:,} {_WORDS[row['change']]}: {row['reason']}" for row in counts.iter_rows(named=True)]
    lines += [f"- {said}" for said in beside]
    return "\n".join([*lines, ""])


def with_entry(text: str, dataset: str, new: str) -> str:
    """A changelog with a new entry on top; unchanged where that one is on top already."""
    head = f"# Changes of {dataset}\n\n"
    body = text.removeprefix(head)
    heading = new.split("\n", 1)[0] + "\n"
    return text if body.startswith(heading) else f"{head}{new}\n{body}"


def _heading(version: str, parent: str | None) -> str:
    return f"## {version[:_VERSION]}" + (f" after {parent[:_VERSION]}" if parent else "")

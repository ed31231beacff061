"""What a person sees on the page of an asset, the first things first; never text of the data.

Dagster shows a Markdown text of more than a thousand characters behind a link, and every picture is longer, so all pictures stand
behind one. It gives all values one width, that of the widest, and cuts there; so a preview has a line for each column, which is
short, instead of a column. Settings are the longest and come last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from curation.release_kinds import KINDS
from pipelines.commits import Commit
from pipelines.engine import Ran
from pipelines.previews import books_markdown, picture_markdown, preview_rows, write_preview
from pipelines.reports import MADE_BY, REPORT
from pipelines.workspace import Workspace

UNEQUAL = "warning"
"""The metadata of an asset that was computed again from the same inputs, and came out different."""
ROWS = 2
HIDDEN = frozenset({"added", "removed"})
"""Notes of a commit that the books and the rows that came and went tell already."""


def metadata_of(ran: Ran, commit: Commit, workspace: Workspace) -> Mapping[str, dg.MetadataValue]:
    """What stands beside a materialisation of one table."""
    found: dict[str, dg.MetadataValue] = {"outcome": dg.MetadataValue.text("computed" if ran.computed else "unchanged")}
    if ran.unequal:
        found[UNEQUAL] = dg.MetadataValue.md(
            "**Computed again from the same inputs, and different**: this stage is not deterministic."
        )
    if commit.books:
        found["books"] = dg.MetadataValue.md(books_markdown(commit.books))
    found |= {name: _note(value) for name, value in commit.notes.items() if name not in HIDDEN | {REPORT}}
    if REPORT in commit.notes:
        found |= _report(workspace, commit.notes[REPORT])
    if ran.pictures:
        found["pictures"] = dg.MetadataValue.md("\n\n".join(picture_markdown(each) for each in ran.pictures))
    return found | _rows(ran, commit, workspace) | {"settings": dg.MetadataValue.json(commit.settings)}


def _rows(ran: Ran, commit: Commit, workspace: Workspace) -> dict[str, dg.MetadataValue]:
    """How many rows there are, how many came and went, and the first ones."""
    found: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(commit.rows),
        "rows came": dg.MetadataValue.int(commit.added if ran.computed else 0),
        "rows went": dg.MetadataValue.int(commit.removed if ran.computed else 0),
        "seconds": dg.MetadataValue.float(round(ran.seconds, 3)),
    }
    rows = preview_rows(workspace.store.scan(commit.table, commit.number).head(ROWS).collect())
    if rows:
        lines = [
            dg.TableRecord({"column": name, **{f"row {place}": row[name] for place, row in enumerate(rows, 1)}})
            for name in rows[0]
        ]
        found["preview"] = dg.MetadataValue.table(lines)
    return found | {"rows in full": _place(write_preview(workspace, commit), workspace)}


def _report(workspace: Workspace, place: str) -> dict[str, dg.MetadataValue]:
    """Where a report lies, and the command that opens it: a browser opens no file for a page of a server."""
    found: dict[str, dg.MetadataValue] = {REPORT: _place(workspace.state / place, workspace)}
    name, _, version = Path(place).stem.partition("-")
    if name in MADE_BY or name in KINDS:
        named = f"{name} --version {version}" if version else name
        found["opened by"] = dg.MetadataValue.text(f"headwater report {named} --open")
    return found


def _place(path: Path, workspace: Workspace) -> dg.MetadataValue:
    """A file as it is called from the workspace: the whole of a long path would be the widest value."""
    return dg.MetadataValue.path(str(path.relative_to(workspace.root)))


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

"""A record of what was carried out of the workspace, so that it can be found again when data are taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pipelines.whole_files import write_whole
from pipelines.workspace import Workspace
from records import digest


def record_export(workspace: Workspace, place: str) -> None:
    """Remember that data of the workspace were written to a file, a folder or an address."""
    where = place if "://" in place else str(Path(place).expanduser().absolute())
    folder = workspace.state / "exports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(folder / f"{digest(where)}.json", json.dumps({"place": where}))


def exports_of(workspace: Workspace) -> Iterator[Path]:
    """The files and folders that data were written to; some may be gone, or hold something else by now."""
    yield from (Path(place) for place in _places(workspace) if "://" not in place)


def far_exports_of(workspace: Workspace) -> list[str]:
    """The addresses that data were written to."""
    return [place for place in _places(workspace) if "://" in place]


def _places(workspace: Workspace) -> Iterator[str]:
    for path in sorted((workspace.state / "exports").glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))["place"]

"""A record of what was carried out of the workspace, so that it can be found again when data are taken back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

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


def names_in(place: Path, column: str) -> set[str]:
    """What stands in a column of an exported table, or of the Parquet files of a folder; nothing where it has no such column, or is
    something else by now."""
    files = [place] if place.is_file() else sorted(place.rglob("*.parquet"))
    return {name for path in files for name in _names(path, column) if isinstance(name, str)}


def _names(path: Path, column: str) -> Iterable[object]:
    try:
        if path.suffix == ".jsonl":
            with path.open(encoding="utf-8") as lines:
                return [row.get(column) for row in map(json.loads, lines) if isinstance(row, dict)]
        table = pl.scan_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.scan_parquet(path)
        return table.select(column).collect().to_series()
    except (OSError, ValueError, pl.exceptions.PolarsError):
        return ()


def _places(workspace: Workspace) -> Iterator[str]:
    for path in sorted((workspace.state / "exports").glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))["place"]

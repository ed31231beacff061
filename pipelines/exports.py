"""A record of what was carried out of the workspace, so that it can be found again when data are taken back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.scanning import pieces
from pipelines.whole_files import write_whole
from pipelines.workspace import Workspace
from records import digest

_COLUMNS = ("sample_id", "content_digest")
_NAME = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


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


def names_in(place: Path) -> set[str]:
    """The names of samples and contents in an exported table, or in the Parquet files of a folder.

    In CSV and JSON Lines it is whatever looks like one, in whichever column: a line that was cut, or another delimiter, hides
    none. Raises OSError or pyarrow.ArrowException where Parquet cannot be read.
    """
    files = [place] if place.is_file() else sorted(place.rglob("*.parquet"))
    return {name for path in files for name in (_in_columns(path) if path.suffix == ".parquet" else _in_text(path))}


def _in_columns(path: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
        for batch in file.iter_batches(columns=columns) if columns else ():
            for column in batch.columns:
                yield from (name for name in column.to_pylist() if isinstance(name, str))


def _in_text(path: Path) -> Iterator[str]:
    for piece in pieces(path):
        for name in _NAME.finditer(piece.replace(b"\0", b"")):  # of UTF-16, which a spreadsheet may have made of it
            yield name[0].decode()


def _places(workspace: Workspace) -> Iterator[str]:
    for path in sorted((workspace.state / "exports").glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))["place"]

"""`headwater explain --bytes`: the bytes that a document was made from, fetched anew from its source.

They are checked against the digest under which they were read, so what is printed is what was read, or an error.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curation.fetching import File, bytes_of, record_of
from curation.formats import Unreadable
from curation.inventory import root_of
from curation.originals import original
from curation.reading import file_locator
from pipelines.lookup import Row, find_document, find_failures, not_found, row_where
from pipelines.workspace import Workspace


def bytes_of_document(workspace: Workspace, name: str) -> bytes:
    """The bytes of a document or of a record that failed, named as `find_document` has it.

    Raises LookupError where nothing, or more than one content, has that name, or its source is gone; ValueError where
    the source has other bytes by now.
    """
    store = workspace.store
    if store.head("documents") is None:
        raise LookupError("there are no documents yet; `headwater run` reads the sources")
    named = find_document(store, name, workspace.config.source_order)
    row = row_where(store, "documents", pl.col("doc_id") == named["doc_id"]) if named else None
    row = row or next(iter(find_failures(store, name)), None)
    if row is None:
        raise not_found(store, name)
    if row.get("byte_offset") is not None:
        return _fetched(workspace, row, row["byte_offset"], row["byte_length"])
    data = _fetched(workspace, row)
    part = row["locator"].removeprefix(file_locator(row["path"])).removeprefix("#")
    return original(data, row["path"], part, workspace.config.reading)


def _fetched(workspace: Workspace, row: Row, offset: int = 0, length: int | None = None) -> bytes:
    """The bytes of a file, or of one record of it, which of a file on disk alone are read."""
    entry = next((entry for entry in workspace.config.sources if entry.name == row["source"]), None)
    if entry is None:
        raise LookupError(f"the source {row['source']} is in headwater.yaml no more; put it back to see its bytes")
    root = root_of(entry, workspace.root)
    place = root / row["path"] if isinstance(root, Path) else None
    size = place.stat().st_size if place is not None and place.is_file() else 1
    file = File(row["source"], row["path"], size, row["bytes_digest"], None, root)
    try:
        if length is not None and isinstance(root, Path):
            return record_of(file, offset, length, workspace.inventory_cache(entry.name))
        data = bytes_of(file)
        return data if length is None else data[offset : offset + length]
    except Unreadable as error:
        where = f"{row['source']}:{row['path']}"
        raise ValueError(
            f"{where} is not what was read ({error.error}); `headwater run` reads the source anew"
        ) from error

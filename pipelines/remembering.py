"""Fingerprints of what was taken back, kept until it is purged: by them its text is known again when no table has it.

They lie in a folder that only the owner can read, one file for each request, and go when a purge has found nothing.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np

from curation.fingerprints import Hashes, fingerprints, union
from pipelines.lineage import among
from pipelines.whole_files import whole
from pipelines.workspace import Workspace

BATCH = 10_000


def folder_of(workspace: Workspace) -> Path:
    """Where fingerprints wait for their purge."""
    return workspace.state / "forgotten"


def remember(workspace: Workspace, request: str, contents: Sequence[str], key: str) -> None:
    """Keep the fingerprints of contents until they are purged."""
    found: list[Hashes] = []
    for start in range(0, len(contents), BATCH):
        rows = among(workspace.store, "documents", "content_digest", contents[start : start + BATCH], ("text",))
        found.append(fingerprints(rows["text"], key))
    folder = folder_of(workspace)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with whole(folder / f"{request}.npy", 0o600) as file:
        np.save(file, union(found), allow_pickle=False)


def waiting(workspace: Workspace, requests: Container[str]) -> dict[str, Path]:
    """The requests that wait for their purge, each with its file. Those that were never committed are forgotten."""
    found = {}
    for path in sorted(folder_of(workspace).glob("*.npy")):
        if path.stem in requests:
            found[path.stem] = path
        else:
            path.unlink()
    return found


def recall(paths: Sequence[Path]) -> Hashes:
    """The fingerprints in some files, each once."""
    return union(np.load(path, allow_pickle=False) for path in paths)

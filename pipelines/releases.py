"""Releases as they lie in a workspace: which there are, how a person calls one, and which of them hold a sample."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from curation.release_kinds import KEYS, KINDS, PAIRS
from curation.releases import MANIFEST, STUB
from pipelines.tags import tags_of
from pipelines.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ReleaseFolder:
    """A release that is complete: of which dataset, its version, and where it lies."""

    dataset: str
    version: str
    folder: Path

    @property
    def said(self) -> str:
        """How a person calls it."""
        return f"{self.dataset} {self.version}"


def releases_of(workspace: Workspace, dataset: str = "*") -> Iterator[ReleaseFolder]:
    """The complete releases of a dataset (of all datasets by default), by name."""
    for manifest in sorted(workspace.releases.glob(f"{dataset}/*/{MANIFEST}")):
        folder = manifest.parent
        if not folder.name.startswith(".") and not (folder / STUB).exists():
            yield ReleaseFolder(folder.parent.name, folder.name, folder)


def check_dataset(dataset: str) -> None:
    """Raises LookupError, with what there is, for a name that no dataset has."""
    if dataset not in KINDS:
        raise LookupError(f"there is no dataset {dataset!r}; there are: {', '.join(KINDS)}")


def find_release(workspace: Workspace, dataset: str, name: str | None = None) -> ReleaseFolder:
    """The release of a dataset that a person calls by a tag, by its version or the version's first digits; else the newest.

    Raises LookupError, with what there is, when the name fits none, or more than one.
    """
    check_dataset(dataset)
    known = {release.version: release for release in releases_of(workspace, dataset)}
    tags = tags_of(workspace.store, dataset) if known else {}
    if name is None:
        head = workspace.store.head(dataset) if known else None
        name = str(head.notes.get("release", "")) if head else ""
    wanted = tags.get(name, name)
    found = [release for version, release in known.items() if wanted and version.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    said = f" {name}" if name else ""
    if not known:
        raise LookupError(
            f"dataset {dataset!r} has no release yet; `headwater run` makes one where headwater.yaml asks for it, as by `task`"
        )
    raise LookupError(
        f"dataset {dataset!r} has {'several releases' if found else 'no release'}{said}; "
        f"there are: {', '.join([*tags, *known])}"
    )


def standing_release(workspace: Workspace, dataset: str, name: str) -> ReleaseFolder:
    """The release that a person calls so, as `find_release` has it; of one that was taken back, the one that followed it."""
    stubs = {note.parent.name: note for note in workspace.releases.glob(f"{dataset}/*/{STUB}")}
    name = tags_of(workspace.store, dataset).get(name, name)
    while gone := next((version for version in sorted(stubs) if name and version.startswith(name)), None):
        name = json.loads(stubs.pop(gone).read_text(encoding="utf-8"))["successor"]
    return find_release(workspace, dataset, name)


def files_of(release: ReleaseFolder, key: str = "sample_id") -> Iterator[tuple[str, Path]]:
    """The files of a release whose rows are named by that column, each with its split."""
    if KEYS.get(release.dataset, ("",))[0] == key:
        yield from ((path.name.split("-")[0], path) for path in sorted(release.folder.glob(f"{PAIRS}/*.parquet")))


def holding(workspace: Workspace, names: Sequence[str], key: str = "sample_id") -> dict[ReleaseFolder, dict[str, int]]:
    """The releases that hold any of these samples (or contents, by their digests), and how many rows by split."""
    found: dict[ReleaseFolder, dict[str, int]] = {}
    for release in releases_of(workspace) if names else ():
        for split, path in files_of(release, key):
            rows = pl.scan_parquet(path).filter(pl.col(key).is_in(list(names)))
            count = rows.select(pl.len()).collect().item()
            if count:
                splits = found.setdefault(release, {})
                splits[split] = splits.get(split, 0) + count
    return found


def beginning_so(workspace: Workspace, digits: str) -> list[dict[str, Any]]:
    """The samples of all releases whose sample_id begins so: each once, with its split in the release named last."""
    found: dict[str, dict[str, Any]] = {}
    for release in releases_of(workspace):
        for split, path in files_of(release):
            rows = pl.scan_parquet(path).filter(pl.col("sample_id").str.starts_with(digits))
            for name, part in rows.select("sample_id", "slice").collect().iter_rows():
                found[name] = {"sample_id": name, "split": split, "slice": part, "openness": ""}
    return list(found.values())

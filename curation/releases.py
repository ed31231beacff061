"""Dataset versions: immutable folders of Parquet that `datasets.load_dataset(DIR)` and TRL read as they are.

A release is named by its rows alone: SHA-256 over their sorted hashes, so that the order they came in, the machine and
the time name nothing. Rows are written in the conversational form of TRL (`prompt` and `completion`, or `prompt`,
`chosen` and `rejected`: lists of turns); a column `messages` beside them would make its SFTTrainer take that instead.
The folder is written beside its place and renamed, with `manifest.json` last: where a manifest stands, all is there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.dataset_card import dataset_card

Kind = Literal["instructions", "preferences"]
SPLITS = ("train", "validation", "test")
MANIFEST = "manifest.json"
STUB = "TAKEN_BACK.json"
"""Stands in the stead of a release that was taken back, and names the one that follows it."""

_TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_LAYOUTS: dict[str, pa.Schema] = {
    "instructions": pa.schema(
        [("sample_id", pa.string()), ("prompt", _TURNS), ("completion", _TURNS)]
        + [(name, pa.string()) for name in ("slice", "openness")]
    ),
    "preferences": pa.schema(
        [("sample_id", pa.string()), ("prompt", _TURNS), ("chosen", _TURNS), ("rejected", _TURNS)]
        + [(name, pa.string()) for name in ("slice", "task_digest", "chosen_model", "rejected_model")]
    ),
}
INSTRUCTIONS = ("sample_id", "messages", "reference", "slice", "openness", "split")
PREFERENCES = (*_LAYOUTS["preferences"].names, "split")
"""The columns of the two kinds as frames."""
_KEYS: dict[str, tuple[str, ...]] = {"instructions": ("sample_id",), "preferences": ("sample_id", "task_digest")}


def instructions(samples: pl.DataFrame) -> pl.DataFrame:
    """The samples that have a reference, as columns `INSTRUCTIONS`, sorted by sample_id."""
    return samples.filter(pl.col("reference").is_not_null()).select(INSTRUCTIONS).sort("sample_id")


def release_name(hashes: Iterable[bytes]) -> str:
    """The version of the rows with these hashes, in any order: SHA-256, 64 hexadecimal digits."""
    state = hashlib.sha256()
    for row in sorted(hashes):
        state.update(row)
    return state.hexdigest()


def row_hashes(frame: pl.DataFrame) -> list[bytes]:
    """SHA-256 of each row as canonical JSON (keys sorted, no blanks, UTF-8)."""
    return [hashlib.sha256(_canonical(row)).digest() for row in frame.iter_rows(named=True)]


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def keys_of(kind: Kind) -> tuple[str, ...]:
    """The columns that name a row of a release."""
    return _KEYS[kind]


def write_release(frame: pl.DataFrame, folder: Path, kind: Kind, facts: Mapping[str, str]) -> None:
    """Write the rows of `instructions`, or those of `curation.preferences`, as the release `folder`; `facts` stand in its card.

    A folder that already holds this release is left as it is. Raises FileExistsError where another one lies, and
    ValueError when there are no rows.
    """
    if frame.is_empty():
        raise ValueError(f"release {folder}: no rows to release; see what was dropped from the samples and why")
    version = release_name(row_hashes(frame))
    if folder.exists():
        return _check_same(folder, version)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "data").mkdir(parents=True)
    counts = _write_splits(frame, partial, kind)
    (partial / "README.md").write_text(dataset_card(kind, version, counts, _LAYOUTS[kind], facts), encoding="utf-8")
    manifest = {"kind": kind, "version": version, "splits": counts, "facts": dict(facts), "files": _files(partial)}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.rename(folder)
    return None


def _check_same(folder: Path, version: str) -> None:
    if read_manifest(folder)["version"] != version:
        raise FileExistsError(f"{folder} holds another release, and releases are never changed; write to a new folder")


def _write_splits(frame: pl.DataFrame, folder: Path, kind: Kind) -> dict[str, int]:
    counts = {}
    for split in SPLITS:
        rows = frame.filter(split=split).sort(_KEYS[kind])
        if rows.height:
            table = _stored(rows, kind).to_arrow().cast(_LAYOUTS[kind])
            pq.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet", compression="zstd")
            counts[split] = rows.height
    if sum(counts.values()) != frame.height:
        raise ValueError(f"release {folder}: a row has a split that is none of {', '.join(SPLITS)}")
    return counts


def _stored(rows: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    if kind == "preferences":
        return rows.select(_LAYOUTS[kind].names)
    completion = pl.concat_list(pl.struct(role=pl.lit("assistant"), content="reference"))
    return rows.with_columns(pl.col("messages").alias("prompt"), completion=completion).select(_LAYOUTS[kind].names)


def read_release(folder: Path) -> pl.DataFrame:
    """The rows of a release as they were handed to `write_release`, sorted by their key.

    Raises FileNotFoundError where no complete release lies.
    """
    manifest = read_manifest(folder)
    parts = [
        pl.read_parquet(folder / "data" / f"{split}-00000-of-00001.parquet").with_columns(split=pl.lit(split))
        for split in manifest["splits"]
    ]
    rows = pl.concat(parts).sort(_KEYS[manifest["kind"]])
    if manifest["kind"] == "preferences":
        return rows.select(PREFERENCES)
    reference = pl.col("completion").list.first().struct.field("content")
    return rows.with_columns(messages="prompt", reference=reference).select(INSTRUCTIONS)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What `manifest.json` says. Raises FileNotFoundError where no complete release lies."""
    path, stub = folder / MANIFEST, folder / STUB
    if stub.is_file():
        successor = json.loads(stub.read_text(encoding="utf-8"))["successor"]
        raise FileNotFoundError(
            f"{folder} was taken back; {f'use {successor}, which followed it' if successor else 'nothing followed it'}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no complete release: it has no {MANIFEST}; write the release again")
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def write_stub(folder: Path, successor: str) -> None:
    """Take a release back: remove its files, and leave a note that names the release that followed it.

    The note comes first and the manifest goes last: where the note stands the release is taken back, and where a manifest
    stands beside it, a process was killed and this is to be done again. Files that are none of the release stay.
    """
    partial = folder / f".{STUB}"
    partial.write_text(json.dumps({"version": folder.name, "successor": successor}) + "\n", encoding="utf-8")
    partial.rename(folder / STUB)
    manifest = folder / MANIFEST
    listed = json.loads(manifest.read_text(encoding="utf-8"))["files"] if manifest.is_file() else {}
    for name in listed:
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            path.unlink(missing_ok=True)
    manifest.unlink(missing_ok=True)
    data = folder / "data"
    if data.is_dir() and not any(data.iterdir()):
        data.rmdir()


def verify_release(folder: Path) -> None:
    """Check every file of a release, and its name, against the manifest. Raises ValueError that names what differs."""
    manifest = read_manifest(folder)
    found = _files(folder)
    if found != manifest["files"]:
        names = sorted(name for name in {*found, *manifest["files"]} if found.get(name) != manifest["files"].get(name))
        raise ValueError(f"release {folder} is damaged: {', '.join(names)}; remove the folder and write it again")
    if release_name(row_hashes(read_release(folder))) != manifest["version"]:
        raise ValueError(f"release {folder} is not what it is named after; remove the folder and write it again")


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of each file by its path in the folder, the manifest left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def export_release(folder: Path, destination: Path) -> None:
    """Copy a release to a folder that does not exist yet, or is empty, and verify the copy.

    Raises FileExistsError for a destination that is in use, and what `verify_release` raises.
    """
    if destination.exists() and any(destination.iterdir()):
        raise FileExistsError(f"{destination} is not empty; name a new folder")
    verify_release(folder)
    partial = destination.with_name(f".{destination.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial)
    verify_release(partial)
    if destination.exists():
        destination.rmdir()
    partial.rename(destination)

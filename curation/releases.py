"""Dataset versions: immutable folders of Parquet that `datasets.load_dataset(DIR)` and TRL read as they are.

A release is named by its rows alone: SHA-256 over their sorted hashes, so that the order they came in, the machine and
the time name nothing. What the rows of each kind look like, `curation.release_kinds` says. The folder is written beside its place and renamed, with `manifest.json` last: where a manifest stands, all is there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.dataset_card import dataset_card
from curation.mixture import MixtureSettings, mixed
from curation.release_kinds import (
    COPIES,
    FRAMES,
    KEYS,
    KTO,
    LAYOUTS,
    PAIRS,
    SINGLES,
    SPLITS,
    Kind,
    framed,
    singles,
    stored,
)
from records import CHECKED_BY, canonical_json, concatenated, large_binary

MANIFEST = "manifest.json"
STUB = "TAKEN_BACK.json"
"""Stands in the stead of a release that was taken back, and names the one that follows it."""

SHARD_ROWS = 200_000
"""Most rows of a file."""
GROUP_ROWS = 10_000
"""Rows that are written at a time; in a file they are a row group."""
HASHED_ROWS = 2_000
"""Rows that are hashed at a time: as JSON a row takes several times what it takes in a frame."""
INSTRUCTIONS, PREFERENCES, PRETRAINING, EVALUATION = (
    FRAMES[kind] for kind in ("instructions", "preferences", "pretraining", "evaluation")
)
"""The columns of each kind as a frame."""


def instructions(samples: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """The samples that have an answer as their reference (`answered`), sorted by sample_id."""
    return answered(samples).sort("sample_id").collect()


def answered(samples: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    """The samples that have an answer as their reference, as columns `INSTRUCTIONS`.

    A pattern, a schema or unit tests are no answer: a model that learnt them would write tests where code is wanted.
    """
    is_answer = pl.col("checker").is_in(CHECKED_BY).fill_null(value=False).not_()
    return samples.lazy().filter(pl.col("reference").is_not_null() & is_answer).select(INSTRUCTIONS)


def release_name(hashes: Iterable[bytes]) -> str:
    """The version of the rows with these hashes, in any order: SHA-256, 64 hexadecimal digits.

    Of a row no more is held than the 32 bytes of its hash.
    """
    return _name(_held(hashes))


def _held(hashes: Iterable[bytes]) -> bytearray:
    """Hashes, one after the other; `join` would make a list of them first."""
    held = bytearray()
    for each in hashes:
        held += each
    return held


def _name(hashes: bytearray) -> str:
    np.frombuffer(hashes, "S32").sort()
    return hashlib.sha256(hashes).hexdigest()


def row_hashes(frame: pl.DataFrame) -> Iterator[bytes]:
    """SHA-256 of each row as canonical JSON (keys sorted, no blanks, UTF-8); `copies` counts where it is not 1."""
    for rows in frame.iter_slices(HASHED_ROWS):
        if COPIES not in rows.columns:
            yield from _hashed(rows)
            continue
        once, more = _hashed(rows.drop(COPIES)), _hashed(rows)
        yield from (few if copies == 1 else many for copies, few, many in zip(rows[COPIES], once, more, strict=True))


def _hashed(frame: pl.DataFrame) -> Iterator[bytes]:
    rows = canonical_json(frame.select(row=pl.struct(frame.columns)).to_series())
    return (hashlib.sha256(row).digest() for row in concatenated([large_binary(rows)]))


def keys_of(kind: Kind) -> tuple[str, ...]:
    """The columns that name a row of a release."""
    return KEYS[kind]


def mixed_instructions(
    rows: pl.DataFrame, samples: pl.DataFrame, settings: MixtureSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of `instructions` that a mixture takes, and what was achieved (`curation.mixture.MIX`).

    `samples` has the source of each; the tokens of a row are those of its turns and its answer.
    """
    sources = rows.select("sample_id").join(
        samples.select("sample_id", "source"), on="sample_id", maintain_order="left"
    )
    turns = pl.col("messages").list.eval(pl.element().struct.field("content").str.len_bytes()).list.sum()
    size = rows.select((turns + pl.col("reference").str.len_bytes()).cast(pl.Int64).alias("size"))["size"]
    parts = sources["source"] if settings.by == "source" else rows["slice"]
    return mixed(rows, parts, size, "sample_id", settings)


def evaluation(samples: pl.DataFrame) -> pl.DataFrame:
    """The samples that are held out, as columns `EVALUATION`, sorted by sample_id; also those without a reference."""
    held_out = samples.filter(pl.col("split") != "train")
    return held_out.select(pl.col("messages").alias(name) if name == "prompt" else name for name in EVALUATION).sort(
        "sample_id"
    )


def write_release(
    frame: pl.DataFrame, folder: Path, kind: Kind, facts: Mapping[str, str], version: str | None = None
) -> None:
    """Write rows (the columns of `curation.release_kinds.FRAMES`) as the release `folder`; `facts` stand in its card.

    `version` is its name, where that is known. A folder that already holds this release is left as it is. Raises FileExistsError where another one lies, and
    ValueError when there are no rows.
    """
    if frame.is_empty():
        raise ValueError(f"release {folder}: no rows to release; see what was dropped from the samples and why")
    version = version or release_name(row_hashes(frame))
    if folder.exists():
        return _check_same(folder, version)
    draft = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    counts = _write_splits(frame, draft, kind)
    (draft / "README.md").write_text(dataset_card(kind, version, counts, facts), encoding="utf-8")
    manifest = {"kind": kind, "version": version, "splits": counts, "facts": dict(facts), "files": _files(draft)}
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    draft.rename(folder)
    return None


def _check_same(folder: Path, version: str) -> None:
    if read_manifest(folder)["version"] != version:
        raise FileExistsError(f"{folder} holds another release, and releases are never changed; write to a new folder")


def _write_splits(frame: pl.DataFrame, folder: Path, kind: Kind) -> dict[str, int]:
    counts = {}
    for split in SPLITS:
        rows = _repeated(frame.filter(split=split).sort(KEYS[kind]))
        if rows.height:
            _write_shards(rows, partial(stored, kind=kind), folder / PAIRS, split, LAYOUTS[kind])
            counts[split] = rows.height
            if kind == "preferences":
                _write_shards(singles(rows), _as_it_is, folder / SINGLES, split, KTO)
    if set(frame["split"].unique()) - set(SPLITS):
        raise ValueError(f"release {folder}: a row has a split that is none of {', '.join(SPLITS)}")
    return counts


def _repeated(rows: pl.DataFrame) -> pl.DataFrame:
    if COPIES not in rows.columns:
        return rows
    return rows[np.repeat(np.arange(rows.height), rows[COPIES].to_numpy())].drop(COPIES)


def _as_it_is(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def _write_shards(
    rows: pl.DataFrame, written: Callable[[pl.DataFrame], pl.DataFrame], folder: Path, split: str, layout: pa.Schema
) -> None:
    folder.mkdir(exist_ok=True)
    count = -(-rows.height // SHARD_ROWS)
    for shard, part in enumerate(rows.iter_slices(SHARD_ROWS)):
        path = folder / f"{split}-{shard:05}-of-{count:05}.parquet"
        with pq.ParquetWriter(path, layout, compression="zstd") as file:
            for group in part.iter_slices(GROUP_ROWS):
                file.write_table(written(group).to_arrow().cast(layout))


def read_release(folder: Path, without: Collection[str] = ()) -> pl.DataFrame:
    """The rows of a release as they were handed to `write_release`, sorted by their key; each once, with `copies` where
    some stand there more than once. Columns that it is to be `without` are not read.

    Raises FileNotFoundError where no complete release lies.
    """
    manifest = read_manifest(folder)
    kind = manifest["kind"]
    parts = [pl.scan_parquet(path).with_columns(split=pl.lit(split)) for split, path in _data_of(folder, manifest)]
    keys = list(KEYS[kind])
    rows = framed(pl.concat(parts), kind).drop(without, strict=False).collect().sort(keys)
    once = rows.unique(keys, keep="first", maintain_order=True)
    if once.height == rows.height:
        return rows
    return once.join(rows.group_by(keys).agg(pl.len().cast(pl.Int64).alias(COPIES)), on=keys, maintain_order="left")


def _data_of(folder: Path, manifest: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """The files of a release's rows, each with its split."""
    return [(split, path) for split in manifest["splits"] for path in sorted(folder.glob(f"{PAIRS}/{split}-*.parquet"))]


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
    for data in (folder / PAIRS, folder / SINGLES):
        if data.is_dir() and not any(data.iterdir()):
            data.rmdir()


def verify_release(folder: Path) -> None:
    """Check every file of a release, and its name, against the manifest. Raises ValueError that names what differs."""
    manifest = read_manifest(folder)
    found = _files(folder)
    if found != manifest["files"]:
        names = sorted(name for name in {*found, *manifest["files"]} if found.get(name) != manifest["files"].get(name))
        raise ValueError(f"release {folder} is damaged: {', '.join(names)}; remove the folder and write it again")
    if _name_of(folder, manifest) != manifest["version"]:
        raise ValueError(f"release {folder} is not what it is named after; remove the folder and write it again")


def _name_of(folder: Path, manifest: Mapping[str, Any]) -> str:
    """The name of a release by the rows that lie there: of each its hash is held, and nothing else.

    What stands there more than once is one row with `copies`, and is gone through a second time for that.
    """
    lying = _held(row for rows in _pieces(folder, manifest) for row in row_hashes(rows))
    hashes, copies = np.unique(np.frombuffer(lying, "S32"), return_counts=True)
    if len(hashes) == len(lying) // 32:
        return _name(lying)
    counted = hashes.copy()
    for rows in _pieces(folder, manifest):
        places = np.searchsorted(hashes, np.fromiter(row_hashes(rows), "S32", rows.height))
        several = rows.with_columns(pl.Series(COPIES, copies[places], pl.Int64))
        counted[places] = np.fromiter(row_hashes(several), "S32", rows.height)
    return _name(bytearray(counted))


def _pieces(folder: Path, manifest: Mapping[str, Any]) -> Iterator[pl.DataFrame]:
    """The rows of a release as they lie there, some at a time.

    Row groups are read one by one: a reader of several keeps the bytes of all that it has been through.
    """
    for split, path in _data_of(folder, manifest):
        with pq.ParquetFile(path) as file:
            batches = chain.from_iterable(
                file.iter_batches(HASHED_ROWS, row_groups=[group]) for group in range(file.num_row_groups)
            )
            for batch in batches:
                rows = pl.DataFrame(pl.from_arrow(batch)).with_columns(split=pl.lit(split))
                yield framed(rows.lazy(), manifest["kind"]).collect()


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of each file by its path in the folder, the manifest left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): _digest_of(path) for path in paths}


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def draft_of(destination: Path) -> Path:
    """Where a copy of a release lies until it is whole."""
    return destination.with_name(f".{destination.name}.partial")


def export_release(folder: Path, destination: Path) -> None:
    """Copy a release to a folder that does not exist yet, or is empty, and verify the copy.

    Raises FileExistsError for a destination that is in use, and what `verify_release` raises.
    """
    if destination.exists() and any(destination.iterdir()):
        raise FileExistsError(f"{destination} is not empty; name a new folder")
    verify_release(folder)
    partial = draft_of(destination)
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial)
    verify_release(partial)
    if destination.exists():
        destination.rmdir()
    partial.rename(destination)

"""What a source holds: one row per file, named by the digest of its bytes.

Everything downstream hangs on this table, so it must be true and cheap. True: a file is named by its bytes (xxh3, 128
bits), never by its time, so that a touched file changes nothing. Cheap: the digest of a file whose path, size, inode,
mtime and ctime are what they were is taken from a cache and its bytes are not read; 30,000 unchanged files cost a walk
and a stat each. As Git does with its index, a file that changed in the last two seconds is never taken from the cache:
a second write within one tick of the file system's clock would leave no trace.

What cannot be read (a pipe, a link that leaves the source, a folder without permission) is a row with its `problem`.

Of an object store nothing is read at all: its listing has ETags (`curation.object_stores`); the hub's has digests
(`curation.hub_datasets`).
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl
import xxhash

from curation.globs import Globs
from curation.hub_datasets import HUB, HubRoot
from curation.object_stores import CHANGED, ObjectRoot, is_remote
from records import Progress, silent

SKIPPED_FOLDERS = (".git", ".hg", ".svn", ".venv", "__pycache__")

INVENTORY = pl.Schema(
    {"source": pl.String, "path": pl.String, "size": pl.Int64, "bytes_digest": pl.String, "problem": pl.String}
)
"""`path` is relative to the root, with `/`. `problem` is null for a file that can be read; `bytes_digest` is "" else. The
digest is of the file's bytes, or the ETag of an object."""
FILE = ("source", "path", "bytes_digest")
"""What tells a file as it was read from all others, in this table and in those that are made of it."""

MENDS = {
    "named pipe": "a pipe has no end: write its content to a file",
    "socket": "a socket is no file: exclude it",
    "device": "a device is no file: exclude it",
    "permission denied": "give read permission, or exclude it",
    "broken symbolic link": "mend the link, or exclude it",
    "symbolic link out of the source": "declare the link's target as a source of its own, or exclude the link",
    "symbolic link to a folder": "folders are read at their own place: exclude the link",
    "name is not UTF-8": "rename the file; its name stands here with the foreign bytes escaped",
    "vanished": "run again",
    "no ETag": "the store does not say when the object changes: copy it to a folder",
    CHANGED: "it is read anew in the next run",
}
"""What a person can do about each problem; a problem that is not here is the operating system's own message."""

_CACHE = pl.Schema(
    {
        "path": pl.String,
        "size": pl.Int64,
        "mtime_ns": pl.Int64,
        "ctime_ns": pl.Int64,
        "inode": pl.UInt64,
        "bytes_digest": pl.String,
    }
)
_FRESH_NS = 2_000_000_000
_CHUNK = 1 << 20
_SLASH = re.compile("/")
_REPORT_EVERY = 500

_Stamp = tuple[int, int, int, int]
_Cache = dict[str, tuple[_Stamp, str]]


@dataclass(frozen=True)
class Source:
    """A place raw data comes from: a folder, one file, a prefix of an object store, or a dataset of the hub."""

    # The name that rows, verdicts and reports call it by.
    name: str
    # Folder or file; `~` is the home folder, a relative path starts at the workspace. Or `s3://bucket/prefix`, or
    # `hf://datasets/owner/name`.
    path: str
    # Files that belong to it: globs relative to the folder (`*` within a name, `**` over folders).
    include: tuple[str, ...] = ("**/*",)
    # Files and folders that do not; they win over `include`.
    exclude: tuple[str, ...] = ()
    # Names of folders that are never entered, at any depth; one's own list replaces this one.
    skip_folders: tuple[str, ...] = SKIPPED_FOLDERS


class _Found(NamedTuple):
    """One thing met in the walk: a regular file with its stat, or a problem."""

    path: str
    stat: os.stat_result | None = None
    problem: str = ""


Root = Path | ObjectRoot | HubRoot
"""What the paths of a source are relative to."""


def root_of(source: Source, base: Path) -> Root:
    """The folder that the source's paths are relative to: its folder, the folder of its one file, or the store's prefix.

    `base` is the workspace's folder. Raises FileNotFoundError when the source is not there.
    """
    if is_remote(source.path):
        return _remote(source.path)
    place = _place(source, base)
    return place if place.is_dir() else place.parent


def _remote(address: str) -> ObjectRoot | HubRoot:
    return HubRoot.of(address) if address.startswith(HUB) else ObjectRoot.of(address)


def take_inventory(source: Source, base: Path, cache: Path | None = None, progress: Progress = silent) -> pl.DataFrame:
    """The files of a source as `INVENTORY`, sorted by path.

    `base` is the folder that a relative source path starts from. `cache` is a Parquet file of this source alone, made
    when it is missing; it saves reading unchanged files and never changes the answer. Symbolic links are followed only
    to regular files within the source. Raises FileNotFoundError, PermissionError, ConnectionError or ValueError, with
    the source's name, when the source itself is missing, closed, out of reach or neither folder nor file.
    """
    rows = _stored(source, progress) if is_remote(source.path) else _filed(source, base, cache, progress)
    return _frame([(source.name, *row) for row in rows], INVENTORY)


def _frame(rows: list[tuple[Any, ...]], schema: pl.Schema) -> pl.DataFrame:
    """Rows as a frame, column by column: row by row takes six times as long."""
    return pl.DataFrame(dict(zip(schema, zip(*rows, strict=True), strict=True)) if rows else None, schema=schema)


_Row = tuple[str, int, str, str | None]
"""Path, size, digest and problem."""


def _filed(source: Source, base: Path, cache: Path | None, progress: Progress) -> list[_Row]:
    """The files of a folder, or the one file."""
    known = _load(cache)
    started = time.time_ns()
    place = _place(source, base)
    root = place if place.is_dir() else place.parent
    found = sorted(_walk(source, place), key=lambda one: one.path)
    rows: list[_Row] = []
    fresh: _Cache = {}
    for done, one in enumerate(found, 1):
        digest, problem = ("", one.problem) if one.stat is None else _digest(root, one, known, fresh, started)
        rows.append((one.path, one.stat.st_size if one.stat else 0, digest, problem or None))
        if done % _REPORT_EVERY == 0 or done == len(found):
            progress(done, len(found), "files")
    if cache is not None and fresh != known:
        _save(cache, fresh)
    return rows


def _stored(source: Source, progress: Progress) -> list[_Row]:
    """The objects below a prefix. An empty one with others below it is how a store's console draws a folder: no object."""
    try:
        root = _remote(source.path)
        found = {}
        for one in root.objects():
            found[one.path] = one
            if len(found) % _REPORT_EVERY == 0:
                progress(len(found), None, "objects")
    except (ConnectionError, ValueError) as error:
        raise type(error)(
            f"source {source.name!r}: {error}; mend its `path` in headwater.yaml, or the environment"
        ) from error
    if not found:
        raise FileNotFoundError(
            f"source {source.name!r}: nothing lies below {root.address}; mend `path` of this source in headwater.yaml "
            "(for one object: its folder as `path`, and its name under `include`)"
        )
    folders = {folder for path in found for folder in _folders(path)}
    globs = Globs(source.include, source.exclude)
    return [
        (path, one.size, one.digest, None if one.digest else "no ETag")
        for path, one in sorted(found.items())
        if not (one.size == 0 and path in folders)
        and globs.includes(path)
        and not any(
            folder.rsplit("/", 1)[-1] in source.skip_folders or globs.excludes_folder(folder)
            for folder in _folders(path)
        )
    ]


def _folders(path: str) -> Iterator[str]:
    """All the folders that an object's path names, from the outermost: a store has none of its own."""
    return (path[: match.start()] for match in _SLASH.finditer(path))


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file for reading that must be a regular one, without ever waiting for a pipe's other end.

    Raises OSError; for what is not a regular file its `strerror` is one of the problems in `MENDS`.
    """
    return os.fdopen(_descriptor(path), "rb")


def read_regular(path: str | Path, size: int) -> bytes:
    """The bytes of a regular file, but no more than `size`; raises as `open_regular` does.

    Of a small file a buffer and its object cost as much as all else.
    """
    descriptor = _descriptor(path)
    try:
        data = os.read(descriptor, size)
        while len(data) < size and (more := os.read(descriptor, size - len(data))):
            data += more
    finally:
        os.close(descriptor)
    return data


def _descriptor(path: str | Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = _irregular(os.fstat(descriptor).st_mode)
    if kind:
        os.close(descriptor)
        raise OSError(errno.EINVAL, kind, str(path))
    return descriptor


def problem_of(error: OSError) -> str:
    """The short reason for what the operating system refused."""
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "vanished"
    return (error.strerror or type(error).__name__).lower()


def _place(source: Source, base: Path) -> Path:
    place = (base / Path(source.path).expanduser()).absolute()
    if not place.exists():
        raise FileNotFoundError(
            f"source {source.name!r}: there is no {place}; make it, or mend `path` of this source in headwater.yaml"
        )
    if not place.is_dir() and not place.is_file():
        raise ValueError(f"source {source.name!r}: {place} is neither a folder nor a regular file; mend its `path`")
    return place


def _walk(source: Source, place: Path) -> Iterator[_Found]:
    """Everything beneath the place that belongs to the source, folder by folder (no recursion: no depth limit)."""
    if not place.is_dir():
        yield _seen(place, place.name)
        return
    real = Path(os.path.realpath(place))
    globs = Globs(source.include, source.exclude)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(place / folder))
        except OSError as error:
            if not folder:
                raise PermissionError(
                    f"source {source.name!r}: {place} cannot be listed ({problem_of(error)}); give read permission"
                ) from error
            yield _Found(_printable(folder.rstrip("/")), problem=problem_of(error))
            continue
        for entry in entries:
            path = f"{folder}{entry.name}"
            if entry.name in source.skip_folders and entry.is_dir():
                continue
            if entry.is_dir(follow_symlinks=False):
                if not globs.excludes_folder(path):
                    waiting.append(f"{path}/")
            elif globs.includes(path):
                problem = _link_problem(entry.path, real) if entry.is_symlink() else ""
                yield _Found(_printable(path), problem=problem) if problem else _seen(entry, path)


def _seen(entry: os.DirEntry[str] | Path, path: str) -> _Found:
    """One thing that is no folder: its stat, or why it cannot be read."""
    if _printable(path) != path:
        return _Found(_printable(path), problem="name is not UTF-8")
    try:
        seen = entry.stat()
    except OSError as error:
        return _Found(path, problem=problem_of(error))
    kind = _irregular(seen.st_mode)
    return _Found(path, problem=kind) if kind else _Found(path, seen)


def _link_problem(path: str, root: Path) -> str:
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        return "symbolic link out of the source"
    if target.is_dir():
        return "symbolic link to a folder"
    return "" if target.exists() else "broken symbolic link"


def _irregular(mode: int) -> str:
    if stat.S_ISREG(mode):
        return ""
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"


def _printable(path: str) -> str:
    """The path itself, or for a name that is not UTF-8 one that no other file has: no relative path starts with `./`."""
    try:
        _ = path.isascii() or path.encode("utf-8")
    except UnicodeEncodeError:
        return "./" + os.fsencode(path.replace("\\", "\\\\")).decode("utf-8", "backslashreplace")
    return path


def _digest(root: Path, one: _Found, known: _Cache, fresh: _Cache, started: int) -> tuple[str, str]:
    """The digest of a file's bytes, or its problem; what is certain enough goes into `fresh`."""
    assert one.stat is not None  # the caller's condition, told to the type checker
    stamp = _stamp(one.stat)
    cached, digest = known.get(one.path, (None, ""))
    if cached != stamp:
        try:
            digest = _hash(f"{root}/{one.path}", one.stat.st_size)
        except OSError as error:
            return "", problem_of(error)
    if one.stat.st_ctime_ns < started - _FRESH_NS:
        fresh[one.path] = (stamp, digest)
    return digest, ""


def digest_of(root: Path, path: str, cache: Path | None = None) -> str:
    """The digest of one file's bytes as they are now; they are not read where the cache knows it. Raises OSError."""
    seen = (root / path).stat()
    cached, digest = _load(cache).get(path, (None, ""))
    return digest if cached == _stamp(seen) else _hash(root / path, seen.st_size)


def _stamp(seen: os.stat_result) -> _Stamp:
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


def _hash(path: str | Path, size: int) -> str:
    """The digest of a file's bytes as they are now, of which there were `size`."""
    if size < _CHUNK:
        data = read_regular(path, size + 1)
        if len(data) <= size:
            return xxhash.xxh3_128_hexdigest(data)
    state = xxhash.xxh3_128()
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def _load(cache: Path | None) -> _Cache:
    """The cache as it was left; one that cannot be read is as good as none."""
    if cache is None or not cache.exists():
        return {}
    try:
        rows = pl.read_parquet(cache).cast(_CACHE).select(_CACHE.names()).iter_rows()
        return {path: ((size, mtime, ctime, inode), digest) for path, size, mtime, ctime, inode, digest in rows}
    except (pl.exceptions.PolarsError, OSError):
        return {}


def _save(cache: Path, fresh: _Cache) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    rows = [(path, *stamp, digest) for path, (stamp, digest) in fresh.items()]
    part = cache.with_name(f"{cache.name}.{os.getpid()}.part")
    _frame(rows, _CACHE).write_parquet(part)
    part.replace(cache)

"""Archives and compressed files: each member is read as the file it is, in memory, and nothing is ever unpacked to disk.

So a member's name is a name and no path that could lead anywhere. What could explode is bounded by work: the bytes that
all members of one file unfold to, archives within archives among them, and how deep these are nested. A member that is
damaged, encrypted or no file stands alone among the failures.

Documents of offices and books are ZIP archives too, and are not taken apart as such (`curation.formats.packages`).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Protocol

import pyarrow as pa

from curation.formats.extracts import Exhausted, Item, ReadingSettings, Unreadable, below
from curation.formats.packages import ZIP

TAR = "application/x-tar"

_DAMAGED = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError)
_DAMAGED_ARCHIVES = (*_DAMAGED, zipfile.BadZipFile, tarfile.TarError)


class _Readable(Protocol):
    """What unfolded bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; fewer at the end alone."""
        ...


_STREAMS: Mapping[str, Callable[[io.BytesIO], _Readable]] = {
    "application/gzip": lambda file: gzip.GzipFile(fileobj=file),
    "application/x-bzip2": bz2.BZ2File,
    "application/x-xz": lzma.LZMAFile,
    "application/zstd": lambda file: pa.CompressedInputStream(file, "zstd"),
}
"""One compressed file each."""

ARCHIVES = (ZIP, TAR, *_STREAMS)

Fetch = Callable[[], bytes]
"""Gives the bytes of a member, or raises Unreadable."""


@dataclass
class _Work:
    """Bytes that may still be unfolded."""

    left: int

    def take(self, file: _Readable) -> bytes:
        """All that can be read from a member. Raises Unreadable when that is more than what is left."""
        data = file.read(self.left + 1)
        if len(data) > self.left:
            raise Exhausted(
                "over the limit", "it unfolds to more than reading.max_unfolded: raise it, or split the archive"
            )
        self.left -= len(data)
        return data


def read_archive(data: bytes, kind: str, path: str, settings: ReadingSettings) -> Iterator[Item]:
    """The documents of all members, each at its name: `docs/a.html`, or `docs/rows.jsonl#L3` for a part of one.

    `kind` is one of `ARCHIVES`; the ending of `path` without its last one says what a compressed file holds, where its
    content does not. Raises Unreadable when the archive itself cannot be read, or unfolds to too much.
    """
    return _opened(data, kind, path, settings, _Work(settings.max_unfolded), 1)


def _opened(data: bytes, kind: str, path: str, settings: ReadingSettings, work: _Work, depth: int) -> Iterator[Item]:
    """The members of one archive, those of archives within it among them."""
    if depth > settings.max_archives:
        raise Unreadable(
            "over the limit",
            f"archives lie within each other deeper than {settings.max_archives} (reading.max_archives)",
        )
    if kind in _STREAMS:
        yield from _read(_unfolded(data, kind, work), _without_ending(path), settings, work, depth)
        return
    for part, name, member in _parts(data, kind, work):
        yield from below(part, "#", partial(_member, member, name, settings, work, depth), settings)


def member_of(data: bytes, kind: str, path: str, part: str, settings: ReadingSettings) -> tuple[bytes, str, str]:
    """The member that `part` leads into: its bytes, its name, and what is left of the part behind it.

    What a compressed file holds is its one member, and takes nothing of the part. Raises LookupError when there is no
    such member.
    """
    work = _Work(settings.max_unfolded)
    if kind in _STREAMS:
        return _unfolded(data, kind, work), _without_ending(path), part
    places = [place for place, _, _ in _parts(data, kind, work) if part == place or part.startswith(f"{place}#")]
    longest = max(places, key=len, default=None)
    for place, name, fetch in _parts(data, kind, work):
        if place == longest:
            return fetch(), name, part[len(place) + 1 :]
    raise LookupError(f"the archive has no member {part!r}")


def _parts(data: bytes, kind: str, work: _Work) -> Iterator[tuple[str, str, Fetch]]:
    """Each member's place, its name, and what gives its bytes; a name that comes again is told apart."""
    seen: Counter[str] = Counter()
    for name, fetch in _members(data, kind, work):
        seen[name] += 1
        yield name.replace("#", "##") + (f"#again={seen[name]}" if seen[name] > 1 else ""), name, fetch


def _member(fetch: Fetch, path: str, settings: ReadingSettings, work: _Work, depth: int) -> Iterator[Item]:
    return _read(fetch(), path, settings, work, depth)


def _read(data: bytes, path: str, settings: ReadingSettings, work: _Work, depth: int) -> Iterator[Item]:
    """One member as the file it is."""
    from curation.formats import media_type, read_items

    kind = media_type(data, path)
    if kind in ARCHIVES:
        yield from _opened(data, kind, path, settings, work, depth + 1)
    elif len(data) > settings.max_bytes:
        raise Unreadable(
            "over the limit", f"larger than reading.max_bytes ({settings.max_bytes}): raise it, or split the file"
        )
    else:
        yield from read_items(data, path, replace(settings, max_archives=0))


def _unfolded(data: bytes, kind: str, work: _Work) -> bytes:
    try:
        return work.take(_STREAMS[kind](io.BytesIO(data)))
    except Unreadable:
        raise
    except _DAMAGED as error:
        raise Unreadable("damaged archive", "it is cut short or altered: fetch it again") from error


def _without_ending(path: str) -> str:
    """The name of what is compressed: `rows.jsonl` of `rows.jsonl.gz`."""
    return str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).suffix else path


def _members(data: bytes, kind: str, work: _Work) -> Iterator[tuple[str, Fetch]]:
    """The name of each member that is no folder, and what gives its bytes or raises Unreadable."""
    try:
        yield from _of_zip(data, work) if kind == ZIP else _of_tar(data, work)
    except Unreadable:
        raise
    except _DAMAGED_ARCHIVES as error:
        raise Unreadable("damaged archive", "it is cut short or altered: fetch it again") from error


def _of_zip(data: bytes, work: _Work) -> Iterator[tuple[str, Fetch]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield _printable(info.filename), partial(_of_member, archive, info, work)


def _of_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, work: _Work) -> bytes:
    if info.flag_bits & 1:
        raise Unreadable("encrypted", "unlock the archive, and pack it without a password")
    try:
        with archive.open(info) as file:
            return work.take(file)
    except Unreadable:
        raise
    except _DAMAGED_ARCHIVES as error:
        raise Unreadable("damaged member", "the archive is cut short or altered: fetch it again") from error


def _of_tar(data: bytes, work: _Work) -> Iterator[tuple[str, Fetch]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for info in archive:
            if not info.isdir():
                yield _printable(info.name), partial(_of_tar_member, archive, info, work)


def _of_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo, work: _Work) -> bytes:
    file = archive.extractfile(info) if info.isreg() else None
    if file is None:
        raise Unreadable("no regular file", "a link or device in an archive leads to nothing: pack what it means")
    with file:
        data = work.take(file)
    if len(data) != info.size:
        raise Unreadable("damaged member", "the archive is cut short or altered: fetch it again")
    return data


def _printable(name: str) -> str:
    """The name with bytes that are no text escaped."""
    return name.encode("utf-8", "backslashreplace").decode()

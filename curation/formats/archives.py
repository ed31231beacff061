"""Archives and compressed files: each member is read as the file it is, in memory, and nothing is ever unpacked to disk.

An archive that is too large to be held, or unfolds to too much, is read member by member, and what is compressed as a
stream (`curation.large_files`).

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
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from curation.formats.extracts import Exhausted, Item, ReadingSettings, Unreadable, below, over_the_limit
from curation.formats.packages import ZIP

TAR = "application/x-tar"
UNNAMED = "unnamed"
"""What a member without a name is called: the name of a tar's ends at its first NUL."""

_DAMAGED = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError)
_DAMAGED_ARCHIVES = (*_DAMAGED, zipfile.BadZipFile, tarfile.TarError)


class _Readable(Protocol):
    """What unfolded bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; fewer at the end alone."""
        ...


COMPRESSED: Mapping[str, Callable[[BinaryIO], _Readable]] = {
    "application/gzip": lambda file: gzip.GzipFile(fileobj=file),
    "application/x-bzip2": bz2.BZ2File,
    "application/x-xz": lzma.LZMAFile,
    "application/zstd": lambda file: pa.CompressedInputStream(file, "zstd"),
}
"""One compressed file each."""

ARCHIVES = (ZIP, TAR, *COMPRESSED)

_BUFFER = 1 << 20

Fetch = Callable[[], bytes]
"""Gives the bytes of a member, or raises Unreadable."""


@dataclass
class _Work:
    """Bytes that may still be unfolded, and those of one member that may be held."""

    left: int
    most: int

    def take(self, file: _Readable) -> bytes:
        """All that can be read from a member. Raises Unreadable when that is more than what is left, or may be held."""
        data = file.read(min(self.left, self.most) + 1)
        if len(data) > self.left:
            raise _exploded()
        if len(data) > self.most:
            raise _TooLarge(self.most)
        self.left -= len(data)
        return data


def _exploded() -> Exhausted:
    mend = "it unfolds to more than reading.max_unfolded and reading.max_ratio allow: raise one, or split the archive"
    return Exhausted("over the limit", mend)


class _TooLarge(Unreadable):
    """A member that is too large to be held; it is what the whole file holds, where that is compressed."""

    def __init__(self, most: int) -> None:
        said = over_the_limit(most)
        super().__init__(said.error, said.detail)


class _Borrowed(io.RawIOBase):
    """A file that stays open when what reads from it is done with it."""

    def __init__(self, opened: BinaryIO) -> None:
        self.opened = opened

    def readable(self) -> bool:
        """It is for reading alone."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes; 0 at the end."""
        data = self.opened.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Unfolding(io.RawIOBase):
    """What is compressed, as a stream that ends in an error where it is damaged or more than is allowed."""

    def __init__(self, opened: BinaryIO, kind: str, most: int) -> None:
        self.inner, self.left = COMPRESSED[kind](io.BufferedReader(_Borrowed(opened), _BUFFER)), most

    def readable(self) -> bool:
        """It is for reading alone."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes; 0 at the end."""
        try:
            data = self.inner.read(len(buffer))
        except ConnectionError:
            raise
        except _DAMAGED as error:
            raise _damaged() from error
        self.left -= len(data)
        if self.left < 0:
            raise _exploded()
        buffer[: len(data)] = data
        return len(data)


def unfolding(opened: BinaryIO, kind: str, most: int) -> BinaryIO:
    """A compressed file as a stream of what it holds.

    Reading it raises Unreadable where it is damaged, and when it unfolds to more than so many bytes.
    """
    return io.BufferedReader(_Unfolding(opened, kind, most), _BUFFER)


def archive_stream(opened: BinaryIO, kind: str, settings: ReadingSettings, depth: int = 1) -> Iterator[Item]:
    """The documents of a ZIP or tar archive of any size, of which one member is held; a tar may be a stream.

    `depth` is 2 for one that is compressed as a whole.
    """
    return _within(opened, kind, settings, _Work(settings.max_unfolded, settings.max_bytes), depth)


def read_archive(data: bytes, kind: str, path: str, settings: ReadingSettings) -> Iterator[Item]:
    """The documents of all members, each at its name: `docs/a.html`, or `docs/rows.jsonl#L3` for a part of one.

    `kind` is one of `ARCHIVES`; the ending of `path` without its last one says what a compressed file holds, where its
    content does not. Raises Unreadable when the archive itself cannot be read, or unfolds to too much.
    """
    try:
        yield from _opened(data, kind, path, settings, _Work(settings.max_unfolded, settings.max_bytes), 1)
    except _TooLarge as error:
        raise Exhausted(error.error, error.detail) from error


def _opened(data: bytes, kind: str, path: str, settings: ReadingSettings, work: _Work, depth: int) -> Iterator[Item]:
    """The members of one archive, those of archives within it among them."""
    if kind not in COMPRESSED:
        yield from _within(io.BytesIO(data), kind, settings, work, depth)
        return
    _bounded(depth, settings)
    yield from _read(_unfolded(data, kind, work), without_ending(path), settings, work, depth)


def _bounded(depth: int, settings: ReadingSettings) -> None:
    if depth > settings.max_archives:
        raise Unreadable(
            "over the limit",
            f"archives lie within each other deeper than {settings.max_archives} (reading.max_archives)",
        )


def _within(file: BinaryIO, kind: str, settings: ReadingSettings, work: _Work, depth: int) -> Iterator[Item]:
    _bounded(depth, settings)
    part = None
    for part, name, member in _parts(file, kind, work):
        yield from below(part, "#", partial(_member, member, name, settings, work, depth), settings)
    if part is None:
        raise Unreadable("empty archive", "it holds no file: pack what it should hold, or exclude it")


def member_of(data: bytes, kind: str, path: str, part: str, settings: ReadingSettings) -> tuple[bytes, str, str]:
    """The member that `part` leads into: its bytes, its name, and what is left of the part behind it.

    What a compressed file holds is its one member, and takes nothing of the part. Raises LookupError when there is no
    such member.
    """
    if kind in COMPRESSED:
        most = max(settings.max_unfolded, settings.max_ratio * len(data))
        return _unfolded(data, kind, _Work(most, most)), without_ending(path), part
    work, file = _Work(settings.max_bytes, settings.max_bytes), io.BytesIO(data)
    places = [place for place, _, _ in _parts(file, kind, work) if part == place or part.startswith(f"{place}#")]
    longest = max(places, key=len, default=None)
    file.seek(0)
    for place, name, fetch in _parts(file, kind, work):
        if place == longest:
            return fetch(), name, part[len(place) + 1 :]
    raise LookupError(f"the archive has no member {part!r}")


def _parts(file: BinaryIO, kind: str, work: _Work) -> Iterator[tuple[str, str, Fetch]]:
    """Each member's place, its name, and what gives its bytes; a name that comes again is told apart, and none is empty.

    An empty place would be that of the whole archive.
    """
    seen: Counter[str] = Counter()
    for name, fetch in _members(file, kind, work):
        name = name or UNNAMED
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
    else:
        yield from read_items(data, path, replace(settings, max_archives=0))


def _unfolded(data: bytes, kind: str, work: _Work) -> bytes:
    try:
        return work.take(COMPRESSED[kind](io.BytesIO(data)))
    except (Unreadable, ConnectionError):
        raise
    except _DAMAGED as error:
        raise _damaged() from error


def _damaged() -> Unreadable:
    return Unreadable("damaged archive", "it is cut short or altered: fetch it again")


def without_ending(path: str) -> str:
    """The name of what is compressed: `rows.jsonl` of `rows.jsonl.gz`."""
    return str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).suffix else path


def _members(file: BinaryIO, kind: str, work: _Work) -> Iterator[tuple[str, Fetch]]:
    """The name of each member that is no folder, and what gives its bytes or raises Unreadable."""
    try:
        yield from _of_zip(file, work) if kind == ZIP else _of_tar(file, work)
    except (Unreadable, ConnectionError):
        raise
    except _DAMAGED_ARCHIVES as error:
        raise _damaged() from error


def _of_zip(file: BinaryIO, work: _Work) -> Iterator[tuple[str, Fetch]]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield _printable(info.filename), partial(_of_member, archive, info, work)


def _of_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, work: _Work) -> bytes:
    if info.flag_bits & 1:
        raise Unreadable("encrypted", "unlock the archive, and pack it without a password")
    try:
        with archive.open(info) as file:
            return work.take(file)
    except (Unreadable, ConnectionError):
        raise
    except _DAMAGED_ARCHIVES as error:
        raise Unreadable("damaged member", "the archive is cut short or altered: fetch it again") from error


def _of_tar(file: BinaryIO, work: _Work) -> Iterator[tuple[str, Fetch]]:
    with tarfile.open(fileobj=file, mode="r:" if file.seekable() else "r|", bufsize=_BUFFER) as archive:
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

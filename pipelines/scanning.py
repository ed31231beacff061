"""Where a forgotten text still stands in a workspace: every file that Headwater made, decoded as far as it is packed.

Columns of Parquet are decoded, zstd, gzip and their like unpacked, and escapes undone, in whatever file they stand: also
in SQLite, whose pages are looked at as they lie, those of rows that were deleted too. Sources are not looked at: they
are not Headwater's.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.fingerprints import CHUNK, RUN, Hashes, Hunt, union
from records import Progress, silent

PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4"}
PIECE = 4 * CHUNK
_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})|\\(.)", re.DOTALL)
_SIGNS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}


@dataclass(frozen=True, slots=True)
class Scanned:
    """One file: its size in bytes as they were looked at, unpacked, and which fingerprints stand in it."""

    path: Path
    size: int
    found: Hashes


def scan(
    root: Path, hunt: Hunt, without: frozenset[Path] = frozenset(), progress: Progress = silent
) -> Iterator[Scanned]:
    """Look for fingerprints in each file below a folder; links are not followed."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]
    files = [path for path in files if not without & {path, *path.parents}]
    for done, path in enumerate(files, 1):
        try:
            yield scan_file(path, hunt)
        except FileNotFoundError:  # it went meanwhile
            continue
        progress(done, len(files), "files")


def scan_file(path: Path, hunt: Hunt) -> Scanned:
    """Look for fingerprints in one file."""
    size = 0
    found: list[Hashes] = []
    for piece in pieces(path):
        size += len(piece)
        found += [hunt.found(view) for view in _views(piece)]
        if path.suffix == ".csv" and b'""' in piece:
            found += [hunt.found(view) for view in _views(piece.replace(b'""', b'"'))]
    return Scanned(path, size, union(found))


def pieces(path: Path) -> Iterator[bytes]:
    """What a file holds, a few megabytes at a time, each beginning with the end of the one before."""
    if path.suffix == ".parquet":
        yield from _columns(path)
        return
    packed = PACKED.get(path.suffix)
    with pa.input_stream(str(path), compression=packed) as stream:
        tail = b""
        while piece := stream.read(PIECE):
            yield tail + piece
            tail = (tail + piece)[-12 * RUN :]


def _columns(path: Path) -> Iterator[bytes]:
    """The texts and bytes of a Parquet file, column by column."""
    for batch in pq.ParquetFile(path).iter_batches(batch_size=4096):
        for column in batch.columns:
            yield from (leaf for leaf in _leaves(column) if leaf)


def _leaves(column: pa.Array) -> Iterator[bytes]:
    kind = column.type
    if pa.types.is_struct(kind):
        for part in column.flatten():
            yield from _leaves(part)
    elif pa.types.is_map(kind):
        yield from _leaves(column.keys)
        yield from _leaves(column.items)
    elif pa.types.is_nested(kind):
        yield from _leaves(column.flatten())
    elif pa.types.is_dictionary(kind):
        yield from _leaves(column.dictionary)
    elif any(is_text(kind) for is_text in _TEXTS):
        yield b"\n".join(
            value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
            for value in column.drop_null().to_pylist()
        )


def _views(piece: bytes) -> Iterator[bytes]:
    """The piece as it is; and, where it has escapes, with those of JSON and of HTML undone."""
    yield piece
    if b"\\" in piece:
        once = _ESCAPE.sub(_unescaped, piece)
        yield once
        if b"\\" in once:  # JSON in JSON
            yield _ESCAPE.sub(_unescaped, once)
    if b"&" in piece and b";" in piece:
        yield html.unescape(piece.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return chr(int(match[1], 16)).encode("utf-8", "surrogatepass")
    return _SIGNS.get(match[2], match[2])

"""The bytes that an inventory saw, from wherever they lie.

They are checked against the inventory's digest: what changed in between is not given, for what is made of it would stand
under the name of other bytes. The objects of a store are fetched ahead of their turn, for the way to each is long.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl
import xxhash

from curation.formats.extracts import Unreadable, over_the_limit
from curation.hub_datasets import HubRoot
from curation.inventory import MENDS, Root, digest_of, open_regular, problem_of, read_regular
from curation.object_stores import CHANGED, ObjectRoot

_AHEAD = 16
_AHEAD_BYTES = 1 << 26
_UNKNOWN_MEND = "see what the operating system says of it"


class File(NamedTuple):
    """One row of an inventory, and what its path is relative to."""

    source: str
    path: str
    size: int
    bytes_digest: str
    problem: str | None
    root: Root


def files_of(inventory: pl.DataFrame, roots: Mapping[str, Root]) -> Iterator[File]:
    """The rows of an inventory, in its order; `roots` gives each source's. Raises KeyError for a source without one."""
    columns = inventory.select("source", "path", "size", "bytes_digest", "problem").iter_rows()
    for source, path, size, digest, problem in columns:
        yield File(source, path, size, digest, problem, roots[source])


def bytes_of(file: File, max_bytes: int | None = None) -> bytes:
    """The bytes that the inventory saw.

    Raises Unreadable when they cannot be had, are more than `max_bytes` or are others by now, and ConnectionError when
    the store that has them cannot be reached.
    """
    if file.problem:
        raise Unreadable(file.problem, MENDS.get(file.problem, _UNKNOWN_MEND))
    if max_bytes is not None and file.size > max_bytes:
        raise over_the_limit(max_bytes)
    with named_problems():
        return _local(file, file.root) if isinstance(file.root, Path) else _object(file, file.root)


def record_of(file: File, offset: int, length: int, cache: Path | None = None) -> bytes:
    """A record of a file in a folder, by its place in bytes; no more of the file is held.

    That the file is what the inventory saw is told by the inventory's `cache`, where that knows it, else by reading it
    through. Raises Unreadable as `bytes_of` does.
    """
    assert isinstance(file.root, Path)
    with named_problems():
        if digest_of(file.root, file.path, cache) != file.bytes_digest:
            raise OSError(errno.ESTALE, CHANGED, file.path)
        with open_regular(file.root / file.path) as opened:
            opened.seek(offset)
            return opened.read(length)


@contextmanager
def named_problems() -> Iterator[None]:
    """What the operating system refuses is Unreadable, with its mend; ConnectionError stays what it is."""
    try:
        yield
    except ConnectionError:
        raise
    except OSError as error:
        problem = problem_of(error)
        raise Unreadable(problem, MENDS.get(problem, _UNKNOWN_MEND)) from error


def fetching(files: Iterable[File], max_bytes: int) -> Iterator[tuple[File, Callable[[], bytes]]]:
    """Each file with what gives its bytes. Objects are asked for some ahead of their turn, as long as they are small."""
    waiting: deque[tuple[File, Callable[[], bytes]]] = deque()
    held = 0
    with ThreadPoolExecutor(_AHEAD) as pool:
        for file in files:
            if isinstance(file.root, Path):
                waiting.append((file, partial(bytes_of, file, max_bytes)))
            else:
                waiting.append((file, pool.submit(bytes_of, file, max_bytes).result))
                held += file.size
            while len(waiting) > _AHEAD or held > _AHEAD_BYTES:
                file, fetch = waiting.popleft()
                held -= 0 if isinstance(file.root, Path) else file.size
                yield file, fetch
        yield from waiting


def _object(file: File, root: ObjectRoot | HubRoot) -> bytes:
    return root.read(file.path, file.bytes_digest) if file.size else b""


def _local(file: File, root: Path) -> bytes:
    data = read_regular(f"{root}/{file.path}", file.size + 1)  # one more than expected tells that it grew
    if xxhash.xxh3_128_hexdigest(data) != file.bytes_digest:
        raise OSError(errno.ESTALE, CHANGED, file.path)
    return data

"""Object stores as places of raw data: what lies under a prefix, told by the store's own ETags.

An ETag changes when an object is written, so a listing is all that is needed to know that nothing changed, and no byte
is read for it. An object is named by its ETag and size until it is read; the text it gives is named by content as any
other, so one that was written again with the same bytes is read again and changes nothing below.

Credentials are never settings: the store's client takes them, the region and the endpoint from the environment
(`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …). A store that cannot be reached is an error of the run; it never means that
the objects are gone, nor is it remembered as a failure of the object that was asked for.
"""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ObjectStore, RetryConfig

SCHEMES = ("s3", "gs", "az")
"""Amazon S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage."""

CHANGED = "changed while being read"
AHEAD_BYTES = 8 << 20
"""So much of a large object is asked for at a time."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)/?(.*)")
_RETRY: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}


def is_remote(path: str) -> bool:
    """Whether a source's `path` is an address (`s3://bucket/prefix`) and no folder."""
    return _ADDRESS.match(path) is not None


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing: its path below the root, its bytes, and the name of its content while it is unread."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True)
class ObjectRoot:
    """A prefix of a bucket, to which the paths of objects are relative: `docs/` of `s3://raw`."""

    bucket: str
    prefix: str

    def __reduce__(self) -> tuple[type[ObjectRoot], tuple[str, str]]:
        """Another process makes a client of its own, from its own environment."""
        return ObjectRoot, (self.bucket, self.prefix)

    @classmethod
    def of(cls, address: str) -> ObjectRoot:
        """The root at an address. Raises ValueError for one that no store here understands."""
        matched = _ADDRESS.match(address)
        scheme, bucket, prefix = matched.groups() if matched else ("", "", "")
        if scheme not in SCHEMES or not bucket:
            known = ", ".join((*(f"{scheme}://bucket/prefix" for scheme in SCHEMES), "hf://datasets/owner/name"))
            raise ValueError(f"{address!r} is no place that can be read: give a folder, a file, or one of {known}")
        prefix = prefix.strip("/")
        return cls(f"{scheme}://{bucket}", f"{prefix}/" if prefix else "")

    @property
    def address(self) -> str:
        """The root as `headwater.yaml` has it."""
        return f"{self.bucket}/{self.prefix}"

    def objects(self) -> Iterator[StoredObject]:
        """All objects below the root, as the store lists them: a page of them is one request.

        Raises ConnectionError when the store cannot be reached, refuses, or holds a key that is no path (`a//b`).
        """
        import obstore
        from obstore.exceptions import BaseError

        try:
            for page in obstore.list(self._store, prefix=self.prefix or None):
                for found in page:
                    tag = (found["e_tag"] or "").strip('"')
                    yield StoredObject(found["path"].removeprefix(self.prefix), found["size"], _digest(tag))
        except (BaseError, OSError) as error:
            raise ConnectionError(f"{self.address} cannot be listed ({_said(error)})") from error

    def read(self, path: str, digest: str) -> bytes:
        """The bytes that the object at `path` had when it was listed under `digest`.

        Raises FileNotFoundError, PermissionError, OSError (`CHANGED`) when it is another one by now, and
        ConnectionError for what is the network's doing.
        """
        return self._got(path, digest)

    def open(self, path: str, digest: str, size: int) -> BinaryIO:
        """The same bytes as a file of which some are fetched at a time. Reading it raises as `read` does."""
        return io.BufferedReader(Ranged(partial(self._range, path, digest), size), AHEAD_BYTES)

    def _range(self, path: str, digest: str, start: int, end: int) -> bytes:
        return self._got(path, digest, {"range": (start, end)})

    def _got(self, path: str, digest: str, options: GetOptions | None = None) -> bytes:
        import obstore

        with self._named(path):
            answer = obstore.get(self._store, self.prefix + path, options=options)
            if _digest((answer.meta["e_tag"] or "").strip('"')) != digest:
                raise OSError(errno.ESTALE, CHANGED, path)
            return answer.bytes().to_bytes()

    @contextmanager
    def _named(self, path: str) -> Iterator[None]:
        """What the store refuses, as the system's errors."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise PermissionError(errno.EACCES, "permission denied", path) from error
        except BaseError as error:
            raise ConnectionError(f"{self.address}{path} cannot be read ({_said(error)})") from error

    @cached_property
    def _store(self) -> ObjectStore:
        from obstore.store import from_url

        return from_url(self.bucket, retry_config=_RETRY)


class Ranged(io.RawIOBase):
    """A file somewhere else, of which parts can be fetched: the bytes from a start to before an end."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self.fetch, self.size, self.at = fetch, size, 0

    def readable(self) -> bool:
        """It is for reading alone."""
        return True

    def seekable(self) -> bool:
        """Any part of it can be read."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        return self.at

    def tell(self) -> int:
        """The place."""
        return self.at

    def readinto(self, buffer: Any) -> int:
        """The next bytes; 0 at the end."""
        end = min(self.at + len(buffer), self.size)
        data = self.fetch(self.at, end) if end > self.at else b""
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)


def _digest(tag: str) -> str:
    return f"etag:{tag}" if tag else ""


def _said(error: Exception) -> str:
    """What the store said, without its debugging: the first line, and the code within an answer in XML."""
    code = re.search(r"<Code>([^<]*)</Code>", str(error))
    first = str(error).split("\n", 1)[0].split(": <?xml", 1)[0].rstrip(": ")
    return f"{code[1]}; {first}" if code else first

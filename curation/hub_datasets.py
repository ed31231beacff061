"""Datasets of the Hugging Face Hub as places of raw data: their files, as they stand at a revision.

The hub lists each file with the digest of its content (Git's of a small file, SHA-256 of a large one), so a listing is
all that is needed to know that nothing changed, and what is read is held against it. A revision may stand in the
address: a commit never changes, a branch is looked at in every run.

A token is never a setting: the hub's own client takes it from the environment (`HF_TOKEN`) or from where it signed in, and
the server's address too (`HF_ENDPOINT`). A hub that cannot be reached is an error of the run.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from curation.object_stores import AHEAD_BYTES, CHANGED, Ranged, StoredObject

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the client is imported

HUB = "hf://"

_ADDRESS = re.compile(r"hf://datasets/([^/@]+/[^/@]+)(?:@([^/]+))?(?:/(.*))?")
_RETRIES = 5
_OFFLINE = (
    "the hub's client is told to stay offline (HF_HUB_OFFLINE): unset that, or give a folder that holds the dataset"
)
_CLOSED = "there is no such dataset or revision, or it may not be read: mend the address, or sign in (HF_TOKEN)"


@dataclass(frozen=True)
class HubRoot:
    """A folder of a dataset at a revision, to which the paths of its files are relative."""

    dataset: str
    revision: str
    prefix: str

    @classmethod
    def of(cls, address: str) -> HubRoot:
        """The root at an address; a `/` within the name of a revision is written `%2F`. Raises ValueError."""
        matched = _ADDRESS.fullmatch(address)
        if matched is None:
            raise ValueError(f"{address!r} names no dataset: give {HUB}datasets/OWNER/NAME, or …/NAME@REVISION/FOLDER")
        dataset, revision, prefix = matched.groups()
        prefix = (prefix or "").strip("/")
        return cls(dataset, (revision or "main").replace("%2F", "/"), f"{prefix}/" if prefix else "")

    @property
    def address(self) -> str:
        """The root as `headwater.yaml` has it, with its revision."""
        return f"{HUB}datasets/{self.dataset}@{self.revision.replace('/', '%2F')}/{self.prefix}"

    def objects(self) -> Iterator[StoredObject]:
        """All files below the root. Raises ConnectionError when the hub cannot be reached, or refuses."""
        from huggingface_hub import HfApi, RepoFile

        try:
            found = HfApi(endpoint=_endpoint()).list_repo_tree(
                self.dataset,
                self.prefix.rstrip("/") or None,
                recursive=True,
                revision=self.revision,
                repo_type="dataset",
            )
            for one in found:
                if isinstance(one, RepoFile):
                    digest = f"sha256:{one.lfs.sha256}" if one.lfs else f"git:{one.blob_id}"
                    yield StoredObject(one.path.removeprefix(self.prefix), one.size, digest)
        except Exception as error:
            raise _named(error, f"{self.address} cannot be listed") from error

    def read(self, path: str, digest: str) -> bytes:
        """The bytes of the file at `path` whose content has this digest.

        Raises FileNotFoundError, PermissionError, OSError (`CHANGED`) when it is another one by now, and
        ConnectionError for what is the network's doing.
        """
        data = self._got(path, self.revision, {})
        if _digest(data, digest) != digest:
            raise OSError(errno.ESTALE, CHANGED, path)
        return data

    def open(self, path: str, digest: str, size: int) -> BinaryIO:
        """The same bytes as a file of which some are fetched at a time, from the commit that holds them now.

        Raises as `read` does, and so does reading it.
        """
        from huggingface_hub import get_hf_file_metadata

        with self._errors(path):
            known = get_hf_file_metadata(self._url(path, self.revision), endpoint=_endpoint())
        if known.etag != digest.partition(":")[2]:
            raise OSError(errno.ESTALE, CHANGED, path)
        fetch = partial(self._range, path, known.commit_hash or self.revision)
        return io.BufferedReader(Ranged(fetch, size), AHEAD_BYTES)

    def _range(self, path: str, revision: str, start: int, end: int) -> bytes:
        data = self._got(path, revision, {"Range": f"bytes={start}-{end - 1}"})
        return data if len(data) == end - start else data[start:end]  # a server may give the whole

    def _got(self, path: str, revision: str, headers: dict[str, str]) -> bytes:
        from huggingface_hub.utils import (  # type: ignore[attr-defined]  # they are public, and told so in its docs
            build_hf_headers,
            hf_raise_for_status,
            http_backoff,
        )

        asked = {**build_hf_headers(), **headers}
        with self._errors(path):
            url = self._url(path, revision)
            answer = http_backoff("GET", url, headers=asked, follow_redirects=True, max_retries=_RETRIES)
            hf_raise_for_status(answer)
        return bytes(answer.content)

    def _url(self, path: str, revision: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(
            self.dataset, self.prefix + path, repo_type="dataset", revision=revision, endpoint=_endpoint()
        )

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """What the hub refuses, as the system's errors."""
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError

        try:
            yield
        except GatedRepoError as error:
            raise PermissionError(errno.EACCES, "permission denied", path) from error
        except EntryNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, "vanished", path) from error
        except Exception as error:
            raise _named(error, f"{self.address}{path} cannot be read") from error


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")


def _digest(data: bytes, like: str) -> str:
    """The digest of the bytes, of the kind that another one is."""
    if like.startswith("sha256:"):
        return f"sha256:{hashlib.sha256(data).hexdigest()}"
    named = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)  # Git's name of a file
    named.update(data)
    return f"git:{named.hexdigest()}"


def _named(error: Exception, what: str) -> Exception:
    """A client's error as one that says what to do; another kind as it is."""
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    said: Any = str(error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, OfflineModeIsEnabled):
        return ConnectionError(f"{what}: {_OFFLINE}")
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return ConnectionError(f"{what}: {_CLOSED}")
    if isinstance(error, ValueError):
        return ValueError(f"{what} ({said[0]})")
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in (
        "huggingface_hub",
        "httpx2",
        "httpcore2",
    ):
        return ConnectionError(f"{what} ({said[0]})")
    return error

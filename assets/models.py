"""Foundation models and what was made of them: bases, finetunes, and the table of all models."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import polars as pl

from curation.inventory import Source, take_inventory
from pipelines.contestants import weights_of
from pipelines.digests import frame_version
from pipelines.reports import REPORT, write_report
from pipelines.settings import BaseEntry, ModelSettings, canonical
from pipelines.stages import Observation, Release, Run, observable, stage
from pipelines.workspace import Workspace
from plots import curve
from records import Outcome, Picture
from training.base import MODEL_FILES, PrepareJob, is_local
from training.finetune import FinetuneJob
from training.inspected import inspected
from training.inspection import InspectionJob

LIBRARIES = ("torch", "transformers", "peft")
MODELS = {
    "model": pl.String(),
    "version": pl.String(),
    "base": pl.String(),
    "dataset_version": pl.String(),
    "phase": pl.String(),
    "settings": pl.String(),
    "folder": pl.String(),
}


@observable(group="sources", each="weights", needs=("task",))
def base_source(entry: BaseEntry, workspace: Workspace) -> Observation:
    """Where a base model comes from: a folder, by the bytes of its files, or a name on the hub.

    A folder that is not there is a name too: the base model itself says what is wrong with it.
    """
    folder = _placed(entry, workspace)
    if not is_local(entry.base) or not Path(folder).expanduser().is_dir():
        return Observation(entry.base, entry.base)
    source = Source(entry.name, folder, include=MODEL_FILES)
    inventory = take_inventory(source, workspace.root, workspace.state / "inventories" / f"base-{entry.name}.parquet")
    return Observation(frame_version(inventory), entry.base)


@stage(
    group="models",
    code_version="2",
    each="weights",
    needs=("task",),
    primary_key="name",
    unit="models",
    kinds=("safetensors",),
)
def base_model(entry: BaseEntry, base_source: str, run: Run) -> Outcome:
    """A foundation model as it is, before anything of ours: which weights these are, and where they came from."""
    folder = run.workspace.state / "store" / "bases" / entry.name
    row = run.launch("training.base", PrepareJob(_placed(entry, run.workspace), str(folder))) | {"name": entry.base}
    notes = {"origin": row["origin"], "weights": row["digest"]}
    if folder.is_dir():
        row["path"] = notes["folder"] = str(folder.relative_to(run.workspace.store.root))
    return Outcome(pl.DataFrame([row]), notes=notes)


def _placed(entry: BaseEntry, workspace: Workspace) -> str:
    """A base's name as its own process finds it: a relative folder starts at the workspace."""
    return str(workspace.root / entry.base) if entry.base.startswith(".") else entry.base


@stage(
    group="models",
    code_version="1",
    each="models",
    joins={"base_model": "base_name"},
    primary_key=("split", "sample_id"),
    unit="rows",
    uses=("transformers",),
    checks=("labels", "template", "lengths"),
)
def training_data(entry: ModelSettings, base_model: pl.DataFrame, instructions: Release, run: Run) -> Outcome:
    """What becomes of each row when it is rendered and tokenized for this model; it stops what would train on nothing."""
    with tempfile.TemporaryDirectory(dir=run.workspace.state) as out:
        settings = entry.settings
        base = weights_of(base_model, run.workspace)
        job = InspectionJob(str(instructions.folder), base, out, settings.max_length, settings.overlong, entry.name)
        said = run.launch("training.inspection", job)
        rows = pl.read_parquet(Path(out) / "rows.parquet")
        report = write_report(
            run.workspace, f"training_data-{entry.name}", (Path(out) / "page.html").read_text("utf-8")
        )
    return inspected(rows, settings.max_length, {**said, "dataset": instructions.version, REPORT: report})


@stage(
    group="models",
    code_version="1",
    each="models",
    joins={"base_model": "base_name"},
    primary_key="model",
    unit="models",
    recorded=True,
    trained=True,
    pool="gpu",
    uses=LIBRARIES,
    kinds=("safetensors",),
)
def model(
    entry: ModelSettings, base_model: pl.DataFrame, instructions: Release, training_data: pl.DataFrame, run: Run
) -> Outcome:
    """A model adapted to the task: an adapter of low rank, named by its recipe."""
    out = run.folder() / "adapter"
    base = base_model.row(0, named=True)
    job = FinetuneJob(
        str(instructions.folder), weights_of(base_model, run.workspace), str(out), entry.settings, instructions.version
    )
    ledger = run.launch("training.finetune", job)
    row = {
        "model": entry.name,
        "version": run.key[:16],
        "base": entry.base,
        "dataset_version": instructions.version,
        "phase": entry.phase,
        "settings": json.dumps(canonical(entry.settings), sort_keys=True),
        "folder": str(out.relative_to(run.workspace.artifacts)),
    }
    facts = {"dataset": f"{entry.dataset} {instructions.version}", "base weights": base["digest"], "ledger": ledger}
    trainable = training_data.filter(split="train")
    facts["rows that fit"] = f"{trainable.filter(pl.col('trained_tokens') > 0).height:,} of {trainable.height:,}"
    notes = {**facts, **_against(run, entry, facts), "folder": str(out.relative_to(run.workspace.store.root))}
    learned = Picture("loss", curve(ledger.get("losses", []), "loss on the answers, by step"))
    return Outcome(pl.DataFrame([row], schema=MODELS), notes=notes, pictures=[learned])


def _against(run: Run, entry: ModelSettings, facts: dict[str, object]) -> dict[str, str]:
    """What changed against the model's predecessor."""
    before = run.workspace.store.head(run.node)
    if before is None:
        return {"against its predecessor": "the first of its name"}
    old = before.settings.get(f"models_{entry.name}", {}).get("settings", {})
    new = canonical(entry.settings)
    changed = [f"{name}: {old.get(name)} → {new[name]}" for name in new if old.get(name) != new[name]]
    changed += [
        f"{name}: {before.notes.get(name)} → {facts[name]}"
        for name in ("dataset", "base weights")
        if before.notes.get(name) != facts[name]
    ]
    return {"against its predecessor": "; ".join(changed) or "code or libraries"}


@stage(group="models", code_version="1", primary_key="model", unit="models")
def models(model: dict[str, pl.DataFrame]) -> Outcome:
    """All models: base, dataset version, phase and settings of each."""
    return Outcome(pl.concat(model.values()).sort("model"))


STAGES = [base_source, base_model, training_data, model, models]

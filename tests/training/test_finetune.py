"""A finetune from release to folder: it learns, twice the same, and its folder says how it came about."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.training.conftest import PAIRS, release, table
from training.base import weights_digest
from training.examples import DatasetError
from training.finetune import FinetuneJob, FinetuneSettings, run
from training.loop import TrainingError

QUICK = FinetuneSettings(
    steps=20, batch=4, max_length=256, learning_rate=2e-2, validation_rows=8, device="cpu", threads=1
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release(tmp_path_factory.mktemp("release") / "r", table(PAIRS[:30]), table(PAIRS[30:]), parts=2)


@pytest.fixture(scope="module")
def made(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("models") / "first"
    seen: list[tuple[int, int | None, str]] = []

    def progress(done: int, total: int | None = None, unit: str = "rows") -> None:
        seen.append((done, total, unit))

    result = run(FinetuneJob(str(data), str(base), str(out), QUICK, "v1"), progress)
    assert seen == [(step, 20, "steps") for step in range(21)]
    return out, dict(result)


def test_settings_can_be_read_without_torch():
    code = "import sys; import training.finetune, training.base; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "ledger.json"
    }


def test_it_learns(made: tuple[Path, dict[str, Any]]):
    _, result = made
    assert len(result["losses"]) == 20
    assert result["losses"][-1] < 0.9 * result["losses"][0]
    assert result["validation_loss"]["rows"] == 8
    assert result["validation_loss"]["after"] < 0.9 * result["validation_loss"]["before"]


def test_the_folder_tells_how_it_came_about(made: tuple[Path, dict[str, Any]], base: Path):
    out, result = made
    assert sorted(contents(out)) == ["adapter_config.json", "adapter_model.safetensors", "recipe.json"]
    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe["base"]["digest"] == weights_digest(base)
    assert recipe["dataset_version"] == "v1" and recipe["settings"]["learning_rate"] == 2e-2
    assert recipe["rows"] == {"rows": 30, "used": 30, "overlong": 0, "unused": 0, "truncated": 0}
    assert not {"threads", "device", "packing"} & set(recipe["settings"])
    ledger = json.loads((out / "ledger.json").read_text())
    assert [entry["phase"] for entry in ledger] == ["load", "tokenize", "validate before", "train", "validate after"]
    assert ledger == result["ledger"]
    for text in (out / "recipe.json", out / "adapter_config.json"):
        assert str(base.parent) not in text.read_text() and str(out) not in text.read_text()


def test_two_runs_give_the_same_bytes_whatever_the_files(made: tuple[Path, dict[str, Any]], base: Path, tmp_path: Path):
    shuffled = release(tmp_path / "r", table(PAIRS[:30]).reverse(), table(PAIRS[30:]).reverse(), parts=3)
    out = tmp_path / "again"
    run(FinetuneJob(str(shuffled), str(base), str(out), QUICK, "v1"))
    assert contents(out) == contents(made[0])


def test_the_seed_and_the_data_count(made: tuple[Path, dict[str, Any]], base: Path, data: Path, tmp_path: Path):
    out = tmp_path / "other"
    first = run(FinetuneJob(str(data), str(base), str(out), dataclasses.replace(QUICK, seed=1), "v1"))
    assert first["weights_digest"] != made[1]["weights_digest"]
    changed = release(tmp_path / "r", table([*PAIRS[:29], ("new", "Say no more.")]), table(PAIRS[30:]))
    second = run(FinetuneJob(str(changed), str(base), str(out), dataclasses.replace(QUICK, seed=1), "v1"))
    assert second["weights_digest"] != first["weights_digest"]
    assert json.loads((out / "recipe.json").read_text())["weights_digest"] == second["weights_digest"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_adapter_is_what_was_trained(made: tuple[Path, dict[str, Any]], base: Path, data: Path):
    """Loaded by PEFT alone, it gives the validation loss that the run reported."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.examples import Row, shuffled, tokenize

    out, result = made
    dtype = getattr(torch, result["dtype"])
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    model = PeftModel.from_pretrained(plain, out, autocast_adapter_dtype=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = shuffled([Row(*values) for values in pl.read_parquet(data / "data" / "validation-*.parquet").iter_rows()], 0)
    total, count = 0.0, 0
    for _ in range(8):
        example = tokenize(next(rows), tokenizer, frozenset([tokenizer.eos_token_id]))
        ids = torch.tensor([[*example.prompt, *example.completion]])
        labels = ids.clone()
        labels[:, : len(example.prompt)] = -100
        with torch.no_grad():
            total += float(model(input_ids=ids, labels=labels).loss) * len(example.completion)
        count += len(example.completion)
    assert total / count == pytest.approx(result["validation_loss"]["after"], rel=0.02)


def test_packed_on_request_it_learns_the_same(
    made: tuple[Path, dict[str, Any]], base: Path, data: Path, tmp_path: Path
):
    packed = dataclasses.replace(QUICK, packing="on", tokens_per_pass=512, gradient_checkpointing="on")
    result: dict[str, Any] = run(FinetuneJob(str(data), str(base), str(tmp_path / "packed"), packed, "v1"))
    assert result["losses"] == pytest.approx(made[1]["losses"], rel=0.05)


def test_a_folder_is_on_the_disk_before_it_is_in_its_place(
    monkeypatch: pytest.MonkeyPatch, made: tuple[Path, dict[str, Any]], base: Path, data: Path, tmp_path: Path
):
    out, kept, real = tmp_path / "model", set[int](), os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        assert not out.exists()
        kept.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", fsync)
    run(FinetuneJob(str(data), str(base), str(out), dataclasses.replace(QUICK, steps=1), "v1"))
    assert kept >= {path.stat().st_ino for path in out.iterdir()}


def test_a_failure_leaves_the_older_folder(made: tuple[Path, dict[str, Any]], base: Path, data: Path, tmp_path: Path):
    out = tmp_path / "model"
    out.mkdir()
    (out / "recipe.json").write_text("the older one")
    wild = dataclasses.replace(QUICK, learning_rate=1e30, max_norm=1e30, warmup=0.0, dtype="float32")
    with pytest.raises(TrainingError, match="lower learning_rate"):
        run(FinetuneJob(str(data), str(base), str(out), wild))
    assert (out / "recipe.json").read_text() == "the older one"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_data_that_cannot_be_trained_on_is_refused(base: Path, tmp_path: Path):
    def attempt(folder: Path, settings: FinetuneSettings = QUICK) -> None:
        run(FinetuneJob(str(folder), str(base), str(tmp_path / "out"), settings))

    with pytest.raises(DatasetError, match="no rows in data/train"):
        attempt(tmp_path)
    masked = release(tmp_path / "masked", table([("long " * 400, "Yes.")]))
    with pytest.raises(DatasetError, match="every label would be masked"):
        attempt(masked, dataclasses.replace(QUICK, overlong="truncate"))
    with pytest.raises(DatasetError, match="none of 1 rows fits into max_length 256"):
        attempt(masked)
    assert not (tmp_path / "out").exists()


def test_without_a_validation_split_there_is_no_validation_loss(base: Path, tmp_path: Path):
    data = release(tmp_path / "r", table(PAIRS[:8]))
    result: dict[str, Any] = run(
        FinetuneJob(str(data), str(base), str(tmp_path / "m"), dataclasses.replace(QUICK, steps=1))
    )
    assert result["validation_loss"] == {"rows": 0, "before": None, "after": None}

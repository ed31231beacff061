"""What is released trains with TRL's own trainers as it is loaded: no column to rename, to remove or to render."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curation.releases import INSTRUCTIONS, PREFERENCES, write_release
from records import MESSAGES

ROWS = 8


def turns(role: str, said: str) -> list[list[dict[str, str]]]:
    return [[{"role": role, "content": f"{said} {number}"}] for number in range(ROWS)]


def released(folder: Path, kind: str) -> Path:
    names = INSTRUCTIONS if kind == "instructions" else PREFERENCES
    held = {
        "sample_id": [f"s{number}" for number in range(ROWS)],
        "messages": turns("user", "why"),
        "prompt": turns("user", "why"),
        "reference": [f"because {number}" for number in range(ROWS)],
        "chosen": turns("assistant", "because"),
        "rejected": turns("assistant", "never mind"),
        "split": ["train"] * ROWS,
    }
    chats = dict.fromkeys(("messages", "prompt", "chosen", "rejected"), MESSAGES)
    columns = {name: held.get(name, [name] * ROWS) for name in names}
    write_release(
        pl.DataFrame(columns, schema_overrides={n: t for n, t in chats.items() if n in names}), folder, kind, {}
    )
    return folder


@pytest.mark.parametrize(
    ("kind", "configuration", "method"),
    [("instructions", None, "SFT"), ("preferences", None, "DPO"), ("preferences", "kto", "KTO")],
)
def test_a_release_trains_with_trl_as_it_is_loaded(
    kind: str, configuration: str | None, method: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets
    import trl
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = str(released(tmp_path / "release", kind))
    rows = datasets.load_dataset(folder, configuration, cache_dir=str(tmp_path / "cache"))["train"]
    settings: dict[str, Any] = {"max_steps": 2, "per_device_train_batch_size": 4, "logging_steps": 1, "use_cpu": True}
    config = getattr(trl, f"{method}Config")(
        output_dir=str(tmp_path / "out"),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        bf16=False,
        **settings,
    )
    model = AutoModelForCausalLM.from_pretrained(base)
    before = model.get_input_embeddings().weight.detach().clone()
    trainer = getattr(trl, f"{method}Trainer")(
        model=model, args=config, train_dataset=rows, processing_class=AutoTokenizer.from_pretrained(base)
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 2 and all(math.isfinite(loss) and loss > 0 for loss in losses)
    assert not before.equal(model.get_input_embeddings().weight)

"""A tiny base model, made once, and releases to train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

import records
from tests.tiny_model import make_tiny_model

Pair = tuple[str, str]
WriteRelease = Callable[..., Path]
SCHEMA = {"sample_id": pl.String, "prompt": records.MESSAGES, "completion": records.MESSAGES}


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("base") / "tiny", spread=0.1)


def table(pairs: Sequence[Pair]) -> pl.DataFrame:
    rows = []
    for question, answer in pairs:
        prompt = [{"role": "user", "content": question}]
        rows.append((records.sample_id("test", prompt), prompt, [{"role": "assistant", "content": answer}]))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def release(folder: Path, train: pl.DataFrame, validation: pl.DataFrame | None = None, parts: int = 1) -> Path:
    """Write a release folder, its training rows cut into `parts` files."""
    data = folder / "data"
    data.mkdir(parents=True)
    size = -(-len(train) // parts)
    for part in range(parts):
        train[part * size : (part + 1) * size].write_parquet(data / f"train-{part:05}.parquet")
    if validation is not None:
        validation.write_parquet(data / "validation-00000.parquet")
    return folder


PAIRS = [
    (f"def add{n}(a, b):\n    return a + b + {n}\n" + "    # more\n" * (n % 5), f"Return the sum plus {n}.")
    for n in range(40)
]

"""Embedding texts in a process of its own; a text that the stage's table holds under the same recipe is not embedded again."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from evaluation.embedding import EMBEDDINGS, EmbeddingSettings, EmbedJob
from evaluation.metrics import text_digest
from pipelines.settings import canonical
from pipelines.stages import Run
from records import digest

VECTORS = {**EMBEDDINGS, "recipe": pl.String()}
"""The schema of a table of embeddings; `recipe` names the model and its settings."""

TEXTS = {"text_digest": pl.String(), "text": pl.String()}


def texts_of(answers: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """The distinct texts (TEXTS) of answers to open samples, and of these samples' references."""
    open_ones = samples.filter((pl.col("openness") == "open") & pl.col("reference").is_not_null())
    asked = open_ones.join(answers, on="sample_id", how="semi")
    given = answers.join(open_ones, on="sample_id", how="semi")["output"].drop_nulls()
    return named_texts(pl.concat([given, asked["reference"]]))


def named_texts(texts: pl.Series) -> pl.DataFrame:
    """The distinct texts, each with its name (TEXTS)."""
    rows = {text_digest(text): text for text in texts.to_list()}
    return pl.DataFrame({"text_digest": list(rows), "text": list(rows.values())}, schema=TEXTS)


def embedded(run: Run, texts: pl.DataFrame, model: str, settings: EmbeddingSettings) -> pl.DataFrame:
    """The vectors (VECTORS) of named texts, by name; `model` is the digest of the model's files.

    Vectors of the same recipe that the node's table holds are taken from there.
    """
    recipe = digest("embedding", model, json.dumps(canonical(settings), sort_keys=True))
    known = _known(run).filter(recipe=recipe).join(texts, on="text_digest", how="semi")
    waiting = texts.join(known, on="text_digest", how="anti")
    if waiting.height:
        known = pl.concat([known, _launched(run, waiting, settings).with_columns(recipe=pl.lit(recipe))])
    return known.sort("text_digest")


def _launched(run: Run, texts: pl.DataFrame, settings: EmbeddingSettings) -> pl.DataFrame:
    folder = run.folder()
    asked, out = folder / "texts.parquet", folder / "vectors.parquet"
    texts.write_parquet(asked)
    place = str(run.workspace.root / Path(settings.model).expanduser())
    job = EmbedJob(place, str(asked), str(out), settings.max_tokens, settings.batch_rows, settings.device)
    run.launch("evaluation.embedding", job)
    vectors = pl.read_parquet(out)
    asked.unlink()
    out.unlink()
    return vectors


def _known(run: Run) -> pl.DataFrame:
    """The vectors that the node's table holds."""
    if run.workspace.store.head(run.node) is None:
        return pl.DataFrame(schema=VECTORS)
    rows = run.workspace.store.scan(run.node)
    held = set(VECTORS) <= set(rows.collect_schema().names())
    return rows.select(VECTORS.keys()).drop_nulls("vector").collect() if held else pl.DataFrame(schema=VECTORS)

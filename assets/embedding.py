"""Texts as vectors of a local model: what answers and references are laid side by side by, and passages found by."""

from __future__ import annotations

import polars as pl

from curation.inventory import Source, take_inventory
from evaluation.embedding import EmbeddingSettings
from pipelines.contestants import contestants_of
from pipelines.digests import frame_version
from pipelines.embedding import embedded, texts_of
from pipelines.stages import Observation, Run, observable, stage
from pipelines.workspace import Workspace
from records import Outcome

MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")


@observable(group="sources", needs=("embedding",))
def embedding_model(workspace: Workspace) -> Observation:
    """The model that embeds, by the bytes of its files."""
    settings = workspace.config.embedding
    assert settings is not None
    source = Source("embedding", settings.model, include=MODEL_FILES)
    inventory = take_inventory(source, workspace.root, workspace.state / "inventories" / "embedding-model.parquet")
    version = frame_version(inventory)
    return Observation(version, version)


@stage(
    group="evaluation",
    code_version="2",
    primary_key="text_digest",
    unit="texts",
    needs=("embedding", "models"),
    recorded=True,
    pool="gpu",
    uses=("torch", "transformers"),
)
def embeddings(
    base_answers: dict[str, pl.DataFrame],
    answers: dict[str, pl.DataFrame],
    endpoint_answers: dict[str, pl.DataFrame] | None,
    experiment_winner: dict[str, pl.DataFrame] | None,
    samples: pl.DataFrame,
    embedding_model: str,
    embedding: EmbeddingSettings,
    run: Run,
) -> Outcome:
    """The vectors of open answers and of their references; texts that were embedded before are not embedded again."""
    contestants = contestants_of(base_answers, answers, endpoint_answers, experiment_winner)
    given = pl.concat([rows.select("sample_id", "output") for rows in contestants.values()])
    texts = texts_of(given, samples)
    return Outcome(embedded(run, texts, embedding_model, embedding))


STAGES = [embedding_model, embeddings]

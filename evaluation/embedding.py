"""The program that embeds texts by a local model: the mean of its last hidden states, of unit length.

Mean pooling over what is no padding is how sentence encoders are made (Reimers and Gurevych 2019, Sentence-BERT, section
3); of a decoder it is a rough measure that needs no second model. Texts are embedded by length, so that pads are few, in
float32, so that a batch changes nothing that counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from evaluation.inference import write_whole
from evaluation.loading import check_folder, device_of
from records import Progress

EMBEDDINGS = {"text_digest": pl.String(), "vector": pl.List(pl.Float32())}
"""The schema of embeddings: a text's name (`metrics.text_digest`), and its vector of unit length."""


@dataclass(frozen=True)
class EmbeddingSettings:
    """The local model that embeds texts, for the metric `similarity` and for the retriever `embedding`."""

    # A folder with a model of transformers, relative to the workspace.
    model: str
    # Tokens of a text that are read; the rest is cut off.
    max_tokens: int = 256
    # Texts in a batch.
    batch_rows: int = field(default=32, metadata={"runtime": True})
    # "auto" takes a GPU where there is one; else torch's name of a device.
    device: str = field(default="auto", metadata={"runtime": True})

    def __post_init__(self) -> None:
        if min(self.max_tokens, self.batch_rows) < 1:
            raise ValueError("max_tokens and batch_rows: must be at least 1")


@dataclass(frozen=True)
class EmbedJob:
    """Texts to embed: `texts` is a Parquet file with text_digest and text; `out` the one to write (EMBEDDINGS)."""

    model: str
    texts: str
    out: str
    max_tokens: int
    batch_rows: int
    device: str


def run(job: EmbedJob, progress: Progress) -> dict[str, object]:
    """Embed all texts and write them, whole or not at all. Raises LoadingError when the model cannot be loaded."""
    texts = pl.read_parquet(job.texts).sort(pl.col("text").str.len_bytes(), "text_digest")
    embed = _embedder(job)
    vectors: list[list[float]] = []
    for start in range(0, texts.height, job.batch_rows):
        vectors += embed(texts["text"][start : start + job.batch_rows].to_list())
        progress(len(vectors), texts.height, "texts")
    table = pl.DataFrame({"text_digest": texts["text_digest"], "vector": vectors}, schema=EMBEDDINGS)
    write_whole(table, job.out)
    return {"rows": table.height}


def _embedder(job: EmbedJob) -> Any:
    """What makes vectors of some texts, with the model loaded."""
    check_folder(job.model, "config.json", "embedding model")
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    where = torch.device(device_of(job.device))
    tokenizer = transformers.AutoTokenizer.from_pretrained(job.model, local_files_only=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = transformers.AutoModel.from_pretrained(job.model, dtype=torch.float32, local_files_only=True)
    model = model.to(where).eval().requires_grad_(False)

    def embed(texts: Sequence[str]) -> list[list[float]]:
        given = tokenizer(
            [text or " " for text in texts],
            padding=True,
            truncation=True,
            max_length=job.max_tokens,
            return_tensors="pt",
        ).to(where)
        with torch.inference_mode():
            hidden = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).last_hidden_state
        mask = given["attention_mask"][..., None].float()
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        rows: list[list[float]] = torch.nn.functional.normalize(mean, dim=1).cpu().tolist()
        return rows

    return embed

"""The kinds of releases: which columns their rows have, in whose format, and what names a row.

Chats are lists of turns in TRL's conversational form (`prompt` and `completion`; `prompt`, `chosen` and `rejected`), which
Axolotl and LLaMA-Factory read too. Preferences are written twice: as pairs for DPO (Rafailov et al. 2023), and as single
answers with a label for KTO (Ethayarajh et al. 2024), which needs no pairs; `datasets` calls the second configuration
`kto`. A column `messages` beside `prompt` would make TRL's SFTTrainer take that instead.
"""

from __future__ import annotations

from typing import Literal

import polars as pl
import pyarrow as pa

Kind = Literal["pretraining", "instructions", "demonstrations", "preferences", "evaluation"]
KINDS: tuple[Kind, ...] = ("pretraining", "instructions", "demonstrations", "preferences", "evaluation")
ANSWERED = {"instructions", "demonstrations"}
"""The kinds whose rows are a prompt and its answer."""
SPLITS = ("train", "validation", "test")
COPIES = "copies"
"""How often a row stands in a release, where a mixture takes some more than once; a frame without it has each once."""
PAIRS, SINGLES = "data", "kto"
"""The folders of the two configurations of preferences; all other kinds have the first alone."""

_TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
LAYOUTS: dict[str, pa.Schema] = {
    "pretraining": pa.schema([(name, pa.string()) for name in ("content_digest", "text", "media_type")]),
    "instructions": pa.schema(
        [("sample_id", pa.string()), ("prompt", _TURNS), ("completion", _TURNS)]
        + [(name, pa.string()) for name in ("slice", "openness")]
    ),
    "demonstrations": pa.schema(
        [("sample_id", pa.string()), ("prompt", _TURNS), ("completion", _TURNS)]
        + [(name, pa.string()) for name in ("slice", "task_digest", "draft_model")]
        + [("edited", pa.bool_())]
    ),
    "preferences": pa.schema(
        [("sample_id", pa.string()), ("prompt", _TURNS), ("chosen", _TURNS), ("rejected", _TURNS)]
        + [(name, pa.string()) for name in ("slice", "task_digest", "chosen_model", "rejected_model")]
    ),
    "evaluation": pa.schema(
        [("sample_id", pa.string()), ("prompt", _TURNS)]
        + [(name, pa.string()) for name in ("reference", "slice", "openness", "checker")]
    ),
}
KTO = pa.schema([("sample_id", pa.string()), ("prompt", _TURNS), ("completion", _TURNS), ("label", pa.bool_())])
"""TRL's unpaired preference format: an answer that people want, or one that they do not."""
KEYS: dict[str, tuple[str, ...]] = {
    "pretraining": ("content_digest",),
    "instructions": ("sample_id",),
    "demonstrations": ("sample_id",),
    "preferences": ("sample_id", "task_digest"),
    "evaluation": ("sample_id",),
}
FRAMES: dict[str, tuple[str, ...]] = {
    "pretraining": (*LAYOUTS["pretraining"].names, "split"),
    "instructions": ("sample_id", "messages", "reference", "slice", "openness", "split"),
    "demonstrations": ("sample_id", "messages", "reference", "slice", "task_digest", "draft_model", "edited", "split"),
    "preferences": (*LAYOUTS["preferences"].names, "split"),
    "evaluation": (*LAYOUTS["evaluation"].names, "split"),
}
"""The columns of each kind as a frame, beside `COPIES`."""
READING = {
    "pretraining": "Each row is a `text` of the corpus, to be gone through as it is.",
    "instructions": "Each row is a `prompt` (chat turns) and its `completion` (the assistant's turn): what TRL's SFTTrainer reads.",
    "demonstrations": (
        "Each row is a `prompt` (chat turns) and its `completion` (the assistant's turn), which a person wrote, or mended a draft "
        "of `draft_model` to; `edited` is false where the draft was left as it was. TRL's SFTTrainer reads it."
    ),
    "preferences": (
        "Each row is a `prompt` with the answer that people `chosen` and the one they `rejected`: what TRL's DPOTrainer "
        "reads. The configuration `kto` has every answer by itself with a `label`, for TRL's KTOTrainer: "
        '`load_dataset(DIR, "kto")`.'
    ),
    "evaluation": (
        "Each row is a held-out `prompt` (chat turns), with its `reference` where one is known and the `checker` of a "
        "closed answer. Train on none of it."
    ),
}
"""What a reader of the dataset card is told."""


def stored(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The rows of a frame of that kind in the columns that are written."""
    if kind in ANSWERED:
        completion = pl.concat_list(pl.struct(role=pl.lit("assistant"), content="reference"))
        rows = rows.with_columns(pl.col("messages").alias("prompt"), completion=completion)
    return rows.select(LAYOUTS[kind].names)


def framed(rows: pl.LazyFrame, kind: str) -> pl.LazyFrame:
    """Rows as they are written, with their split, as the frame that they were."""
    if kind in ANSWERED:
        reference = pl.col("completion").list.first().struct.field("content")
        rows = rows.with_columns(messages="prompt", reference=reference)
    return rows.select(FRAMES[kind])


def singles(pairs: pl.DataFrame) -> pl.DataFrame:
    """Each answer of some pairs by itself (`KTO`), once for each time that people chose or rejected it."""
    sides = [
        pairs.select("sample_id", "prompt", completion=side, label=pl.lit(value=label))
        for side, label in (("chosen", True), ("rejected", False))
    ]
    return pl.concat(sides)

"""Our own held-out split as an evaluation set: which training samples hold a held-out sample.

Held-out samples come from the corpus, so they cannot decide what is in it; samples are held against samples. Splits keep
near-duplicate prompts on one side already (`curation.splits`); what is left is a held-out sample that stands within a
longer training sample. It is looked for as items of evaluation sets are: a prompt is an item, for a question that leaked
without its answer has leaked, and a prompt with its reference is one. What the samples of a task have in common (the
instruction before each of them) is no item; it is told by the training samples too, for held-out ones may be few.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from curation.decontamination.evidence import find_items
from curation.decontamination.index import Form, build_index, item_name, words_of
from curation.decontamination.rules import contaminated
from curation.decontamination.settings import HeldOutSettings, MatchSettings
from records import Progress, silent

OVERLAPS = pl.Schema(
    {
        "sample_id": pl.String(),
        "held_out_id": pl.String(),
        "held_out_split": pl.String(),
        "words": pl.Int64(),
        "share": pl.Float64(),
        "longest_run": pl.Int64(),
    }
)
"""One row per training sample and held-out sample of which a part stands in it: how many of its words, which share of
them, and the longest run. Of a prompt and of it with its reference, the one of which more is there counts."""

FORM_SAMPLES = 2000
"""Training samples by which the form of a task is told: the first by their ids, which are hashes."""
FORM_SHARE, FORM_TEXTS = 0.02, 8
"""What stands in more of the texts than this is a task's form. A task may be asked in many forms, so that each has a small
share; a sample that leaked stands in a few others."""
BATCH = 10_000
"""Training samples that are looked through at a time."""


def overlaps(samples: pl.DataFrame, matches: MatchSettings, progress: Progress = silent) -> pl.DataFrame:
    """`OVERLAPS` of samples (sample_id, messages, reference, split), by sample_id and held_out_id."""
    training = samples.filter(split="train").sort("sample_id")
    items = _items(samples.filter(pl.col("split") != "train"))
    others = words_of(_texts(training.head(FORM_SAMPLES))["text"])
    index = build_index(items, matches, Form(FORM_SHARE, FORM_TEXTS, others, strict=True))
    named = items.select("item", set=pl.lit("held out")).unique()
    found = [pl.DataFrame(schema=OVERLAPS)]
    for start in range(0, training.height if items.height else 0, BATCH):
        texts = _texts(training[start : start + BATCH])
        batch = pa.RecordBatch.from_pydict({"content_digest": texts["sample_id"], "text": texts["text"].to_arrow()})
        held = find_items(batch, named, index, matches).select(sample_id="content_digest", found="matches")
        found.append(_named(held.explode("found").drop_nulls("found").unnest("found"), items))
        progress(min(start + BATCH, training.height), training.height, "training samples")
    return pl.concat(found).sort("sample_id", "held_out_id")


def _named(found: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """The matches by held-out sample: of its two items the one of which more is there."""
    rows = found.join(items.drop("words"), on="item").rename({"run": "longest_run"})
    best = rows.sort("share", "words", "longest_run", descending=True).unique(
        ["sample_id", "held_out_id"], keep="first", maintain_order=True
    )
    return best.select(OVERLAPS.names()).cast(OVERLAPS)


def _items(held_out: pl.DataFrame) -> pl.DataFrame:
    """The items of held-out samples: item, words, and whose they are; a sample has one or two."""
    parts = []
    for with_reference in (False, True):
        texts = _texts(held_out, with_reference).filter(pl.col("text").str.contains(r"\S"))
        words = words_of(texts["text"])
        names = pl.Series("item", [item_name(own) for own in words], pl.String)
        whose = texts.select(held_out_id="sample_id", held_out_split="split")
        parts.append(whose.with_columns(names, words))
    return pl.concat(parts).unique(["held_out_id", "item"], maintain_order=True)


def _texts(samples: pl.DataFrame, with_reference: bool = True) -> pl.DataFrame:
    """What a sample says: its turns, but for the system's, and its reference."""
    is_said = pl.element().struct.field("role") != "system"
    turns = pl.col("messages").list.eval(pl.element().struct.field("content").filter(is_said)).list.join("\n")
    parts = [turns, pl.col("reference").fill_null("")] if with_reference else [turns]
    return samples.select("sample_id", "split", text=pl.concat_str(parts, separator="\n"))


def leaking(found: pl.DataFrame, settings: HeldOutSettings) -> pl.DataFrame:
    """The rows of `OVERLAPS` that hold too much of a held-out sample."""
    return found.filter(contaminated(settings))


def dropped_samples(found: pl.DataFrame, settings: HeldOutSettings) -> pl.DataFrame:
    """The training samples (sample_id) that are not released, by the settings."""
    rows = leaking(found, settings) if settings.samples == "drop" else found.head(0)
    return rows.select("sample_id").unique()


def seen_in_training(found: pl.DataFrame, samples: pl.DataFrame, settings: HeldOutSettings) -> pl.DataFrame:
    """The held-out samples of which a part stands in what is released to train on: sample_id and `contaminated`, whether
    that is too much of one. `samples` says what has a reference, and so is released.
    """
    released = samples.filter(pl.col("reference").is_not_null()).select("sample_id")
    left = found.join(released, on="sample_id", how="semi").join(
        dropped_samples(found, settings), on="sample_id", how="anti"
    )
    over = left.select(sample_id="held_out_id", contaminated=contaminated(settings))
    return over.group_by("sample_id").agg(pl.col("contaminated").any()).sort("sample_id")

"""Our own held-out split as an evaluation set: which training samples, and which documents, hold a held-out sample.

Held-out samples come from the corpus, so they cannot decide what is in it; samples are held against samples. Splits keep
near-duplicate prompts on one side already (`curation.splits`); what is left is a held-out sample that stands within a
longer training sample. It is looked for as items of evaluation sets are: a prompt is an item, for a question that leaked
without its answer has leaked, and a prompt with its reference is one. What the samples of a task have in common (the
instruction before each of them) is no item; it is told by the training samples too, for held-out ones may be few.

What stands in documents, `curation.decontamination.in_corpus` tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import polars as pl
import pyarrow as pa

from curation.blocks import height_of, parts_of
from curation.decontamination.evidence import find_items
from curation.decontamination.index import Form, ItemIndex, build_index, item_name, words_of
from curation.decontamination.settings import MatchSettings
from records import Progress, silent

PLACES = pl.List(pl.Struct({"turn": pl.Int64, "start": pl.Int64, "end": pl.Int64}))
"""Places within a sample: the turn of `messages` (null: the reference), and the bytes of its text in UTF-8."""

MATCH = {"words": pl.Int64(), "share": pl.Float64(), "longest_run": pl.Int64()}
OVERLAPS = pl.Schema(
    {"sample_id": pl.String(), "held_out_id": pl.String(), "held_out_split": pl.String(), **MATCH, "places": PLACES}
)
"""One row per training sample and held-out sample of which a part stands in it: how many of its words, which share of
them, the longest run, and where. Of a prompt and of it with its reference, the one of which more is there counts."""

FORM_SAMPLES = 2000
"""Training samples by which the form of a task is told: the first by their ids, which are hashes."""
FORM_SHARE, FORM_TEXTS = 0.02, 8
"""What stands in more of the texts than this is a task's form. A task may be asked in many forms, so that each has a small
share; a sample that leaked stands in a few others."""
BATCH = 2_000
"""Samples, or contents, that are looked at a time."""


_SAID = ("sample_id", "split", "messages", "reference")
_EMPTY = pl.DataFrame(
    schema={"held_out_id": pl.String, "held_out_split": pl.String, "item": pl.String, "words": pl.Binary}
)
Frame: TypeAlias = pl.DataFrame | pl.LazyFrame


class Sought(NamedTuple):
    """The items of held-out samples (item, words, held_out_id, held_out_split), and the index of them."""

    items: pl.DataFrame
    item_index: ItemIndex
    matches: MatchSettings

    def within(self, texts: pl.DataFrame) -> pl.DataFrame:
        """What stands in texts (content_digest, text): a row for each text and held-out sample, with its `spans`."""
        whose = self.items.select("item", set="held_out_id")
        batch = pa.RecordBatch.from_pydict(
            {"content_digest": texts["content_digest"], "text": texts["text"].to_arrow().cast(pa.large_string())}
        )
        found = find_items(batch, whose, self.item_index, self.matches).filter(pl.col("matches").list.len() > 0)
        rows = found.select("content_digest", "spans", "matches").explode("matches").unnest("matches")
        best = (
            rows.sort("share", "words", "run", descending=True)
            .unique(["content_digest", "set"], keep="first", maintain_order=True)
            .rename({"run": "longest_run", "set": "held_out_id"})
        )
        splits = self.items.select("held_out_id", "held_out_split").unique()
        return best.join(splits, on="held_out_id").sort("content_digest", "held_out_id")


def sought_of(samples: pl.LazyFrame, matches: MatchSettings) -> Sought:
    """What is to be looked for of samples (sample_id, messages, reference, split): those that are held out."""
    items = _items(samples.filter(pl.col("split") != "train"))
    training = samples.filter(split="train")
    first = training.select("sample_id").collect(engine="streaming").to_series().sort().head(FORM_SAMPLES)
    told = training.select(*_SAID).filter(pl.col("sample_id").is_in(first.implode())).collect(engine="streaming")
    others = words_of(sample_texts(told)["text"])
    return Sought(items, build_index(items, matches, Form(FORM_SHARE, FORM_TEXTS, others, strict=True)), matches)


def overlaps(samples: Frame, matches: MatchSettings, progress: Progress = silent) -> pl.DataFrame:
    """`OVERLAPS` of samples (sample_id, messages, reference, split), by sample_id and held_out_id.

    Of training samples a batch is held at a time, of held-out ones the words.
    """
    rows = samples.lazy()
    training, sought, done = rows.filter(split="train").select(*_SAID), sought_of(rows, matches), 0
    found = [pl.DataFrame(schema=OVERLAPS)]
    total = height_of(training) if sought.items.height else 0
    for batch in parts_of(training, BATCH) if total else ():
        within = sought.within(sample_texts(batch).select("text", content_digest="sample_id"))
        told = within.rename({"content_digest": "sample_id"}).join(batch, on="sample_id", maintain_order="left")
        places = [_places(row) for row in told.iter_rows(named=True)]
        told = told.with_columns(places=pl.Series(places, dtype=PLACES))
        found.append(told.select(OVERLAPS.names()).cast(OVERLAPS))
        done += batch.height
        progress(done, total, "training samples")
    return pl.concat(found).sort("sample_id", "held_out_id")


def _items(held_out: pl.LazyFrame) -> pl.DataFrame:
    """The items of held-out samples: item, words, and whose they are; a sample has one or two."""
    parts = [_EMPTY]
    for some in parts_of(held_out.select(*_SAID), BATCH):
        for with_reference in (False, True):
            texts = sample_texts(some, with_reference).filter(pl.col("text").str.contains(r"\S"))
            words = words_of(texts["text"])
            names = pl.Series("item", [item_name(own) for own in words], pl.String)
            parts.append(texts.select(held_out_id="sample_id", held_out_split="split").with_columns(names, words))
    return pl.concat(parts).unique(["held_out_id", "item"])


def sample_texts(samples: pl.DataFrame, with_reference: bool = True) -> pl.DataFrame:
    """What a sample says (sample_id, split, text): its turns, but for the system's, and its reference."""
    is_said = pl.element().struct.field("role") != "system"
    turns = pl.col("messages").list.eval(pl.element().struct.field("content").filter(is_said)).list.join("\n")
    parts = [turns, pl.col("reference").fill_null("")] if with_reference else [turns]
    return samples.select("sample_id", "split", text=pl.concat_str(parts, separator="\n"))


def _places(row: Mapping[str, Any]) -> list[dict[str, int | None]]:
    """Where the spans of a row, which count bytes of what the sample says, stand in its turns."""
    found: list[dict[str, int | None]] = []
    spans = [(span["start"], span["end"]) for span in row["spans"] if span["kind"] == row["held_out_id"]]
    at = 0
    for turn, text in _said(row["messages"], row["reference"]):
        size = len(text.encode())
        inner = ((max(start - at, 0), min(end - at, size)) for start, end in spans)
        found += [{"turn": turn, "start": start, "end": end} for start, end in inner if start < end]
        at += size + 1
    return found


def _said(messages: Sequence[Mapping[str, str]], reference: str | None) -> Iterator[tuple[int | None, str]]:
    for turn, message in enumerate(messages):
        if message["role"] != "system":
            yield turn, message["content"]
    yield None, reference or ""

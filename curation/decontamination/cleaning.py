"""What becomes of samples that hold too much of a held-out one: dropped, cut, or kept; and what is left of contamination.

A sample is cut where the evidence says that the held-out one stands, in its turns and in its reference; what was cut can
be read at these places of the sample as it was found. Of which a turn or the reference is blank then, there is nothing to
learn from, and it is dropped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import polars as pl

from curation.blocks import parts_of
from curation.decontamination.evidence import contamination
from curation.decontamination.held_out import BATCH, Frame, sample_texts
from curation.decontamination.rules import contaminated
from curation.decontamination.settings import DecontaminationSettings, HeldOutSettings
from curation.redaction import rewrite
from curation.spans import Span

RATES = pl.Schema(
    {
        "kind": pl.String(),
        "name": pl.String(),
        "n": pl.Int64(),
        "in_documents": pl.Int64(),
        "in_corpus": pl.Int64(),
        "in_training": pl.Int64(),
    }
)
"""One row per held-out split (kind `split`) and evaluation set (kind `set`): how many items it has, and of how many too much
stands in a document as it was read, in one of the corpus, in a sample that is released to train on. Items of a set
are those that are long enough to be looked for. Documents as they were read hold the held-out samples themselves: null."""


def leaking(found: pl.DataFrame, settings: HeldOutSettings) -> pl.DataFrame:
    """The rows of `OVERLAPS` or `IN_CORPUS` that hold too much of a held-out sample."""
    return found.filter(contaminated(settings))


def cleaned(samples: pl.DataFrame, found: pl.DataFrame, settings: HeldOutSettings) -> pl.DataFrame:
    """The samples as they are released, in their order: without those that hold too much of a held-out one, or these cut.

    `samples` has sample_id, messages and reference, `found` the columns of `OVERLAPS`.
    """
    over = leaking(found, settings)
    if settings.samples == "keep" or over.is_empty():
        return samples
    clean = samples.join(over, on="sample_id", how="anti", maintain_order="left")
    if settings.samples == "drop":
        return clean
    places: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, own in over.select("sample_id", "places").iter_rows():
        places[name] += own
    touched = samples.join(over, on="sample_id", how="semi", maintain_order="left")
    rows = [(row, _cut(row, places[row["sample_id"]])) for row in touched.to_dicts()]
    left = pl.DataFrame([new for row, new in rows if _says(new) == _says(row)], schema=samples.schema)
    order = samples.select("sample_id")
    return order.join(pl.concat([clean, left]), on="sample_id", maintain_order="left").select(samples.columns)


def _cut(row: dict[str, Any], places: Sequence[dict[str, Any]]) -> dict[str, Any]:
    spans: dict[int | None, list[Span]] = defaultdict(list)
    for place in places:
        spans[place["turn"]].append((place["start"], place["end"], "held out"))
    turns = [
        {**turn, "content": rewrite(turn["content"], spans[number], ())} for number, turn in enumerate(row["messages"])
    ]
    reference = row["reference"] and rewrite(row["reference"], spans[None], ())
    return {**row, "messages": turns, "reference": reference}


def _says(row: dict[str, Any]) -> list[bool]:
    """Whether each turn, and the reference, says anything."""
    said = [*(turn["content"] for turn in row["messages"]), row["reference"] or ""]
    return [bool(text.strip()) for text in said]


def training_samples(
    answered: Frame, found: pl.DataFrame, settings: HeldOutSettings, columns: Sequence[str] = ()
) -> Iterator[pl.DataFrame]:
    """Of the samples that have an answer, those of the training split as they are released, some at a time; in no order.

    Other `columns` than all can be asked for.
    """
    for some in parts_of(answered.lazy().filter(split="train"), BATCH):
        clean = cleaned(some, found, settings)
        yield clean.select(columns) if columns else clean


def seen_in_training(found: pl.DataFrame, answered: Frame, settings: HeldOutSettings) -> pl.DataFrame:
    """The held-out samples of which a part stands in what is released to train on: sample_id and `contaminated`, whether
    that is too much of one. `answered` are the samples that have an answer, and so are released.
    """
    holding = answered.lazy().join(found.lazy().select("sample_id").unique(), on="sample_id", how="semi")
    names = [found.select("sample_id").head(0), *training_samples(holding, found, settings, ["sample_id"])]
    left = found.join(pl.concat(names), on="sample_id", how="semi")
    if settings.samples == "cut":
        left = left.filter(~contaminated(settings))
    over = left.select(sample_id="held_out_id", contaminated=contaminated(settings))
    return over.group_by("sample_id").agg(pl.col("contaminated").any()).sort("sample_id")


def rates_of_splits(
    samples: Frame, seen: pl.DataFrame, in_corpus: pl.DataFrame, settings: HeldOutSettings
) -> pl.DataFrame:
    """`RATES` of the held-out splits: `seen` in training samples (`seen_in_training`), `in_corpus` in documents (`IN_CORPUS`)."""
    trained = seen.filter("contaminated")["sample_id"].to_list()
    corpus = leaking(in_corpus, settings)["held_out_id"].unique().to_list()
    told = (
        samples.lazy()
        .filter(pl.col("split") != "train")
        .select("split", in_corpus=pl.col("sample_id").is_in(corpus), in_training=pl.col("sample_id").is_in(trained))
    )
    rows = told.group_by("split").agg(pl.len().alias("n"), pl.col("in_corpus", "in_training").sum())
    about = {"kind": pl.lit("split"), "name": pl.col("split"), "in_documents": pl.lit(None)}
    return rows.with_columns(**about).select(RATES.names()).cast(RATES).sort("name").collect()


def rates_of_sets(
    items: pl.DataFrame,
    evidence: pl.LazyFrame,
    documents: pl.LazyFrame,
    corpus: pl.LazyFrame,
    training: Iterable[pl.DataFrame],
    settings: DecontaminationSettings,
) -> pl.DataFrame:
    """`RATES` of the evaluation sets: `items` are theirs, `evidence` is the table `contamination`, `training` the samples as
    they are released, in any pieces. A document that was cut holds no more of an item than the limit.
    """
    places = documents.select("doc_id", "content_digest")
    kept = (
        corpus.select("doc_id") if settings.documents != "cut" else corpus.select("doc_id").filter(pl.lit(value=False))
    )
    counted = {
        "in_documents": _counted(_over(evidence, settings)),
        "in_corpus": _counted(
            _over(evidence.join(places.join(kept, on="doc_id"), on="content_digest", how="semi"), settings)
        ),
        "in_training": _counted(_over_in(training, items, settings)),
    }
    long_enough = items.filter(pl.col("n_words") >= settings.matches.min_words)
    sets = items.select(name="set").unique().join(long_enough.group_by(name="set").len("n"), on="name", how="left")
    columns = [
        pl.col("name").replace_strict(counts, default=0, return_dtype=pl.Int64).alias(column)
        for column, counts in counted.items()
    ]
    return (
        sets.with_columns(pl.col("n").fill_null(0), *columns, kind=pl.lit("set"))
        .select(RATES.names())
        .cast(RATES)
        .sort("name")
    )


def _over_in(training: Iterable[pl.DataFrame], items: pl.DataFrame, settings: DecontaminationSettings) -> pl.DataFrame:
    """The items of which too much stands in one of these samples: set and item."""
    found = [pl.DataFrame(schema={"set": pl.String, "item": pl.String})]
    for some in training:
        texts = sample_texts(some).select("text", content_digest="sample_id").to_arrow().combine_chunks()
        for batch in texts.to_batches():
            evidence = pl.DataFrame(pl.from_arrow(contamination(batch, items, settings.matches)))
            found.append(_over(evidence.lazy(), settings))
    return pl.concat(found).unique()


def _over(evidence: pl.LazyFrame, settings: DecontaminationSettings) -> pl.DataFrame:
    """The items of which too much stands in one of the contents: set and item."""
    rows = evidence.select(match="matches").explode("match").drop_nulls().unnest("match").rename({"run": "longest_run"})
    return rows.filter(contaminated(settings)).select("set", "item").unique().collect(engine="streaming")


def _counted(over: pl.DataFrame) -> dict[str, int]:
    """Of how many items of each set."""
    return dict(over.group_by("set").len().iter_rows())

"""What a release is made of: its rows counted by source, kind, language, media type and licence, and by their lengths.

The release has only rows; where they come from, the tables that it was made from say. What those do not know is counted
as unknown, and never left out: each fact's rows add up to the rows of each split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import polars as pl

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

FACTS = pl.Schema({"fact": pl.String, "name": pl.String, "split": pl.String, "rows": pl.Int64})
"""How many rows of a split are called `name` by a fact (`source`, `slice`, `openness`, `language`, `media type`, `licence`)."""
UNKNOWN = "unknown"
NAMES = {"source": "source", "slice": "slice", "openness": "openness", "language": "language", "media_type": "media type", "licence": "licence"}  # fmt: skip

_TURN = pl.element().struct.field("content").str.len_chars()
_DOCUMENTS: dict[str, tuple[str, ...]] = {
    "documents": ("doc_id", "content_digest", "media_type", "metadata"),
    "language": ("content_digest", "language"),
    "contamination": ("content_digest", "share"),
}
_SAMPLES = {"samples": ("sample_id", "doc_id", "source", "locator"), **_DOCUMENTS}
PLACES: dict[str, dict[str, tuple[str, ...]]] = {
    "pretraining": {"corpus": ("content_digest", "doc_id", "source", "locator"), **_DOCUMENTS},
    "instructions": _SAMPLES,
    "demonstrations": _SAMPLES,
    "preferences": _SAMPLES,
    "evaluation": _SAMPLES,
}
"""What of each table the facts are taken from, by the kind of release."""


def with_places(rows: pl.DataFrame, tables: Mapping[str, Frame], kind: str = "instructions") -> pl.DataFrame:
    """The rows of a release beside what is known of their documents; null where nothing is.

    `rows` as `curation.releases.read_release` gives them; `tables` may have those of `PLACES`, with its columns. Adds
    source, locator, media_type, licence, language and contaminated (the largest share of an evaluation item that stands in
    the document), and prompt_characters and answer_characters; of contents `characters` alone.
    """
    known = rows.lazy().rename({"content_digest": "sample_id"}, strict=False).drop("media_type", strict=False)
    for name, columns in PLACES[kind].items():
        table = tables.get(name, pl.LazyFrame(schema=dict.fromkeys(columns, pl.String))).lazy().select(columns)
        table = table.rename({"content_digest": "sample_id"}) if name == "corpus" else table
        key = "sample_id" if name in {"corpus", "samples"} else columns[0]
        known = known.join(table, on=key, how="left", maintain_order="left")
    return known.with_columns(
        licence=pl.col("metadata").str.json_path_match("$.licence"),
        contaminated=pl.col("share").cast(pl.Float64),
        **_lengths(rows.columns),
    ).collect()


def _lengths(columns: Sequence[str]) -> dict[str, pl.Expr]:
    if "text" in columns:
        return {"characters": pl.col("text").str.len_chars()}
    asked = "messages" if "messages" in columns else "prompt"
    answer = (
        pl.col("chosen").list.eval(_TURN).list.sum() if "chosen" in columns else pl.col("reference").str.len_chars()
    )
    return {"prompt_characters": pl.col(asked).list.eval(_TURN).list.sum(), "answer_characters": answer}


def said_of(placed: pl.DataFrame) -> pl.Series:
    """What the rows speak of, as one text each: the content, or the last question."""
    if "text" in placed.columns:
        return placed["text"]
    asked = "messages" if "messages" in placed.columns else "prompt"
    return placed.select(said=pl.col(asked).list.last().struct.field("content"))["said"]


def card_facts(placed: pl.DataFrame) -> dict[str, str]:
    """What the dataset card says beside its rows by split: where they come from, under which licences, in which languages."""
    found = {}
    for fact, column in (("sources", "source"), ("licences", "licence"), ("languages", "language")):
        names = placed[column].drop_nulls().unique().sort().to_list() if column in placed.columns else []
        if names:
            found[fact] = ", ".join(names)
    unknown = placed["licence"].null_count()
    return found | ({"rows of unknown licence": f"{unknown:,} of {placed.height:,}"} if unknown else {})


def facts(placed: pl.DataFrame) -> pl.DataFrame:
    """`FACTS` of the rows of `with_places`: by fact in the order of `NAMES`, the most frequent name first."""
    found = [FACTS.to_frame()]
    for column, fact in NAMES.items():
        if column in placed.columns:
            name = pl.col(column).fill_null(UNKNOWN)
            counted = placed.group_by(name.alias("name"), "split").agg(rows=pl.len().cast(pl.Int64))
            order = (pl.col("rows").sum().over("name"), "name", "split")
            told = counted.sort(*order, descending=[True, False, False]).with_columns(fact=pl.lit(fact))
            found.append(told.select(FACTS.names()))
    return pl.concat(found)


def gaps(placed: pl.DataFrame, splits: tuple[str, ...]) -> list[str]:
    """What a reader should know is missing, in words."""
    of_split = dict(placed.group_by("split").len().iter_rows())
    said = [f"no rows in {split}" for split in splits if not of_split.get(split)]
    for column in ("source", "licence", "language"):
        unknown = placed[column].null_count()
        if unknown:
            said.append(f"the {column} of {unknown:,} of {placed.height:,} rows is unknown")
    if "slice" not in placed.columns:
        return said
    tested = dict(placed.filter(split="test").group_by("slice").len().iter_rows())
    few = [name for name in placed["slice"].unique().sort() if tested.get(name, 0) < _FEW]
    return said + ([f"fewer than {_FEW} test rows in {', '.join(str(name) for name in few)}"] if few else [])


_FEW = 30
"""Test rows below which a score says little."""

"""What a release is made of: its rows counted by source, kind, language, media type and licence, and by their lengths.

The release has only rows; where they come from, the tables that it was made from say. What those do not know is counted
as unknown, and never left out: each fact's rows add up to the rows of each split.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import polars as pl

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

FACTS = pl.Schema({"fact": pl.String, "name": pl.String, "split": pl.String, "rows": pl.Int64})
"""How many rows of a split are called `name` by a fact (`source`, `slice`, `openness`, `language`, `media type`, `licence`)."""
UNKNOWN = "unknown"
NAMES = {"source": "source", "slice": "slice", "openness": "openness", "language": "language", "media_type": "media type", "licence": "licence"}  # fmt: skip

_TURN = pl.element().struct.field("content").str.len_chars()
_ANSWERS = ("reference", "chosen")
PLACES: dict[str, tuple[str, ...]] = {
    "samples": ("sample_id", "doc_id", "source", "locator"),
    "documents": ("doc_id", "content_digest", "media_type", "metadata"),
    "language": ("content_digest", "language"),
    "contamination": ("content_digest", "share"),
}
"""What of each table the facts are taken from."""


def with_places(rows: pl.DataFrame, tables: Mapping[str, Frame]) -> pl.DataFrame:
    """The rows of a release beside what is known of their documents; null where nothing is.

    `rows` as `curation.releases.read_release` gives them; `tables` may have samples, documents, language and
    contamination, with the columns of `PLACES`. Adds source, locator, media_type, licence, language and contaminated
    (the largest share of an evaluation item that stands in the document), and prompt_characters and answer_characters.
    """
    known = rows.lazy()
    for name, columns in PLACES.items():
        table = tables.get(name, pl.LazyFrame(schema=dict.fromkeys(columns, pl.String))).lazy()
        known = known.join(table.select(columns), on=columns[0], how="left", maintain_order="left")
    answer = next(name for name in _ANSWERS if name in rows.columns)
    asked = next(name for name in ("messages", "prompt") if name in rows.columns)
    length = pl.col(answer).str.len_chars() if answer == "reference" else pl.col(answer).list.eval(_TURN).list.sum()
    return known.with_columns(
        licence=pl.col("metadata").str.json_path_match("$.licence"),
        contaminated=pl.col("share").cast(pl.Float64),
        prompt_characters=pl.col(asked).list.eval(_TURN).list.sum(),
        answer_characters=length,
    ).collect()


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
    tested = dict(placed.filter(split="test").group_by("slice").len().iter_rows())
    few = [name for name in placed["slice"].unique().sort() if tested.get(name, 0) < _FEW]
    return said + ([f"fewer than {_FEW} test rows in {', '.join(str(name) for name in few)}"] if few else [])


_FEW = 30
"""Test rows below which a score says little."""

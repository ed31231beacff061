"""Whether the columns that `task.columns` names are there: what is misspelt gives no sample and breaks no rule, so that
nobody would see it.

A source whose rows are questions has the column in some row; that others lack it is no fault, for JSON leaves out what is
empty, and a source of texts may stand beside one of questions. So each source is looked at as a whole, and told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from curation.blocks import parts_of
from curation.tasks.json_contents import CHAT, RECORD
from curation.tasks.settings import PARTS, TaskSettings

ABSENT = "columns that no row has"
"""The note under which they are told."""
_LOOKED_AT = 1_000
"""Records that are held at a time."""
SHOWN = 12
"""So many columns of a row are named."""
_ROW = r"[#/](row=|L)[0-9]+$"
"""The end of a locator that is the place of a row."""


def absent_columns(corpus: pl.LazyFrame, settings: TaskSettings) -> list[str]:
    """What to tell of each source with kept rows none of which has a column that the task names, with its place and the mend.

    `corpus` has source, locator, media_type and text.
    """
    named = [(part, settings.columns[part]) for part in PARTS if part in settings.columns]
    if not named:
        return []
    is_row = (pl.col("media_type") == RECORD) | (pl.col("locator").str.contains(_ROW) & (pl.col("media_type") != CHAT))
    rows = corpus.filter(is_row).group_by("source").agg(rows=pl.len(), first=pl.col("locator").min())
    records = corpus.filter(media_type=RECORD)
    held = records.group_by("source").agg(
        *(_holds(name).any().alias(part) for part, name in named),
        records=pl.len(),
        first_record=pl.struct("locator", "text").sort_by("locator").first(),
    )
    told = rows.join(held, on="source", how="left").sort("source").collect(engine="streaming").to_dicts()
    for row in told:
        own = records.filter(source=row["source"])
        row.update({part: row[part] and _has(own, name) for part, name in named})
    return [line for row in told for line in _said(row, named)]


def _holds(name: str) -> pl.Expr:
    """Whether something in a record, which is canonical JSON, has that name: a column, or what lies within one."""
    return pl.col("text").str.contains(f"{json.dumps(name, ensure_ascii=False)}:", literal=True)


def _has(records: pl.LazyFrame, name: str) -> bool:
    """Whether one of the records has a column of that name; looked for up to the first."""
    texts = parts_of(records.filter(_holds(name)).select("text"), _LOOKED_AT)
    return any(name in json.loads(text) for part in texts for text in part["text"])


def _said(row: dict[str, Any], named: list[tuple[str, str]]) -> Iterator[str]:
    if row["records"] is None:
        if not {"question", "answer"} <= dict(named).keys():
            return  # no rows are asked for by names
        names = " and ".join(f"{name!r} ({part})" for part, name in named)
        yield (
            f"source {row['source']}: its rows were read as texts, for none has the columns that task.columns names for a "
            f"question and its answer ({names}); the first is {row['first']}: name columns as its file has them"
        )
        return
    has = list(json.loads(row["first_record"]["text"]))
    more = f" and {len(has) - SHOWN} more" if len(has) > SHOWN else ""
    for part, name in named:
        if not row[part]:
            yield (
                f"source {row['source']}: no row has the column {name!r} that task.columns.{part} names; "
                f"{row['first_record']['locator']} has {', '.join(has[:SHOWN])}{more}: name one of these"
            )

"""What the look at training data decides: how many rows can be trained on, and what stops the training."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from plots import histogram
from records import Outcome, Picture
from training.inspection import FITS, MASKED, TEMPLATE, TOO_LONG, TRUNCATED


def inspected(rows: pl.DataFrame, max_length: int, notes: Mapping[str, object]) -> Outcome:
    """The rows (`training.inspection.ROWS`) as an outcome: books by what becomes of each, and the three checks.

    `labels` allows no row whose every label would be masked, `template` none that the chat template renders in another way
    than it will be asked; `lengths` wants at least one training row that fits.
    """
    counts = dict(rows.group_by("fate").len().iter_rows())
    fitting = rows.filter(pl.col("fate").is_in([FITS, TRUNCATED]))
    lengths = (
        rows.filter(pl.col("prompt_tokens") > 0).select(pl.col("prompt_tokens") + pl.col("answer_tokens")).to_series()
    )
    told = {
        "rows that lose the end of their answer": counts.get(TRUNCATED, 0),
        "rows with control tokens in their text": int(rows["control_tokens"].sum()),
        "trained tokens": int((rows["trained_tokens"] * rows["copies"]).sum()),
        "longest row": int(lengths.max() or 0),  # type: ignore[arg-type]
    }
    return Outcome(
        rows,
        kept=fitting.height,
        dropped={TOO_LONG: counts[TOO_LONG]} if TOO_LONG in counts else {},
        failed={fate: counts[fate] for fate in (MASKED, TEMPLATE) if fate in counts},
        notes={**told, **notes},
        pictures=[Picture("lengths", histogram(lengths, "tokens in a row, prompt and answer", max_length))],
        checks={
            "labels": _said(rows, MASKED, "would have every label masked"),
            "template": _said(rows, TEMPLATE, "are not rendered as they will be asked"),
            "lengths": ""
            if fitting.filter(split="train").height
            else f"none of the training rows fits into {max_length} tokens; raise max_length, or shorten the prompts",
        },
    )


def _said(rows: pl.DataFrame, fate: str, what: str) -> str:
    wrong = rows.filter(fate=fate)
    return (
        f"{wrong.height:,} rows {what}, for instance sample {wrong['sample_id'][0]}: {wrong['detail'][0]}"
        if wrong.height
        else ""
    )

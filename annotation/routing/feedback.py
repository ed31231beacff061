"""What users of a product thought of its answers: thumbs, counted by question."""

from __future__ import annotations

from pathlib import Path

import polars as pl

FEEDBACK = {"question": pl.String, "down": pl.Int64, "up": pl.Int64}
"""One row per question: the `sample_id`, or the text that was asked, and how many thumbs it got."""

DOWN, UP = ("down", "-1", "0", "bad", "false"), ("up", "1", "+1", "good", "true")


def feedback_table(path: Path) -> pl.DataFrame:
    """The thumbs (`FEEDBACK`) of a JSONL or CSV file with a column `thumbs` (up, down) and one of `sample_id` and `prompt`.

    Raises ValueError that names the file and what is wrong with it.
    """
    read = pl.read_csv if path.suffix.lower() == ".csv" else pl.read_ndjson
    try:
        rows = read(path)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"annotation.routing.feedback: {path} is neither JSONL nor CSV: {error}") from error
    named = [name for name in ("sample_id", "prompt") if name in rows.columns]
    if "thumbs" not in rows.columns or not named:
        raise ValueError(
            f"annotation.routing.feedback: {path} needs a column thumbs (up or down), and one of sample_id and prompt"
        )
    given = rows.select(
        question=pl.coalesce(pl.col(name).cast(pl.String) for name in named).str.strip_chars(),
        thumbs=pl.col("thumbs").cast(pl.String).str.to_lowercase(),
    )
    odd = given.filter(~pl.col("thumbs").is_in([*DOWN, *UP]) | pl.col("thumbs").is_null())
    if odd.height:
        raise ValueError(
            f"annotation.routing.feedback: {path} has {odd.height} rows whose thumbs are neither up nor down"
        )
    down = pl.col("thumbs").is_in(DOWN)
    counted = given.drop_nulls("question").group_by("question").agg(down=down.sum(), up=(~down).sum())
    return counted.cast(FEEDBACK).sort("question")  # type: ignore[arg-type]

"""The product: what a model proposes where nobody has answered yet, each beside its file and line.

A proposal is for people to read, so an answer is cleaned to what could be pasted: its first line, without the quotes,
fences and labels that chat models wrap a docstring in. What is empty then is a failure with its reason, not a row.
"""

from __future__ import annotations

import re

import polars as pl

from evaluation.lines import first_line
from records import Outcome

PROPOSALS = {
    "sample_id": pl.String(),
    "source": pl.String(),
    "path": pl.String(),
    "locator": pl.String(),
    "line": pl.Int64(),
    "name": pl.String(),
    "proposal": pl.String(),
    "model": pl.String(),
}
"""The schema of proposals: `path` is the file relative to its source, `line` where the sample stands in it."""

EMPTY = "nothing left of the answer once quotes and fences are gone"
_LABEL = re.compile(r"^(?:docstring|answer|summary)\s*:\s*", re.IGNORECASE)


def propose(outputs: pl.DataFrame, samples: pl.DataFrame) -> Outcome:
    """The proposals (PROPOSALS) in the order of source, path and line.

    `outputs` are `inference.OUTPUTS` with `model`; `samples` have sample_id, source, locator, line and name. The books
    count answers: failed are those with an error, those empty after `clean`, and those whose sample is gone.
    """
    places = samples.select("sample_id", "source", "locator", "line", "name").with_columns(known=True)
    joined = outputs.select("sample_id", "output", "error", "model").join(places, on="sample_id", how="left")
    cleaned = pl.Series("proposal", [clean(text or "") for text in joined["output"]], dtype=pl.String)
    judged = joined.with_columns(cleaned, path=pl.col("locator").str.split("#").list.first()).with_columns(
        failed=_reason()
    )
    table = judged.filter(pl.col("failed").is_null()).select(list(PROPOSALS))
    failed = judged["failed"].drop_nulls().value_counts(name="count").sort("count", "failed", descending=[True, False])
    return Outcome(table.sort("source", "path", "line", "sample_id"), failed=dict(failed.iter_rows()))


def clean(text: str) -> str:
    """An answer's first line of substance: no code fence, label ("Docstring:"), surrounding quotes or backticks."""
    return _unquoted(_LABEL.sub("", _unquoted(first_line(text))))


def _unquoted(line: str) -> str:
    """The line without the quotes around it; a triple quote inside ends it, for it would end the docstring too."""
    for quotes in ('"""', "'''"):
        line = line.removeprefix(quotes).split(quotes, 1)[0].strip()
    for quote in ('"', "'", "`"):
        if len(line) > 1 and line[0] == quote == line[-1] and line.count(quote) == 2:
            line = line[1:-1].strip()
    return line


def _reason() -> pl.Expr:
    """Why an answer is no proposal; null where it is one."""
    return (
        pl.when(pl.col("error").is_not_null())
        .then(pl.col("error"))
        .when(pl.col("known").is_null())
        .then(pl.lit("the sample is gone"))
        .when(pl.col("proposal") == "")
        .then(pl.lit(EMPTY))
    )

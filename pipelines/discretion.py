"""Documents as commands show them where privacy is on: personal data with `x` for its letters, secrets as asterisks.

What a person asks about a document is seldom whose address stands in it, and a terminal keeps what it showed. Masks are as
long in bytes as what they hide, so that spans lead to the same places. `--bytes`, tables and exports show what is there.
"""

from __future__ import annotations

import polars as pl

from pipelines.lookup import Row, row_where
from pipelines.workspace import Workspace

_BESIDE = ("title", "metadata")


def discreet(workspace: Workspace, text: str) -> str:
    """A text with what is found in it masked; as it is where privacy is off."""
    settings = workspace.config.privacy
    if settings is None or not text:
        return text
    from curation.privacy.finding import find_in
    from curation.privacy.masking import masked_text

    return masked_text(text, find_in(text.encode("utf-8", "replace").decode(), settings.find))


def discreet_document(workspace: Workspace, row: Row) -> Row:
    """A row of `documents` with its text masked by its evidence, and what stands beside the text by what is found in it.

    A text that was not measured is masked by what is found now, one that could not be is withheld.
    """
    if workspace.config.privacy is None:
        return row
    from curation.privacy.masking import masked_text

    found = row_where(workspace.store, "personal_data", pl.col("content_digest") == row["content_digest"])
    if found is None:
        text = discreet(workspace, row["text"])
    elif found["spans"] is None:
        text = ""
    else:
        text = masked_text(row["text"], [(span["start"], span["end"], span["kind"]) for span in found["spans"]])
    beside = {name: discreet(workspace, str(row[name])) for name in _BESIDE if row.get(name)}
    return {**row, **beside, "text": text}

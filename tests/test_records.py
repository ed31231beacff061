"""Digests of columns are the digests of their rows."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from records import content_digest, digests, doc_id

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), st.integers(0, 3))
def test_digests_of_columns_are_those_of_rows(rows: list[tuple[str, str]], start: int) -> None:
    frame = pl.DataFrame(rows, schema={"source": pl.String, "locator": pl.String}, orient="row").slice(start)
    names = digests("document", frame["source"], of=frame["locator"])
    assert names.to_list() == [doc_id(*row) for row in rows[start:]]
    assert digests("document", "raw", of=frame["locator"]).to_list() == [doc_id("raw", row[1]) for row in rows[start:]]
    chunks = pl.concat([frame["locator"], frame["locator"]], rechunk=False)
    assert digests("content", of=chunks).to_list() == [content_digest(row[1]) for row in rows[start:]] * 2

"""Digests of columns are the digests of their rows, and what they are made of has one form."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records import MESSAGES, canonical_json, content_digest, digests, doc_id, is_plain, sample_id, sample_ids

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), st.integers(0, 3))
def test_digests_of_columns_are_those_of_rows(rows: list[tuple[str, str]], start: int) -> None:
    frame = pl.DataFrame(rows, schema={"source": pl.String, "locator": pl.String}, orient="row").slice(start)
    names = digests("document", frame["source"], of=frame["locator"])
    assert names.to_list() == [doc_id(*row) for row in rows[start:]]
    assert digests("document", "raw", of=frame["locator"]).to_list() == [doc_id("raw", row[1]) for row in rows[start:]]
    chunks = pl.concat([frame["locator"], frame["locator"]], rechunk=False)
    assert digests("content", of=chunks).to_list() == [content_digest(row[1]) for row in rows[start:]] * 2


ANY_TEXT = st.one_of(TEXTS, st.sampled_from(["\x00\x08\x0c\x1f\x7f\u2028", '"\\/']))
NESTED = pl.List(
    pl.Struct({"said": pl.String, "at": pl.Int64, "marks": pl.List(pl.Struct({"z": pl.Boolean, "a": pl.UInt32}))})
)
MARKS = st.fixed_dictionaries({"z": st.booleans() | st.none(), "a": st.integers(0, 2**32 - 1) | st.none()})
VALUES = st.lists(
    st.none()
    | st.fixed_dictionaries(
        {
            "said": TEXTS | st.none(),
            "at": st.integers(-(2**63), 2**63 - 1) | st.none(),
            "marks": st.none() | st.lists(st.none() | MARKS, max_size=2),
        }
    ),
    max_size=3,
)


@given(st.lists(st.none() | VALUES, max_size=4))
def test_values_have_one_form_in_json(values: list[object]) -> None:
    column = pl.Series("v", values, dtype=NESTED)
    told = [json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() for value in values]
    assert canonical_json(column).to_list() == told


@pytest.mark.parametrize("other", [pl.Float64, pl.Date, pl.Int128, pl.List(pl.Float32), pl.Struct({"a": pl.Binary})])
def test_what_may_have_several_forms_is_not_plain(other: pl.DataType) -> None:
    assert is_plain(NESTED) and not is_plain(other) and not is_plain(pl.List(pl.Struct({"b": other})))


TURNS = st.lists(st.fixed_dictionaries({"role": ANY_TEXT, "content": ANY_TEXT}), max_size=3)


@given(st.lists(TURNS, max_size=4))
def test_samples_of_a_column_are_named_as_each_is(prompts: list[list[dict[str, str]]]) -> None:
    column = pl.Series("messages", prompts, dtype=MESSAGES)
    assert sample_ids("t", column).to_list() == [sample_id("t", messages) for messages in prompts]

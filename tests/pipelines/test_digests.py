"""A table's version is a function of its rows as a set, of their types, and of nothing else."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.digests import MODULUS, frame_version, hash_sum, row_hashes, schema_digest, table_version

TEXTS = st.one_of(st.none(), st.text(alphabet="a\x00é\u2028𝄞 ", max_size=4), st.text(max_size=6))
SCHEMA = {
    "name": pl.String,
    "raw": pl.Binary,
    "count": pl.Int64,
    "ratio": pl.Float64,
    "kept": pl.Boolean,
    "spans": pl.List(pl.Struct({"start": pl.Int64, "kind": pl.String})),
}
SPANS = st.lists(st.fixed_dictionaries({"start": st.integers(0, 9), "kind": TEXTS}), max_size=2)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "raw": st.one_of(st.none(), st.binary(max_size=4)),
            "count": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            "ratio": st.one_of(st.none(), st.floats()),
            "kept": st.one_of(st.none(), st.booleans()),
            "spans": st.one_of(st.none(), SPANS),
        }
    ),
    max_size=6,
)


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_and_of_columns_does_not_count(rows: list[dict[str, Any]], chance: random.Random) -> None:
    mixed = chance.sample(rows, len(rows))
    columns = chance.sample(list(SCHEMA), len(SCHEMA))
    assert frame_version(frame(mixed).select(columns)) == frame_version(frame(rows))


@given(ROWS, st.integers(0, 6))
def test_where_chunks_end_does_not_count(rows: list[dict[str, Any]], cut: int) -> None:
    chunks = pl.concat([frame(rows[:cut]), frame(rows[cut:])], rechunk=False)
    assert row_hashes(chunks).to_list() == row_hashes(frame(rows)).to_list()


@given(ROWS, ROWS)
def test_rows_that_come_and_go_commute_with_the_sum(rows: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    """What lets a table's version be kept up to date at the cost of a change."""
    hashes = row_hashes(frame(rows + more))
    assert (
        hash_sum(hashes[len(rows) :]) == sum(int.from_bytes(each, "little") for each in hashes[len(rows) :]) % MODULUS
    )
    both, one, other = (hash_sum(row_hashes(frame(each))) for each in (rows + more, rows, more))
    assert (one + other) % MODULUS == both
    assert (both - other) % MODULUS == one


@given(ROWS, ROWS)
def test_other_rows_have_another_version(rows: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    def bag(of: list[dict[str, Any]]) -> list[str]:
        return sorted(repr([0.0 if row[name] == 0 and name == "ratio" else row[name] for name in SCHEMA]) for row in of)

    assert (frame_version(frame(rows)) == frame_version(frame(more))) == (bag(rows) == bag(more))


@given(ROWS, TEXTS)
def test_columns_outside_do_not_count(rows: list[dict[str, Any]], place: str | None) -> None:
    plain, placed = frame(rows), frame(rows).with_columns(place=pl.lit(place, dtype=pl.String))
    assert frame_version(placed, ["place"]) == frame_version(plain)
    assert frame_version(placed) != frame_version(plain)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param([None], [""], id="null and empty text"),
        pytest.param(["ab", "c"], ["a", "bc"], id="where a text ends"),
        pytest.param([""], [], id="a row of nothing and no row"),
        pytest.param(["a"], ["a", "a"], id="once and twice"),
        pytest.param(["a", "a"], ["b", "b"], id="twice one and twice the other"),
        pytest.param([[]], [None], id="an empty list and null"),
        pytest.param([[None]], [[]], id="a list of null and an empty list"),
        pytest.param([True], [None], id="true and null"),
        pytest.param([0.0], [None], id="zero and null"),
        pytest.param([1], [-1], id="the sign"),
    ],
)
def test_it_tells_apart(one: list[Any], other: list[Any]) -> None:
    kind = pl.Series(one + other).dtype
    assert frame_version(pl.DataFrame({"x": pl.Series(one, dtype=kind)})) != frame_version(
        pl.DataFrame({"x": pl.Series(other, dtype=kind)})
    )


def test_a_value_moved_to_another_column_is_another_row() -> None:
    kinds = {"x": pl.String, "y": pl.String}
    versions = {
        frame_version(pl.DataFrame([row], schema=kinds)) for row in ({"x": "a"}, {"y": "a"}, {"x": "a", "y": ""})
    }
    assert len(versions) == 3


@pytest.mark.parametrize(
    "kinds", [(pl.Int32, pl.Int64), (pl.Float32, pl.Float64), (pl.String, pl.Binary), (pl.Int8, pl.Boolean)]
)
def test_the_type_counts_also_where_there_are_no_rows(kinds: tuple[pl.DataType, pl.DataType]) -> None:
    for values in ([], [None]):
        versions = {frame_version(pl.DataFrame({"x": pl.Series(values, dtype=kind)})) for kind in kinds}
        assert len(versions) == 2


def test_zero_has_one_sign_and_not_a_number_one_form() -> None:
    def version(*values: float) -> str:
        return frame_version(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}))

    payload = pl.Series([0x7FF8000000000001, 0xFFF8000000000000], dtype=pl.UInt64).reinterpret(signed=False)
    odd = pl.Series(payload.to_numpy().view("float64"))
    assert version(0.0) == version(-0.0)
    assert version(float("nan"), float("nan")) == version(*odd.to_list())
    assert len({version(0.0), version(float("nan")), version(float("inf")), version(5e-324)}) == 4


def test_the_same_on_every_machine() -> None:
    """Tables written by one release must be known to the next: these change only with a reason, and a migration."""
    rows = frame(
        [
            {
                "name": "é",
                "raw": b"\x00",
                "count": -1,
                "ratio": 0.5,
                "kept": True,
                "spans": [{"start": 1, "kind": None}],
            },
            {},
        ]
    )
    assert frame_version(rows) == "08a03c28bf4f2365d280199b37b66962"
    assert frame_version(pl.DataFrame(schema={"x": pl.String})) == "260fe89894e28530e239c64e056c3d14"


def test_a_version_is_of_sum_number_and_schema() -> None:
    """No rows, and rows that sum to nothing, are two things."""
    schema = schema_digest(pl.Schema({"x": pl.String}))
    assert (
        len(
            {
                table_version(0, 0, schema),
                table_version(0, 1, schema),
                table_version(1, 0, schema),
                table_version(0, 0, ""),
            }
        )
        == 4
    )

"""What kernels are made of: functions of other modules, parts, and NamedTuples of what they are given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import curation.deduplication.digest_index
from curation.compilation import Kernel, inlined, kernel, made_from, piece

Ints = npt.NDArray[np.int64]


class Row(NamedTuple):
    """What a kernel is given as one."""

    numbers: Ints
    least: int
    share: float
    is_open: bool


class Pair(NamedTuple):
    """Of one kind of numbers."""

    first: int
    second: int


@inlined
def twice(x: int) -> int:
    return 2 * x


@piece
def sum_from(row: Row, pair: Pair) -> int:
    total = 0
    for number in row.numbers:
        if number > row.least or (row.is_open and number == row.least):
            total += twice(number)
    return total + pair.first - pair.second


@kernel
def weighed(factor: int, row: Row, pair: Pair, out: Ints) -> float:
    """A number for each field, and where it stands among other arguments."""
    out[0] = sum_from(row, pair)
    return factor * row.share


@given(
    st.integers(-9, 9),
    st.lists(st.integers(-9, 9)),
    st.integers(-9, 9),
    st.floats(-1, 1),
    st.booleans(),
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
)
def test_fields_of_a_named_tuple_are_what_they_were(
    factor: int, numbers: list[int], least: int, share: float, is_open: bool, pair: tuple[int, int]
) -> None:
    out = np.zeros(1, np.int64)
    assert weighed(factor, Row(np.array(numbers, np.int64), least, share, is_open), Pair(*pair), out) == factor * share
    wanted = sum(2 * number for number in numbers if number > least or (is_open and number == least))
    assert out[0] == wanted + pair[0] - pair[1]


def test_a_field_of_the_wrong_kind_is_named() -> None:
    row = Row(np.zeros(1, np.int64), 0, 0.0, is_open=False)
    for wrong, said in (
        (row._replace(numbers=np.zeros(1, np.int32)), "`row.numbers` must be an array of int64, not an array of int32"),
        (row._replace(least=0.5), "`row.least` must be int64, not a float"),
    ):
        with pytest.raises(TypeError, match=said):
            weighed(1, wrong, Pair(0, 0), np.zeros(1, np.int64))


def test_where_machine_code_cannot_be_kept_a_function_still_runs() -> None:
    places: dict[str, object] = {}
    exec("def double(x: int) -> int:\n    return 2 * x\n", places)  # has no file, and so no folder beside it
    double = kernel(places["double"])
    assert isinstance(double, Kernel)
    assert double(21) == 42
    assert not double.can_be_kept


def test_a_part_tells_that_it_is_none_to_call() -> None:
    with pytest.raises(TypeError, match="twice is part of compiled functions"):
        twice(20)


def _adding(most: int, step: object) -> object:
    def added(x: int) -> int:
        return most + step(x)

    return added


def test_what_a_function_takes_from_the_one_that_made_it_belongs_to_it() -> None:
    assert made_from(_adding(1, twice)) != made_from(_adding(2, twice))
    files, _ = made_from(_adding(1, curation.deduplication.digest_index.eight_digits))
    assert curation.deduplication.digest_index.__file__ in files

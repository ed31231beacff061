"""Keys are in order, with their rows, in memory and in a file."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.sorted_keys import joined, mapped_keys, sorted_by_hash, write_keys

HASHES = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 5), st.sampled_from([2**11 - 1, 2**11, 2**22 - 1, 2**22]))
KINDS = st.lists(st.lists(HASHES, max_size=200), max_size=4)


def ordered(kinds: list[list[int]]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [sorted_by_hash(np.array(own, np.uint32), np.arange(7, 7 + len(own), dtype=np.uint32)) for own in kinds]


@settings(max_examples=200, deadline=None)
@given(KINDS)
def test_hashes_are_sorted_and_those_of_one_hash_stay_in_the_order_of_their_rows(kinds):
    keys = joined(ordered(kinds))
    assert len(keys.bounds) == len(kinds) + 1
    for number, own in enumerate(kinds):
        held = list(zip(*(part.tolist() for part in keys.kind(number)), strict=True))
        assert held == sorted((value, row) for row, value in enumerate(own, 7))


@settings(max_examples=60, deadline=None)
@given(KINDS)
def test_a_file_gives_the_keys_that_were_written(tmp_path_factory, kinds):
    place = tmp_path_factory.mktemp("keys") / "keys"
    write_keys(place, ordered(kinds))
    for found, expected in zip(mapped_keys(place), joined(ordered(kinds)), strict=True):
        assert found.tolist() == expected.tolist()

"""The election in the room that it is given: where that is narrow it goes on, and a table of sets takes rows that are full."""

from math import ceil

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from curation.deduplication import pair_kernels

THRESHOLD = 0.3
CROWDED = st.integers(1, 40).map(lambda n: (n % 3) << 62 | n)
"""Hashes of which most name one of three rows, so that rows of a table are full."""


def elected(sets, room):
    n, sizes = len(sets), np.array([len(each) for each in sets], np.int64)
    shingles = np.array([value for each in sets for value in sorted(each)], np.uint64)
    rows, buckets = np.arange(n, dtype=np.int32), np.zeros((n, 1), np.int32)
    heads, following, kept_of, looked_at = (np.full(k, -1, np.int32) for k in (1, n, n, n))
    kept, similarity, similar = np.full(n, -1, np.int32), np.zeros(n), np.empty(room)
    behind = np.full((room + n, 2), -7, np.int32)
    found = behind[:room]
    at, pairs, table = 0, [], pair_kernels.table_of(int(sizes.max()))
    while at < n:
        at, many = pair_kernels.elect(
            at,
            rows,
            rows,
            buckets,
            heads,
            following.reshape(n, 1),
            kept_of,
            looked_at,
            np.cumsum(sizes) - sizes,
            sizes,
            shingles,
            table,
            THRESHOLD,
            kept,
            similarity,
            found,
            similar,
        )
        pairs += [(*map(int, pair), float(near)) for pair, near in zip(found[:many], similar[:many], strict=True)]
    assert (behind[room:] == -7).all()
    return kept.tolist(), similarity.tolist(), pairs


def by_definition(sets):
    kept, similarity, pairs, stay = [], [], [], []
    for row, own in enumerate(sets):
        near = [(len(own & sets[k]) / len(own | sets[k]), k) for k in reversed(stay)]
        near = [(similar, k) for similar, k in near if similar >= THRESHOLD]
        pairs += [(row, k, similar) for similar, k in near]
        highest, best = max(near, key=lambda each: (each[0], -each[1]), default=(0.0, -1))
        stay += [] if near else [row]
        kept.append(best)
        similarity.append(highest)
    return kept, similarity, pairs


@example([frozenset({1, 2}), frozenset({3, 4}), frozenset({1, 3})])
@example([frozenset({1}), frozenset({2}), frozenset({3}), *[frozenset({1, 2, 3})] * 7])
@given(st.lists(st.frozensets(CROWDED, min_size=1, max_size=30), min_size=1, max_size=25))
def test_in_narrow_room_and_with_full_rows_the_election_is_what_its_words_say(sets):
    expected = by_definition(sets)
    for room in (len(sets), 10 * len(sets)):
        assert elected(sets, room) == expected


@given(st.integers(1, 300), st.integers(1, 300), st.integers(-2, 2))
def test_a_pair_just_at_the_threshold_is_not_given_up_too_early(n, m, beside):
    common = min(n, m, max(0, ceil(THRESHOLD * (n + m) / (1 + THRESHOLD)) + beside))
    hashes = sorted(i * 0x9E3779B97F4A7C15 % (1 << 64) for i in range(1, n + m + 1))
    sets = [frozenset(hashes[m - common : m - common + n]), frozenset(hashes[:m])]  # what is not common comes first
    assert elected(sets, 10) == by_definition(sets)

"""Fingerprints: any passage of 96 bytes is found again, wherever it stands, and nothing else is."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.fingerprints import CHUNK, RUN, WINDOW, Base, Hunt, fingerprints, hashes_of

KEY = "k" * 64
PASSAGE = RUN + WINDOW - 1


def prose(seed: int, size: int) -> str:
    draw = random.Random(seed)
    return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz ,.é", k=size))


@settings(max_examples=40)
@example(828, 129, 0)
@given(st.integers(0, 4000), st.integers(0, 300), st.integers(0, 300))
def test_any_passage_is_found_again(start: int, before: int, after: int) -> None:
    text = prose(1, 5000)
    hunt = Hunt(fingerprints([text], KEY), KEY)
    passage = text.encode()[start : start + PASSAGE]
    assert len(hunt.found(prose(2, before).encode() + passage + prose(3, after).encode()))
    short = b"|" + passage[: RUN - 1] + b"|"  # a sign that no text has: a neighbour by chance would make it a whole run
    assert not len(hunt.found(prose(2, before + 500).encode() + short + prose(3, after).encode()))


def test_a_passage_over_the_edge_of_a_chunk_is_found() -> None:
    text = prose(1, 200)
    hunt = Hunt(fingerprints([text], KEY), KEY)
    for place in (CHUNK - 150, CHUNK - RUN, CHUNK - 1, CHUNK, 2 * CHUNK - 100):
        assert len(hunt.found(b"x" * place + text.encode() + b"x" * 1000)), place


def test_a_long_text_has_fingerprints_throughout() -> None:
    text = prose(4, 2 * CHUNK + 500)
    hunt = Hunt(fingerprints([text], KEY), KEY)
    data = text.encode()
    for start in range(0, len(data) - PASSAGE, 70_001):
        assert len(hunt.found(data[start : start + PASSAGE])), start
    assert len(hunt.wanted) < len(data) / 25


@pytest.mark.parametrize("text", ["", "short", " " * 500, "-" * 99])
def test_what_is_too_short_or_stands_everywhere_has_none(text: str) -> None:
    assert not len(fingerprints([text], KEY))


def test_hashes_are_of_runs_and_of_the_key() -> None:
    data = prose(1, 400).encode()
    runs = hashes_of(data, Base.of(KEY))
    assert len(runs) == len(data) - RUN + 1
    assert runs[7] == hashes_of(data[7 : 7 + RUN], Base.of(KEY))[0]
    assert not np.intersect1d(runs, hashes_of(data, Base.of("other"))).size

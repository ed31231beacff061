"""The comparison of two texts: it loses nothing, is bounded on hostile texts, and shows what differs."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from pipelines.differences import compared, difference_lines, differences

TEXT = st.text(st.sampled_from("ab \n\t\x1b[é"), max_size=60)


@given(TEXT, TEXT)
def test_the_runs_of_each_text_are_that_text(first, second):
    pieces = compared(first, second)
    assert "".join(text for kind, text in pieces if kind in {"both", "first"}) == first
    assert "".join(text for kind, text in pieces if kind in {"both", "second"}) == second


@given(TEXT, TEXT)
def test_what_is_in_one_text_only_is_always_shown(first, second):
    alone = [piece for piece in compared(first, second) if piece.kind in {"first", "second"}]
    shown = [piece for piece in differences(first, second) if piece.kind in {"first", "second"}]
    told = [[(kind, text.split()) for kind, text in pieces if not text.isspace()] for pieces in (shown, alone)]
    assert told[0] == told[1]
    assert bool(alone) == (first != second)
    assert shown or first.split() == second.split()


def said(first: str, second: str) -> str:
    return "\n".join(line.plain for line in difference_lines(first, second, "the other"))


def test_words_are_compared_within_lines_and_equal_lines_are_left_out():
    lines = [f"line {number} of the text" for number in range(100)]
    changed = [*lines[:50], "line 50 of that text", *lines[51:]]
    shown = said("\n".join(lines), "\n".join(changed))
    assert "line 50 of [-the-] {+that+} text" in shown and "lines that are in both" in shown
    assert "line 49" in shown and "line 40 " not in shown and "line 60 " not in shown


def test_a_text_that_is_wrapped_otherwise_shows_the_words_that_differ():
    words = [f"word{number}" for number in range(60)]
    changed = [*words[:30], "other", *words[31:]]
    shown = said(" ".join(words), "\n".join(changed))
    assert "word29 [-word30-] {+other+} word31" in shown and "word5 " not in shown
    assert said(" ".join(words), "\n".join(words)) == "the text differs from that of the other in white space alone"


def test_equal_texts_and_white_space():
    assert said("a b", "a b") == "the text is equal to that of the other"
    assert "{+⏎+}" in said("a", "a\n")
    assert "{+␛]0;title+}" in said("a", "a \x1b]0;title"), "a run is shown, not obeyed"


def test_long_hostile_texts_are_cut_and_that_is_said():
    """Two words in random order would cost hours if all were compared."""
    draw = random.Random(0)
    first, second = (" ".join(draw.choices(["a", "b"], k=200_000)) for _ in range(2))
    shown = said(first, second)
    assert "are not compared" in shown and len(shown) < 100_000
    assert "characters more are not compared" in said("x" * 3_000_000, "y" * 2_000_000)

"""Text of the data is shown, never obeyed by the terminal."""

from __future__ import annotations

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.shown import excerpt, shown

ANY = st.text(st.characters(exclude_categories=()))


@given(ANY)
@example("\x1b[31m red \x9b0m \u202e \ud800 \r\x7f")
def test_nothing_that_a_terminal_obeys_is_left(text):
    left = shown(text)
    obeyed = [sign for sign in left if unicodedata.category(sign) in {"Cc", "Cs"} and sign not in "\n\t"]
    assert obeyed == [] and not set(left) & set(
        "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


@given(st.text(st.characters(categories=("L", "N", "P", "S", "M")) | st.sampled_from(" \n\t")))
def test_plain_text_of_any_language_stays_as_it_is(text):
    assert shown(text) == text


def test_the_signs():
    assert shown("a\x1b[0m\x7f\u202e\x85") == "a␛[0m␡<U+202E><U+0085>"


@given(ANY, st.integers(2, 40))
def test_an_excerpt_is_one_short_line(text, limit):
    said = excerpt(text, limit)
    assert len(said) <= limit and "\n" not in said and "\t" not in said

"""The line that counts of an answer: habits of layout neither win nor lose."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.lines import first_line, has_ended


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Return it.", "Return it."),
        ("\n\n  Return it.  \nMore.", "Return it."),
        ("```python\nReturn it.\n```", "Return it."),
        ('"""\nReturn it.', "Return it."),
        ("`x`", "`x`"),
        ("```", ""),
        ("", ""),
    ],
)
def test_the_first_line_of_substance(text, line):
    assert first_line(text) == line


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("Return", False),
        ("Return\n", True),
        ("\n \n", False),
        ("```python\n", False),
        ("```python\nReturn it.\n", True),
    ],
)
def test_when_a_line_has_ended(text, ended):
    assert has_ended(text) is ended


@settings(deadline=None)
@given(st.text(alphabet="a`'\" \n"), st.text(alphabet="a`'\" \n"))
def test_once_a_line_has_ended_no_more_text_changes_it(text, more):
    if has_ended(text):
        assert first_line(text + more) == first_line(text) != ""

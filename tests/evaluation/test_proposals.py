"""Proposals: what could be pasted into the file, and why the others could not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.proposals import EMPTY, PROPOSALS, clean, propose
from tests.evaluation.tables import outputs, samples


@pytest.mark.parametrize(
    ("answer", "proposal"),
    [
        ("Return the sum.", "Return the sum."),
        ('"""Return the sum."""', "Return the sum."),
        ('"""\nReturn the sum.\n\nMore.\n"""', "Return the sum."),
        ("```python\nReturn the sum.\n```", "Return the sum."),
        ("Docstring: `Return the sum.`", "Return the sum."),
        ('Return "a" or "b".', 'Return "a" or "b".'),
        ('"a" or "b"', '"a" or "b"'),
        ('Return the sum.""" + evil()', "Return the sum."),
        ("'''Return it.'''", "Return it."),
        ("`x` is returned as `y`", "`x` is returned as `y`"),
        ("```", ""),
        ('""""""', ""),
        (" \n\t", ""),
    ],
)
def test_an_answer_is_cleaned(answer, proposal):
    assert clean(answer) == proposal


@settings(deadline=None)
@given(st.text())
def test_a_proposal_is_one_line_that_cannot_end_a_docstring(answer):
    found = clean(answer)
    assert len(found.splitlines()) <= 1
    assert '"""' not in found
    assert found == found.strip()


def test_each_answer_is_a_row_with_its_place_or_a_failure_with_its_reason():
    asked = samples(
        {"sample_id": "a", "locator": "pkg/b.py#f"},
        {"sample_id": "b", "locator": "pkg/a.py#g"},
        {"sample_id": "c"},
        {"sample_id": "d"},
    )
    rows = outputs(
        {"sample_id": "a", "output": '"""Return it."""'},
        {"sample_id": "b", "output": "Count them."},
        {"sample_id": "c", "output": "```"},
        {"sample_id": "d", "error": "too long"},
        {"sample_id": "e", "output": "Gone."},
        purpose="proposal",
        model="tuned",
    )
    outcome = propose(rows, asked)
    assert dict(outcome.table.schema) == PROPOSALS
    assert outcome.table.select("path", "line", "name", "proposal", "model").rows() == [
        ("pkg/a.py", 2, "f1", "Count them.", "tuned"),
        ("pkg/b.py", 1, "f0", "Return it.", "tuned"),
    ]
    assert outcome.failed == {EMPTY: 1, "the sample is gone": 1, "too long": 1}


def test_nothing_asked_gives_an_empty_table():
    outcome = propose(outputs(), samples())
    assert outcome.table.is_empty()
    assert dict(outcome.table.schema) == PROPOSALS
    assert outcome.failed == {}

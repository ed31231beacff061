"""Formats are tried here as in a process that may die."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from curation.formats.extracts import may_die


@pytest.fixture(autouse=True)
def a_process_that_may_die() -> Iterator[None]:
    """Isolated parsers run in the tests' own process, but for the tests that are about that."""
    token = may_die.set(True)
    yield
    may_die.reset(token)

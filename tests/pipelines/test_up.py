"""`headwater up`: what a person is told while they wait."""

from __future__ import annotations

import io

from rich.console import Console

from pipelines.up import waiting


def test_what_is_waited_for_stands_in_a_log_before_it_is_there() -> None:
    screen = io.StringIO()
    with waiting(Console(file=screen), "Dagster is starting"):
        assert screen.getvalue() == "Dagster is starting\n"

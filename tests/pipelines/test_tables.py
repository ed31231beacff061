"""Tables on the screen: what the data says stays text there."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
from rich.console import Console

from pipelines.store import Store
from pipelines.tables import print_table
from tests.pipelines.test_store import draft


def test_signs_that_a_terminal_obeys_are_seen_and_not_sent(tmp_path: Path) -> None:
    store = Store(tmp_path)
    wild = "red \x1b[31mred\x1b[0m \x1b]0;title\x07 [bold]kept[/bold] \u202eback"
    store.replace(pl.DataFrame({"id": [1], "text": [wild]}), draft(), None, ("id",))
    screen = io.StringIO()
    print_table(Console(file=screen, width=200), store, "notes", None, 5)
    said = screen.getvalue()
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "red ␛[31mred" in said and "[bold]kept[/bold]" in said and "<U+202E>" in said

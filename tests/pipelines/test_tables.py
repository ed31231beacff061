"""Tables on the screen: what the data says stays text there."""

from __future__ import annotations

import io
from dataclasses import replace
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


def test_a_document_stands_with_its_place_and_a_digest_with_the_digits_that_commands_take(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = [digit * 32 for digit in "abc"]
    documents = pl.DataFrame({"doc_id": names, "source": "docs", "locator": ["1.md", "2.md", "3.md"]})
    store.replace(documents, replace(draft(), table="documents"), None, ("doc_id",))
    of = {"doc_id": names[:2], "source": "docs", "kept_id": [names[2], None], "kept_source": ["docs", "else"]}
    copies = pl.DataFrame(of | {"jaccard": [1.0, 0.9]})
    store.replace(copies, replace(draft(), table="duplicates"), None, ("doc_id",))
    screen = io.StringIO()
    print_table(Console(file=screen, width=200), store, "duplicates", None, 5)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in screen.getvalue().splitlines() if "│" in line]
    assert rows == [
        ["a" * 12, "docs:1.md", "c" * 12, "docs:3.md", "docs", "1"],
        ["b" * 12, "docs:2.md", "", "", "else", "0.9"],
    ], "a source is told once, and where no place tells it"


def test_a_table_that_is_too_wide_has_a_line_for_each_column_and_no_figure_is_broken(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = [f"share_of_something_{number}" for number in range(30)]
    rows = pl.DataFrame({"id": range(1, 10)} | {name: [0.1234, None, *[1.0] * 7] for name in names})
    store.replace(rows.with_columns(text=pl.lit("a text " * 20)), draft(), None, ("id",))
    screen = io.StringIO()
    print_table(Console(file=screen, width=100), store, "notes", None, 5)
    said = screen.getvalue()
    assert max(map(len, said.splitlines())) <= 100
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines() if "│" in line]
    for name in names:
        assert next(line[1:3] for line in lines if line[0] == name) == ["0.1234", ""]
        assert sum(len(line) - 1 for line in lines if line[0] == name) == 5, "five rows, in pieces"
    heads = [cell.strip() for line in said.splitlines() if "┃" in line for cell in line.split("┃")[1:-1]]
    assert [head for head in heads if head != "column"] == [f"row {number}" for number in range(1, 6)]


def test_a_wide_table_without_rows_names_its_columns(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = [f"share_of_something_{number}" for number in range(30)]
    store.replace(pl.DataFrame(schema={"id": pl.Int64} | dict.fromkeys(names, pl.Float64)), draft(), None, ("id",))
    screen = io.StringIO()
    print_table(Console(file=screen, width=100), store, "notes", None, 5)
    assert all(name in screen.getvalue() for name in names)

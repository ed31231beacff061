"""How a lineage looks as a tree: a line for each thing, by its kind, its name and what tells it from others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.text import Text
from rich.tree import Tree

from pipelines.lookup import MANY, Row
from pipelines.shown import shown


def label(kind: str, name: str, *said: str) -> Text:
    """`sample 3f2a…  train · qa`, with text of the data as text."""
    further = "  " + " · ".join(part for part in said if part) if any(said) else ""
    return Text.assemble((kind, "cyan"), " ", (shown(name), "bold"), shown(further))


def listed(tree: Tree, rows: Sequence[Row], say: Callable[[Row], Text]) -> None:
    """Add a line for each of the first rows, and say how many more there are."""
    for row in rows[:MANY]:
        tree.add(say(row))
    if len(rows) > MANY:
        tree.add(Text(f"and {len(rows) - MANY:,} more", "dim"))


def halved(first: Text) -> tuple[Tree, Tree, Tree]:
    """A tree with its two halves: what the thing came from, and what it touched."""
    tree = Tree(first)
    return tree, tree.add(Text("from", "dim")), tree.add(Text("to", "dim"))


def ended(tree: Tree, *halves: Tree) -> Tree:
    """The tree, with a word where a half has nothing."""
    for half in halves:
        if not half.children:
            half.add(Text("nothing", "dim"))
    return tree


def lines_of(tree: Tree) -> Iterator[str]:
    """The labels of a tree, top down, as plain text."""
    yield str(tree.label)
    for child in tree.children:
        yield from lines_of(child)

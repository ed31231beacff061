"""What all commands share: the two consoles, the option that names a workspace, and its graph."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from pipelines.in_use import in_use
from pipelines.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from pipelines.graph import Graph


class Lines(Console):
    """A console that fits tables and trees to its width, and breaks no other line: what is there to be copied must stay
    whole. In a file a tree's lines stay whole too."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; see rich."""
        fitted = any(isinstance(each, Table | Tree) for each in objects)
        width = self.width
        if not self.is_terminal and any(isinstance(each, Tree) for each in objects):
            self.width = WHOLE
        try:
            super().print(*objects, **{"soft_wrap": not fitted, **options})
        finally:
            self.width = width


WHOLE = 10_000
WIDTH = None if sys.stdout.isatty() else 120
until_the_end = ExitStack()
"""What a command holds for as long as it lasts."""
out = Lines(width=WIDTH)
err = Lines(stderr=True)

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "-w", "--workspace", help="The workspace's folder (default: the nearest one upwards, else HEADWATER_WORKSPACE)."
    ),
]


def opened(given: Path | None) -> Workspace:
    """The workspace that a command reads: nothing of it is cleared away until the command has ended."""
    here = find_workspace(given)
    until_the_end.enter_context(in_use(here.store.root, lambda why: err.print(f"[yellow]…[/] {why}")))
    return here


def graph_of(workspace: Workspace) -> Graph:
    """The graph of a workspace; it is imported late, for not every command needs it."""
    from assets import STAGES
    from pipelines.graph import build_graph

    return build_graph(STAGES, workspace.config)

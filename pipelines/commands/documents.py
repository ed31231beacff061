"""Commands on single documents and on the rules that decide about them. They read, and change nothing."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from pipelines.commands.console import WorkspaceOption, graph_of, out
from pipelines.workspace import find_workspace


def explain(
    document: Annotated[
        str,
        typer.Argument(
            metavar="DOC_ID",
            help="A doc_id or content_digest, or its first digits; or a locator, as SOURCE:LOCATOR too.",
        ),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """What happened to a document at every stage, and why."""
    from pipelines.explaining import explain as sections

    here = find_workspace(workspace)
    for section in sections(here, graph_of(here), document):
        out.print(Text(section.title, "bold cyan"))
        for line in section.lines:
            out.print(Text("  ") + line, soft_wrap=True)

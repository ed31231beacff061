"""Commands on single documents and on the rules that decide about them. They read, and change nothing."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.text import Text

from pipelines.commands.console import WorkspaceOption, graph_of, opened, out


def explain(
    document: Annotated[
        str,
        typer.Argument(
            metavar="DOC_ID",
            help="A doc_id or content_digest, or its first digits; or a locator, as SOURCE:LOCATOR too.",
        ),
    ],
    raw: Annotated[
        bool, typer.Option("--bytes", help="Print the bytes that the document was made from, and nothing else.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """What happened to a document at every stage, and why."""
    from pipelines.explaining import explain as sections
    from pipelines.explaining_bytes import bytes_of_document
    from pipelines.shown import shown

    here = opened(workspace)
    if raw:
        data = bytes_of_document(here, document)
        if sys.stdout.isatty():
            out.print(Text(shown(data.decode("utf-8", "backslashreplace"))))
        else:
            sys.stdout.buffer.write(data)
        return
    for section in sections(here, graph_of(here), document):
        out.print(Text(section.title, "bold cyan"))
        for line in section.lines:
            out.print(Text("  ") + line)


def trace(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A sample, document or annotation by its id or first digits; a place; a model; or a score as MODEL/METRIC.",
        ),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Where something came from, up to the bytes, and what it went into, down to models and scores."""
    from pipelines.tracing import trace as tree_of

    out.print(tree_of(opened(workspace), name))


def whatif(
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="CHANGE...",
            help="SET.THRESHOLD=VALUE, as gopher.min_words=30; SET to add one; SET=none to do without.",
        ),
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """What other rules would keep and drop, told in seconds; nothing is changed."""
    from pipelines.whatif import whatif as told

    for piece in told(opened(workspace), changes):
        out.print(piece)

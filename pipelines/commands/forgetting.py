"""The command that takes data back."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipelines.commands.console import WorkspaceOption, out
from pipelines.workspace import find_workspace


def forget(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A document, content or sample by its id or first digits; or a place."),
    ] = None,
    locator: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="All documents whose place or file fits this glob.")
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="All documents of a source.")] = None,
    contains: Annotated[
        str | None, typer.Option(metavar="TEXT", help="All documents whose text holds this, letter by letter.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the books, and beside each document.")] = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="The very texts alone: near copies stay, and may come again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Take data back: what it would touch is shown, then it is refused for ever; the next run rebuilds without it."""
    from pipelines.forgetting import Asked, touched
    from pipelines.forgetting import forget as write

    given = {"id": name, "locator": locator, "source": source, "contains": contains}
    named = [(how, pattern) for how, pattern in given.items() if pattern is not None]
    if len(named) != 1:
        raise ValueError("name what to take back by one of ID, --locator, --source and --contains")
    if not reason.strip():
        raise ValueError("--reason: say why it is taken back; the reason stays when the data are gone")
    here = find_workspace(workspace)
    ((how, pattern),) = named
    asked = Asked(how, pattern, exact)  # type: ignore[arg-type]
    found = touched(here, asked)
    show(found)
    if not yes:
        typer.confirm("Take all this back?", abort=True)
    request = write(here, asked, found, reason.strip())
    out.print(f"taken back: request {request}. Next: headwater run -w {here.root}", highlight=False, soft_wrap=True)


def show(found: Any) -> None:
    """What a request would touch."""
    from pipelines.forgetting import preview

    table = Table("what", "how many", "for instance")
    for what, count, example in preview(found):
        table.add_row(what, f"{count:,}", Text(example))
    out.print(table)

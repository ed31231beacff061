"""The command that takes data back."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from pipelines.commands.console import WorkspaceOption, err, graph_of, opened, out
from pipelines.shown import shown
from pipelines.workspace import Workspace


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
    purge: Annotated[
        bool,
        typer.Option(
            "--purge", help="Remove the bytes too, and prove it by a scan; alone: of all that waits for it. Runs first."
        ),
    ] = False,
    lift: Annotated[
        str | None,
        typer.Option(metavar="REQUEST", help="Let come again what a request took back; the next run reads it anew."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it stands in the books, and beside each document.")] = "",
    exact: Annotated[
        bool, typer.Option("--exact", help="The very texts alone: near copies stay, and may come again.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Take data back: what it would touch is shown, then it is refused for ever; the next run rebuilds without it."""
    given = {"id": name, "locator": locator, "source": source, "contains": contains}
    named = [(how, pattern) for how, pattern in given.items() if pattern is not None]
    here = opened(workspace)
    if purge and not named and lift is None:
        remove_bytes(here)
        return
    if len(named) + (lift is not None) != 1 or (purge and lift is not None):
        raise ValueError(
            "name what to take back by one of ID, --locator, --source and --contains; or a request to --lift"
        )
    if not reason.strip():
        raise ValueError("--reason: say why; the reason stays when the data are gone")
    if lift is not None:
        let_come_again(here, lift, reason.strip(), yes)
        return
    take_back(here, *named[0], exact, reason.strip(), yes)
    if purge:
        remove_bytes(here)
    else:
        out.print(f"Next: headwater run -w {here.root}", highlight=False)


def take_back(here: Workspace, how: str, pattern: str, exact: bool, reason: str, yes: bool) -> None:
    """Show what a request would touch, ask, and write it down."""
    from pipelines.forgetting import Asked, forget, touched

    asked = Asked(how, pattern, exact)  # type: ignore[arg-type]
    found = touched(here, asked)
    show(found)
    if not yes:
        typer.confirm("Take all this back?", abort=True)
    request = forget(here, asked, found, reason)
    out.print(f"taken back: request {request}", highlight=False)


def let_come_again(here: Workspace, request: str, reason: str, yes: bool) -> None:
    """Lift a request."""
    from pipelines.forgetting import lift as write
    from pipelines.forgetting import named_request

    name = named_request(here.store, request)
    if not yes:
        typer.confirm(f"Let come again what request {name} took back?", abort=True)
    _, contents = write(here, name, reason)
    out.print(
        f"lifted: request {name}, {contents:,} contents; what is still in the sources comes again", highlight=False
    )
    out.print(f"Next: headwater run -w {here.root}", highlight=False)


def remove_bytes(here: Workspace) -> None:
    """Bring all tables up to date, remove the bytes of what was taken back, and say what was looked at."""
    from pipelines.purging import purge
    from pipelines.running import run
    from pipelines.terminal import TerminalWatcher
    from pipelines.watching import watched_by

    graph, watcher = graph_of(here), TerminalWatcher(out, here)
    with watched_by(watcher):
        report = run(here, graph)
    if report.failures:
        failed = ", ".join(failure.node for failure in report.failures)
        raise ValueError(
            f"nothing is purged, for {failed} failed: `headwater run` says why; then `headwater forget --purge`"
        )

    def progress(done: int, total: int | None = None, unit: str = "files", beside: str = "") -> None:
        watcher.advanced("scan", done, total, unit, beside)

    done = purge(here, graph, progress)
    for removed in done.removed:
        out.print(Text(f"removed {shown(removed)}"))
    table = Table(
        "looked at", "files", "bytes", title=f"{done.passages:,} passages were looked for", title_justify="left"
    )
    for kind, (files, size) in sorted(done.looked_at.items()):
        table.add_row(kind, f"{files:,}", f"{size:,}")
    out.print(table)
    if done.shared:
        out.print(
            f"{done.shared:,} passages also stand in documents that stay, and were not looked for", highlight=False
        )
    for place in done.elsewhere:
        err.print(Text(f"remains elsewhere: {shown(place)}"))
    for place in done.left:
        err.print(Text(f"still there: {shown(place)}"))
    if done.left:
        raise typer.Exit(1)
    out.print("[green]✓[/] none was found", highlight=False)


def show(found: Any) -> None:
    """What a request would touch."""
    from pipelines.forgetting import preview

    table = Table("what", "how many", "for instance")
    for what, count, example in preview(found):
        table.add_row(what, f"{count:,}", Text(example))
    out.print(table)

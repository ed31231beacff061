"""Commands on a whole workspace: make it, run it, serve it, ask how it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands.console import WorkspaceOption, err, graph_of, opened, out
from pipelines.workspace import Workspace, find_workspace


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the workspace shall be.")],
    template: Annotated[
        str | None,
        typer.Option(
            help="corpus (the default), completion, chat, qa or docstrings; finetune-pays or prompt-is-enough, with data."
        ),
    ] = None,
    code: Annotated[Path | None, typer.Option(help="A code base whose missing docstrings shall be written.")] = None,
) -> None:
    """Make a workspace: a commented headwater.yaml that runs as it stands."""
    from pipelines.templates import init as make

    path = make(directory, template or ("docstrings" if code else "corpus"), code)  # type: ignore[arg-type]
    out.print(f"wrote {path}", highlight=False)
    if (directory / "data").is_dir() and not any((directory / "data").iterdir()):
        out.print(f"put files into {directory / 'data'}, or name another path in the file", highlight=False)
    out.print(f"next: headwater run -w {directory}", highlight=False)


INTERRUPTED = 130
"""The exit code of a run that was ended by Ctrl-C, as shells have it."""


def run(
    assets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ASSET", help="Assets to bring up to date, with all they depend on; all, when none is named."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Compute the named assets again, and compare.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Materialise what is out of date, with progress."""
    from pipelines.running import run as materialise
    from pipelines.summary import summarise
    from pipelines.terminal import TerminalWatcher
    from pipelines.watching import watched_by

    here = find_workspace(workspace)
    _tell_what_was_cut_off(here, forget=True)
    graph = graph_of(here)
    watcher = TerminalWatcher(out, here)
    with watched_by(watcher):
        report = materialise(here, graph, assets or [], force)
    for failure in report.failures:
        err.print(f"[red]✗[/] {failure.node}: {escape(failure.error)}", highlight=False)
    if report.interrupted:
        err.print(f"Interrupted at {report.interrupted}. `headwater run` goes on from there: what is done stays done.")
        raise typer.Exit(INTERRUPTED)
    if report.failures:
        err.print(
            f"{len(report.failures)} of {len(report.plan.nodes)} assets failed; mend it and run again: what is done stays done."
        )
        _clear_away(here)
        raise typer.Exit(1)
    for name in report.unequal:
        err.print(f"[yellow]![/] {name}: computed again from the same inputs, and different", highlight=False)
    if not report.plan.nodes:
        out.print(f"Nothing to do: all {len(report.plan.wanted)} assets are up to date.")
    summarise(out, here, graph, watcher.seconds)
    _clear_away(here)


def _tell_what_was_cut_off(here: Workspace, *, forget: bool = False) -> None:
    from pipelines.cut_off import cut_off, said_of

    for note in cut_off(here.running, forget=forget):
        err.print(f"[yellow]![/] {escape(said_of(note))}", highlight=False)


def _clear_away(here: Workspace) -> None:
    """Remove what nobody needs any more, and say how much that was. What the run made stands, also where this fails."""
    from pipelines.disk import told
    from pipelines.running import clear_away

    try:
        cleared = clear_away(here)
    except (OSError, ValueError) as error:
        err.print(f"[yellow]![/] what nobody needs was not all removed: {escape(str(error))}", highlight=False)
        return
    if cleared:
        size = told(sum(each.size for each in cleared))
        places = ", ".join(each.place for each in cleared[:3]) + (", …" if len(cleared) > 3 else "")
        out.print(
            f"removed {len(cleared):,} things that nothing named for a week, {size}: {escape(places)}", highlight=False
        )


def up(
    workspace: WorkspaceOption = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The port of the Dagster UI; a free one is chosen when none is named."),
    ] = None,
    label_studio: Annotated[
        bool, typer.Option("--label-studio/--no-label-studio", help="Whether Label Studio is started too.")
    ] = True,
) -> None:
    """Start the Dagster UI with its daemon, and Label Studio, on this machine; Ctrl-C ends them."""
    from pipelines.serving import ServingError
    from pipelines.up import serve

    try:
        code = serve(find_workspace(workspace), out, port, label_studio)
    except ServingError as error:
        err.print(f"[red]error:[/] {escape(str(error))}", highlight=False)
        code = 1
    raise typer.Exit(code)


def status(
    disk: Annotated[
        bool, typer.Option("--disk", help="What takes room instead: who needs it, and what is removed when.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Each asset: version, rows, fresh or out of date and why."""
    from pipelines.lookup import SHORT
    from pipelines.running import plan

    if disk:
        _disk(opened(workspace))
        return
    here = find_workspace(workspace)
    _tell_what_was_cut_off(here)
    graph = graph_of(here)
    why = plan(here, graph).why
    table = Table("asset", "version", "rows", "state")
    for node in graph.stages():
        for output in node.outputs:
            head = here.store.head(output.name)
            state = (
                f"[yellow]out of date[/]: {escape('; '.join(why[node.name]))}"
                if node.name in why
                else "[green]fresh[/]"
            )
            table.add_row(output.name, head.version[:SHORT] if head else "", f"{head.rows:,}" if head else "", state)
    out.print(table)


def _disk(here: Workspace) -> None:
    """What takes room: by kind, what is held though the settings do not ask for it, and what nobody needs."""
    import time

    from pipelines.disk import look

    for table in look(here, graph_of(here), time.time()):
        out.print(table)

"""The command line. Commands that only read import neither Dagster nor torch, so that they answer at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.workspace import Workspace, find_workspace

app = typer.Typer(
    name="headwater",
    help="From raw, unstructured data to an adapted, evaluated foundation model, and kept true.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
annotators = typer.Typer(help="People who label.", no_args_is_help=True)
app.add_typer(annotators, name="annotators")

WIDTH = None if sys.stdout.isatty() else 120
out = Console(width=WIDTH)
err = Console(stderr=True)

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "-w", "--workspace", help="The workspace's folder (default: the nearest one upwards, else HEADWATER_WORKSPACE)."
    ),
]


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the workspace shall be.")],
    template: Annotated[
        str | None, typer.Option(help="corpus (the default), completion, chat, qa or docstrings.")
    ] = None,
    code: Annotated[Path | None, typer.Option(help="A code base whose missing docstrings shall be written.")] = None,
) -> None:
    """Make a workspace: a commented headwater.yaml that runs as it stands."""
    from pipelines.templates import init as make

    path = make(directory, template or ("docstrings" if code else "corpus"), code)  # type: ignore[arg-type]
    out.print(f"wrote {path}", highlight=False)
    if (directory / "data").is_dir():
        out.print(f"put files into {directory / 'data'}, or name another path in the file", highlight=False)
    out.print(f"next: headwater run -w {directory}", highlight=False)


@app.command()
def run(
    assets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ASSET]...", help="Assets to bring up to date, with all they depend on; all, when none is named."
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
    graph = _graph(here)
    watcher = TerminalWatcher(out, here)
    with watched_by(watcher):
        report = materialise(here, graph, assets or [], force)
    for failure in report.failures:
        err.print(f"[red]✗[/] {failure.node}: {escape(failure.error)}", highlight=False)
    if report.failures:
        err.print(
            f"{len(report.failures)} of {len(report.plan.nodes)} assets failed; mend it and run again: what is done stays done."
        )
        raise typer.Exit(1)
    for name in report.unequal:
        err.print(f"[yellow]![/] {name}: computed again from the same inputs, and different", highlight=False)
    if not report.plan.nodes:
        out.print(f"Nothing to do: all {len(report.plan.wanted)} assets are up to date.")
    summarise(out, here, graph, watcher.seconds)


@app.command()
def up(
    workspace: WorkspaceOption = None,
    port: Annotated[
        int | None, typer.Option(help="The port of the Dagster UI; a free one is chosen when none is named.")
    ] = None,
    label_studio: Annotated[
        bool, typer.Option("--label-studio/--no-label-studio", help="Whether Label Studio is started too.")
    ] = True,
) -> None:
    """Start the Dagster UI with its daemon, and Label Studio, on this machine; Ctrl-C ends them."""
    from pipelines.up import serve

    raise typer.Exit(serve(find_workspace(workspace), out, port, label_studio))


@app.command()
def status(workspace: WorkspaceOption = None) -> None:
    """Each asset: version, rows, fresh or out of date and why."""
    from pipelines.running import plan

    here = find_workspace(workspace)
    graph = _graph(here)
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
            table.add_row(output.name, head.version[:12] if head else "", f"{head.rows:,}" if head else "", state)
    out.print(table)


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="The table's name.")],
    version: Annotated[
        str | None, typer.Option(help="A version of it: the first digits of its digest, or a commit's number.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write it all to a .parquet, .csv or .jsonl file.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows that are printed.")] = 20,
    versions: Annotated[bool, typer.Option("--versions", help="List the table's versions instead.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Print a table, or write it to a file."""
    from pipelines.tables import print_table, print_versions, write_table

    store = find_workspace(workspace).store
    if versions:
        print_versions(out, store, name)
    elif output is not None:
        rows = write_table(store, name, version, output)
        out.print(f"wrote {rows:,} rows to {output}", highlight=False)
    else:
        print_table(out, store, name, version, limit)


@app.command()
def export(
    dataset: Annotated[str, typer.Argument(help="instructions or preferences.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A new or empty folder.")],
    version: Annotated[str | None, typer.Option(help="The release's version; the newest, when none is named.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a release to a folder that `datasets.load_dataset(DIR)` reads."""
    from pipelines.tables import export_dataset

    released = export_dataset(find_workspace(workspace), dataset, version, output)
    out.print(
        f"wrote {dataset} {released} to {output}; read it with datasets.load_dataset({str(output)!r})", highlight=False
    )


@app.command(name="try")
def try_(
    text: Annotated[str, typer.Argument(metavar="TEXT|FILE", help="What the models are asked.")],
    workspace: WorkspaceOption = None,
) -> None:
    """The best prompt and the models side by side on one input."""
    from pipelines.trying import answers_of

    is_file = len(text) < 4096 and "\n" not in text and Path(text).is_file()
    asked = Path(text).read_text(encoding="utf-8") if is_file else text
    shown = Table("model", "prompt", "answer", show_lines=True)
    for contestant, prompt, answer in answers_of(find_workspace(workspace), asked):
        shown.add_row(contestant, prompt, escape(answer))
    out.print(shown)


@annotators.command("add")
def add_annotator(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Make an account in Label Studio, and print what to send to the person."""
    from annotation.client import add_annotator as make
    from pipelines.servers import annotation_server

    with annotation_server(find_workspace(workspace)) as server:
        if server is None:
            err.print("No annotation server runs for this workspace; start it with `headwater up` and try again.")
            raise typer.Exit(1)
        address, password = make(server.client, email)
        said = f"Send this to {address}, on a way that only they read:\n\n  {server.client.url}\n"
        out.print(f"{said}  e-mail:   {address}\n  password: {password}", highlight=False, markup=False, soft_wrap=True)


def _graph(workspace: Workspace):  # type: ignore[no-untyped-def]  # noqa: ANN202 - the graph is imported late
    from assets import STAGES
    from pipelines.graph import build_graph

    return build_graph(STAGES, workspace.config)


def main() -> None:
    """Run a command; an error that a person can mend is one sentence, not a trace."""
    from annotation.errors import LabelStudioError
    from pipelines.extras import with_mend

    known = (ValueError, LookupError, FileNotFoundError, FileExistsError, PermissionError, LabelStudioError)
    try:
        app()
    except ModuleNotFoundError as error:
        err.print(f"[red]error:[/] {escape(with_mend(str(error)))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except known as error:
        err.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)

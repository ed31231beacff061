"""The command line. Commands that only read import neither Dagster nor torch, so that they answer at once."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from pipelines.commands.console import err, until_the_end
from pipelines.commands.documents import explain, trace, whatif
from pipelines.commands.forgetting import forget
from pipelines.commands.people import add_annotator, new_password, try_
from pipelines.commands.releases import diff, promote, tag
from pipelines.commands.tables import export, report, table
from pipelines.commands.workspaces import init, run, status, up

app = typer.Typer(
    name="headwater",
    help="From raw, unstructured data to an adapted, evaluated foundation model, and kept true.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (init, run, up, status, table, report, explain, trace, whatif, tag, diff, promote, export, forget):
    app.command()(command)
app.command("try")(try_)
annotators = typer.Typer(help="People who label.", no_args_is_help=True)
annotators.command("add")(add_annotator)
annotators.command("password")(new_password)
app.add_typer(annotators, name="annotators")


def main() -> None:
    """Run a command; an error that a person can mend is one sentence, not a trace."""
    from annotation.errors import LabelStudioError
    from pipelines.extras import with_mend

    known = (ValueError, LookupError, OSError, LabelStudioError)
    try:
        with until_the_end:
            app()
    except ModuleNotFoundError as error:
        err.print(f"[red]error:[/] {escape(with_mend(str(error)))}", highlight=False)
        sys.exit(1)
    except known as error:
        err.print(f"[red]error:[/] {escape(str(error))}", highlight=False)
        sys.exit(1)

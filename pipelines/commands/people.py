"""Commands for people who ask models, and for people who label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands.console import WorkspaceOption, err, opened, out
from pipelines.workspace import find_workspace


def try_(
    text: Annotated[str, typer.Argument(metavar="TEXT|FILE", help="What the models are asked.")],
    workspace: WorkspaceOption = None,
) -> None:
    """The best prompt and the models side by side on one input."""
    from pipelines.trying import answers_of

    is_file = len(text) < 4096 and "\n" not in text and Path(text).is_file()
    asked = Path(text).read_text(encoding="utf-8") if is_file else text
    shown = Table("model", "prompt", "answer", show_lines=True)
    with err.status("the models are loaded") as status:

        def progress(done: int, total: int | None = None, unit: str = "models", beside: str = "") -> None:
            status.update(f"{escape(beside)} is asked ({done + 1} of {total} {unit})")

        answers = answers_of(opened(workspace), asked, progress)
    for contestant, prompt, answer in answers:
        shown.add_row(contestant, prompt, escape(answer))
    out.print(shown)


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
        out.print(f"{said}  e-mail:   {address}\n  password: {password}", highlight=False, markup=False)

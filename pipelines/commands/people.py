"""Commands for people who ask models, and for people who label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.commands.console import WorkspaceOption, err, opened, out
from pipelines.workspace import find_workspace

if TYPE_CHECKING:
    from annotation.client import Client
    from pipelines.servers import Connection


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
        client = _running(server)
        _hand_over(client.url, *make(client, email))


def new_password(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Give somebody who lost the password to Label Studio a new one, and print what to send."""
    from annotation.server import reset_password
    from pipelines.servers import annotation_server

    here, email = find_workspace(workspace), email.strip().lower()
    settings = here.config.label_studio
    if settings.url is not None:
        raise ValueError(
            f"{settings.url} is not our own server: `label-studio reset_password` there gives a new password"
        )
    with annotation_server(here) as server:
        url = _running(server).url
    _hand_over(url, email, reset_password(settings, here.label_studio, email))


def _running(server: Connection | None) -> Client:
    """The server's client. Raises typer.Exit where none runs."""
    if server is None:
        err.print("No annotation server runs for this workspace; start it with `headwater up` and try again.")
        raise typer.Exit(1)
    return server.client


def _hand_over(url: str, email: str, password: str) -> None:
    said = f"Send this to {email}, on a way that only they read:\n\n  {url}\n"
    out.print(f"{said}  e-mail:   {email}\n  password: {password}", highlight=False, markup=False)

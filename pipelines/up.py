"""`headwater up`: the Dagster UI with its daemon and a Label Studio server, until Ctrl-C.

What runs already is reused, and left running at the end. An edited headwater.yaml changes which assets there are, so
Dagster is told to load the workspace anew; an edit that does not parse is said, and the last good one stays in force.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.status import Status

from annotation import server as label_studio
from annotation.credentials import credentials
from annotation.server import Server
from annotation.settings import LOOPBACK
from annotation.webhooks import loopback_address, secret_of
from pipelines.serving import Running, ServingError, query, start_dagster, wait_for_end, wait_until_ready
from pipelines.settings import FILE, SettingsError
from pipelines.settings_file import load_config
from pipelines.watching import describe
from pipelines.webhook import HOST, listening
from pipelines.workspace import Workspace

RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "headwater") { __typename } }"""
RELOAD_SECONDS = 600
"""Loading takes a busy machine longer than half a minute, and each time that it is told Dagster starts a process to load anew."""


def serve(workspace: Workspace, console: Console, port: int | None, with_label_studio: bool) -> int:
    """Start the servers, say where they are, and wait for the end; the exit code.

    Raises ServingError or LabelStudioError when a server does not come up; what was started is ended then.
    """
    load_config(workspace.root / FILE)
    server: Server | None = None
    running = start_dagster(workspace.root, port=port)
    try:
        if with_label_studio:
            server = _label_studio(workspace, console)
        with waiting(console, "Dagster is starting"):
            wait_until_ready(running)
        _introduce(console, running, server)
        with _hints(workspace, console):
            wait_for_end(_alive(workspace, running, console))
    finally:
        console.print("ending", highlight=False)
        running.stop()
        if server is not None and not server.reused:
            label_studio.stop(server)
    return 0


def waiting(console: Console, said: str) -> Status:
    """Says what is waited for: a sign that turns on a terminal, a line at once in a log."""
    if not console.is_terminal:
        console.print(said, highlight=False)
    return console.status(said)


def _label_studio(workspace: Workspace, console: Console) -> Server:
    said = "Label Studio is starting (its first start makes an environment of its own: some minutes)"
    with waiting(console, said) as status:

        def progress(done: int, total: int | None = None, unit: str = "rows", beside: str = "") -> None:
            status.update(f"Label Studio is starting: {describe(done, total, unit, 0, beside)}")

        return label_studio.start(workspace.config.label_studio, workspace.label_studio, progress)


def _introduce(console: Console, running: Running, server: Server | None) -> None:
    console.print(
        f"[bold]Dagster[/]       {running.url}/asset-groups{'' if running.started else '  (ran already)'}",
        highlight=False,
    )
    console.print(f"              log: {running.log}", highlight=False)
    if server is not None:
        console.print(
            f"[bold]Label Studio[/]  {server.url}{'  (ran already)' if server.reused else ''}", highlight=False
        )
        if server.email:
            console.print(
                f"              sign in as {server.email} with the password {server.password}",
                highlight=False,
                markup=False,
            )
        if server.log is not None:
            console.print(f"              log: {server.log}", highlight=False)
        console.print("              `headwater annotators add EMAIL` makes an account for a person", highlight=False)
    console.print("Ctrl-C ends them.")


@contextmanager
def _hints(workspace: Workspace, console: Console) -> Iterator[None]:
    """Takes hints that labels are new, where headwater.yaml says that the server can send some."""
    settings = workspace.config.label_studio
    if settings.webhook is None or workspace.config.annotation is None:
        yield
        return
    look, secret = partial(_look_at_labels, workspace, console), credentials(workspace.label_studio)
    host = loopback_address(secret) if settings.webhook == LOOPBACK else HOST
    with listening(secret_of(secret), settings.webhook_port, look, host=host) as port:
        console.print(f"              hints of new labels: http://{host}:{port}", highlight=False)
        yield


def _look_at_labels(workspace: Workspace, console: Console) -> None:
    """The look that the sensor would make at its next tick."""
    from pipelines.definitions import look_at_labels

    try:
        look_at_labels(workspace.reload())
    except Exception as error:  # noqa: BLE001 - a hint must not end the servers; the sensor looks anyway, and says it in red
        console.print(
            f"a hint of new labels came, and they could not be looked at: {error}", style="yellow", markup=False
        )


def _alive(workspace: Workspace, running: Running, console: Console) -> Callable[[], bool]:
    """Whether Dagster lives; looks on the way whether headwater.yaml was edited, and has it told by a thread: Ctrl-C does not
    wait for a Dagster that loads."""
    path = workspace.root / FILE
    seen, telling = [path.read_bytes()], [threading.Thread()]

    def tell(edited: bytes) -> None:
        if _reload(workspace, running, console):
            seen[0] = edited

    def alive() -> bool:
        now = path.read_bytes() if path.exists() else b""
        if now != seen[0] and not telling[0].is_alive():
            telling[0] = threading.Thread(target=tell, args=(now,), daemon=True)
            telling[0].start()
        return running.alive()

    return alive


def _reload(workspace: Workspace, running: Running, console: Console) -> bool:
    """Whether that is done with: a Dagster that does not answer now is told again at the next look."""
    try:
        load_config(workspace.root / FILE)
    except (SettingsError, OSError) as error:
        console.print(
            f"{FILE} was edited, and cannot be read; the settings before it stay in force:\n{error}",
            style="yellow",
            highlight=False,
            markup=False,
        )
        return True
    try:
        query(running, RELOAD, timeout_seconds=RELOAD_SECONDS)
    except (OSError, ServingError) as error:
        said = f"{FILE} was edited, and Dagster does not answer yet ({error}); it will be told again"
        console.print(said, style="yellow", highlight=False, markup=False)
        return False
    console.print(f"{FILE} was edited: Dagster has loaded it", highlight=False)
    return True

"""The annotation server of a workspace, as assets and commands reach it: its own if it runs, an existing one if one is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from annotation.client import Client, connect
from annotation.credentials import Credentials, credentials
from annotation.server import find
from pipelines.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Connection:
    """A Label Studio server that answers, and the workspace's secrets for it."""

    client: Client
    credentials: Credentials


@contextmanager
def annotation_server(workspace: Workspace) -> Iterator[Connection | None]:
    """The workspace's Label Studio server; None when it has none that runs. Starts nothing.

    Raises LabelStudioError when headwater.yaml names a server that does not answer or refuses the token.
    """
    server = find(workspace.config.label_studio, workspace.label_studio)
    if server is None:
        yield None
        return
    with connect(server.url, server.token) as client:
        yield Connection(client, credentials(workspace.label_studio))

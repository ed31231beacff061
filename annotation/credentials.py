"""The secrets of one workspace: the sign-in of its own Label Studio server, and the key of its pseudonyms.

They are drawn at random the first time they are asked for, never written in the code, and kept in one file that only
the owner can read. The file appears whole or not at all (a temporary file made with mode 0600, then a hard link that
fails if another process was first), so two starts at once agree on one set.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from annotation.errors import LabelStudioError

FILE = "credentials.json"


@dataclass(frozen=True)
class Credentials:
    """What a workspace knows and nobody else should. Secrets are left out of `repr`, so that no log shows them.

    `email`, `password` and `token` open Headwater's own server. `workspace` marks this workspace's projects on any
    server. `key` (hexadecimal) makes the pseudonyms of annotators and seals the names of models.
    """

    email: str
    workspace: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    key: str = field(repr=False)


def credentials(folder: Path) -> Credentials:
    """The credentials kept in `folder`, made when they are not there. Raises LabelStudioError when they cannot be read."""
    path = folder / FILE
    if not path.exists():
        _create(path, _draw())
    path.chmod(0o600)
    try:
        return Credentials(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise LabelStudioError(
            f"{path} is not what Headwater wrote there: put it back from a copy, or delete it to make a new sign-in "
            "(annotators then get new pseudonyms)"
        ) from error


def _draw() -> Credentials:
    """New secrets. The account's name is drawn too: a lost file then means a new account, not a locked door."""
    return Credentials(
        email=f"headwater-{secrets.token_hex(3)}@localhost",
        workspace=secrets.token_hex(8),
        password=secrets.token_urlsafe(15),
        token=secrets.token_hex(20),
        key=secrets.token_hex(32),
    )


def _create(path: Path, drawn: Credentials) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(drawn), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()

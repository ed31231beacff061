"""Files that are there whole or not at all: written beside their place and moved there, so that nobody reads half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

PARTIAL = ".partial"
"""How the hidden name ends that a file has until it is whole; what a killed process leaves of it is cleared away
(`pipelines.cleaning`)."""


@contextmanager
def whole(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file that stands at `path` when this block ends, in place of what was there; if it fails, all is as before.

    `mode` is who may read and write it, less what the process forbids.
    """
    partial = path.with_name(f".{path.name}.{uuid4().hex}{PARTIAL}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str, mode: int = 0o666) -> None:
    """Put a file of this text, in UTF-8, at `path`."""
    with whole(path, mode) as file:
        file.write(text.encode())

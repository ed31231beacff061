"""The processes that read documents, forked from the one that a command's measures are forked from: a second of each run."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection

from curation.workers import serve

DEVNULL = os.devnull


class Popen:
    """What `curation.workers` starts by `subprocess.Popen`, with all imported that it needs."""

    def __init__(self, _: Sequence[str], pass_fds: Sequence[int], env: dict[str, str], **__: str) -> None:
        with Connection(os.dup(pass_fds[0])) as pipe:
            self._process = multiprocessing.get_context("forkserver").Process(target=_serve, args=(pipe, env))
            self._process.start()
        self.pid, self.kill = self._process.pid, self._process.kill

    def __enter__(self) -> Popen:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def wait(self) -> int | None:
        """The exit code, once it has ended."""
        self._process.join()
        return self._process.exitcode


def _serve(pipe: Connection, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    nothing = os.open(DEVNULL, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    sys.argv = ["-c", str(os.dup(pipe.fileno()))]
    pipe.close()
    serve()

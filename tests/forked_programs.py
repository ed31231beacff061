"""Programs that train and generate, forked from a process that has imported what they need: four seconds of each.

A command that the tests fork (`tests/forked_commands.py`) starts `python -m pipelines.worker FOLDER` by another name than
Python's: this file, which hands arguments, folder, variables and output to the process that has torch, waits for the fork,
and ends as that did. Where it is killed its fork ends too. The first of the workspace that all share is run without this.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys

PROGRAM = "import runpy; from tests.forked_programs import serve; runpy.run_module(serve(), run_name='__main__', alter_sys=True)"
NEEDED = (
    "dagster_pipes",
    "peft",
    "transformers.models.llama.modeling_llama",
    "training.finetune",
    "evaluation.inference",
)


def ask(address: str, words: list[str]) -> int:
    """Have a program run, and wait for it; its exit code, negative for a signal."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        told = json.dumps([words, os.path.realpath("."), dict(os.environ)]).encode()
        socket.send_fds(line, [len(told).to_bytes(8, "big")], [0, 1, 2])
        line.sendall(told)
        return int(line.recv(16) or b"1")


def serve() -> str:
    """The life of the process that is forked; returns in each fork, with the name of the module that it is to run."""
    from select import select

    door, owner = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    ready = False
    while True:
        if owner in select([door, owner], [], [])[0]:
            os._exit(0)
        line, _ = door.accept()
        begun, descriptors, *_ = socket.recv_fds(line, 8, 3)
        with line.makefile("rb") as told:
            words, folder, variables = json.loads(told.read(int.from_bytes(begun, "big")))
        os.environ.update(variables)
        ready = ready or _import()
        if not (pid := os.fork()):
            break
        for each in descriptors:
            os.close(each)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):  # who asked was killed, and so the fork was
            line.sendall(str(code).encode())
        line.close()
    _follow(line)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for number, each in enumerate(descriptors):
        os.dup2(each, number)
        os.close(each)
    flag, module, *sys.argv[1:] = words
    assert flag == "-m"
    return module


def _import() -> bool:
    import gc
    from importlib import import_module

    for name in NEEDED:
        import_module(name)
    gc.freeze()
    return True


def _follow(line: socket.socket) -> None:
    """End with who asked."""
    from threading import Thread

    def follow() -> None:
        line.recv(1)
        os.kill(os.getpid(), signal.SIGKILL)

    Thread(target=follow, daemon=True).start()


if __name__ == "__main__":
    ended = ask(sys.argv[1], sys.argv[2:])
    if ended < 0:
        os.kill(os.getpid(), -ended)
    sys.exit(ended)

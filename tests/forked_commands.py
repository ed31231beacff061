"""The command in a process of its own that imports nothing: it is forked from one that has.

Half of what a command takes is importing, and the tests run some hundreds. So each process of the tests keeps one that has
imported what `headwater run` needs, and does nothing else; a command is a fork of it, in its own folder and environment.
What tells it apart from a person's: it has modules from its start, and leaves them as they are at its end; and all commands
share the process that what reads and what measures is forked from. So `tests/pipelines/commands/test_from_scratch.py` runs each command
from scratch too, and so is the workspace begun that the tests of `tests/end_to_end` share.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from multiprocessing import Pipe, forkserver, resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from types import SimpleNamespace

from tests import forked_programs

ROOT = Path(__file__).parents[1]
PROGRAM = "from tests.forked_commands import end, serve; end(serve())"
NEEDED = (
    "alembic.config",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.sqlite_storage",
    "pandas",
    "scipy.special",
    "sqlalchemy.dialects.sqlite",
    "tests.forked_readers",
    "tests.forked_tables",
    "upath.core",
)
"""What a run imports beside our own modules, and late."""
PACKAGES = ("curation", "pipelines/commands")
EARLY = ("COLUMNS", "FORCE_COLOR", "LD_", "NO_COLOR", "NUMBA_", "OMP_", "POLARS_", "PYTHON", "RAYON_", "TERM")
"""How variables begin that are read by what is imported: who has others of these than the tests is run from scratch."""
HEADWATER = Path(sys.executable).with_name("headwater")

Done = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    """Nothing but what is local: no hub is asked, no other workspace is meant. What a training in the tests' own process says
    to OpenMP is not for others, whom it would have run from scratch."""
    not_theirs = {"HEADWATER_WORKSPACE", "DAGSTER_HOME", "OMP_WAIT_POLICY"}
    kept = {name: value for name, value in os.environ.items() if name not in not_theirs}
    return {**kept, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}


AT_FIRST = environment()


def run(
    words: Sequence[str], folder: str | Path, variables: dict[str, str], seconds: float = 900, program: str = ""
) -> Done:
    """Run `headwater` with these words, or the text of another program, in a folder, with these variables and no others.

    Raises subprocess.TimeoutExpired, after it has killed the command.
    """
    if _read_early(variables) != _read_early(AT_FIRST):
        command = [sys.executable, "-c", program] if program else [str(HEADWATER)]
        variables = variables | {"PYTHONPATH": str(ROOT)} if program else variables
        return from_scratch([*command, *words], folder, variables, seconds)
    pipe = _server()
    with TemporaryDirectory() as said:
        out, err = Path(said, "out"), Path(said, "err")
        pipe.send((program, words, str(folder), variables, str(out), str(err), str(_programs())))
        pid = pipe.recv()
        late = not pipe.poll(seconds)
        if late:
            os.kill(pid, signal.SIGKILL)
        done = Done([str(HEADWATER), *words], pipe.recv(), out.read_text(), err.read_text())
    if late:
        raise subprocess.TimeoutExpired(done.args, seconds, done.stdout, done.stderr)
    return done


def from_scratch(words: Sequence[str], folder: str | Path, variables: dict[str, str], seconds: float = 900) -> Done:
    """Run any program; raises subprocess.TimeoutExpired."""
    return subprocess.run(
        words, cwd=folder, env=variables, capture_output=True, text=True, timeout=seconds, check=False
    )


def _read_early(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(EARLY)}


@cache
def _server() -> Connection:
    """The process that commands are forked from, as its only caller sees it; it ends with this one."""
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
            cwd=ROOT,
            env=AT_FIRST,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


@cache
def _programs() -> Path:
    """What a command starts in the place of Python to run a program; see `tests.forked_programs`."""
    folder = Path(mkdtemp(prefix="forked-"))
    atexit.register(shutil.rmtree, folder)
    door, address = socket.socket(socket.AF_UNIX), folder / "door"
    door.bind(str(address))
    door.listen()
    theirs, ours = os.pipe()
    with door:
        process = subprocess.Popen(
            [sys.executable, "-c", forked_programs.PROGRAM, str(door.fileno()), str(theirs)],
            cwd=ROOT,
            env=AT_FIRST,
            pass_fds=[door.fileno(), theirs],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    os.close(theirs)
    atexit.register(process.wait)
    atexit.register(os.close, ours)
    stub = folder / "python"
    stub.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {forked_programs.__file__} {address} "$@"\n')
    stub.chmod(0o700)
    return stub


def serve() -> Callable[[], object]:
    """The life of the process that is forked; returns in each fork, with what it is to do as the command."""
    import curation.workers
    import pipelines.launch
    from tests import forked_readers

    for name in (*NEEDED, "pipelines.definitions", *_own_modules()):
        import_module(name)
    _begin_to_measure()
    gc.freeze()  # what is imported is never garbage, and to look through it would copy its pages
    pipe = Connection(int(sys.argv[1]))
    while True:
        try:
            program, words, folder, variables, out, err, programs = pipe.recv()
        except EOFError:
            os._exit(0)
        if not (pid := os.fork()):
            break
        pipe.send(pid)
        pipe.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    pipe.close()
    # it is the child of this one's parent: a command cannot wait for it, and need not start it
    vars(forkserver._forkserver)["ensure_running"] = resource_tracker.ensure_running  # type: ignore[attr-defined]
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for name, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), descriptor)
    pipelines.launch.sys = SimpleNamespace(executable=programs)  # type: ignore[attr-defined]
    curation.workers.subprocess = forked_readers  # type: ignore[attr-defined]
    if program:
        sys.argv = ["-c", *words]
        return partial(exec, program, {"__name__": "__main__"})
    sys.path[0], sys.argv = str(HEADWATER.parent), [str(HEADWATER), *words]
    from pipelines.cli import main

    return main


def end(main: Callable[[], object]) -> None:
    """Run a program, and end as Python does, but for taking its modules apart: that copies all their pages, for 0.2 s."""
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as Python itself
        traceback.print_exc()
        code = 1
    vars(threading)["_shutdown"]()
    vars(atexit)["_run_exitfuncs"]()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _begin_to_measure() -> None:
    """Start the process that what reads and measures is forked from: each command would start two, for three seconds."""
    libraries = (name for name in sys.modules if name.startswith("curation."))
    forkserver.set_forkserver_preload(["assets", "tests.forked_readers", "tests.forked_tables", *sorted(libraries)])
    forkserver.ensure_running()


def _own_modules() -> list[str]:
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]

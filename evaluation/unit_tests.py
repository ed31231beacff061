"""Whether code that a model wrote passes its sample's tests, found out by running it, in a sandbox.

The code is not trusted, nor are the tests, which come from data. Each check is a process of its own in Bubblewrap's
namespaces: it sees the interpreter, the standard library and the system's shared libraries, read-only, and 64 MiB of its own under /tmp; no
home, no workspace, no environment, no network, no other process. It stays one process (`seccomp.py`), whose CPU time,
memory and files are limited, so what it may use does not depend on the machine. The clock only ends what waits for
something, and that is a fault of the check and not a wrong answer. Without the sandbox nothing is run.

What is not kept out: flaws of the kernel or of Bubblewrap, and cheating. Answer and tests share a process, so an answer that
sets out to fool its tests can (an object that equals everything). What ends early has not passed.

Measured on 2 busy cores: 23 ms on the clock for a check of a short function, sandbox and interpreter included.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

import records
from evaluation import seccomp
from evaluation.sandboxed import FAULT, PASSED, READY
from records import Progress

MIB = 1024**2
FOLDER_BYTES = 64 * MIB
START_SECONDS = 120.0
"""How long a sandbox may take to begin; a machine that does other things takes a second and more."""

HEARD_BYTES = 4096
"""What is listened to of an answer's process, at most; the script says some dozens of bytes."""

SCRIPT = Path(__file__).with_name("sandboxed.py")
_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)


class SandboxError(RuntimeError):
    """The sandbox cannot be made on this machine; the message says what is missing. Nothing was run."""


@dataclass(frozen=True)
class UnitTestSettings:
    """What code that models wrote may use when it is run against its tests; that it is run at all is this section's doing."""

    # seconds of CPU time for one answer and its tests
    cpu_seconds: int = 10
    # MiB of memory for one answer and its tests
    memory: int = 512
    # seconds of clock time after which a check that waits for something is given up; it then is a failure and no wrong answer
    patience: int = field(default=120, metadata={"runtime": True})
    # checks at a time; 0 takes all cores
    workers: int = field(default=0, metadata={"runtime": True})

    def __post_init__(self) -> None:
        if min(self.cpu_seconds, self.patience) < 1 or self.workers < 0:
            raise ValueError("cpu_seconds and patience: must be at least 1; workers: cannot be negative")
        if self.memory < 64:
            raise ValueError(f"memory: Python itself needs some 64 MiB, so {self.memory} is too little")


@dataclass(frozen=True)
class Verdict:
    """Of one answer: whether it passed, or (`fault`) why that cannot be said."""

    passed: bool
    fault: str | None = None


Pair = tuple[str, str]
"""What a model wrote, and the tests."""

Runner = Callable[[Sequence[Pair]], list[Verdict]]
"""Verdicts on answers, in their order."""


def runner(settings: UnitTestSettings | None, progress: Progress = records.silent) -> Runner | None:
    """How answers are run under these settings; None where they are not to be run."""
    return None if settings is None else lambda pairs: run_unit_tests(pairs, settings, progress)


def run_unit_tests(
    pairs: Sequence[Pair], settings: UnitTestSettings, progress: Progress = records.silent
) -> list[Verdict]:
    """The verdict on each answer, in order; equal pairs are run once.

    Raises SandboxError where there is no sandbox: no code is run then.
    """
    wanted = list(dict.fromkeys(pairs))
    found: dict[Pair, Verdict] = {}
    with ThreadPoolExecutor(settings.workers or os.cpu_count() or 1) as pool:
        for pair, verdict in zip(wanted, pool.map(lambda pair: check(pair[0], pair[1], settings), wanted), strict=True):
            found[pair] = verdict
            progress(len(found), len(wanted), "answers run")
    return [found[pair] for pair in pairs]


def code_of(output: str) -> str:
    """The code in an answer: the first code block, else all of it."""
    fenced = _FENCED.search(output)
    return fenced[1] if fenced else output


def check(output: str, tests: str, settings: UnitTestSettings) -> Verdict:
    """Runs one answer against its tests. Raises SandboxError where there is no sandbox."""
    word = secrets.token_hex(16)
    limits = {
        "RLIMIT_CPU": settings.cpu_seconds,
        "RLIMIT_AS": settings.memory * MIB,
        "RLIMIT_FSIZE": FOLDER_BYTES,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": 64,
        "RLIMIT_CORE": 0,
    }
    job = {"code": code_of(output), "tests": tests, "word": word, "limits": limits}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
        said.write(json.dumps(job).encode())
        said.seek(0)
        heard, ended = _listen(said, complaints, settings.patience)
        lines = heard.decode("utf-8", "replace").splitlines()
        if not lines or lines[0].split(" ", 1)[0] not in (READY, FAULT):
            complaints.seek(0)
            why = complaints.read(2000).decode("utf-8", "replace").strip()
            raise SandboxError(_complaint(why or f"it {'ended before it had begun' if ended else 'did not begin'}"))
    if lines[0].startswith(FAULT):
        return Verdict(False, lines[0].removeprefix(FAULT).strip())
    if not ended:
        return Verdict(False, f"it waited for something, and was given up after {settings.patience} seconds")
    return Verdict(f"{PASSED} {word}" in lines)


def _listen(said: IO[bytes], complaints: IO[bytes], patience: float) -> tuple[bytes, bool]:
    """What the process says, and whether it ended by itself (or said too much); afterwards nothing of it is left."""
    with _filter() as filter_fd:
        process = subprocess.Popen(
            [*_sandbox(), "--seccomp", str(filter_fd), "--", *_interpreter(), SCRIPT.read_text(encoding="utf-8")],
            stdin=said,
            stdout=subprocess.PIPE,
            stderr=complaints,
            pass_fds=(filter_fd,),
            env={},
        )
    assert process.stdout is not None
    try:
        with process.stdout as voice:
            os.set_blocking(voice.fileno(), False)
            return _heard(voice, patience)
    finally:
        process.kill()  # what is inside dies with it
        process.wait()


def _heard(voice: IO[bytes], patience: float) -> tuple[bytes, bool]:
    """The patience begins with the first word: until then it is the machine that takes its time, not the answer."""
    import select

    heard, deadline = b"", time.monotonic() + START_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        if select.select([voice], [], [], left)[0]:
            part = os.read(voice.fileno(), HEARD_BYTES)
            deadline = deadline if heard else time.monotonic() + patience
            heard += part
            if not part or len(heard) > HEARD_BYTES:
                return heard, True
    return heard, False


@contextlib.contextmanager
def _filter() -> Iterator[int]:
    """A descriptor from which the filter of system calls is read."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(seccomp.program())
        yield reading
    finally:
        os.close(reading)


@cache
def _sandbox() -> tuple[str, ...]:
    """Bubblewrap with all but the program. Raises SandboxError where it is not installed."""
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxError(
            "code that models wrote is run in Bubblewrap's sandbox alone, and there is no `bwrap` on this machine: "
            "install the package `bubblewrap` (apt install bubblewrap), or remove `unit_tests` from headwater.yaml"
        )
    shown = [each for path in _readable() for each in ("--ro-bind-try", path, path)]
    return (
        *(found, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--clearenv"),
        *shown,
        *("--dev-bind", "/dev/null", "/dev/null"),
        *("--size", str(FOLDER_BYTES), "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/"),  # noqa: S108
    )


def _readable() -> tuple[str, ...]:
    """What the interpreter needs, and no more of the machine."""
    system = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
    prefix = Path(sys.base_prefix)
    own = (_interpreter()[0], sysconfig.get_path("stdlib"), *map(str, prefix.glob("lib/libpython*")))
    return tuple(dict.fromkeys((*system, *own)))


def _interpreter() -> tuple[str, ...]:
    """The interpreter under no virtual environment, deaf to its surroundings, about to read a script."""
    path = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    return (str(path.resolve()), "-I", "-S", "-B", "-c")


def _complaint(why: str) -> str:
    return (
        f"Bubblewrap could make no sandbox, so no code that models wrote was run: {why}. It needs user namespaces for "
        "those who are not root (in a container, allow them), or remove `unit_tests` from headwater.yaml"
    )

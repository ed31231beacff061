"""Compiling ahead: while a process compiles the first loop that a new machine lacks, others compile what it will need.

`kernel_versions.txt` names each version of each kernel that runs ask for, in the order in which a first run does so, and before
those what updates and groups of near texts need (`python -m tests.curation.kernel_versions` writes it). Helpers go through
it from its end, beginning with that part of the package in which something was missing: so they meet the process that they
help in the middle, and do not run beside it in step. Who needs what another process is compiling waits for it
(`curation.compilation.PATIENCE`).

A helper is a process of its own, for Numba holds the interpreter lock. Once that part is done it gives way to other work; it
dies before others when memory ends, and ends with the process that started it. Where it fails it says so, and whoever needs
what it left compiles that, as all do where nothing can be kept. Help is optional: nothing of it fails a process that is helped.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from curation import compilation
from curation.compilation import Kernel
from curation.compiling import Compiling, is_told, tell
from curation.file_locks import alone
from curation.kernel_arguments import Kind
from curation.machine_code import Code, folders_of
from curation.resource_limits import die_before_others, memory_there_is, processors_there_are

MOST = 3
"""Helpers at most, whichever processes they help."""
_BYTES, _SHARE = 300_000_000, 4
"""What a helper needs; together they take a quarter of all memory at most, for the rest is of those whom they help."""
_NICE, _WATCH_SECONDS = 10, 0.1
_PROGRAM = "import sys; from curation.ahead import help_with; help_with(*sys.argv[1:])"


class Version(NamedTuple):
    """A kernel, and of each argument that is an array what it does not declare of it."""

    module: str
    name: str
    arrays: tuple[str, ...]

    @property
    def known(self) -> tuple[Kernel, tuple[Kind, ...]] | None:
        """The kernel, whose module is imported, and the kinds of its arguments; None where nobody has it, for it is another now,
        or needs what is not installed."""
        try:
            kernel: Kernel = getattr(import_module(self.module), self.name)
            return kernel, kernel.parameters.kinds_of(self.arrays)
        except (ImportError, AttributeError, ValueError):
            return None

    @property
    def is_kept(self) -> bool:
        """Whether this machine has its code."""
        return self.known is not None and _is_kept(*self.known)


def _is_kept(kernel: Kernel, kinds: tuple[Kind, ...]) -> bool:
    return kernel.kept(kinds) is not None


@cache
def versions() -> tuple[Version, ...]:
    """All that runs need, in the order in which they do; nothing where no record can be read, so that nobody helps."""
    try:
        lines = Path(__file__).with_name("kernel_versions.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    return tuple(_version(*line.split()) for line in lines)


def _version(name: str, *arrays: str) -> Version:
    module, _, own = name.rpartition(".")
    return Version(module, own, arrays)


def made(kernel: Kernel, kinds: tuple[Kind, ...]) -> Code:
    """Code of a kernel that is not kept: from the process that is compiling it, or compiled here."""
    is_ours = kernel.py_func.__module__ in {each.module for each in versions()}
    with _told(kernel.py_func.__name__, is_ours):
        if is_ours and kernel.can_be_kept:
            _begin(kernel.py_func.__module__)
        code = kernel.make(kinds, is_needed=True)
        assert code
        return code


@contextmanager
def _told(name: str, is_ours: bool) -> Iterator[None]:
    """Who listens is told that a kernel is waited for within this block, and how long that took."""
    begun = time.monotonic()
    if is_ours and is_told():
        tell(Compiling(name, *_ready()))
    try:
        yield
    finally:
        if is_told():
            tell(Compiling("", *_ready(), time.monotonic() - begun))


_seen: set[Version] = set()
"""What this machine was seen to have: that is read once."""


def _ready() -> tuple[int, int]:
    """How many versions this machine has, and how many there are."""
    _seen.update([each for each in versions() if each not in _seen and each.is_kept])
    return len(_seen), len(versions())


_is_helped = False


def _begin(module: str) -> None:
    """Start helpers, once in a process; a process that was forked is one of many. Where they cannot be started, that is told."""
    global _is_helped
    if _is_helped or compilation.is_forked:
        return
    _is_helped = True
    try:
        for _ in range(_wanted()):
            atexit.register(_end, _helper(module))
    except Exception as error:  # noqa: BLE001 (whatever it is, work goes on without help)
        warnings.warn(f"no other process compiles ahead, all waits for this one: {error}", RuntimeWarning, stacklevel=2)


def _wanted() -> int:
    """How many helpers to start: where they can be, for which there are processors and memory, and places that no other has."""
    if not sys.executable:
        return 0
    with ExitStack() as held:
        free = sum([held.enter_context(_place(n)) for n in range(MOST)])
    return max(0, min(free, processors_there_are() - 1, memory_there_is() // _SHARE // _BYTES))


def _place(n: int) -> AbstractContextManager[bool]:
    """Within this block no other process is the helper of this number, if so many may be, and if there are locks."""
    return alone(folders_of(__file__), f"helper {n}")


def _helper(module: str) -> subprocess.Popen[bytes]:
    """Ctrl-C is for the group of the process that it helps."""
    command = [sys.executable, "-P", "-c", _PROGRAM, str(os.getpid()), module]
    path = [each for each in sys.path if isinstance(each, str)]  # as the interpreter passes over what is no text
    around = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, env=around, stdin=nothing, stdout=nothing, process_group=0)


def _end(helper: subprocess.Popen[bytes]) -> None:
    if not compilation.is_forked:
        helper.kill()
        helper.wait()


def help_with(parent: str, module: str) -> None:
    """The life of a helper: to compile what nobody has or compiles, until there is no more, or nobody is helped any more."""
    die_before_others()
    Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    with ExitStack() as held:
        if any(held.enter_context(_place(n)) for n in range(MOST)):
            own, others = _in_turn(module)
            for each in own:
                _compile(each)
            os.nice(_NICE)
            for each in others:
                _compile(each)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(0)


def _in_turn(module: str) -> tuple[list[Version], list[Version]]:
    """What the part of the package needs that a module is of, and what others need; what is needed last comes first."""
    own: list[Version] = []
    others: list[Version] = []
    for each in reversed(versions()):
        (own if _part(each.module) == _part(module) else others).append(each)
    return own, others


def _part(module: str) -> str:
    return module.rpartition(".")[0]


def _compile(version: Version) -> None:
    known = version.known
    if known is None or _is_kept(*known):
        return
    kernel, kinds = known
    if kernel.make(kinds, is_needed=False) and not _is_kept(kernel, kinds):
        sys.exit(f"{__name__}: no code can be kept; each process compiles for itself")

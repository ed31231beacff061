"""Compiled loops: Numba, because it needs no compiler on the user's machine, at 70% of the speed of C with AVX2.

Machine code is cached beside the source, or in the user's cache folder where the source is read-only, so that compiling
costs a few seconds once; where neither can be written each process compiles for itself. Numba's cache asks only
whether the function's own file changed; ours also asks about the files of the compiled functions that it may call.

Before it loads what is cached, Numba readies itself to compile, a fifth of a second in every process; ours does that only
where nothing fits in the cache.

Whoever waits is told (`curation.compiling`).
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import numba
from llvmlite.binding import add_symbol
from numba.core import types
from numba.core.caching import FunctionCache
from numba.core.event import Event, Listener, register
from numba.core.registry import CPUDispatcher
from numba.core.runtime import _nrt_python

from curation.compiling import Compiling, is_told, tell

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _name_runtime() -> None:
    """Make known what machine code calls for memory, as Numba's own runtime does before it compiles anything."""
    for name, address in _nrt_python.c_helpers.items():
        add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


def _files_of(function: Callable[..., Any]) -> list[str]:
    """The files of the compiled functions that a function can name, and of those that these can."""
    files, pending = {function.__code__.co_filename}, [function]
    while pending:
        values = pending.pop().__globals__.values()
        for value in (getattr(value, "py_func", getattr(value, "_defn", None)) for value in values):
            if isinstance(value, FunctionType) and value.__code__.co_filename not in files:
                files.add(value.__code__.co_filename)
                pending.append(value)
    return sorted(files)


def _stamp(file: str) -> tuple[str, int, int]:
    seen = Path(file).stat()
    return file, seen.st_mtime_ns, seen.st_size


class _Cache(FunctionCache):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = (self._cache_file._source_stamp, *map(_stamp, _files_of(function)))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        _name_runtime()
        with self._guard_against_spurious_io_errors():
            try:
                return self._load_overload(sig, target_context)
            except (AttributeError, ImportError, EOFError, pickle.UnpicklingError):  # it names types that are no more
                self.flush()
        return None

    def has_code(self) -> bool:
        """Whether machine code of the function as it stands is kept."""
        try:
            return bool(self._cache_file._load_index())
        except (OSError, AttributeError, ImportError, EOFError, pickle.UnpicklingError):
            return False


_dispatchers: list[CPUDispatcher] = []


@cache
def _parts() -> tuple[set[CPUDispatcher], set[CPUDispatcher]]:
    """All of this package's functions that are compiled by themselves, and those that were not when this was first asked."""
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "\n@compiled\n" in text or "\n@kernel\n" in text:
            import_module(".".join(file.relative_to(folder.parent).with_suffix("").parts))
    own = {each for each in _dispatchers if each.py_func.__module__.startswith(f"{__package__}.")}
    return own, {each for each in own if isinstance(each._cache, _Cache) and not each._cache.has_code()}


class _Teller(Listener):  # type: ignore[misc]
    """Told by Numba of whatever it compiles, under its lock; one function may lead to others."""

    def __init__(self) -> None:
        self._depth, self._begun = 0, 0.0

    def on_start(self, event: Event) -> None:
        """A function is about to be compiled."""
        if not self._depth:
            self._begun = time.monotonic()
        self._depth += 1
        if is_told() and event.data["dispatcher"] in _parts()[0]:
            self._tell(event.data["dispatcher"].py_func.__name__)

    def on_end(self, event: Event) -> None:
        """It is compiled, or cannot be."""
        self._depth -= 1
        if is_told():
            _parts()[1].discard(event.data["dispatcher"])
            if not self._depth:
                self._tell("", time.monotonic() - self._begun)

    def _tell(self, part: str, seconds: float = 0.0) -> None:
        parts, missing = _parts()
        tell(Compiling(part, len(parts) - len(missing), len(parts), seconds))


register("numba:compile", _Teller())


def compiled(function: Callable[P, R], **options: bool) -> Callable[P, R]:
    """Compile a function on first call, releasing the interpreter lock, and keep the machine code for later processes."""
    dispatcher = numba.njit(nogil=True, no_cfunc_wrapper=True, **options)(function)
    try:
        dispatcher._cache = _Cache(function)
    except RuntimeError as error:
        if "cannot cache function" not in str(error):
            raise
    _dispatchers.append(dispatcher)
    return cast(Callable[P, R], dispatcher)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that makes no arrays, but works on those that it is given.

    Nobody counts then who uses an array, which costs two locked instructions for each that a call is given, and much of
    the code that is to be compiled.
    """
    return compiled(function, _nrt=False)


class _Part(CPUDispatcher):  # type: ignore[misc]
    def get_call_template(self, args: Any, kws: Any) -> Any:
        """One version serves all whole numbers: Numba would compile another for each that is known beforehand."""
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(map(types.unliteral, args)), plain)

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"{self.py_func.__qualname__} is part of compiled functions; make it `compiled` to call it")


def part(function: Callable[P, R], **options: bool) -> Callable[P, R]:
    """Compile a function that compiled ones alone call: what Python would need to call it is a fifth of compiling.

    Its machine code stands in that of each caller, and is kept with theirs.
    """
    dispatcher = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
    dispatcher.__class__ = _Part
    return cast(Callable[P, R], dispatcher)


def piece(function: Callable[P, R]) -> Callable[P, R]:
    """A `part` that makes no arrays, and calls none that does, as a `kernel`."""
    return part(function, _nrt=False)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Put the function's code where compiled ones call it: as a call, decoding a character takes five times as long."""
    return part(function, forceinline=True)

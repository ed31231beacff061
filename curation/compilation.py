"""Compiled loops: Numba, because it needs no compiler on the user's machine, at 70% of the speed of C with AVX2.

Machine code is cached beside the source, or in the user's cache folder where the source is read-only, so that compiling
costs a few seconds once; where neither can be written each process compiles for itself. Numba's cache asks only
whether the function's own file changed; ours also asks about the files of the compiled functions that it may call.

Before it loads what is cached, Numba readies itself to compile, a fifth of a second in every process; ours does that only
where nothing fits in the cache.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

import numba
from llvmlite.binding import add_symbol
from numba.core.caching import FunctionCache
from numba.core.registry import CPUDispatcher
from numba.core.runtime import _nrt_python

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


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on first call, releasing the interpreter lock, and keep the machine code for later processes."""
    dispatcher = numba.njit(nogil=True)(function)
    try:
        dispatcher._cache = _Cache(function)
    except RuntimeError as error:
        if "cannot cache function" not in str(error):
            raise
    return cast(Callable[P, R], dispatcher)


class _Part(CPUDispatcher):  # type: ignore[misc]
    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"{self.py_func.__qualname__} is part of compiled functions; make it `compiled` to call it")


def part(function: Callable[P, R], **options: bool) -> Callable[P, R]:
    """Compile a function that compiled ones alone call: what Python would need to call it is a fifth of compiling.

    Its machine code stands in that of each caller, and is kept with theirs.
    """
    dispatcher = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
    dispatcher.__class__ = _Part
    return cast(Callable[P, R], dispatcher)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Put the function's code where compiled ones call it: as a call, decoding a character takes five times as long."""
    return part(function, forceinline=True)

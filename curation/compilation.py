"""Compiled loops: Numba, because it needs no compiler on the user's machine, at 70% of the speed of C with AVX2.

Machine code is kept beside the source, or in the user's cache folder where the source is read-only, so that compiling
costs a few seconds once; where neither can be written each process compiles for itself. It is made anew when the file of
the function changes, that of a function that it leads to, or a value that these take from a module.

A `kernel` that is kept is called without Numba, whose import and whose reading of what it kept are 0.3 s of every process:
`curation.machine_code` keeps and loads it, `curation.kernel_arguments` says which version serves which arguments, and
Numba (`curation.compiler`) is imported where nothing fits.

Whoever waits is told (`curation.compiling`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cached_property, update_wrapper
from importlib import import_module
from threading import RLock
from types import CodeType, FunctionType
from typing import Any, ParamSpec, TypeVar, cast

from numpy import generic, ndarray

from curation import machine_code
from curation.kernel_arguments import Kind, Parameters

PATIENCE = 10.0
"""Seconds that one waits for code that another process is compiling, before one compiles it too: most take 2, the longest 5, and a
process that gives way to others may be held up by them."""
P = ParamSpec("P")
R = TypeVar("R")


class Late:
    """A module that is imported when something of it is first asked for: what emits LLVM's code need not load Numba."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


cgutils, types = Late("numba.core.cgutils"), Late("numba.core.types")
"""What emits LLVM's code speaks of."""


def _named_in(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What the code of a function, and of those within it, may take from its module, and what it takes from the function that
    made it."""
    pending = [function.__code__]
    while pending:
        code = pending.pop()
        pending += [each for each in code.co_consts if isinstance(each, CodeType)]
        yield from ((name, function.__globals__[name]) for name in code.co_names if name in function.__globals__)
    made = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    yield from ((name, cell.cell_contents) for name, cell in made)


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_told, value))})"
    return f"{value.dtype} {value.shape} {value.tobytes().hex()}" if isinstance(value, ndarray) else repr(value)


def made_from(function: Any) -> tuple[list[str], str]:
    """What a compiled function is made from: the files of the functions that it leads to, and a digest of the values that it
    finds in their modules, wherever they come from."""
    values, seen, pending = set(), {function}, [function]
    while pending:
        current = pending.pop()
        for name, value in _named_in(current):
            called = value.py_func if isinstance(value, Part) else value
            if isinstance(called, FunctionType) and called not in seen:
                seen.add(called)
                pending.append(called)
            elif isinstance(value, int | float | str | bytes | tuple | generic | ndarray):
                values.add(f"{current.__module__}.{name}: {_told(value)}")
    files = {each.__code__.co_filename for each in seen}
    return sorted(files), hashlib.sha256(repr(sorted(values)).encode()).hexdigest()


class Part:
    """A function that compiled ones call. Numba asks `_numba_type_` of what it meets, and so makes one of its own of it."""

    def __init__(self, function: Callable[..., Any], made: Callable[[Callable[..., Any]], Any]) -> None:
        self.py_func, self._made = function, made
        update_wrapper(self, function)
        machine_code.digest_of(function.__code__.co_filename)

    @cached_property
    def made(self) -> Any:
        """What Numba knows it by."""
        return self._made(self.py_func)

    @cached_property
    def _numba_type_(self) -> Any:
        return import_module("curation.compiler").type_of(self.made)

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"{self.py_func.__qualname__} is part of compiled functions; make it a `kernel` to call it")


kernels: list[Kernel] = []
_lock = RLock()
is_forked = False
"""Whether this process was forked from one that had this module."""


def _forked() -> None:
    """A process that is forked has none of the threads that may have held the lock."""
    global _lock, is_forked
    _lock, is_forked = RLock(), True


os.register_at_fork(after_in_child=_forked)


class Kernel(Part):
    """A function whose machine code, a version for each kind of arguments, is called by its address."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function, lambda kernel: import_module("curation.compiler").part(kernel))
        self._count = function.__code__.co_argcount
        self._seen: dict[tuple[Any, ...], Callable[[tuple[Any, ...]], Any]] = {}
        self.versions: dict[tuple[Kind, ...], Callable[[tuple[Any, ...]], Any]] = {}
        """By the kinds of the arguments, what takes them all."""
        kernels.append(self)

    @cached_property
    def parameters(self) -> Parameters:
        """What it declares of its arguments."""
        return Parameters(self.py_func)

    @cached_property
    def _has_rows(self) -> bool:
        return any(self.parameters.rows)

    @cached_property
    def _place(self) -> machine_code.Kept | None:
        files, values = made_from(self.py_func)
        return machine_code.kept(self.py_func, files, f"{values} {self.parameters.names}")

    @property
    def can_be_kept(self) -> bool:
        """Whether there are folders for its code, though none may take it."""
        return self._place is not None

    def kept(self, kinds: tuple[Kind, ...]) -> machine_code.Code | None:
        """The code for these kinds of arguments, if it is kept."""
        return self._place.read(kinds) if self._place else None

    def make(self, kinds: tuple[Kind, ...], is_needed: bool) -> machine_code.Code | None:
        """Compile for these kinds of arguments, and keep the code, once for all processes that want it at a time.

        Where it is not needed, and another process is compiling it, or no locks can be had: None.
        """
        if not self._place:
            return self._compiled(kinds) if is_needed else None
        with self._place.alone(kinds, PATIENCE if is_needed else 0) as is_alone:
            code = self._place.read(kinds)
            if code is None and (is_alone or is_needed):
                code = self._compiled(kinds)
                self._place.write(kinds, code)
            return code

    def _compiled(self, kinds: tuple[Kind, ...]) -> machine_code.Code:
        return cast(machine_code.Code, import_module("curation.compiler").native(self, kinds))

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Run it, without the interpreter lock.

        Raises:
            TypeError: An argument is none of the kind that the function declares; it is named.
            OverflowError: A number has no place in 64 bits.
        """
        if named or len(given) != self._count:
            given = self.parameters.bound(given, named)
        if self._has_rows:
            given = self.parameters.spread(given)
        seen = tuple([(a.dtype, a.ndim, a.flags.num) if type(a) is ndarray else type(a) for a in given])
        version = self._seen.get(seen)
        if version is None:
            version = self._seen[seen] = self._version(self.parameters.kinds(given))
        return version(given)

    def _version(self, kinds: tuple[Kind, ...]) -> Callable[[tuple[Any, ...]], Any]:
        with _lock:
            if kinds not in self.versions:
                code = self.kept(kinds) or import_module("curation.ahead").made(self, kinds)
                self.versions[kinds] = self._loaded(kinds, code)
            return self.versions[kinds]

    def _loaded(self, kinds: tuple[Kind, ...], code: machine_code.Code) -> Callable[[tuple[Any, ...]], Any]:
        if code.emitted:
            return machine_code.loaded(code, self.py_func.__qualname__, kinds, self.parameters.for_call())
        return cast(Callable[..., Any], import_module("curation.compiler").by_numba(self))


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on first call, and keep its machine code for later processes.

    It makes no arrays, but works on those that it is given, and numbers are all that it returns. Nobody counts then who
    uses an array, which costs two locked instructions for each that a call is given, and much of the code that is to be
    compiled; and what is kept needs no Numba. Arguments are of the kinds that are declared, or NamedTuples of such: another
    whole number, or a 32-bit float, is widened, and an array of other numbers refused.
    """
    return cast(Callable[P, R], Kernel(function))


def piece(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that kernels alone call, and that makes no arrays either.

    Its machine code stands in that of each caller, and is kept with theirs.
    """
    return _part(function)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A `piece` whose code stands wherever it is called: as a call, decoding a character takes five times as long."""
    return _part(function, forceinline=True)


def _part(function: Callable[P, R], **options: bool) -> Callable[P, R]:
    made = Part(function, lambda function: import_module("curation.compiler").part(function, **options))
    return cast(Callable[P, R], made)


def emitted(function: Callable[..., Any]) -> Any:
    """A part that Numba has no words for: a function that gives its type, and what emits its code for LLVM."""
    return Part(function, lambda function: import_module("numba.extending").intrinsic(function))

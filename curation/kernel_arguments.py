"""Which version of a kernel serves which arguments: their kinds, as declared, or as they are where nothing is.

A version for each kind of whole number that is met would be compiled, kept and loaded for nothing, and one that is made for
signed numbers computes otherwise than one for unsigned; so what a function declares counts, and not what it is given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np

_C, _F, _ALIGNED, _WRITEABLE = 1, 2, 0x100, 0x400
"""Bits of an array's flags (NumPy's C-API, "Array flags")."""


class ArrayKind(NamedTuple):
    """What machine code must know of an array; `layout` is C, F, or A where it is read by its strides."""

    dtype: str
    ndim: int
    layout: str
    readonly: bool
    aligned: bool


Kind = ArrayKind | str
_SCALARS: dict[Any, str] = {bool: "boolean", int: "int64", float: "float64"}
_SCALARS |= {np.bool_: "boolean", np.int64: "int64", np.uint64: "uint64", np.float64: "float64"}
_BOUNDS = {"int64": (-1 << 63, (1 << 63) - 1), "uint64": (0, (1 << 64) - 1)}
_GIVEN: dict[str, tuple[type, ...]] = {
    "boolean": (int, np.bool_),
    "int64": (int, np.integer),
    "uint64": (int, np.integer),
    "float64": (int, float, np.integer, np.floating),
}


def _declared(hint: Any) -> np.dtype[Any] | str | None:
    """The numbers of an array, or the kind of a number; None where anything may be given."""
    if get_origin(hint) is np.ndarray:
        (numbers,) = get_args(get_args(hint)[1])
        return np.dtype(numbers) if isinstance(numbers, type) and issubclass(numbers, np.generic) else None
    return _SCALARS.get(hint)


def _layout(flags: int) -> str:
    return "C" if flags & _C else "F" if flags & _F else "A"


def _whole(value: Any, kind: str, where: str) -> int:
    low, high = _BOUNDS[kind]
    if not low <= (number := int(value)) <= high:
        raise OverflowError(f"{where} is {number}, which is no {kind}")
    return number


class Parameters:
    """The parameters of a function, and what it declares of them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name, self._signature = function.__qualname__, inspect.signature(function)
        hints = get_type_hints(function)
        self._declared = {name: _declared(hints.get(name)) for name in self._signature.parameters}

    def bound(self, given: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments in their order; a TypeError names the one that is missing or too many."""
        try:
            found = self._signature.bind(*given, **named)
        except TypeError as error:
            raise TypeError(f"{self._name}: {error}") from None
        found.apply_defaults()
        return found.args

    def kinds(self, given: Sequence[Any]) -> tuple[Kind, ...]:
        """The kinds of the arguments; a TypeError names the one that is of the wrong kind."""
        return tuple(self._kind(name, value) for name, value in zip(self._declared, given, strict=True))

    def _kind(self, name: str, value: Any) -> Kind:
        declared = self._declared[name]
        if type(value) is np.ndarray and not isinstance(declared, str):
            if value.dtype.kind not in "biuf" or not value.dtype.isnative or declared not in (None, value.dtype):
                raise TypeError(
                    f"{self._where(name)} must be an array of {declared or 'numbers'}, not of {value.dtype}"
                )
            flags = value.flags.num
            return ArrayKind(
                value.dtype.str, value.ndim, _layout(flags), not flags & _WRITEABLE, bool(flags & _ALIGNED)
            )
        if isinstance(declared, np.dtype):
            raise TypeError(f"{self._where(name)} must be an array of {declared}, not {self._told(value)}")
        kind = declared or next((kind for each, kind in _SCALARS.items() if isinstance(value, each)), None)
        if kind is None and isinstance(value, np.integer | np.floating):
            kind = "int64" if isinstance(value, np.integer) else "float64"
        if kind is None or not isinstance(value, _GIVEN[kind]):
            raise TypeError(f"{self._where(name)} must be {kind or 'a number or an array'}, not {self._told(value)}")
        return kind

    def for_call(self, kinds: Sequence[Kind]) -> list[Callable[[Any], Any] | None]:
        """For each argument, what makes it the number that a call is given; None for an array."""
        return [self._number(name, kind) for name, kind in zip(self._declared, kinds, strict=True)]

    def _number(self, name: str, kind: Kind) -> Callable[[Any], Any] | None:
        if not isinstance(kind, str):
            return None
        return {"float64": float, "boolean": bool}.get(kind) or (lambda value: _whole(value, kind, self._where(name)))

    def _where(self, name: str) -> str:
        return f"{self._name}: `{name}`"

    @staticmethod
    def _told(value: Any) -> str:
        return f"an array of {value.dtype}" if type(value) is np.ndarray else f"a {type(value).__name__}"

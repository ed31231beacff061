"""Which version of a kernel serves which arguments: the kinds that its parameters declare, and how an array lies in memory.

A version for each kind of whole number that is met would be compiled, kept and loaded for nothing, and one that is made for
signed numbers computes otherwise than one for unsigned; so what a function declares counts, and not what it is given. Of a
parameter that is a NamedTuple, each field is an argument of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

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
_NUMBERS: dict[Any, str] = {bool: "boolean", int: "int64", float: "float64", np.uint64: "uint64"}
_BOUNDS = {"int64": (-1 << 63, (1 << 63) - 1), "uint64": (0, (1 << 64) - 1)}
_GIVEN: dict[str, tuple[type, ...]] = {
    "boolean": (bool, np.bool_),
    "int64": (int, np.integer),
    "uint64": (int, np.integer),
    "float64": (int, float, np.integer, np.floating),
}


def _array_kind(dtype: str, told: str) -> ArrayKind:
    return ArrayKind(dtype, int(told[0]), "A" if "A" in told else "C", "r" in told, aligned=True)


def _is_row(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def _fields(declared: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, hint in declared.items():
        if _is_row(hint):
            yield from ((f"{name}.{field}", kind) for field, kind in get_type_hints(hint).items())
        else:
            yield name, hint


def _whole(value: Any, kind: str, where: str) -> int:
    low, high = _BOUNDS[kind]
    if not low <= (number := int(value)) <= high:
        raise OverflowError(f"{where} is {number}, which is no {kind}")
    return number


class Parameters:
    """The parameters of a function, and what it declares of them; a TypeError names one that could be anything."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name, self._signature = function.__qualname__, inspect.signature(function)
        hints = get_type_hints(function)
        declared = {name: hints.get(name) for name in self._signature.parameters}
        self.rows = tuple(hint if _is_row(hint) else None for hint in declared.values())
        """For each parameter its NamedTuple, None where it is none."""
        self._declared = {name: self._kind_of(name, hint) for name, hint in _fields(declared)}

    @property
    def names(self) -> tuple[str, ...]:
        """What each argument is called: a parameter, or a field of one."""
        return tuple(self._declared)

    def spread(self, given: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments, of a NamedTuple each field."""
        return tuple(
            [each for value, row in zip(given, self.rows, strict=True) for each in (value if row else (value,))]
        )

    def _kind_of(self, name: str, hint: Any) -> np.dtype[Any] | str:
        """The numbers of an array, or the kind of a number."""
        if get_origin(hint) is np.ndarray:
            (numbers,) = get_args(get_args(hint)[1])
            if isinstance(numbers, type) and np.dtype(numbers).kind in "biuf":
                return np.dtype(numbers)
        elif hint in _NUMBERS:
            return _NUMBERS[hint]
        raise TypeError(
            f"{self._where(name)} must be declared as a number (bool, int, float, uint64), or an array of some"
        )

    def bound(self, given: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments in their order; a TypeError names the one that is missing or too many."""
        try:
            return self._signature.bind(*given, **named).args
        except TypeError as error:
            raise TypeError(f"{self._name}: {error}") from None

    def kinds(self, given: Sequence[Any]) -> tuple[Kind, ...]:
        """The kinds of the arguments; a TypeError names the one that is of the wrong kind."""
        return tuple(self._kind(name, value) for name, value in zip(self._declared, given, strict=True))

    def _kind(self, name: str, value: Any) -> Kind:
        declared = self._declared[name]
        is_array = type(value) is np.ndarray
        if isinstance(declared, str):
            if not isinstance(value, _GIVEN[declared]):
                raise TypeError(f"{self._where(name)} must be {declared}, not {_told(value)}")
            return declared
        if not is_array or value.dtype != declared:
            raise TypeError(f"{self._where(name)} must be an array of {declared}, not {_told(value)}")
        flags = value.flags.num
        layout = "C" if flags & _C else "F" if flags & _F else "A"
        return ArrayKind(declared.str, value.ndim, layout, not flags & _WRITEABLE, bool(flags & _ALIGNED))

    def kinds_of(self, arrays: Sequence[str]) -> tuple[Kind, ...]:
        """The kinds of arguments of which each array is as told: its dimensions, "A" where it is read by its strides, and "r"
        where it is read-only, such as "1", "2r" or "1A". Raises ValueError for more arrays, or fewer, than are declared."""
        declared = [kind for kind in self._declared.values() if not isinstance(kind, str)]
        told = iter([_array_kind(kind.str, each) for kind, each in zip(declared, arrays, strict=True)])
        return tuple([kind if isinstance(kind, str) else next(told) for kind in self._declared.values()])

    def for_call(self) -> list[tuple[int, Callable[[Any], Any]]]:
        """For each argument that is no array, its place and what makes it the number that a call is given."""
        places = enumerate(self._declared.items())
        return [(at, self._number(name, kind)) for at, (name, kind) in places if isinstance(kind, str)]

    def _number(self, name: str, kind: str) -> Callable[[Any], Any]:
        return {"float64": float, "boolean": bool}.get(kind) or (lambda value: _whole(value, kind, self._where(name)))

    def _where(self, name: str) -> str:
        return f"{self._name}: `{name}`"


def _told(value: Any) -> str:
    return f"an array of {value.dtype}" if type(value) is np.ndarray else f"a {type(value).__name__}"


Numbers = TypeVar("Numbers", bound=np.generic)


def fixed(values: npt.NDArray[Numbers]) -> npt.NDArray[Numbers]:
    """The same, not to be written to, whatever it is made of: so that a loop over it is compiled once."""
    values = values.view()
    values.flags.writeable = False
    return values

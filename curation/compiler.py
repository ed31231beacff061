"""Numba, as compiled loops are made with it: imported where one is to be compiled, or is none that `machine_code` keeps.

Numba's own cache asks only whether the function's own file changed; ours also asks about the files of the functions that it
leads to, and about values of their modules. Before it loads what is cached, Numba readies itself to compile, a fifth of a
second in every process; ours does that only where nothing fits in the cache.
"""

from __future__ import annotations

import pickle
import struct
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from llvmlite.binding import add_symbol
from numba.core import cgutils, types
from numba.core.caching import FunctionCache
from numba.core.event import Event, Listener, register
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.runtime import _nrt_python
from numba.np import numpy_support
from numba.np.arrayobj import make_array, populate_array

from curation.compilation import Kernel, compiled_loops, kernels, made_from
from curation.compiling import Compiling, is_told, tell
from curation.kernel_arguments import Kind
from curation.machine_code import ENTRY, Code, digest_of, emitted_object

_LIBC = {b"memcpy", b"memmove", b"memset", b"memcmp"}
"""What kept code may call: what every process has at hand."""
_INT, _LONG, _DOUBLE = ir.IntType(32), ir.IntType(64), ir.DoubleType()
_PLACES, _OBJECT = _LONG.as_pointer(), ir.IntType(8).as_pointer()


@cache
def _name_runtime() -> None:
    """Make known what machine code calls for memory, as Numba's own runtime does before it compiles anything."""
    for name, address in _nrt_python.c_helpers.items():
        add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class _Cache(FunctionCache):  # type: ignore[misc]
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        files, values = made_from(function)
        self._cache_file._source_stamp = (self._cache_file._source_stamp, *map(digest_of, files), values)

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


Loop = Any
"""A kernel, or a function that Numba calls."""


def _keeps_none(loop: Loop) -> bool:
    if isinstance(loop, Kernel):
        return not loop.has_code()
    return isinstance(loop.made._cache, _Cache) and not loop.made._cache.has_code()


@cache
def _loops() -> tuple[set[Loop], set[Loop]]:
    """All of this package's functions that are compiled by themselves, and those that were not when this was first asked."""
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "\n@compiled\n" in text or "\n@kernel\n" in text:
            import_module(".".join(file.relative_to(folder.parent).with_suffix("").parts))
    own = {each for each in (*compiled_loops, *kernels) if each.py_func.__module__.startswith(f"{__package__}.")}
    return own, set(filter(_keeps_none, own))


class _Teller(Listener):  # type: ignore[misc]
    """Told by Numba of whatever it compiles, under its lock; one function may lead to others."""

    def __init__(self) -> None:
        self._depth, self._begun = 0, 0.0

    def on_start(self, event: Event) -> None:
        """A function is about to be compiled."""
        if not self._depth:
            self._begun = time.monotonic()
        self._depth += 1
        loop = self._loop(event)
        if is_told() and loop in _loops()[0]:
            self._tell(loop.py_func.__name__)

    def on_end(self, event: Event) -> None:
        """It is compiled, or cannot be."""
        self._depth -= 1
        if is_told():
            _loops()[1].discard(self._loop(event))
            if not self._depth:
                self._tell("", time.monotonic() - self._begun)

    def _loop(self, event: Event) -> Loop:
        dispatcher = event.data["dispatcher"]
        loops = (*compiled_loops, *kernels)
        return next((each for each in loops if each.__dict__.get("made") is dispatcher), dispatcher)

    def _tell(self, part: str, seconds: float = 0.0) -> None:
        loops, missing = _loops()
        tell(Compiling(part, len(loops) - len(missing), len(loops), seconds))


register("numba:compile", _Teller())


def compiled(function: Callable[..., Any], **options: bool) -> CPUDispatcher:
    """A function that Numba compiles on first call, and keeps."""
    dispatcher = numba.njit(nogil=True, no_cfunc_wrapper=True, **options)(function)
    try:
        dispatcher._cache = _Cache(function)
    except RuntimeError as error:
        if "cannot cache function" not in str(error):
            raise
    return dispatcher


class _Part(CPUDispatcher):  # type: ignore[misc]
    def get_call_template(self, args: Any, kws: Any) -> Any:
        """One version serves all whole numbers: Numba would compile another for each that is known beforehand."""
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(map(types.unliteral, args)), plain)


def part(function: Callable[..., Any], **options: bool) -> CPUDispatcher:
    """A function that compiled ones alone call."""
    dispatcher = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
    dispatcher.__class__ = _Part
    return dispatcher


def type_of(made: Any) -> Any:
    """What Numba takes a part for."""
    cpu_target.typing_context.refresh()
    return cpu_target.typing_context.resolve_value_type(made)


def native(kernel: Kernel, kinds: Sequence[Kind]) -> Code:
    """Compile a kernel for arguments of these kinds; without objects where what it calls or returns is not for all processes."""
    taken = tuple(map(_type, kinds))
    kernel.made.compile(taken)
    made = kernel.made.overloads[taken]
    kind = made.signature.return_type
    several, returned = isinstance(kind, types.BaseTuple), [_returned(each) for each in _parts(kind)]
    if None in returned or isinstance(kind, types.BaseNamedTuple):
        return Code(())
    objects = bytes(made.library.serialize_using_object_code()[2][0]), emitted_object(_entry(made, kinds))
    return Code(objects, tuple(map(str, returned)), several) if _stands_alone(objects) else Code(())


def _type(kind: Kind) -> Any:
    if isinstance(kind, str):
        return getattr(types, kind)
    dtype = numpy_support.from_dtype(np.dtype(kind.dtype))
    return types.Array(dtype, kind.ndim, kind.layout, readonly=kind.readonly, aligned=kind.aligned)


def _returned(kind: Any) -> str | None:
    if isinstance(kind, types.Integer):
        return "int" if kind.signed else "uint"
    return "float" if isinstance(kind, types.Float) else "bool" if isinstance(kind, types.Boolean) else None


def _entry(made: Any, kinds: Sequence[Kind]) -> str:
    """The function that is called, as LLVM's code: what it is given becomes what the compiled one takes."""
    context, signature = made.target_context, made.signature
    module = context.create_module("entry")
    numbers = [_DOUBLE if kind == "float64" else _LONG for kind in kinds if isinstance(kind, str)]
    function = ir.Function(module, ir.FunctionType(_INT, [_PLACES, _OBJECT, *numbers]), ENTRY)
    builder, parts = ir.IRBuilder(function.append_basic_block()), _parts(signature.return_type)
    places, given, *left = function.args
    values = [
        _array(context, builder, each, _field(builder, given, tuple.__basicsize__ + 8 * at, _OBJECT))
        if isinstance(each, types.Array)
        else _number(builder, each, left.pop(0))
        for at, each in enumerate(signature.args)
    ]
    callee = context.declare_function(module, made.fndesc)
    status, result = context.call_conv.call_function(builder, callee, signature.return_type, signature.args, values)
    with builder.if_else(status.is_ok) as (ok, failed):
        with ok:
            for at, (kind, value) in enumerate(
                zip(parts, _values(builder, signature.return_type, result), strict=True)
            ):
                builder.store(_as_place(builder, kind, value), builder.gep(places, [_LONG(at)]))
        with failed:
            _leave_error(builder, status, builder.gep(places, [_LONG(len(parts))]))
    builder.ret(builder.select(status.is_ok, _INT(0), status.code))
    return str(module)


def _parts(kind: Any) -> list[Any]:
    return list(kind) if isinstance(kind, types.BaseTuple) else [] if kind is types.none else [kind]


def _values(builder: Any, kind: Any, result: Any) -> list[Any]:
    if isinstance(kind, types.BaseTuple):
        return list(cgutils.unpack_tuple(builder, result))
    return [] if kind is types.none else [result]


def _field(builder: Any, thing: Any, offset: int, what: Any) -> Any:
    """What stands so many bytes behind the begin of an object of the interpreter."""
    return builder.load(builder.bitcast(builder.gep(thing, [_LONG(offset)]), what.as_pointer()))


def _array(context: Any, builder: Any, kind: Any, thing: Any) -> Any:
    """An array as compiled functions have it, from the interpreter's object (NumPy's C-API, `PyArrayObject`)."""
    head = object.__basicsize__
    data = _field(builder, thing, head, context.get_data_type(kind.dtype).as_pointer())
    rows = [_field(builder, thing, head + offset, _PLACES) for offset in (16, 24)]
    shape, strides = ([builder.load(builder.gep(row, [_LONG(axis)])) for axis in range(kind.ndim)] for row in rows)
    array = make_array(kind)(context, builder)
    itemsize = context.get_constant(types.intp, numpy_support.as_dtype(kind.dtype).itemsize)
    populate_array(array, data, shape, strides, itemsize, None)
    return array._getvalue()


def _number(builder: Any, kind: Any, given: Any) -> Any:
    return builder.icmp_signed("!=", given, _LONG(0)) if isinstance(kind, types.Boolean) else given


def _as_place(builder: Any, kind: Any, value: Any) -> Any:
    """A number in 64 bits."""
    if isinstance(kind, types.Float):
        wide = value if value.type == _DOUBLE else builder.fpext(value, _DOUBLE)
        return builder.bitcast(wide, _LONG)
    if value.type == _LONG:
        return value
    signed = isinstance(kind, types.Integer) and kind.signed
    return builder.sext(value, _LONG) if signed else builder.zext(value, _LONG)


def _leave_error(builder: Any, status: Any, places: Any) -> None:
    """Leave where a pickled exception stands, and how long it is; none where there is none."""
    builder.store(_LONG(0), builder.gep(places, [_LONG(1)]))
    with builder.if_then(status.is_user_exc):
        pickled, size = (builder.extract_value(builder.load(status.excinfoptr), at) for at in (0, 1))
        builder.store(builder.ptrtoint(pickled, _LONG), places)
        builder.store(builder.sext(size, _LONG), builder.gep(places, [_LONG(1)]))


def _symbols(elf: bytes) -> tuple[set[bytes], set[bytes]]:
    """The names that an object file (ELF, 64 bits) defines, and those that it wants of others."""
    defined: set[bytes] = set()
    wanted: set[bytes] = set()
    sections, size, count = struct.unpack_from("<Q", elf, 0x28)[0], *struct.unpack_from("<HH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, sections + size * at) for at in range(count)]
    for _, kind, _, _, begin, length, link, *_, entry in headers:
        if kind == 2:  # SHT_SYMTAB
            names = headers[link][4]
            for at in range(begin, begin + length, entry):
                name, _, _, section = struct.unpack_from("<IBBH", elf, at)
                text = elf[names + name : elf.index(b"\0", names + name)]
                (defined if section else wanted).add(text)
    return defined, wanted - {b""}


def _stands_alone(objects: Sequence[bytes]) -> bool:
    """Whether object files want nothing but of each other, and of what every process has."""
    if not all(each.startswith(b"\x7fELF\x02\x01") for each in objects):
        return False
    defined, wanted = (set().union(*names) for names in zip(*map(_symbols, objects), strict=True))
    return wanted <= defined | _LIBC

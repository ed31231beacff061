"""Numba, as kernels are made with it: imported where one is to be compiled, or is none that `machine_code` keeps.

Numba would optimise a function with all that it calls, emit its machine code, and do so again at each level of calls. A
kernel is put together first, from all of its parts, and optimised and emitted once: a third of the time.
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numba
import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.core import typed_passes as typed
from numba.core import untyped_passes as untyped
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, PassManager
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher, cpu_target
from numba.np import numpy_support
from numba.np.arrayobj import make_array, populate_array

from curation.compilation import Kernel
from curation.kernel_arguments import Kind
from curation.machine_code import ENTRY, Code

_LIBC = {b"memcpy", b"memmove", b"memset", b"memcmp", b"exp", b"expf", b"log"}
"""What kept code may call: what every process has at hand, for Python itself is linked with it."""
_INT, _LONG, _DOUBLE = ir.IntType(32), ir.IntType(64), ir.DoubleType()
_PLACES, _OBJECT = _LONG.as_pointer(), ir.IntType(8).as_pointer()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Within this block nobody looks for garbage: Numba makes millions of objects that stay, and a tenth of its time goes there."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Linked(JITCodeLibrary):  # type: ignore[misc]
    """The code of a part: it is linked into that of its callers as it stands, and optimised there, once for all."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        """Nothing is added any more."""
        self._finalized = True

    def get_pointer_to_function(self, _: str) -> int:
        """None: nothing calls it by its address."""
        self._ensure_finalized()
        return 0

    def whole(self) -> Any:
        """A module of this and all that it calls, each once."""
        module, seen, pending = llvm.parse_assembly(""), set(), [self]
        while pending:
            library = pending.pop()
            if library not in seen:
                seen.add(library)
                pending += library._linking_libraries
                module.link_in(library._final_module, preserve=True)
                for each in module.functions:
                    if not each.is_declaration:
                        each.linkage = "weak_odr"
        return module

    def _get_module_for_linking(self) -> Any:
        return self.whole()


@contextmanager
def _linked() -> Iterator[None]:
    """Within this block, whatever Numba compiles is `_Linked`."""
    codegen = cpu_target.target_context.codegen()
    before = vars(codegen).copy()
    codegen._library_class, codegen.set_env = _Linked, lambda *_: None
    try:
        yield
    finally:
        vars(codegen).clear()
        vars(codegen).update(before)


_PASSES = (
    *(untyped.TranslateByteCode, untyped.FixupArgs, untyped.IRProcessing, untyped.RewriteSemanticConstants),
    *(untyped.DeadBranchPrune, untyped.GenericRewrites, untyped.RewriteDynamicRaises, untyped.ReconstructSSA),
    *(typed.NopythonTypeInference, typed.PreLowerStripPhis, typed.AnnotateTypes, typed.IRLegalization),
    *(typed.NativeLowering, typed.NoPythonBackend),
)


class _Pipeline(CompilerBase):  # type: ignore[misc]
    """What Numba does with a function, without what it looks for in vain in one that has no closures, `with`, literal loops or
    expressions of whole arrays: a tenth of its time."""

    def define_pipelines(self) -> list[PassManager]:
        passes = PassManager("kernel")
        for each in _PASSES:
            passes.add_pass(each, each.__name__)
        passes.finalize()
        return [passes]


class _Part(CPUDispatcher):  # type: ignore[misc]
    def compile(self, sig: Any) -> Any:
        """Make a version that callers are linked with; Numba would optimise it, and all that it calls, at each level anew."""
        with global_compiler_lock, _linked():
            return super().compile(sig)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """One version serves all whole numbers: Numba would compile another for each that is known beforehand."""
        plain = {name: types.unliteral(kind) for name, kind in kws.items()}
        return super().get_call_template(tuple(map(types.unliteral, args)), plain)


def part(function: Callable[..., Any], **options: bool) -> CPUDispatcher:
    """A function that compiled ones alone call, and that makes no arrays."""
    made = numba.njit(
        nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, pipeline_class=_Pipeline, **options
    )(function)
    made.__class__ = _Part
    return made


def type_of(made: Any) -> Any:
    """What Numba takes a part for."""
    cpu_target.typing_context.refresh()
    return cpu_target.typing_context.resolve_value_type(made)


def native(kernel: Kernel, kinds: Sequence[Kind]) -> Code:
    """Compile a kernel for arguments of these kinds; without an object where what it calls or returns is not for all processes."""
    with _uncollected():
        taken = _grouped(kernel, list(map(_type, kinds)), types.BaseTuple.from_types)
        kernel.made.compile(tuple(taken))
        made = kernel.made.overloads[tuple(taken)]
        kind = made.signature.return_type
        several, returned = isinstance(kind, types.BaseTuple), [_returned(each) for each in _parts(kind)]
        if None in returned or isinstance(kind, types.BaseNamedTuple):
            return Code(b"")
        emitted = _emitted(made.library, _entry(kernel, made, kinds))
        return Code(emitted, tuple(map(str, returned)), several) if _stands_alone(emitted) else Code(b"")


def _grouped(kernel: Kernel, arguments: list[Any], grouped: Callable[[list[Any], Any], Any]) -> list[Any]:
    """One for each parameter: of a NamedTuple, what is made of its fields."""
    left = iter(arguments)
    return [grouped(list(islice(left, len(row._fields))), row) if row else next(left) for row in kernel.parameters.rows]


def by_numba(kernel: Kernel) -> Callable[[tuple[Any, ...]], Any]:
    """A function of all arguments of a kernel that Numba calls, and keeps."""
    dispatcher = numba.njit(nogil=True, no_cfunc_wrapper=True, _nrt=False)(kernel.py_func)
    return lambda given: dispatcher(*_grouped(kernel, list(given), lambda fields, row: row(*fields)))


def _emitted(library: Any, entry: str) -> bytes:
    """The object file of a function and its entry, of which nothing else can be called from outside."""
    codegen = library.codegen
    module = library.whole()
    module.link_in(llvm.parse_assembly(entry))
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration and each.name != ENTRY:
            each.linkage = "internal"
    passes, builder = codegen._module_pass_manager()
    passes.run(module, builder)
    if any(each.name.startswith("numba.dynamic.globals") for each in module.global_variables):
        return b""  # it holds an address
    return bytes(codegen._tm.emit_object(module))


def _type(kind: Kind) -> Any:
    if isinstance(kind, str):
        return getattr(types, kind)
    dtype = numpy_support.from_dtype(np.dtype(kind.dtype))
    return types.Array(dtype, kind.ndim, kind.layout, readonly=kind.readonly, aligned=kind.aligned)


def _returned(kind: Any) -> str | None:
    if isinstance(kind, types.Integer):
        return "int" if kind.signed else "uint"
    return "float" if isinstance(kind, types.Float) else "bool" if isinstance(kind, types.Boolean) else None


def _entry(kernel: Kernel, made: Any, kinds: Sequence[Kind]) -> str:
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
        for at, each in enumerate(map(_type, kinds))
    ]
    rows = (each for each in signature.args if isinstance(each, types.BaseTuple))
    values = _grouped(kernel, values, lambda fields, _: context.make_tuple(builder, next(rows), fields))
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


def _wanted(elf: bytes) -> set[bytes]:
    """The names that an object file (ELF, 64 bits) wants of others."""
    wanted: set[bytes] = set()
    sections, size, count = struct.unpack_from("<Q", elf, 0x28)[0], *struct.unpack_from("<HH", elf, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", elf, sections + size * at) for at in range(count)]
    for _, kind, _, _, begin, length, link, *_, entry in headers:
        if kind == 2:  # SHT_SYMTAB
            names = headers[link][4]
            for at in range(begin, begin + length, entry):
                name, _, _, section = struct.unpack_from("<IBBH", elf, at)
                if not section:
                    wanted.add(elf[names + name : elf.index(b"\0", names + name)])
    return wanted - {b""}


def _stands_alone(emitted: bytes) -> bool:
    """Whether an object file wants nothing but of what every process has."""
    return emitted.startswith(b"\x7fELF\x02\x01") and _wanted(emitted) <= _LIBC

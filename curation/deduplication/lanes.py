"""Sixty-four bytes at a time: vectors of LLVM, which the machine's own widest instructions carry out.

Numba has no words for them, so each is written as the LLVM code that it stands for; no compiler and no C are needed, and
a machine with narrow vectors, or none, only takes longer. What is read and written is not checked: callers leave room.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from curation.compilation import cgutils, emitted, piece, types

LANES = 64
"""Bytes that are looked at together."""
_FIRST = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(17)], np.uint64)
_SECOND = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(17)], np.uint64)
"""Which bits of the first eight bytes, and of the next, are those of n bytes."""
_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
BYTES = ir.VectorType(ir.IntType(8), LANES)
_WORD = ir.IntType(64)


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """The address of array[at]."""
    data = cgutils.create_struct_proxy(kind)(context, builder, array).data
    return builder.gep(data, [at])


def loaded(context: Any, builder: Any, kind: Any, array: Any, at: Any, what: Any) -> Any:
    """What stands in array[at:], as a value of the LLVM type `what`."""
    place = builder.bitcast(_place(context, builder, kind, array, at), what.as_pointer())
    return builder.load(place, align=1)


def _store(context: Any, builder: Any, kind: Any, array: Any, at: Any, value: Any) -> None:
    place = builder.bitcast(_place(context, builder, kind, array, at), value.type.as_pointer())
    builder.store(value, place, align=1)


def every(value: int) -> Any:
    """The value in all lanes."""
    return ir.Constant(BYTES, [value] * LANES)


def within(builder: Any, lanes: Any, first: int, count: int) -> Any:
    """Which lanes are one of `count` values from `first` on."""
    return builder.icmp_unsigned("<", builder.sub(lanes, every(first)), every(count))


def as_bits(builder: Any, flags: Any) -> Any:
    """A flag for each lane as bits of one number, the first lane's the lowest."""
    return builder.bitcast(flags, _WORD)


@emitted
def looked_at(typing: Any, data: Any, at: Any, low: Any, to: Any, line: Any) -> Any:
    """Copy 64 bytes of data[at:]: to low[to:] with ASCII in lower case, to `line` with white space as blanks.

    As bits: which are not ASCII, which are of words, and which are white.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = loaded(context, builder, signature.args[0], given[0], given[1], BYTES)
        capital = builder.zext(within(builder, lanes, ord("A"), 26), BYTES)
        lower = builder.or_(lanes, builder.shl(capital, every(5)))
        _store(context, builder, signature.args[2], given[2], given[3], lower)
        letters = builder.or_(within(builder, lower, ord("a"), 26), within(builder, lanes, ord("0"), 10))
        of_words = builder.or_(letters, builder.icmp_unsigned("==", lanes, every(ord("_"))))
        ends = builder.or_(within(builder, lanes, 9, 5), within(builder, lanes, 28, 4))
        white = builder.or_(ends, builder.icmp_unsigned("==", lanes, every(32)))
        blanked = builder.select(white, every(32), lanes)
        _store(context, builder, signature.args[4], given[4], ir.Constant(_WORD, 0), blanked)
        beyond = builder.icmp_signed("<", lanes, every(0))
        return cgutils.pack_array(builder, [as_bits(builder, flags) for flags in (beyond, of_words, white)])

    return types.UniTuple(types.uint64, 3)(data, types.int64, low, types.int64, line), code


@emitted
def copy_lanes(typing: Any, data: Any, at: Any, out: Any, to: Any) -> Any:
    """Copy 64 bytes of data[at:] to out[to:]."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = loaded(context, builder, signature.args[0], given[0], given[1], BYTES)
        _store(context, builder, signature.args[2], given[2], given[3], lanes)
        return context.get_dummy_value()

    return types.void(data, types.int64, out, types.int64), code


@emitted
def eight_bytes(typing: Any, data: Any, at: Any) -> Any:
    """The eight bytes data[at:], as one number."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return loaded(context, builder, signature.args[0], given[0], given[1], _WORD)

    return types.uint64(data, types.int64), code


@emitted
def lowest_bit(typing: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set; 64 where none is."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], ir.IntType(1)(0))

    return types.int64(types.uint64), code


@emitted
def highest_bit(typing: Any, bits: Any) -> Any:
    """The place of the highest bit that is set; -1 where none is."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.sub(ir.Constant(_WORD, 63), builder.ctlz(given[0], ir.IntType(1)(0)))

    return types.int64(types.uint64), code


@emitted
def count_bits(typing: Any, bits: Any) -> Any:
    """How many bits are set."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.ctpop(given[0])

    return types.int64(types.uint64), code


@emitted
def is_among_four(typing: Any, table: Any, row: Any, value: Any) -> Any:
    """Whether one of the four 64-bit numbers of a row of a table is this one."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind, at = signature.args[0], builder.mul(given[1], ir.Constant(_WORD, 4))
        four = ir.VectorType(_WORD, 4)
        numbers = loaded(context, builder, kind, given[0], at, four)
        wanted = ir.Constant(four, ir.Undefined)
        for lane in range(4):
            wanted = builder.insert_element(wanted, given[2], ir.IntType(32)(lane))
        equal = builder.bitcast(builder.icmp_unsigned("==", numbers, wanted), ir.IntType(4))
        return builder.icmp_unsigned("!=", equal, ir.Constant(ir.IntType(4), 0))

    return types.boolean(table, types.int64, types.uint64), code


@emitted
def multiplied(typing: Any, a: Any, b: Any) -> Any:
    """Both halves of the product of two numbers, one laid over the other."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(given[0], wide), builder.zext(given[1], wide))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), _WORD)
        return builder.xor(high, builder.trunc(product, _WORD))

    return types.uint64(types.uint64, types.uint64), code


@piece
def first_bits(n: int) -> np.uint64:
    """A number whose lowest n bits are set."""
    return np.uint64((_ONE << np.uint64(n)) - _ONE) if n < LANES else _ALL


@piece
def up_to_sixteen(data: npt.NDArray[np.uint8], at: int, n: int) -> tuple[np.uint64, np.uint64]:
    """The n bytes data[at:], sixteen at most, as two numbers; sixteen can be read there."""
    place = np.uint64(n)
    return eight_bytes(data, at) & _FIRST[place], eight_bytes(data, at + 8) & _SECOND[place]


@piece
def decode(data: npt.NDArray[np.uint8], i: int, stop: int) -> tuple[int, int]:
    """The code point that starts at the non-ASCII byte i, and its length; (-1, 1) where the bytes are no UTF-8."""
    lead = int(data[i])
    size = 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if 0xF0 <= lead < 0xF5 else 1
    if size == 1 or i + size > stop:
        return -1, 1
    point = lead & (0x7F >> size)
    for j in range(i + 1, i + size):
        byte = int(data[j])
        if byte & 0xC0 != 0x80:
            return -1, 1
        point = point << 6 | (byte & 0x3F)
    if (size == 3 and (point < 0x800 or 0xD800 <= point < 0xE000)) or (size == 4 and not 0x10000 <= point < 0x110000):
        return -1, 1
    return point, size

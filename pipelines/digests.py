"""The digest of a table: what Dagster calls its data version, and what memoisation compares.

A table's version must not depend on row order, file layout, machine or time, and must be cheap to keep up to date as rows
come and go. So each row gets a 128-bit hash over a canonical encoding (names, types, nulls and lengths included), and the
table's digest is taken over the sum of those hashes modulo 2^128, the number of rows and the schema: adding rows adds,
removing rows subtracts. Polars' own `hash_rows` is 64-bit and not promised stable between versions, hence this module.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import polars as pl
import xxhash

from records import digest

MODULUS = 1 << 128
ROW_HASH = "row_hash"
"""The stored column (16 bytes, little-endian) that holds each row's hash; readers of tables never see it."""

_NULL = b"\x00"


def _framed(data: bytes) -> bytes:
    return b"\x01" + len(data).to_bytes(8, "little") + data


def _float_bytes(value: float) -> bytes:
    if math.isnan(value):
        return struct.pack("<d", math.nan)
    return struct.pack("<d", value + 0.0 if value else 0.0)


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode(
        "utf-8", "surrogatepass"
    )


def _encoder(dtype: pl.DataType) -> tuple[pl.DataType | None, Callable[[Any], bytes]]:
    """The type to cast a column to, and the function that makes bytes of one value of it."""
    if dtype == pl.String:
        return pl.Binary(), bytes
    if dtype == pl.Binary:
        return None, bytes
    if dtype == pl.Boolean:
        return None, lambda value: b"\x01" if value else b"\x00"
    if dtype.is_integer():
        return None, lambda value: value.to_bytes(16, "little", signed=True)
    if dtype.is_float():
        return pl.Float64(), _float_bytes
    return None, _json_bytes


def _encoded(column: pl.Series) -> list[bytes]:
    cast, encode = _encoder(column.dtype)
    values = column if cast is None else column.cast(cast)
    return [_NULL if value is None else _framed(encode(value)) for value in values.to_list()]


def row_hashes(frame: pl.DataFrame, outside: Iterable[str] = ()) -> pl.Series:
    """The hash of each row, as a Binary series of 16 bytes; columns in `outside` do not count."""
    names = sorted(set(frame.columns) - set(outside) - {ROW_HASH})
    prefix = b"".join(_framed(f"{name}:{frame.schema[name]}".encode()) for name in names)
    columns = [_encoded(frame[name]) for name in names]
    hashes = [xxhash.xxh3_128_digest(prefix + b"".join(row)) for row in zip(*columns, strict=True)]
    return pl.Series(ROW_HASH, hashes, dtype=pl.Binary)


def hash_sum(hashes: pl.Series) -> int:
    """The sum of row hashes modulo 2^128."""
    return sum(int.from_bytes(value, "little") for value in hashes.to_list()) % MODULUS


def schema_digest(frame: pl.DataFrame, outside: Iterable[str] = ()) -> str:
    """The digest of the columns' names and types that count."""
    names = sorted(set(frame.columns) - set(outside) - {ROW_HASH})
    return digest(*(f"{name}:{frame.schema[name]}" for name in names))


def table_version(total: int, rows: int, schema: str) -> str:
    """The data version of a table from the sum of its row hashes, its number of rows and its schema's digest."""
    return digest("table", total.to_bytes(16, "little"), rows.to_bytes(8, "little"), schema)


def frame_version(frame: pl.DataFrame, outside: Sequence[str] = ()) -> str:
    """The version that a frame would have as a table."""
    return table_version(hash_sum(row_hashes(frame, outside)), frame.height, schema_digest(frame, outside))

"""One measure on one batch, in whatever process it is done. It imports little, for each process that measures imports it."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from curation.allocators import share_with_arrow
from curation.resource_limits import die_before_others


class BrokenMeasure(RuntimeError):
    """The measure itself is wrong, whatever the contents are."""


given: dict[str, Any] = {}
"""In a worker what the measure is given beside contents: some of it is large, and it is sent to each worker once."""


def ready(around: Mapping[str, str], options: Mapping[str, Any]) -> None:
    """In the environment of the caller as it is now. Workers are parallel already: one thread each."""
    die_before_others()
    share_with_arrow()
    given.update(options)
    os.environ.clear()
    os.environ.update(around)
    for name in ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"


def in_worker(module: str, name: str, key: Sequence[str], data: bytes) -> bytes:
    """The evidence of a batch by the measure of that name. Raises BrokenMeasure where this process has no such measure."""
    return to_ipc(measured(_function(module, name), name, key, _table(data), given))


def _function(module: str, name: str) -> Callable[..., pa.RecordBatch]:
    """The function of that name, of which a stage may have been made, and which takes what is given."""
    try:
        named = getattr(importlib.import_module(module), name)
        function: Callable[..., pa.RecordBatch] = getattr(named, "function", named)
        inspect.signature(function).bind(None, **given)
    except (MemoryError, OSError):
        raise
    except Exception as error:
        raise BrokenMeasure(
            f"measure {name}: a process that measures cannot call {name} of the module {module} as the run does "
            f"({type(error).__name__}: {error}); was the code changed meanwhile, then begin the run again"
        ) from error
    return function


def measured(
    function: Callable[..., pa.RecordBatch], name: str, key: Sequence[str], table: pa.Table, options: Mapping[str, Any]
) -> pl.DataFrame:
    """The evidence of a batch with its column `error`. Raises BrokenMeasure unless it has a row for each content, in order."""
    batch = (
        table.combine_chunks().to_batches()[0]
        if table.num_rows
        else pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in table.schema], schema=table.schema)
    )
    found = function(_plain_strings(batch), **options)
    frame = pl.DataFrame(pl.from_arrow(found))
    asked = pl.DataFrame(pl.from_arrow(table.select(list(key))))
    if not set(key) <= set(frame.columns) or not frame.select(key).equals(asked):
        raise BrokenMeasure(f"measure {name} must return exactly one row per content, in the order given")
    return frame if "error" in frame.columns else frame.with_columns(error=pl.lit(None, dtype=pl.String))


def _plain_strings(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Strings and views of them as plain large strings, so that a kernel meets one layout. A cast imports all of PyArrow's
    functions, for a tenth of a second."""
    schema = pa.schema(
        [
            pa.field(
                field.name,
                pa.large_string()
                if pa.types.is_string_view(field.type) or pa.types.is_string(field.type)
                else field.type,
            )
            for field in batch.schema
        ]
    )
    return batch if batch.schema.equals(schema) else batch.cast(schema)


def to_ipc(frame: pl.DataFrame) -> bytes:
    """Rows as bytes. Strings lie one behind the other: views would take along all that the frame is a slice of."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    told: bytes = sink.getvalue().to_pybytes()
    return told


def from_ipc(data: bytes) -> pl.DataFrame:
    """The rows again."""
    return pl.DataFrame(pl.from_arrow(_table(data)))


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()

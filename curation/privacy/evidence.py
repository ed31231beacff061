"""The evidence of personal data: what kinds stand in a content, how many of each, and where. Values are not kept."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.privacy.settings import KINDS, FindSettings
from curation.spans import SPANS, Span

COUNTED = {kind: f"{kind}s" for kind in KINDS}
"""The column that counts each kind."""

PERSONAL_DATA = pl.Schema(
    {
        "content_digest": pl.String(),
        "entities": pl.Int64(),
        **{column: pl.Int64() for column in COUNTED.values()},
        "spans": SPANS,
    }
)
"""One row per content. `entities` counts all spans, the columns after it those of one kind."""


def personal_data(contents: pa.RecordBatch, settings: FindSettings) -> pa.RecordBatch:
    """A row of `PERSONAL_DATA` for each row of `contents` (content_digest, text), in the same order.

    Raises ValueError when a text is null.
    """
    texts = contents.column("text").cast(pa.large_string())
    if texts.null_count:
        raise ValueError(f"{texts.null_count} contents have no text; a content is its text")
    found = _found(texts, settings)
    counts = [Counter(kind for _, _, kind in spans) for spans in found]
    columns = {
        "content_digest": pl.from_arrow(contents.column("content_digest").cast(pa.large_string())),
        "entities": [len(spans) for spans in found],
        **{column: [count[kind] for count in counts] for kind, column in COUNTED.items()},
        "spans": [[{"start": start, "end": end, "kind": kind} for start, end, kind in spans] for spans in found],
    }
    table = pl.DataFrame(columns, schema=PERSONAL_DATA).to_arrow().combine_chunks()
    return table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], schema=table.schema)


def _found(texts: pa.Array, settings: FindSettings) -> list[list[Span]]:
    """The spans. What goes wrong is told without its message, which may hold a value, for errors stand in the evidence."""
    from curation.privacy.finding import find  # its loops are compiled by Numba, which takes a while to import

    try:
        return find(*_buffers(texts), settings)
    except (MemoryError, OSError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 - it is raised again, as another
        raise RuntimeError(f"a detector of personal data failed ({type(error).__name__})") from None


def _buffers(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The bytes of all texts, and where each starts."""
    if not len(texts):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8), starts

"""Contents, corpora and samples in a line, for the tests of tasks."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pyarrow as pa

from curation.tasks import TaskSettings, collect_samples, extract_samples
from records import Outcome, content_digest, doc_id

PYTHON = "text/x-python"
CHAT = "application/vnd.headwater.chat+json"
RECORD = "application/vnd.headwater.record+json"


def contents(texts: list[str], media_type: str = PYTHON) -> pa.RecordBatch:
    digests = [content_digest(text) for text in texts]
    columns = {"content_digest": digests, "media_type": [media_type] * len(texts), "text": texts}
    return pa.record_batch({name: pa.array(values, pa.string()) for name, values in columns.items()})


def extracted(text: str, settings: TaskSettings, media_type: str = PYTHON) -> list[dict[str, Any]]:
    """The candidates of one content, which must be readable."""
    rows = extract_samples(contents([text], media_type), settings).to_pylist()
    assert rows[0]["error"] is None
    found: list[dict[str, Any]] = rows[0]["samples"]
    return found


def error_of(text: str, settings: TaskSettings, media_type: str = PYTHON) -> str:
    row = extract_samples(contents([text], media_type), settings).to_pylist()[0]
    assert row["samples"] is None
    return str(row["error"])


def corpus(files: dict[tuple[str, str], str], media_type: str = PYTHON) -> pl.DataFrame:
    """A corpus of texts by (source, locator)."""
    rows = [
        (doc_id(source, locator), source, locator, media_type, None, text, content_digest(text))
        for (source, locator), text in files.items()
    ]
    names = ["doc_id", "source", "locator", "media_type", "title", "text", "content_digest"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def evidence(table: pl.DataFrame, settings: TaskSettings) -> pl.DataFrame:
    batch = pa.record_batch(
        {name: table[name].to_arrow().cast(pa.string()) for name in ("content_digest", "media_type", "text")}
    )
    frame = pl.from_arrow(extract_samples(batch, settings))
    assert isinstance(frame, pl.DataFrame)
    return frame


def collected(
    files: dict[tuple[str, str], str], settings: TaskSettings, media_type: str = PYTHON, sources: tuple[str, ...] = ()
) -> Outcome:
    table = corpus(files, media_type)
    return collect_samples(table, evidence(table, settings), settings, sources)


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)

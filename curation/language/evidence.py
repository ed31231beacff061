"""The evidence of language: what a content is written in, how probable that is, and how its letters part into scripts.

Scripts are counted over the whole text. The language is told from a sample of it (`curation.language.settings`), in
lower case and composed (NFC), for that is how most of what the model was made from is written. Neither batch nor thread
shows: each text is told by itself.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.language.model import Guesses, guesses
from curation.language.scripts import FIRST, SCRIPTS, script_table
from curation.language.settings import LanguageSettings

LANGUAGE = pl.Schema(
    {
        "content_digest": pl.String(),
        "language": pl.String(),
        "confidence": pl.Float64(),
        "second_language": pl.String(),
        "second_confidence": pl.Float64(),
        "n_letters": pl.Int64(),
        "script": pl.String(),
        "script_share": pl.Float64(),
        "scripts": pl.List(pl.Struct({"script": pl.String, "share": pl.Float64})),
    }
)
"""One row per content. `language` is `und` where no letter is, and `script` null."""


def language(contents: pa.RecordBatch, settings: LanguageSettings) -> pa.RecordBatch:
    """A row of `LANGUAGE` for each row of `contents` (content_digest, text), in the same order.

    Raises ValueError when a text is null, PackageNotFoundError where the model's package is not installed.
    """
    from curation.language.kernels import count_scripts, samples

    table = script_table()
    data, offsets = _buffers(contents)
    counts = np.zeros((len(offsets) - 1, FIRST + len(SCRIPTS)), np.int64)
    count_scripts(data, offsets, table, counts)
    letters, ends = samples(data, offsets, table, settings.pieces, settings.piece_bytes)
    told = guesses([_plain(letters[first:last]) for first, last in pairwise(ends)])
    found = _assembled(contents, told, counts[:, FIRST:]).to_arrow().combine_chunks()
    return found.to_batches()[0] if found.num_rows else pa.RecordBatch.from_pylist([], schema=found.schema)


def _plain(sample: npt.NDArray[np.uint8]) -> str:
    return unicodedata.normalize("NFC", sample.tobytes().decode().lower())


def _buffers(contents: pa.RecordBatch) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The UTF-8 bytes of the texts, and where each one starts and ends, without a copy of the bytes."""
    texts = contents.column("text").cast(pa.large_string())
    if texts.null_count:
        raise ValueError(f"{texts.null_count} contents have no text; a content is its text")
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets or bytes(8), np.int64)[texts.offset : texts.offset + len(texts) + 1]
    both = np.frombuffer(data or b"", np.uint8), starts
    for each in both:
        each.flags.writeable = False
    return both


def _assembled(contents: pa.RecordBatch, told: Guesses, counts: npt.NDArray[np.int64]) -> pl.DataFrame:
    letters = counts.sum(axis=1)
    order = np.argsort(-counts, axis=1, kind="stable")
    shares = np.take_along_axis(counts, order, axis=1) / np.maximum(letters, 1)[:, None]
    scripts = np.array(SCRIPTS)[order]
    columns = {
        "content_digest": pl.Series(contents.column("content_digest").cast(pa.large_string())),
        "language": [first for first, _ in told.languages],
        "confidence": [first for first, _ in told.confidences],
        "second_language": [second for _, second in told.languages],
        "second_confidence": [second for _, second in told.confidences],
        "n_letters": letters,
        "script": scripts[:, 0],
        "script_share": shares[:, 0],
        "scripts": pl.from_arrow(_mixes(scripts, shares)),
    }
    found = pl.DataFrame(columns).with_columns(script=pl.when(pl.col("n_letters") > 0).then("script"))
    return found.select(LANGUAGE.names()).cast(LANGUAGE)


def _mixes(scripts: npt.NDArray[np.str_], shares: npt.NDArray[np.float64]) -> pa.Array:
    """The scripts that occur in each row, with their shares, as lists."""
    there = shares > 0
    ends = np.concatenate([[0], there.sum(axis=1).cumsum()])
    mixes = pa.StructArray.from_arrays([pa.array(scripts[there]), pa.array(shares[there])], ["script", "share"])
    return pa.LargeListArray.from_arrays(pa.array(ends), mixes)

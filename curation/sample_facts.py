"""What a held-out sample speaks of and in which language: ways to part scores that nobody had to declare.

The topic is that of its last question, among the topics of all held-out questions; the language is that of the document
where the sample stands, as curation measured it.
"""

from __future__ import annotations

import polars as pl

from curation.release_facts import said_of
from curation.topics import topic_of

SAMPLE_FACTS = {"sample_id": pl.String(), "language": pl.String(), "topic": pl.String()}
"""A row per held-out sample with a reference. `language` is null where none was measured, `topic` where there is none."""


def sample_facts(samples: pl.DataFrame, corpus: pl.LazyFrame, language: pl.LazyFrame | None) -> pl.DataFrame:
    """The facts (SAMPLE_FACTS) of the samples outside of training that have a reference.

    `corpus` has doc_id and content_digest, `language` content_digest and language.
    """
    held_out = samples.filter((pl.col("split") != "train") & pl.col("reference").is_not_null()).sort("sample_id")
    told = held_out.with_columns(topic=topic_of(said_of(held_out)))
    if language is None:
        return told.with_columns(language=pl.lit(None, pl.String)).select(SAMPLE_FACTS.keys())
    places = corpus.select("doc_id", "content_digest").join(
        language.select("content_digest", "language"), on="content_digest"
    )
    return told.join(places.collect(), on="doc_id", how="left", maintain_order="left").select(SAMPLE_FACTS.keys())

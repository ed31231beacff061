"""Passages that are put before a question: found by words (BM25) or by vectors, in what may be known at the time of asking.

Passages come from training samples, or from documents of which no sample is held out: a question must never find its own
answer. BM25 is Robertson and Zaragoza's (2009, "The Probabilistic Relevance Framework", eq. 3.15) with k1 = 1.2 and b = 0.75, and
the idf that is never negative (Lucene's); its few lines are here, for the packages bring stemmers and index files.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from evaluation.judging import question_text
from records import Message, digest

Retriever = Literal["none", "bm25", "embedding"]

K1, B = 1.2, 0.75
PASSAGES = {"passage_id": pl.String(), "text": pl.String()}
"""The schema of passages."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class RetrievalSettings:
    """What experiments with a retriever look things up in."""

    # `samples`: training samples with their answers; `corpus`: documents of which no sample is held out
    of: Literal["samples", "corpus"] = "samples"
    # passages put before a question
    passages: int = 3
    # words of a passage of a document
    words: int = 120

    def __post_init__(self) -> None:
        if min(self.passages, self.words) < 1:
            raise ValueError("passages and words: must be at least 1")


def sample_passages(samples: pl.DataFrame) -> pl.DataFrame:
    """Training samples that have an answer, each a passage (PASSAGES)."""
    known = samples.filter((pl.col("split") == "train") & pl.col("reference").is_not_null())
    text = pl.concat_str(question_text(), pl.lit("\n"), "reference")
    return known.select(passage_id="sample_id", text=text).sort("passage_id")


def document_passages(corpus: pl.LazyFrame, samples: pl.DataFrame, words: int) -> pl.DataFrame:
    """Documents of which no sample is held out, in pieces of so many words (PASSAGES)."""
    held_out = samples.filter(pl.col("split") != "train").select("doc_id").lazy()
    rows = (
        corpus.join(held_out, on="doc_id", how="anti").select("content_digest", "text").collect().sort("content_digest")
    )
    pieces: dict[str, str] = {}
    for name, text in rows.iter_rows():
        found = text.split()
        for start in range(0, len(found), words):
            pieces[digest("passage", name, str(start))] = " ".join(found[start : start + words])
    return pl.DataFrame({"passage_id": list(pieces), "text": list(pieces.values())}, schema=PASSAGES)


class Bm25:
    """An index of texts by their words."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(_words(text)) for text in texts]
        lengths = np.array([count.total() for count in counts], dtype=np.float64)
        self.norm = K1 * (1 - B + B * lengths / max(1.0, lengths.mean())) if len(texts) else lengths
        self.postings: dict[str, tuple[list[int], list[int]]] = {}
        for place, count in enumerate(counts):
            for word, times in count.items():
                places, often = self.postings.setdefault(word, ([], []))
                places.append(place)
                often.append(times)

    def scores(self, query: str) -> npt.NDArray[np.float64]:
        """The score of every text (n,)."""
        found = np.zeros(len(self.norm))
        for word in dict.fromkeys(_words(query)):  # a set has another order in each process, and so another rounding
            places, often = self.postings.get(word, ([], []))
            if places:
                idf = math.log(1 + (len(self.norm) - len(places) + 0.5) / (len(places) + 0.5))
                times = np.array(often, dtype=np.float64)
                found[places] += idf * times * (K1 + 1) / (times + self.norm[places])
        return found


def top(scores: npt.NDArray[np.float64], count: int) -> list[int]:
    """The places of the best scores above zero, best first; of equal ones the first."""
    order = np.argsort(-scores, kind="stable")[:count]
    return [int(place) for place in order if scores[place] > 0]


def with_context(messages: Sequence[Message], passages: Sequence[str]) -> list[Message]:
    """The messages, with the passages before what the last one asks."""
    if not passages:
        return list(messages)
    told = "\n\n".join(f"[{number}] {passage}" for number, passage in enumerate(passages, 1))
    last = messages[-1]
    return [*messages[:-1], Message(role=last["role"], content=f"{told}\n\n{last['content']}")]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())

"""What one answer is worth: chrF of the text or its checker's word, and how likely the model holds the reference.

- chrF (Popovic 2015; sacreBLEU's signature nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no): character n-grams up to 6,
  beta 2, 0 to 100. It suits one-line answers: it needs no words in common order, and credits near-misses. A score is
  the mean of sentence chrF, since intervals and paired tests need one number per sample; corpus chrF is another number.
- what a checker says of a closed answer, 0 to 1: `checkers.py`.
- perplexity: exp of the NLL per reference token. Which tokens count is said in `likelihood.py`. It compares models of
  one tokenizer; across tokenizers compare bits per byte, NLL in bits per UTF-8 byte of the reference.

A sample's value and weight are such that every score is `transform(weighted mean)`; see `statistics.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from evaluation.checkers import CHECKERS
from evaluation.statistics import Transform, identity


@dataclass(frozen=True)
class Metric:
    """What a metric's samples are turned into (`transform` of their weighted mean), and which way is better."""

    higher_is_better: bool
    transform: Transform = identity
    proportion: bool = False


METRICS = {
    "chrf": Metric(higher_is_better=True),
    **{metric: Metric(higher_is_better=True, proportion=metric != "token_f1") for metric, _ in CHECKERS.values()},
    "perplexity": Metric(higher_is_better=False, transform=np.exp),
    "bits_per_byte": Metric(higher_is_better=False),
    "length": Metric(higher_is_better=True),
}
"""Every metric of `sample_metrics`. `length` (characters of the answer) is a fact to read beside chrF, not a merit."""

SAMPLE_METRICS = {
    "sample_id": pl.String(),
    "purpose": pl.String(),
    "prompt": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "weight": pl.Float64(),
}
"""The schema of `sample_metrics`."""


def sample_metrics(outputs: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """One row per answer and metric that applies to it (see SAMPLE_METRICS), by sample, prompt and metric.

    chrF and length need an answer to an open sample with a reference; a checker's metric an answer to a closed one that
    names the checker; perplexity (value: NLL per token, weight: tokens) and bits per byte (weight: bytes) a likelihood.
    `outputs` are rows as `inference.run` writes them; those with an error, and samples not in `samples`, count nothing.

    Raises:
        ValueError: a sample names a checker that there is not, or its reference is none for it.
    """
    joined = outputs.join(samples.select("sample_id", "reference", "openness", "checker"), on="sample_id", how="inner")
    rows = [row for answer in joined.filter(pl.col("error").is_null()).to_dicts() for row in _of_answer(answer)]
    table = pl.DataFrame(rows, schema=SAMPLE_METRICS, orient="row")
    return table.sort("sample_id", "purpose", "prompt", "metric", nulls_last=False)


def chrf(output: str, reference: str) -> float:
    """Sentence chrF of one answer, 0 to 100; whitespace at the ends (and between words, as chrF does) counts nothing."""
    return _chrf_scorer()(output.strip(), reference.strip())


def _of_answer(answer: dict[str, object]) -> Iterator[tuple[object, ...]]:
    key = (answer["sample_id"], answer["purpose"], answer["prompt"])
    for name, value, weight in (*_of_text(answer), *_of_likelihood(answer)):
        yield (*key, name, value, weight)


def _of_text(answer: dict[str, object]) -> Iterator[tuple[str, float, float]]:
    output, reference = answer["output"], answer["reference"]
    if not isinstance(output, str) or not isinstance(reference, str):
        return
    if answer["checker"] is not None:
        yield _checked(answer, output, reference)
    elif answer["openness"] == "open":
        yield "chrf", chrf(output, reference), 1.0
        yield "length", float(len(output)), 1.0


def _checked(answer: dict[str, object], output: str, reference: str) -> tuple[str, float, float]:
    name = str(answer["checker"])
    if name not in CHECKERS:
        raise ValueError(f"sample {answer['sample_id']}: there is no checker {name!r}; there are {', '.join(CHECKERS)}")
    metric, check = CHECKERS[name]
    try:
        return metric, check(output, reference), 1.0
    except ValueError as error:
        raise ValueError(f"sample {answer['sample_id']}, checker {name}: {error}") from error


def _of_likelihood(answer: dict[str, object]) -> Iterator[tuple[str, float, float]]:
    nll, tokens, size = answer["nll"], answer["tokens"], answer["reference_bytes"]
    if isinstance(nll, float) and isinstance(tokens, int) and isinstance(size, int) and tokens and size:
        yield "perplexity", nll / tokens, float(tokens)
        yield "bits_per_byte", nll / (math.log(2) * size), float(size)


@functools.cache
def _chrf_scorer() -> Callable[[str, str], float]:
    """sacreBLEU's scorer, made once; imported late, since it takes a quarter of a second."""
    from sacrebleu.metrics import CHRF

    scorer = CHRF(char_order=6, word_order=0, beta=2)
    return lambda output, reference: float(scorer.sentence_score(output, [reference]).score)

"""What one answer is worth: how near the text is, what its checker says, and how likely the model holds the reference.

- chrF (Popovic 2015; sacreBLEU's signature nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no): character n-grams up to 6,
  beta 2, 0 to 100. It suits one-line answers: it needs no words in common order, and credits near-misses. A score is
  the mean of sentence chrF, since intervals and paired tests need one number per sample; corpus chrF is another number.
- ROUGE-L (`rouge.py`), 0 to 100: words in common, in the same order.
- similarity: the cosine of the two texts' embeddings by a local model (`embedding.py`), where the settings name one.
- what a checker says of a closed answer, 0 to 1: `checkers.py`, and `unit_tests.py` where code is run; and of a multiple
  choice also whether the right option is the likeliest: `options.py`.
- perplexity: exp of the NLL per reference token. Which tokens count is said in `likelihood.py`. It compares models of
  one tokenizer; across tokenizers compare bits per byte, NLL in bits per UTF-8 byte of the reference.

A sample's value and weight are such that every score is `transform(weighted mean)`; see `statistics.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from evaluation.checkers import CHECKERS, METRIC_OF, UNIT_TEST, fault_of
from evaluation.options import likeliest
from evaluation.rouge import rouge_l
from evaluation.statistics import Transform, identity
from evaluation.unit_tests import Pair, Runner, Verdict
from records import digest


@dataclass(frozen=True)
class Metric:
    """What a metric's samples are turned into (`transform` of their weighted mean), and which way is better."""

    higher_is_better: bool
    transform: Transform = identity
    proportion: bool = False


METRICS = {
    "chrf": Metric(higher_is_better=True),
    "rouge_l": Metric(higher_is_better=True),
    "similarity": Metric(higher_is_better=True),
    **{metric: Metric(higher_is_better=True, proportion=metric != "token_f1") for metric in METRIC_OF.values()},
    "choice_likelihood": Metric(higher_is_better=True, proportion=True),
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
    "error": pl.String(),
}
"""The schema of `sample_metrics`. `error` says why a check gave no value."""

FAULTS = {"sample_id": pl.String(), "checker": pl.String(), "error": pl.String()}
"""The schema of `faulty_references`."""

Vectors = Mapping[str, npt.NDArray[np.float32]]
"""Embeddings of unit length, by `text_digest`."""


def text_digest(text: str) -> str:
    """The name of a text that is embedded."""
    return digest("text", text.strip())


def vectors_of(embeddings: pl.DataFrame) -> Vectors:
    """A table of embeddings (text_digest, vector) by text."""
    if embeddings.is_empty():
        return {}
    matrix = np.array(embeddings["vector"].to_list(), dtype=np.float32)
    return dict(zip(embeddings["text_digest"], matrix, strict=True))


def faulty_references(samples: pl.DataFrame, runs: bool = False) -> pl.DataFrame:
    """The samples that no answer can be checked against (FAULTS): their checker is none, or their reference none for it.

    `runs` says whether answers may be run against unit tests.
    """
    checked = samples.filter(pl.col("checker").is_not_null() & pl.col("reference").is_not_null())
    rows = [
        (name, checker, fault)
        for name, checker, reference in checked.select("sample_id", "checker", "reference").iter_rows()
        if (fault := fault_of(checker, reference, runs)) is not None
    ]
    return pl.DataFrame(rows, schema=FAULTS, orient="row")


def sample_metrics(
    outputs: pl.DataFrame, samples: pl.DataFrame, vectors: Vectors | None = None, run_tests: Runner | None = None
) -> pl.DataFrame:
    """One row per answer and metric that applies to it (see SAMPLE_METRICS), by sample, prompt and metric.

    chrF, ROUGE-L and length need an answer to an open sample with a reference, and so does similarity, where `vectors` has
    both texts; a checker's metric an answer to a closed one that names the checker; perplexity (value: NLL per token,
    weight: tokens) and bits per byte (weight: bytes) a likelihood. `outputs` are rows as `inference.run` writes them; those
    with an error count nothing, nor do samples that are not in `samples`, nor those of `faulty_references`. `run_tests` runs
    the answers to samples that are checked by unit tests; a check that failed has a row with an error and no value.
    """
    usable = samples.join(faulty_references(samples, run_tests is not None), on="sample_id", how="anti")
    joined = outputs.join(usable.select("sample_id", "reference", "openness", "checker"), on="sample_id", how="inner")
    answers = joined.filter(pl.col("error").is_null()).to_dicts()
    verdicts = {} if run_tests is None else _verdicts(answers, run_tests)
    rows = [row for answer in answers for row in _of_answer(answer, vectors or {}, verdicts)]
    table = pl.DataFrame(rows, schema=SAMPLE_METRICS, orient="row")
    return table.sort("sample_id", "purpose", "prompt", "metric", nulls_last=False)


def chrf(output: str, reference: str) -> float:
    """Sentence chrF of one answer, 0 to 100; whitespace at the ends (and between words, as chrF does) counts nothing."""
    return _chrf_scorer()(output.strip(), reference.strip())


def _verdicts(answers: list[dict[str, object]], run_tests: Runner) -> dict[Pair, Verdict]:
    """What came of running the answers that are checked so."""
    pairs = [
        (str(answer["output"]), str(answer["reference"]))
        for answer in answers
        if answer["checker"] == UNIT_TEST and answer["output"] is not None and answer["reference"] is not None
    ]
    return dict(zip(pairs, run_tests(pairs), strict=True)) if pairs else {}


def _of_answer(
    answer: dict[str, object], vectors: Vectors, verdicts: Mapping[Pair, Verdict]
) -> Iterator[tuple[object, ...]]:
    key = (answer["sample_id"], answer["purpose"], answer["prompt"])
    for name, value, weight in (*_of_text(answer, vectors), *_of_likelihood(answer)):
        yield (*key, name, value, weight, None)
    if (verdict := verdicts.get((str(answer["output"]), str(answer["reference"])))) and answer["checker"] == UNIT_TEST:
        given = (None, None) if verdict.fault else (float(verdict.passed), 1.0)
        yield (*key, METRIC_OF[UNIT_TEST], *given, verdict.fault)


def _of_text(answer: dict[str, object], vectors: Vectors) -> Iterator[tuple[str, float, float]]:
    output, reference = answer["output"], answer["reference"]
    if not isinstance(output, str) or not isinstance(reference, str):
        return
    if answer["checker"] == UNIT_TEST:
        return
    if answer["checker"] is not None:
        metric, check = CHECKERS[str(answer["checker"])]
        yield metric, check(output, reference), 1.0
        if isinstance(answer.get("option_nll"), list):
            yield "choice_likelihood", CHECKERS["choice"][1](likeliest(answer["option_nll"]), reference), 1.0  # type: ignore[arg-type]
    elif answer["openness"] == "open":
        yield "chrf", chrf(output, reference), 1.0
        yield "rouge_l", rouge_l(output, reference), 1.0
        yield "length", float(len(output)), 1.0
        given, wanted = (vectors.get(text_digest(text)) for text in (output, reference))
        if given is not None and wanted is not None:
            yield "similarity", float(given @ wanted), 1.0


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

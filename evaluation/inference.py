"""The program that asks a model: samples in, outputs out, in a process of its own.

One job is one contestant (a base, or a base with an adapter) and a file of rendered samples; it writes one row per
sample, also for those that fail, so that nothing is lost in silence. Generation and likelihood are asked per row
(`want`), since a likelihood costs a tenth of an answer: perplexity can be had on 400 samples and chrF on 100.

CPU seconds on 2 cores with AVX512-BF16, SmolLM2-135M in bf16, functions of the standard library, loading included: 400
likelihoods 65 at 233 tokens a prompt (46 shared) and 33 at 128; 100 answers of one line 31 and 15. Of a batch against
one sample alone, the NLL per token differs by at most 0.07 in bf16 (its sum over the set by 0.1%) and 0.00001 in fp32.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.batches import Batch, Read, batches, read
from evaluation.encoding import Question, QuestionError, encode, end_of_turn, stop_tokens
from evaluation.generation import Answer, Decoding, generate, text_of
from evaluation.likelihood import Likelihood, likelihoods, likelihoods_after
from evaluation.loading import Loaded, Precision, load_model
from records import Progress

OUTPUTS = {
    "sample_id": pl.String(),
    "purpose": pl.String(),
    "prompt": pl.String(),
    "output": pl.String(),
    "nll": pl.Float64(),
    "tokens": pl.Int64(),
    "reference_bytes": pl.Int64(),
    "seconds": pl.Float64(),
    "end_nll": pl.Float64(),
    "output_tokens": pl.Int64(),
    "prompt_tokens": pl.Int64(),
    "finish": pl.String(),
    "option_nll": pl.List(pl.Float64()),
    "error": pl.String(),
}
"""The schema of outputs. `output`, `output_tokens` and `finish` (stop, line, length) are null where no answer was asked;
`prompt_tokens` is the length of what was read. `nll`, `tokens`, `end_nll` (see `likelihood.py`) and `reference_bytes` where no likelihood was. A row with an `error` has
neither. `option_nll` is -ln p of each option's letter, from A on, where the answer begins. `seconds` is the row's share of its batches' wall time: a fact about one run."""


FINDINGS = (
    "output",
    "nll",
    "tokens",
    "reference_bytes",
    "end_nll",
    "output_tokens",
    "finish",
    "option_nll",
    "prompt_tokens",
)


@dataclass(frozen=True)
class GenerationSettings:
    """How a model is asked."""

    # The longest answer, in tokens.
    max_new_tokens: int = 40
    # An answer is one line: it ends at the end of its first line of substance (not blank, nor only a fence or quotes).
    stop_at_line: bool = False
    # 0 takes the likeliest token; above 0 draws, by the seed.
    temperature: float = 0.0
    # Seed of the draws.
    seed: int = 0
    # Number format of the weights; int8 quantises the linear layers, on a CPU.
    precision: Precision = "bfloat16"
    # Most rows in a batch. It counts, as does the next: in bf16 the batch's shape moves the rounding.
    batch_rows: int = 32
    # Most tokens in a batch, pads included and the shared prefix not.
    batch_tokens: int = 2048
    # Compute once what all prompts begin with.
    share_prefix: bool = True
    # Longest prompt and answer together, in tokens, below the model's own context; 0 means that.
    context: int = 0
    # "auto" takes a GPU where there is one; else torch's name of a device.
    device: str = field(default="auto", metadata={"runtime": True})
    # CPU threads; 0 leaves the choice to torch.
    threads: int = field(default=0, metadata={"runtime": True})

    def __post_init__(self) -> None:
        if min(self.max_new_tokens, self.batch_rows, self.batch_tokens) < 1:
            raise ValueError("max_new_tokens, batch_rows and batch_tokens: must be at least 1")
        if min(self.temperature, self.context, self.threads) < 0:
            raise ValueError("temperature, context and threads: cannot be negative")


@dataclass(frozen=True)
class AnswerJob:
    """One contestant and what it is asked.

    `base` and `adapter` are model folders; `samples` a Parquet file with sample_id, purpose, messages (rendered, see
    `prompts.render`), reference, want (generate, likelihood or both) and, where there are some, prompt and options (how
    many a multiple-choice question has); `out` the Parquet file to write (OUTPUTS). Into the folder `parts`, where one is
    named, each batch is written when it is done, so that a run which was killed need not be done again.
    """

    base: str
    adapter: str | None
    samples: str
    out: str
    settings: GenerationSettings = GenerationSettings()
    parts: str = ""


def run(job: AnswerJob, progress: Progress) -> dict[str, object]:
    """Ask the model every sample and write the outputs, whole or not at all; the figures of the run.

    Raises:
        LoadingError: the model cannot be loaded.
        ValueError: the samples file lacks a column, or has an unknown `want`.
    """
    samples = read_samples(job.samples)
    settings = job.settings
    start = time.perf_counter()
    loaded = load_model(job.base, job.adapter, settings.precision, settings.device, settings.threads)
    loading = time.perf_counter() - start
    outputs = answer(loaded, samples, settings, progress, _keeper(samples, job.parts))
    write_whole(outputs, job.out)
    return {
        "rows": outputs.height,
        "failed": outputs["error"].count(),
        "answers": outputs["output"].count(),
        "answer_tokens": int(outputs["output_tokens"].sum()),
        "likelihoods": outputs["nll"].count(),
        "reference_tokens": int(outputs["tokens"].sum()),
        "device": str(loaded.device),
        "seconds_loading": round(loading, 3),
        "seconds": round(time.perf_counter() - start, 3),
    }


def read_samples(path: str) -> pl.DataFrame:
    """The samples of a job, one row per sample_id, purpose and prompt, in that order.

    Raises:
        ValueError: a column is missing, `want` is unknown, or a row is there twice.
    """
    samples = pl.read_parquet(path)
    needed = ("sample_id", "purpose", "messages", "reference", "want")
    if missing := [column for column in needed if column not in samples.columns]:
        raise ValueError(f"{path}: no column {', '.join(missing)}; a job's samples have {', '.join(needed)}")
    if wrong := samples.filter(~pl.col("want").is_in(["generate", "likelihood", "both"]))["want"].to_list():
        raise ValueError(f"{path}: want: {wrong[0]!r} is none of generate, likelihood, both")
    if "prompt" not in samples.columns:
        samples = samples.with_columns(prompt=pl.lit(None, dtype=pl.String))
    if samples.select("sample_id", "purpose", "prompt").is_duplicated().any():
        raise ValueError(f"{path}: a sample stands twice under one purpose and prompt; ask each once")
    return samples.sort("sample_id", "purpose", "prompt", nulls_last=False)


Keep = Callable[[list[dict[str, Any]], Collection[int]], None]
"""Told which rows were finished just now, by their places among all of them."""


def _keeper(samples: pl.DataFrame, folder: str) -> Keep:
    """What writes finished rows to files of their own, named by what was asked (`asked`); nothing where no folder is named."""
    count = itertools.count(1)

    def keep(rows: list[dict[str, Any]], places: Collection[int]) -> None:
        if folder and places:
            chosen = sorted(places)
            part = pl.DataFrame([rows[place] for place in chosen], schema=OUTPUTS)
            Path(folder).mkdir(parents=True, exist_ok=True)
            named = part.with_columns(samples[chosen].get_column("asked"))
            write_whole(named, str(Path(folder) / f"{os.getpid()}-{next(count)}.parquet"))

    return keep


def answer(
    loaded: Loaded, samples: pl.DataFrame, settings: GenerationSettings, progress: Progress, keep: Keep | None = None
) -> pl.DataFrame:
    """One row of outputs (OUTPUTS) per row of samples (as `read_samples` gives them), in their order."""
    import torch

    rows = [_blank(row) for row in samples.to_dicts()]
    questions = list(_questions(samples, rows, loaded, settings))
    asked = [question for question in questions if question.generate]
    weighed = [question for question in questions if not question.generate]
    done = 0
    with torch.inference_mode():
        for found in chain(_weigh(loaded, weighed, settings), _generate(loaded, asked, settings)):
            for place, fields in found:
                _enter(rows[place], fields)
            places = {place for place, _ in found}
            done += len(places)
            if keep is not None:
                keep(rows, places)
            progress(done, len(questions), "samples")
    return pl.DataFrame(rows, schema=OUTPUTS)


def write_whole(table: pl.DataFrame, path: str) -> None:
    """Write a Parquet file that appears complete or not at all."""
    partial = Path(path + ".partial")
    table.write_parquet(partial)
    partial.replace(path)


def _blank(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: row[column] if column in ("sample_id", "purpose", "prompt") else None for column in OUTPUTS}


def _enter(row: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Put what was found into a row; an error, once there, empties it and stays."""
    seconds = (row["seconds"] or 0.0) + fields.get("seconds", 0.0)
    if row["error"] is None:
        row.update(fields)
    if row["error"] is not None:
        row.update(dict.fromkeys(FINDINGS))
    row["seconds"] = seconds


def _questions(
    samples: pl.DataFrame, rows: list[dict[str, Any]], loaded: Loaded, settings: GenerationSettings
) -> Iterator[Question]:
    """The samples that can be asked; of the others the error is entered in their row."""
    lengths = [length for length in (settings.context, loaded.context) if length]
    context = min(lengths) if lengths else None
    for place, row in enumerate(samples.to_dicts()):
        try:
            question = encode(row, place, loaded.tokenizer, context, settings.max_new_tokens)
            _enter(rows[place], {"prompt_tokens": len(question.prompt)})
            yield question
        except QuestionError as error:
            _enter(rows[place], {"error": str(error)})


Found = list[tuple[int, dict[str, Any]]]
"""What a batch brought: rows, and the fields to enter there."""


def _weigh(loaded: Loaded, questions: Sequence[Question], settings: GenerationSettings) -> Iterator[Found]:
    """Per batch, the likelihood of each question's reference."""
    end = end_of_turn(loaded.tokenizer) if questions else 0
    for batch in batches(questions, loaded, settings.batch_rows, settings.batch_tokens, settings.share_prefix):
        start = time.perf_counter()
        found = [_likelihood_fields(each) for each in likelihoods(loaded, batch, end)]
        yield _timed(found, batch, start)


def _timed(found: Found, batch: Batch, start: float) -> Found:
    """What was found, with each question's share of the time since `start`."""
    seconds = (time.perf_counter() - start) / len(batch.questions)
    return [*found, *((question.place, {"seconds": seconds}) for question in batch.questions)]


def _likelihood_fields(found: Likelihood) -> tuple[int, dict[str, Any]]:
    if not found.finite:
        return found.place, {"error": "the model's likelihood is not a finite number"}
    return found.place, {
        "nll": found.nll,
        "tokens": found.tokens,
        "end_nll": found.end_nll,
        "reference_bytes": found.reference_bytes,
    }


def _generate(loaded: Loaded, questions: Sequence[Question], settings: GenerationSettings) -> Iterator[Found]:
    """Per batch, the answer to each question, and the likelihood of the references that are wanted too."""
    decoding, end = _decoding(loaded, settings), end_of_turn(loaded.tokenizer) if questions else 0
    for batch in batches(questions, loaded, settings.batch_rows, settings.batch_tokens, settings.share_prefix):
        start, found = time.perf_counter(), []
        longest = max(len(question.reference or ()) for question in batch.questions)
        prompts = read(loaded, batch, max(longest, settings.max_new_tokens))
        if longest:
            found += [_likelihood_fields(each) for each in likelihoods_after(loaded, batch.questions, prompts, end)]
        found += list(_option_fields(batch, prompts))
        answers = generate(loaded, batch, prompts, decoding)
        found += [(each.question.place, _answer_fields(each, loaded, decoding)) for each in answers]
        yield _timed(found, batch, start)


def _option_fields(batch: Batch, prompts: Read) -> Iterator[tuple[int, dict[str, Any]]]:
    """How likely each option's letter is where the answer begins."""
    for row, question in enumerate(batch.questions):
        if question.options:
            surprises = -prompts.logits[row].float().log_softmax(dim=0)
            yield question.place, {"option_nll": [float(surprises[token]) for token in question.options]}


def _decoding(loaded: Loaded, settings: GenerationSettings) -> Decoding:
    stops = stop_tokens(loaded.tokenizer, loaded.model.generation_config)
    return Decoding(settings.max_new_tokens, settings.stop_at_line, settings.temperature, settings.seed, stops)


def _answer_fields(found: Answer, loaded: Loaded, decoding: Decoding) -> dict[str, Any]:
    if found.finish == "not finite":
        return {"error": "the model's logits are not finite numbers"}
    text = text_of(found, loaded, decoding)
    return {"output": text, "output_tokens": len(found.tokens), "finish": found.finish}

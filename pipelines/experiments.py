"""Asking the cells of an experiment: each its model, prompt, passages and way of asking; what was asked before is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from evaluation.embedding import EmbeddingSettings
from evaluation.endpoint import EndpointSettings
from evaluation.experiments import Cell, ExperimentSettings, SamplingSettings, grid
from evaluation.inference import OUTPUTS
from evaluation.metrics import text_digest, vectors_of
from evaluation.prompts import Prompt
from evaluation.retrieval import Bm25, RetrievalSettings, top, with_context
from evaluation.selection import drawn, held_out_questions, prompted, questions, unweighed
from evaluation.settings import EvaluationSettings
from pipelines.contestants import Contestant, ask, base_contestant, finetuned, prompts_of, served
from pipelines.embedding import embedded, named_texts
from pipelines.settings import canonical
from pipelines.stages import Run
from records import Message, digest

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Where passages are found, and how."""

    passages: pl.DataFrame = field(default_factory=pl.DataFrame)
    retrieval: RetrievalSettings = field(default_factory=RetrievalSettings)
    embedding: EmbeddingSettings | None = None
    embedding_model: str | None = None


@dataclass(frozen=True)
class Bench:
    """What an experiment may combine: models and prompts by name, and where passages are found."""

    models: Mapping[str, Contestant]
    prompts: Mapping[str, Prompt]
    places: Places = field(default_factory=Places)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)


def bench_of(
    base_model: Mapping[str, pl.DataFrame],
    model: Mapping[str, pl.DataFrame],
    endpoints: Sequence[EndpointSettings],
    prompts: pl.DataFrame | None,
    places: Places,
    evaluation: EvaluationSettings,
    run: Run,
) -> Bench:
    """Everything that cells are made of; an endpoint's own prompt is none of it, for the cell says which."""
    entries = {entry.name: entry for entry in run.workspace.config.models}
    bases = {
        entry.name: base_contestant(base_model[entry.name], None, None, run.workspace)
        for entry in run.workspace.config.bases
    }
    tuned = {
        name: finetuned(table, base_model[entries[name].base_name], run.workspace) for name, table in model.items()
    }
    others = {entry.name: served(replace(entry, prompt=""), None) for entry in endpoints}
    named = {} if prompts is None else {each.name: each for each in prompts_of(prompts)}
    return Bench(bases | tuned | others, named, places, evaluation)


def cells_of(
    experiment: ExperimentSettings, prompts: pl.DataFrame | None, endpoints: Sequence[EndpointSettings], run: Run
) -> list[Cell]:
    """The cells of an experiment."""
    config = run.workspace.config
    models = [entry.name for entry in (*config.bases, *config.models)]
    named = [] if prompts is None else prompts["prompt"].to_list()
    return grid(experiment, models, named, [entry.name for entry in endpoints])


def cell_version(bench: Bench, cell: Cell) -> str:
    """What names a cell as it answers, beyond the name of its weights: prompt, passages and how they are found, sampling."""
    prompt = bench.prompts.get(cell.prompt)
    around = "" if prompt is None else prompt.digest
    said = json.dumps([canonical(cell.sampling), cell.retriever], sort_keys=True)
    return digest("cell", bench.models[cell.model].recipe, around, said, _passages_version(bench, cell))[:16]


def _passages_version(bench: Bench, cell: Cell) -> str:
    """What names the passages that a cell may be given, and how they are found."""
    if cell.retriever == "none":
        return ""
    places = bench.places
    named = digest("passages", *places.passages.sort("passage_id")["text"])
    by = [canonical(places.embedding), places.embedding_model] if cell.retriever == "embedding" else []
    return digest("found", json.dumps([canonical(places.retrieval), *by], sort_keys=True), named)


def ask_cells(
    bench: Bench,
    cells: Sequence[Cell],
    samples: pl.DataFrame,
    experiment: ExperimentSettings,
    run: Run,
    test: bool = False,
) -> pl.DataFrame:
    """The answers of all cells, with the cell's name as `model`: to validation samples, or to the test split.

    Cells of one model and one way of asking go through the model together, loaded once.
    """
    together: dict[tuple[str, SamplingSettings], list[Cell]] = {}
    for cell in cells:
        together.setdefault((cell.model, cell.sampling), []).append(cell)
    parts = [pl.DataFrame(schema={**OUTPUTS, "asked": pl.String(), "model": pl.String(), "model_version": pl.String()})]
    for (model, _), group in together.items():
        asked = pl.concat([_asked_of(bench, cell, samples, experiment, run, test) for cell in group])
        contestant = replace(bench.models[model], prompt=None)
        if contestant.endpoint is not None:
            asked = unweighed(asked)
        rows = ask(run, contestant, asked, group[0].generation(bench.evaluation.generation))
        prompts = {cell.name: cell.prompt for cell in group}
        parts.append(rows.with_columns(model="prompt", prompt=pl.col("prompt").replace_strict(prompts)))
    return pl.concat(parts)


def _asked_of(
    bench: Bench, cell: Cell, samples: pl.DataFrame, experiment: ExperimentSettings, run: Run, test: bool
) -> pl.DataFrame:
    """The questions of one cell, told apart from those of others by its name."""
    found = _with_passages(bench, cell, samples, run)
    return _questions(bench, cell, found, experiment, test).with_columns(prompt=pl.lit(cell.name))


def _questions(
    bench: Bench, cell: Cell, samples: pl.DataFrame, experiment: ExperimentSettings, test: bool
) -> pl.DataFrame:
    prompt = bench.prompts.get(cell.prompt)
    if test:
        return held_out_questions(samples, bench.evaluation, prompt)
    around = prompted(samples)
    validation = samples.filter(
        (pl.col("split") == "validation") & pl.col("reference").is_not_null() & (pl.col("openness") == around)
    )
    chosen = drawn(validation, experiment.seed, experiment.samples).with_columns(want=pl.lit("generate"))
    return questions(chosen, "validation", prompt, around)


def _with_passages(bench: Bench, cell: Cell, samples: pl.DataFrame, run: Run) -> pl.DataFrame:
    """The samples, with what the retriever finds put before the held-out questions."""
    if cell.retriever == "none":
        return samples
    held_out = samples.filter(pl.col("split") != "train")
    chats: list[list[Message]] = held_out["messages"].to_list()
    texts = bench.places.passages["text"].to_list()
    asked = [chat[-1]["content"] for chat in chats]
    scores = Bm25(texts).scores if cell.retriever == "bm25" else _by_vector(bench, asked, run)
    found = [[texts[place] for place in top(scores(text), bench.places.retrieval.passages)] for text in asked]
    told = [with_context(chat, passages) for chat, passages in zip(chats, found, strict=True)]
    changed = held_out.with_columns(messages=pl.Series(told, dtype=samples.schema["messages"]))
    return pl.concat([samples.filter(pl.col("split") == "train"), changed])


def _by_vector(bench: Bench, asked: Sequence[str], run: Run) -> Callable[[str], Floats]:
    """What scores all passages by the cosine with a question."""
    places = bench.places
    if places.embedding is None or places.embedding_model is None:
        raise ValueError(
            "experiments: the retriever `embedding` needs `embedding: {model: FOLDER}`: name a local model"
        )
    matrix = np.array(places.passages["vector"].to_list(), dtype=np.float32)
    vectors = vectors_of(embedded(run, named_texts(pl.Series(list(asked))), places.embedding_model, places.embedding))
    return lambda text: (matrix @ vectors[text_digest(text)]).astype(np.float64)

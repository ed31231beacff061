"""Experiments: a grid of model, prompt, retriever and sampling on validation, what each factor does, and the best on test."""

from __future__ import annotations

import polars as pl

from assets.evaluation import ANSWERS
from evaluation.embedding import EmbeddingSettings
from evaluation.endpoint import EndpointSettings
from evaluation.experiments import ExperimentSettings, score_cells
from evaluation.retrieval import RetrievalSettings, document_passages, sample_passages
from evaluation.selection import trial_metric
from evaluation.settings import EvaluationSettings
from evaluation.unit_tests import UnitTestSettings, runner
from pipelines.contestants import answered
from pipelines.embedding import embedded, named_texts
from pipelines.experiments import Places, ask_cells, bench_of, cell_version, cells_of
from pipelines.stages import Output, Run, stage
from plots import intervals
from records import Outcome, Picture


@stage(
    group="evaluation",
    code_version="1",
    primary_key="passage_id",
    unit="passages",
    needs=("experiments",),
    recorded=True,
    pool="gpu",
    uses=("torch", "transformers"),
)
def retrieval_index(
    samples: pl.DataFrame,
    corpus: pl.LazyFrame,
    retrieval: RetrievalSettings,
    embedding: EmbeddingSettings | None,
    embedding_model: str | None,
    run: Run,
) -> Outcome:
    """The passages that questions may be given, from training samples or from documents of which nothing is held out."""
    if retrieval.of == "samples":
        passages = sample_passages(samples)
    else:
        passages = document_passages(corpus, samples, retrieval.words)
    if embedding is None or embedding_model is None:
        nothing = {
            "text_digest": pl.lit(None, pl.String),
            "vector": pl.lit(None, pl.List(pl.Float32)),
            "recipe": pl.lit(None, pl.String),
        }
        return Outcome(passages.with_columns(**nothing))
    named = passages.join(named_texts(passages["text"]), on="text", how="left")
    return Outcome(
        named.join(
            embedded(run, named_texts(passages["text"]), embedding_model, embedding), on="text_digest", how="left"
        )
    )


@stage(each="experiments", **ANSWERS)
def experiment_answers(
    entry: ExperimentSettings,
    base_model: dict[str, pl.DataFrame],
    model: dict[str, pl.DataFrame],
    prompts: pl.DataFrame | None,
    retrieval_index: pl.DataFrame,
    samples: pl.DataFrame,
    evaluation: EvaluationSettings,
    retrieval: RetrievalSettings,
    embedding: EmbeddingSettings | None,
    embedding_model: str | None,
    endpoints: tuple[EndpointSettings, ...],
    run: Run,
) -> Outcome:
    """The answers of every cell to the same validation samples; a cell that was asked before is not asked again."""
    places = Places(retrieval_index, retrieval, embedding, embedding_model)
    bench = bench_of(base_model, model, endpoints, prompts, places, evaluation, run)
    return answered(ask_cells(bench, cells_of(entry, prompts, endpoints, run), samples, entry, run))


@stage(
    group="evaluation",
    code_version="4",
    each="experiments",
    unit="cells",
    outputs=(
        Output("experiment_cells", ("cell",)),
        Output(
            "experiment_effects",
            ("factor", "level"),
            about="What each level of a factor does against the first of its factor, over all cells that differ in it alone.",
        ),
    ),
)
def experiment_cells(
    entry: ExperimentSettings,
    experiment_answers: pl.DataFrame,
    prompts: pl.DataFrame | None,
    samples: pl.DataFrame,
    evaluation: EvaluationSettings,
    endpoints: tuple[EndpointSettings, ...],
    unit_tests: UnitTestSettings | None,
    run: Run,
) -> Outcome:
    """The score of every cell on validation, the best of which is chosen, and the effect of each factor."""
    cells = cells_of(entry, prompts, endpoints, run)
    outputs = experiment_answers.with_columns(cell="model")
    run_tests = runner(unit_tests, run.progress)
    table, effects = score_cells(cells, outputs, samples, trial_metric(samples), evaluation.bootstrap, run_tests)
    shown = table.drop("model", "prompt").rename({"cell": "model"}).with_columns(prompt=pl.lit("none"))
    pictures = [
        Picture("what each factor does", intervals(_levels(effects))),
        Picture("cells on validation", intervals(shown)),
    ]
    return Outcome(table, others={"experiment_effects": effects}, pictures=pictures)


def _levels(effects: pl.DataFrame) -> pl.DataFrame:
    """Effects as rows of a picture: each level against the first of its factor."""
    named = pl.format("{} − {}", "level", "against")
    return effects.select(
        "low",
        "high",
        "n",
        model=named,
        prompt=pl.lit(None, pl.String),
        metric=pl.format("{}: {}", "metric", "factor"),
        value="difference",
    )


@stage(each="experiments", **(ANSWERS | {"code_version": "4"}))
def experiment_winner(
    entry: ExperimentSettings,
    experiment_cells: pl.DataFrame,
    base_model: dict[str, pl.DataFrame],
    model: dict[str, pl.DataFrame],
    prompts: pl.DataFrame | None,
    retrieval_index: pl.DataFrame,
    samples: pl.DataFrame,
    evaluation: EvaluationSettings,
    retrieval: RetrievalSettings,
    embedding: EmbeddingSettings | None,
    embedding_model: str | None,
    endpoints: tuple[EndpointSettings, ...],
    run: Run,
) -> Outcome:
    """The answers of the chosen cell on the test split: the only one that meets it. `model_version` names its weights,
    `cell_version` all that answers: weights, prompt, passages and sampling together."""
    places = Places(retrieval_index, retrieval, embedding, embedding_model)
    bench = bench_of(base_model, model, endpoints, prompts, places, evaluation, run)
    names = experiment_cells.filter("chosen")["cell"].to_list()
    chosen = [cell for cell in cells_of(entry, prompts, endpoints, run) if cell.name in names]
    rows = ask_cells(bench, chosen, samples, entry, run, test=True)
    versions = {cell.name: cell_version(bench, cell) for cell in chosen}
    named = rows.with_columns(
        cell="model", cell_version=pl.col("model").replace_strict(versions, return_dtype=pl.String)
    )
    return answered(named.with_columns(model=pl.lit(entry.name)))


STAGES = [retrieval_index, experiment_answers, experiment_cells, experiment_winner]

"""Asking contestants: questions into a file, a process that answers, answers back into a table.

No question is asked twice. What was asked has a name (`asked`: the contestant's weights, the settings, and the question as
it is put), and a table of answers keeps it. So answers that the stage's table holds already are taken from there; and
what a process had answered before it was killed lies in parts beside, from which the next run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from evaluation.endpoint import EndpointJob, EndpointSettings
from evaluation.inference import OUTPUTS, AnswerJob, GenerationSettings
from evaluation.prompts import Prompt
from pipelines.settings import canonical
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import Outcome, digest, digests


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model as it is asked: a base folder and an adapter or none, or an endpoint; and the prompt around each sample.

    `recipe` names the weights: the base's and the adapter's together.
    """

    name: str
    version: str
    base: str
    adapter: str | None
    prompt: Prompt | None
    recipe: str = ""
    endpoint: EndpointSettings | None = None

    @property
    def prompt_name(self) -> str:
        """The prompt's name; "none" when samples are asked as they are."""
        return "none" if self.prompt is None else self.prompt.name


def weights_of(base_model: pl.DataFrame, workspace: Workspace) -> str:
    """The folder of a base's weights: within the store, or where headwater.yaml says that it lies."""
    return str(workspace.store.root / base_model["path"].item())


def base_contestant(
    base_model: pl.DataFrame, best_prompt: pl.DataFrame | None, prompts: pl.DataFrame | None, workspace: Workspace
) -> Contestant:
    """The base with the prompt that won on validation."""
    row = base_model.row(0, named=True)
    prompt = None
    if best_prompt is not None and prompts is not None:
        winner = best_prompt.filter("chosen")["prompt"].item()
        prompt = next(each for each in prompts_of(prompts) if each.name == winner)
    weights = weights_of(base_model, workspace)
    return Contestant("base", row["digest"][:16], weights, None, prompt, row["digest"])


def finetuned(model: pl.DataFrame, base_model: pl.DataFrame, workspace: Workspace) -> Contestant:
    """A finetuned model, asked as it was trained: the sample alone."""
    row = model.row(0, named=True)
    adapter = str(workspace.artifacts / row["folder"])
    recipe = f"{base_model['digest'].item()} {row['version']}"
    return Contestant(row["model"], row["version"], weights_of(base_model, workspace), adapter, None, recipe)


def served(endpoint: EndpointSettings, prompts: pl.DataFrame | None) -> Contestant:
    """A model behind an endpoint, under the prompt that its entry names. What is served there may change without a sign.

    Raises:
        ValueError: there is no such prompt.
    """
    known = {} if prompts is None else {each.name: each for each in prompts_of(prompts)}
    if endpoint.prompt and endpoint.prompt not in known:
        raise ValueError(
            f"endpoints: {endpoint.name}: there is no prompt {endpoint.prompt!r}; there are: {', '.join(known)}"
        )
    recipe = digest("endpoint", endpoint.url, endpoint.model)
    return Contestant(endpoint.name, recipe[:16], "", None, known.get(endpoint.prompt), recipe, endpoint)


def prompts_of(table: pl.DataFrame) -> list[Prompt]:
    """The prompts of a table of prompts."""
    return [Prompt(row["prompt"], tuple(row["messages"]), row["digest"]) for row in table.iter_rows(named=True)]


def contestants_of(
    base_answers: Mapping[str, pl.DataFrame],
    answers: Mapping[str, pl.DataFrame],
    endpoint_answers: Mapping[str, pl.DataFrame] | None,
    experiment_winner: Mapping[str, pl.DataFrame] | None = None,
) -> dict[str, pl.DataFrame]:
    """All contestants' answers by their names, in the order in which they are compared."""
    bases = {f"base {name}" if len(base_answers) > 1 else "base": rows for name, rows in base_answers.items()}
    return bases | dict(answers) | dict(endpoint_answers or {}) | dict(experiment_winner or {})


def version_of(rows: pl.DataFrame) -> str:
    """The version of a contestant by its answers: that of its weights, or of the cell of an experiment that it is."""
    return str(rows["cell_version" if "cell_version" in rows.columns else "model_version"][0])


def token_prices(
    versions: Mapping[str, str], endpoints: Sequence[EndpointSettings], prices: Mapping[str, float]
) -> dict[str, float]:
    """What a million tokens cost by contestant: a cell of an experiment in which an endpoint answers costs what that costs."""
    by_version = {served(replace(each, prompt=""), None).version: each.name for each in endpoints}
    found = {name: prices.get(name, prices.get(by_version.get(version, ""))) for name, version in versions.items()}
    return {name: price for name, price in found.items() if price is not None}


def ask(run: Run, contestant: Contestant, questions: pl.DataFrame, settings: GenerationSettings) -> pl.DataFrame:
    """The contestant's answers, one row per question, with its name and version, and what was asked."""
    named = with_asked(questions, contestant.recipe, settings)
    known = known_answers(run, named)
    waiting = named.join(known, on=("sample_id", "purpose", "prompt"), how="anti")
    if waiting.height:
        known = pl.concat([known, _launched(run, contestant, waiting, settings)])
    about = {"model": pl.lit(contestant.name), "model_version": pl.lit(contestant.version)}
    return known.sort("sample_id", "purpose", "prompt").with_columns(**about)


def with_asked(questions: pl.DataFrame, recipe: str, settings: object) -> pl.DataFrame:
    """The questions, each with the name of what is asked: by whom it is answered, how, and the question as it is put."""
    said = questions.select(
        pl.struct("messages", "reference", "want", "options").map_elements(
            lambda row: json.dumps(row, ensure_ascii=False, sort_keys=True), return_dtype=pl.String
        )
    ).to_series()
    how = json.dumps(canonical(settings), sort_keys=True)
    return questions.with_columns(asked=digests("asked", recipe, how, of=said.fill_null("")))


def known_answers(run: Run, questions: pl.DataFrame) -> pl.DataFrame:
    """Answers (OUTPUTS and `asked`) to some of the questions: from the stage's own table, and from parts that were left."""
    store, table = run.workspace.store, run.node
    parts = [pl.read_parquet(path) for path in sorted(run.parts.glob("*.parquet"))]
    if store.head(table) and "asked" in (rows := store.scan(table)).collect_schema().names():
        parts.insert(0, rows.collect())
    columns = [*OUTPUTS, "asked"]
    usable = [part.select(columns) for part in parts if set(columns) <= set(part.columns)]
    if not usable:
        return pl.DataFrame(schema={**OUTPUTS, "asked": pl.String()})
    known = pl.concat(usable).filter(pl.col("error").is_null()).unique("asked", keep="first", maintain_order=True)
    placed = questions.select("sample_id", "purpose", "prompt", "asked")
    return placed.join(known.drop("sample_id", "purpose", "prompt"), on="asked", how="inner").select(columns)


def _launched(run: Run, contestant: Contestant, questions: pl.DataFrame, settings: GenerationSettings) -> pl.DataFrame:
    folder = run.folder()
    asked, answered = folder / f"{contestant.name}-questions.parquet", folder / f"{contestant.name}-answers.parquet"
    questions.write_parquet(asked)
    places = str(asked), str(answered)
    if contestant.endpoint is None:
        job = AnswerJob(contestant.base, contestant.adapter, *places, settings, str(run.parts))
        run.launch("evaluation.inference", job)
    else:
        run.launch("evaluation.endpoint", EndpointJob(contestant.endpoint, *places, settings, str(run.parts)))
    answers = pl.read_parquet(answered)
    _forget(asked, answered)
    placed = questions.select("sample_id", "purpose", "prompt", "asked")
    return answers.join(placed, on=("sample_id", "purpose", "prompt")).select([*OUTPUTS, "asked"])


def answered(rows: pl.DataFrame) -> Outcome:
    """All answers of a stage with their books: an answer that could not be had counts as failed, by its error."""
    failed = rows.drop_nulls("error").group_by("error").len()
    return Outcome(rows, kept=rows["error"].null_count(), failed=dict(failed.iter_rows()))


def _forget(*files: Path) -> None:
    for file in files:
        file.unlink()

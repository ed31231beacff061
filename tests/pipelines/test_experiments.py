"""A grid with a model behind an endpoint: each question is asked once, and a server that died is asked the rest."""

import json
from dataclasses import replace

import polars as pl
import pytest

from evaluation import embedding, endpoint, inference
from evaluation.embedding import EmbeddingSettings
from evaluation.endpoint import EndpointError, EndpointSettings
from evaluation.experiments import ExperimentSettings, SamplingSettings, grid, score_cells
from evaluation.inference import GenerationSettings
from evaluation.prompts import Prompt
from evaluation.retrieval import RetrievalSettings, sample_passages
from evaluation.settings import EvaluationSettings
from evaluation.statistics import BootstrapSettings
from pipelines.commits import Commit
from pipelines.contestants import Contestant, answered, served
from pipelines.embedding import embedded, named_texts
from pipelines.experiments import Bench, Places, ask_cells
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import silent
from tests.evaluation.lively_model import make_lively_model
from tests.evaluation.serving import said, serving, serving_model
from tests.evaluation.tables import samples

ASKED = samples(*({"sample_id": f"s{at}", "reference": f"answer {at}"} for at in range(12))).with_columns(
    split=pl.when(pl.int_range(pl.len()) < 6).then(pl.lit("train")).otherwise(pl.lit("validation"))
)
GRID = ExperimentSettings(
    "grid", ("big",), ("none", "loud"), ("none", "bm25"), (SamplingSettings(), SamplingSettings(0.7, 1)), samples=6
)
CELLS = grid(GRID, ["base"], ["loud"], ["big"])


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "headwater.yaml").write_text("sources: [{name: a, path: data}]\n")
    return Workspace(tmp_path)


def bench_at(url):
    loud = Prompt("loud", ({"role": "user", "content": "LOUD: {{input}}"},), "d")
    big = served(EndpointSettings("big", url, "x", prompt="loud", pause=0.01, tries=2), pl.DataFrame([{"prompt": "loud", "messages": list(loud.messages), "digest": "d"}]))  # fmt: skip
    places = Places(sample_passages(ASKED))
    return Bench(
        {"big": replace(big, prompt=None)}, {"loud": loud}, places, EvaluationSettings(generation=GenerationSettings())
    )


def asking(workspace, url, cells=CELLS, test=False):
    """Ask the cells as the stage does, and commit the answers."""
    run = Run(workspace, "answers_grid", "k" * 32, silent, lambda _, job: json.loads(json.dumps(endpoint.run(job, silent))))  # fmt: skip
    rows = answered(ask_cells(bench_at(url), cells, ASKED, GRID, run, test)).table
    commit = Commit("answers_grid", "k", "r", {}, {}, "1", "", "", 0, "", 0, 0)
    workspace.store.replace(
        rows, commit, workspace.store.head("answers_grid"), ("sample_id", "purpose", "prompt", "model")
    )
    return rows


def put(body):
    """What was asked, as the server saw it."""
    return json.dumps([body["messages"], body["temperature"], body["seed"]])


def test_every_cell_is_asked_of_the_endpoint_once(workspace):
    with serving(lambda body, _: said("answer 7" if "LOUD" in body["messages"][-1]["content"] else "no")) as (
        url,
        seen,
    ):
        rows = asking(workspace, url)
        assert rows.height == len(CELLS) * 6 == len(seen) == len({put(body) for body in seen})
        assert sum("[1]" in body["messages"][0]["content"] for body in seen) == len(seen) // 2, "with passages"
        table, effects = score_cells(
            CELLS, rows.with_columns(cell="model"), ASKED, "chrf", BootstrapSettings(resamples=200, permutations=200)
        )
        assert table.filter("chosen")["prompt"].item() == "loud" and set(effects["factor"]) == {
            "prompt",
            "retriever",
            "sampling",
        }
        assert asking(workspace, url).equals(rows) and len(seen) == rows.height, "nothing is asked twice"
        more = grid(replace(GRID, prompts=("none", "loud"), sampling=(*GRID.sampling, SamplingSettings(0.7, 2))), [], ["loud"], ["big"])  # fmt: skip
        assert asking(workspace, url, more).height == len(seen) == len(more) * 6, "new cells alone"


def test_an_endpoint_that_dies_in_the_middle_is_asked_the_rest(workspace):
    dead, limited = {"from": 20}, []

    def reply(body, number):
        if number % 7 == 0 and number < dead["from"]:
            limited.append(put(body))
            return 429, {"Retry-After": "0.01"}, {}
        return said("an answer") if number < dead["from"] else (200, {}, None)

    with serving(reply) as (url, seen):
        with pytest.raises(EndpointError, match="the others are kept: run again"):
            asking(workspace, url)
        had = [put(body) for body in seen[: dead["from"] - 1]]
        first, dead["from"] = len(seen), 10**6
        rows = asking(workspace, url)
        again = [put(body) for body in seen[first:] if put(body) not in limited]
        assert rows.height == len(CELLS) * 6 and rows["error"].null_count() == rows.height
        assert not set(had) - set(limited) & set(again), "what was answered is not asked again"


def test_an_endpoint_is_asked_no_likelihood_and_not_quantised(workspace):
    test = ASKED.with_columns(split=pl.lit("test"))
    with serving(lambda *_: said("an answer")) as (url, seen):
        run = Run(workspace, "winner", "k" * 32, silent, lambda _, job: json.loads(json.dumps(endpoint.run(job, silent))))  # fmt: skip
        bench = bench_at(url)
        few = replace(bench, evaluation=replace(bench.evaluation, answered=3, weighed=9))
        assert ask_cells(few, CELLS[:1], test, GRID, run, test=True).height == len(seen) == 3
    with pytest.raises(ValueError, match="nobody here sets the precision of the endpoint 'big'"):
        grid(replace(GRID, sampling=(SamplingSettings(precision="int8"),)), [], ["loud"], ["big"])


def test_quantised_weights_and_passages_by_words_and_by_vectors_are_cells_of_one_grid(workspace, tmp_path):
    base = make_lively_model(tmp_path / "model")
    programs = {"evaluation.inference": inference.run, "evaluation.embedding": embedding.run}
    seen = []

    def launch(name, job):
        seen.append(name)
        return json.loads(json.dumps(programs[name](job, silent)))

    run = Run(workspace, "answers_grid", "k" * 32, silent, launch)
    ways = (SamplingSettings(precision="float32"), SamplingSettings(precision="int8"))
    cells = grid(replace(GRID, models=("here",), prompts=("none",), retrievers=("none", "bm25", "embedding"), sampling=ways), ["here"], [])  # fmt: skip
    how = EmbeddingSettings(str(base), max_tokens=32)
    passages = sample_passages(ASKED)
    vectors = embedded(run, named_texts(passages["text"]), "digest", how)
    named = passages.join(named_texts(passages["text"]), on="text").join(vectors, on="text_digest")
    places = Places(named, RetrievalSettings(passages=1), how, "digest")
    settings = EvaluationSettings(generation=GenerationSettings(max_new_tokens=4, threads=1))
    here = Contestant("here", "v1", str(base), None, None, "weights")
    rows = ask_cells(Bench({"here": here}, {}, places, settings), cells, ASKED, GRID, run)
    assert rows.height == 6 * len(cells) == 36 and rows["error"].null_count() == 36
    assert seen.count("evaluation.inference") == 2, "a model is loaded once in each number format"
    longer = {cell.retriever: rows.filter(model=cell.name)["prompt_tokens"].sum() for cell in cells}
    assert longer["none"] < min(longer["bm25"], longer["embedding"]), "a passage stands before each question"
    table, effects = score_cells(cells, rows.with_columns(cell="model"), ASKED, "chrf", BootstrapSettings(resamples=200, permutations=200))  # fmt: skip
    assert set(table["sampling"]) == {"float32 t0", "int8 t0"} and table["chosen"].sum() == 1
    told = effects.select("factor", "level", "against", "cells").rows()
    assert told == [("retriever", "bm25", "none", 2), ("retriever", "embedding", "none", 2), ("sampling", "int8 t0", "float32 t0", 3)]  # fmt: skip
    assert effects.select("low", "high", "p_adjusted").null_count().row(0) == (0, 0, 0)


def test_a_model_behind_a_real_server_answers_as_it_does_here(workspace, tmp_path):
    base = make_lively_model(tmp_path / "model")
    how = GenerationSettings(max_new_tokens=4, precision="bfloat16", threads=1, batch_rows=1, share_prefix=False)
    cells = grid(replace(GRID, models=("here", "big"), sampling=(SamplingSettings(),)), ["here"], ["loud"], ["big"])
    programs = {"evaluation.inference": inference.run, "evaluation.endpoint": endpoint.run}
    run = Run(workspace, "answers_grid", "k" * 32, silent, lambda name, job: json.loads(json.dumps(programs[name](job, silent))))  # fmt: skip
    with serving_model(base) as (url, seen):
        bench = bench_at(url)
        here = Contestant("here", "v1", str(base), None, None, "weights")
        both = replace(bench, models={**bench.models, "here": here}, evaluation=EvaluationSettings(generation=how))
        rows = ask_cells(both, cells, ASKED, GRID, run)
    assert len(seen) == 24 and rows.height == 48 and rows["error"].null_count() == 48
    told = {
        model: rows.filter(pl.col("model").str.starts_with(model))
        .sort("prompt", "model", "sample_id")["output"]
        .to_list()
        for model in ("here", "big")
    }
    assert told["here"] == told["big"] and len(set(told["here"])) > 1

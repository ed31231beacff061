"""Nothing is asked twice: what the table holds is taken from there, what a killed process left is gone on from."""

import json

import polars as pl
import pytest

from evaluation import inference
from evaluation.endpoint import EndpointSettings
from evaluation.inference import GenerationSettings
from evaluation.selection import QUESTIONS
from pipelines.commits import Commit
from pipelines.contestants import Contestant, answered, ask, served, token_prices
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import silent
from tests.evaluation.lively_model import make_lively_model

SETTINGS = GenerationSettings(max_new_tokens=4, precision="float32", threads=1, batch_rows=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(make_lively_model(tmp_path_factory.mktemp("model")))


class Program:
    """The inference program in this process; it counts what it is asked, and may die after so many rows."""

    def __init__(self, dies_after=None):
        self.asked, self.dies_after = [], dies_after

    def __call__(self, module, job):
        self.asked.append(pl.read_parquet(job.samples)["sample_id"].to_list())

        def progress(done, total=None, unit="rows", beside=""):
            if self.dies_after is not None and done >= self.dies_after:
                raise KeyboardInterrupt

        return json.loads(json.dumps(inference.run(job, progress)))


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "headwater.yaml").write_text("sources: [{name: a, path: data}]\n")
    return Workspace(tmp_path)


def run_of(workspace, program):
    return Run(workspace, "answers_tuned", "k" * 32, silent, program)


def questions(*texts):
    rows = [(text, "test", "none", [{"role": "user", "content": text}], "Return it.", "both", 0) for text in texts]
    return pl.DataFrame(rows, schema=QUESTIONS, orient="row")


def committed(workspace, rows):
    store = workspace.store
    store.replace(rows, Commit("answers_tuned", "k", "r", {}, {}, "1", "", "", 0, "", 0, 0), store.head("answers_tuned"), ("sample_id",))  # fmt: skip


def test_only_new_questions_are_asked(workspace, base):
    contestant, first = Contestant("tuned", "v1", base, None, None, "weights"), Program()
    rows = answered(ask(run_of(workspace, first), contestant, questions("a", "b"), SETTINGS)).table
    committed(workspace, rows)
    again = Program()
    more = ask(run_of(workspace, again), contestant, questions("a", "b", "c"), SETTINGS)
    assert again.asked == [["c"]] and more.filter(pl.col("sample_id") != "c").equals(rows)
    for other in (
        (Contestant("tuned", "v2", base, None, None, "other weights"), SETTINGS),
        (contestant, GenerationSettings(**{**vars(SETTINGS), "max_new_tokens": 5})),
    ):
        anew = Program()
        ask(run_of(workspace, anew), other[0], questions("a"), other[1])
        assert anew.asked == [["a"]]
    threads = GenerationSettings(**{**vars(SETTINGS), "threads": 2})
    ask(run_of(workspace, again), contestant, questions("a"), threads)
    assert again.asked == [["c"]], "the number of threads says nothing about an answer"


def test_a_killed_generation_goes_on_where_it_was(workspace, base):
    contestant, names = Contestant("tuned", "v1", base, None, None, "weights"), ("a", "b", "c", "d", "e")
    run = run_of(workspace, Program(dies_after=2))
    with pytest.raises(KeyboardInterrupt):
        ask(run, contestant, questions(*names), SETTINGS)
    done = pl.concat([pl.read_parquet(path) for path in run.parts.glob("*.parquet")])["sample_id"].to_list()
    assert len(done) >= 2
    later = Program()
    rows = ask(run_of(workspace, later), contestant, questions(*names), SETTINGS)
    assert sorted(done + later.asked[0]) == rows["sample_id"].to_list() == list(names)


def test_an_endpoint_in_an_experiment_costs_what_the_endpoint_costs():
    big, free = (EndpointSettings(name, "http://127.0.0.1/v1", name) for name in ("big", "free"))
    versions = {"base": "v1", "big": served(big, None).version, "grid": served(big, None).version, "free": "f"}
    assert token_prices(versions, (big, free), {"big": 3.0}) == {"big": 3.0, "grid": 3.0}
    assert token_prices(versions, (), {"big": 3.0}) == {"big": 3.0}

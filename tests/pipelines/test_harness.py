"""Which contestants are asked tasks, and that answers belong to weights, never to a name."""

import json
from dataclasses import replace

import polars as pl
import pytest

from assets.harness import harness_tasks
from evaluation.endpoint import EndpointSettings
from evaluation.harness import program
from evaluation.harness.settings import HarnessSettings
from evaluation.inference import GenerationSettings
from evaluation.settings import EvaluationSettings
from evaluation.statistics import BootstrapSettings
from pipelines.commits import Commit
from pipelines.contestants import Contestant
from pipelines.harness import ask_tasks, contestants_asked
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import silent
from tests.evaluation.harness.conftest import write_tasks
from tests.evaluation.lively_model import make_lively_model

HOW = GenerationSettings(precision="float32", threads=1)
EVALUATION = EvaluationSettings(generation=HOW, bootstrap=BootstrapSettings(resamples=100))
NODE = "harness_answers_small"


@pytest.fixture(autouse=True)
def _told_offline_for_a_test_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in program.OFFLINE.items():
        monkeypatch.setenv(name, value)


class Program:
    """The program in this process; it counts what it asks."""

    def __init__(self):
        self.asked = []

    def __call__(self, module, job):
        said = json.loads(json.dumps(program.run(job, silent)))
        self.asked.append(said["asked"])
        return said


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(make_lively_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "headwater.yaml").write_text("sources: [{name: a, path: data}]\n")
    write_tasks(tmp_path / "tasks")
    return Workspace(tmp_path)


def asked(workspace, contestants, tasks=None, commit=True):
    """What was asked of each contestant now, and the outcome, which stands in the store from then on."""
    ran = Program()
    run = Run(workspace, NODE, "k" * 32, silent, ran)
    settings = tasks or HarnessSettings("small", "tasks", tasks=("capitals", "say"))
    outcome = ask_tasks(iter(contestants), settings, "files", EVALUATION, run)
    if commit:
        said = Commit(NODE, "k", "r", {}, {}, "1", "", "", 0, "", 0, 0)
        workspace.store.replace(outcome.table, said, workspace.store.head(NODE), ("model", "asked"))
    return ran.asked, outcome


def test_two_models_of_one_name_share_nothing_and_one_under_two_names_shares_all(workspace, base):
    first = Contestant("tuned", "v1", base, None, None, "these weights")
    now, outcome = asked(workspace, [(first, HOW)])
    requests = outcome.table.height
    assert now == [requests] and requests == 15 and outcome.kept == 8
    assert asked(workspace, [(first, HOW)])[0] == [0]
    assert asked(workspace, [(replace(first, recipe="others"), HOW)], commit=False)[0] == [requests]
    assert asked(workspace, [(first, replace(HOW, precision="int8"))], commit=False)[0] == [requests]
    now, outcome = asked(workspace, [(replace(first, name="again"), HOW), (first, replace(HOW, threads=2))])
    assert now == [0, 0], "neither a name nor the number of threads says anything of an answer"
    scores = outcome.others["harness_scores"]
    assert set(scores["model"]) == {"again", "tuned"} and set(scores["dataset_version"]) == {"files"}
    compared = outcome.others["harness_comparisons"]
    assert compared.height == 2 and set(compared["difference"]) == {0.0} and compared["better"].null_count() == 2


def test_a_changed_document_alone_is_asked(workspace, base):
    contestant = Contestant("tuned", "v1", base, None, None, "weights")
    asked(workspace, [(contestant, HOW)])
    path = workspace.root / "tasks" / "data" / "say.jsonl"
    path.write_text(path.read_text().replace("the dog", "the cat", 1))
    assert asked(workspace, [(contestant, HOW)])[0] == [1]


def test_a_folder_that_is_missing_says_so_and_what_headwater_makes_is_no_task(workspace):
    with pytest.raises(FileNotFoundError, match=r"harness 'small': there is no .*nowhere; make it, or mend `path`"):
        harness_tasks(HarnessSettings("small", "nowhere"), workspace)
    (workspace.root / "alone.yaml").write_text("task: alone\n")
    alone = HarnessSettings("small", "alone.yaml")
    before = harness_tasks(alone, workspace).version
    (workspace.state / "store").mkdir(parents=True, exist_ok=True)
    (workspace.state / "store" / "new").write_text("a table")
    assert harness_tasks(alone, workspace).version == before
    (workspace.root / "alone.yaml").write_text("task: other\n")
    assert harness_tasks(alone, workspace).version != before


def test_bases_finetunes_number_formats_and_competing_endpoints_are_asked(workspace):
    (workspace.root / "headwater.yaml").write_text(
        "sources: [{name: a, path: data}]\ntask: {recipe: qa}\nmodels: [{name: tuned, base: ./one}, {name: other, base: ./two}]\n"
    )
    run = Run(workspace.reload(), NODE, "k", silent, Program())
    bases = {name: pl.DataFrame([{"digest": name * 20, "path": f"/models/{name}"}]) for name in ("one", "two")}
    models = {
        name: pl.DataFrame([{"model": name, "version": f"v {name}", "folder": name}]) for name in ("tuned", "other")
    }
    endpoints = (
        EndpointSettings("big", "http://127.0.0.1:1/v1", "x", prompt="plain"),
        EndpointSettings("judge", "http://127.0.0.1:1/v1", "x", competes=False),
    )
    tasks = HarnessSettings("small", "tasks", precisions=("float32", "int8"))
    found = list(contestants_asked(bases, models, endpoints, tasks, HOW, run))
    names = [contestant.name for contestant, _ in found]
    own = ["base one", "base two", "tuned", "other"]
    assert names == [name + suffix for name in own for suffix in ("", " int8")] + ["big"]
    assert {contestant.name: how.precision for contestant, how in found}["tuned int8"] == "int8"
    assert all(contestant.prompt is None for contestant, _ in found)
    assert len({contestant.recipe for contestant, _ in found}) == 5
    one = list(contestants_asked(bases, models, (), HarnessSettings("small", "tasks"), HOW, run))
    assert [contestant.name for contestant, _ in one] == own

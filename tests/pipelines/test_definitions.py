"""What Dagster sees: every asset explained and checked, versions by content, a lost record that stops what is below."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import yaml

import pipelines.definitions
import pipelines.measuring
from pipelines.asset_pages import UNEQUAL
from pipelines.dagster_assets import CHECK, FORCE_TAG, OWNER, asset_of, observables, source_assets
from pipelines.definitions import current, definitions_of
from pipelines.graph import Graph, build_graph
from pipelines.observation import observe
from pipelines.settings import FILE
from pipelines.stages import Run, stage
from pipelines.staleness import CHECKS
from pipelines.templates import TEMPLATES, init
from pipelines.workspace import VARIABLE, Workspace
from records import Outcome, Picture
from tests.pipelines import toy_stages
from tests.pipelines.toy_stages import House, InProcess

ROOT = Path(__file__).parents[2]


@pytest.mark.filterwarnings("ignore")
def test_workspace_yaml_of_the_repository_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it names is there and can be loaded; that Dagster reads such a file test_daemon.py shows."""
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    named = location["python_module"]
    assert named["location_name"] == "headwater"
    monkeypatch.setenv(VARIABLE, str(init(tmp_path / "new", "docstrings").parent))
    loaded = getattr(import_module(named["module_name"]), named["attribute"])
    dg.Definitions.validate_loadable(loaded)
    assert dg.AssetKey("corpus") in loaded.resolve_asset_graph().materializable_asset_keys


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_asset_is_explained_owned_grouped_versioned_and_checked(tmp_path: Path, template: str) -> None:
    root = init(tmp_path / "new", template).parent
    graph = definitions_of(root).resolve_asset_graph()
    made = [graph.get(key) for key in graph.materializable_asset_keys]
    assert {"documents", "corpus"} <= {node.key.to_user_string() for node in made}
    for node in made:
        assert len(node.description or "") > 20 and node.description != "None", node.key
        assert node.owners == [OWNER] and node.kinds and node.code_version
        assert node.group_name in {
            "sources",
            "documents",
            "curation",
            "annotation",
            "datasets",
            "models",
            "evaluation",
            "feedback",
        }
        assert dg.AssetCheckKey(node.key, CHECK) in graph.asset_check_keys
    checks = [graph.get(key) for key in graph.asset_check_keys]
    assert all(check.blocking == (check.key.name not in CHECKS) for check in checks)
    seen = [graph.get(key) for key in graph.observable_asset_keys]
    named = {f"source_{source['name']}" for source in yaml.safe_load((root / "headwater.yaml").read_text())["sources"]}
    assert named and named <= {each.key.to_user_string() for each in seen}
    settings = {each.key.to_user_string(): each.metadata.get("settings") for each in seen}
    assert all(settings[name].value["path"] for name in named), "a source's page says where it is"
    assert all(shown is not None for name, shown in settings.items() if name.startswith("settings_sources"))
    assert all(each.description and each.group_name for each in seen)


@stage(group="evaluation", code_version="7", primary_key="said", kinds=("parquet",), pool="gpu")
def shown(long_lines: Any, run: Run) -> Outcome:
    """What has all that a person may want to see."""
    toy_stages.calls.append("shown")
    picture = Picture("a plot", b"<svg/>")
    return Outcome(
        long_lines.select("content_digest", said="text"), notes={"n": 1, "share": 0.5, "yes": True}, pictures=[picture]
    )


class Toys:
    """The toys as Dagster's definitions, on an instance in memory."""

    def __init__(self, house: House) -> None:
        self.house, self.instance = house, dg.DagsterInstance.ephemeral()

    def load(self) -> tuple[Workspace, Graph]:
        workspace = self.house.workspace
        return workspace, build_graph(self.house.stages, workspace.config)

    def materialise(self, **tags: str) -> dg.ExecuteInProcessResult:
        """What *Materialize all* does."""
        _, graph = self.load()
        assets = [*source_assets(graph, self.load), *(asset_of(node, self.load) for node in graph.stages())]
        job = dg.Definitions(assets, executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=self.instance, raise_on_error=False, tags=tags)

    def metadata(self, table: str) -> dict[str, Any]:
        """What stands beside the newest materialisation of an asset."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(table))
        assert event is not None and event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}

    def version(self, table: str) -> str:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(table))
        assert event is not None and event.asset_materialization is not None
        return (event.asset_materialization.tags or {})["dagster/data_version"]


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    monkeypatch.setattr(pipelines.measuring, "ProcessPoolExecutor", InProcess)
    house = House(tmp_path / "house", [*toy_stages.STAGES[:-1], shown])
    house.write("a", "one", "three", "a secret of fifteen")
    house.write("b", "three", "!bad")
    yield Toys(house)
    toy_stages.calls.clear()


TABLES = ["lines", "rejects", "lengths", "long_lines", "report", "shown"]


def test_materialize_all_twice_computes_once(toys: Toys) -> None:
    assert toys.materialise().success
    assert {toys.metadata(table)["outcome"] for table in TABLES} == {"computed"}
    assert {table: toys.version(table) for table in TABLES} == toys.house.versions()
    assert toys.metadata("lines")["rows came"] == 4
    toy_stages.calls.clear()
    assert toys.materialise().success
    assert {toys.metadata(table)["outcome"] for table in TABLES} == {"unchanged"}
    assert {table: toys.version(table) for table in TABLES} == toys.house.versions()
    assert toys.metadata("lines")["rows came"] == 0
    assert toy_stages.calls == []


def test_an_edit_applies_at_the_next_run_and_runs_what_it_touches(toys: Toys) -> None:
    assert toys.materialise().success
    toys.house.settings.update(deciding=toy_stages.LeastSettings(6))
    toys.house.write("c", "one")
    assert toys.materialise().success
    outcomes = {table: toys.metadata(table)["outcome"] for table in TABLES}
    assert outcomes == {**dict.fromkeys(TABLES, "computed"), "lengths": "computed"}
    assert toys.metadata("long_lines")["settings"] == {"deciding": {"least": 6}}
    toys.house.write("d", "one")
    assert toys.materialise().success
    outcomes = {table: toys.metadata(table)["outcome"] for table in TABLES}
    assert outcomes["long_lines"] == "computed" and outcomes["report"] == outcomes["shown"] == "unchanged"


def test_a_graph_is_drawn_once_for_settings_that_stay(tmp_path: Path) -> None:
    """Each stage of a run asks for it, by the settings of that moment."""
    file = tmp_path / FILE
    file.write_text("sources: [{name: web, path: web}]\n")
    _, graph = current(tmp_path)
    assert current(tmp_path)[1] is graph and "samples" not in graph.nodes
    file.write_text("sources: [{name: web, path: web}]\ntask: {recipe: qa}\n")
    assert "samples" in current(tmp_path)[1].nodes


def test_the_run_s_tag_forces_and_an_unequal_answer_is_told(toys: Toys) -> None:
    assert toys.materialise().success
    toy_stages.calls.clear()
    assert toys.materialise(**{FORCE_TAG: "true"}).success
    assert toy_stages.calls == ["lines", "long_lines", "report", "shown"]
    assert {toys.metadata(table)["outcome"] for table in TABLES} == {"computed"}
    assert not [table for table in TABLES if UNEQUAL in toys.metadata(table)]
    function = toy_stages.long_lines.function

    def unsteady(lines: pl.LazyFrame, lengths: pl.DataFrame, settings: toy_stages.LeastSettings) -> Outcome:
        outcome: Outcome = function(lines, lengths, settings)
        return Outcome(outcome.table.head(1), kept=4, checks=outcome.checks)

    toys.house.revise("long_lines", function=unsteady)
    assert toys.materialise(**{FORCE_TAG: "TRUE"}).success
    assert "different" in toys.metadata("long_lines")[UNEQUAL]
    assert UNEQUAL not in toys.metadata("shown"), "its input is another"


@pytest.mark.parametrize("wrong", ["books", "check"])
def test_a_lost_record_fails_the_check_and_blocks_what_is_below(toys: Toys, wrong: str) -> None:
    function = toy_stages.long_lines.function

    def losing(lines: pl.LazyFrame, lengths: pl.DataFrame, settings: toy_stages.LeastSettings) -> Outcome:
        outcome: Outcome = function(lines, lengths, settings)
        checks = {"sound": "it is not"} if wrong == "check" else outcome.checks
        return Outcome(outcome.table, dropped={} if wrong == "books" else outcome.dropped, checks=checks)

    toys.house.revise("long_lines", function=losing)
    for _ in range(2):
        result = toys.materialise()
        assert not result.success
        failed = {each.check_name: each for each in result.get_asset_check_evaluations() if not each.passed}
        assert set(failed) == {CHECK if wrong == "books" else "sound"}
        said = next(iter(failed.values())).metadata["said"].value
        assert said == ("2 lines are in no book" if wrong == "books" else "it is not")
        assert toys.house.workspace.store.head("shown") is None
        assert toys.instance.get_latest_materialization_event(dg.AssetKey("shown")) is None
    toys.house.revise("long_lines", function=function)
    assert toys.materialise().success


def test_a_check_tells_the_books(toys: Toys) -> None:
    checks = [each for each in toys.materialise().get_asset_check_evaluations() if each.check_name == CHECK]
    said = {each.asset_key.to_user_string(): each for each in checks}
    numbers = {name: value.value for name, value in said["long_lines"].metadata.items() if name != "said"}
    assert set(numbers) == {"in", "kept", "dropped", "failed"}
    assert numbers["in"] == numbers["kept"] + numbers["dropped"] + numbers["failed"] > 0


def test_a_poison_record_is_in_the_books(toys: Toys) -> None:
    toys.house.write("c", "raise")
    assert toys.materialise().success
    assert "| failed: ValueError | 1 |" in toys.metadata("lengths")["books"]
    assert "| failed: not measured | 1 |" in toys.metadata("long_lines")["books"]


def test_what_a_person_wants_to_see_without_the_text_of_the_data(toys: Toys) -> None:
    result = toys.materialise()
    found = toys.metadata("shown")
    assert (found["dagster/row_count"], found["n"], found["share"], found["yes"]) == (2, 1, 0.5, True)
    assert found["pictures"].startswith("![a plot](data:image/svg+xml;base64,")
    assert [record.data["column"] for record in found["preview"].records] == ["content_digest", "said"]
    assert list(found)[:2] == ["outcome", "books"] and list(found)[-1] == "settings", (
        "the gist is first, the longest last"
    )
    in_full = toys.house.workspace.root / found["rows in full"]
    assert "a secret of fifteen" in in_full.read_text() and in_full.stat().st_mode & 0o077 == 0
    for event in result.all_events:
        assert "a secret of fifteen" not in dg.serialize_value(event)
    _, graph = toys.load()
    definition = asset_of(graph.nodes["shown"], toys.load)
    assert definition.op.pool == "gpu"
    assert definition.specs_by_key[dg.AssetKey("shown")].kinds == {"delta", "parquet"}
    assert definition.specs_by_key[dg.AssetKey("shown")].code_version == "7"


def test_what_stands_at_the_head_is_observed_by_content(toys: Toys) -> None:
    def looked() -> dict[str, str]:
        workspace, graph = toys.load()
        return {name: look() for name, look in observables(graph, workspace).items() if name == "notes"}

    before = looked()
    shutil.copystat(toys.house.root / "raw" / "b", toys.house.root / "raw" / "a")
    assert looked() == before
    toys.house.write("a", "other")
    assert looked() != before


def test_an_edited_file_is_a_changed_input_for_those_who_ask_for_it(tmp_path: Path) -> None:
    root = init(tmp_path / "new").parent
    (root / "data" / "a.txt").write_text("A text.")
    workspace = Workspace(root)
    graph = build_graph(pipelines.definitions.STAGES, workspace.config)
    looks = observables(graph, workspace)
    before = {name: look() for name, look in looks.items()}
    path = root / "headwater.yaml"
    path.write_text(path.read_text().replace("rules: []", "rules: [gopher]"))
    assert [name for name, look in looks.items() if look() != before[name]] == ["settings_rules"]
    path.write_text(path.read_text() + "\ndeduplication: {threshold: 0.9}\n")
    changed = {name for name, look in looks.items() if look() != before[name]}
    assert changed == {"settings_rules", "settings_deduplication"}, "not the signatures' part of it"
    with dg.DagsterInstance.ephemeral() as instance:
        assert set(observe(instance, looks)) == set(looks)
        (root / "data" / "a.txt").write_text("Another text.")
        assert observe(instance, looks) == ["source_data"]


def test_a_store_is_looked_at_less_often_than_a_disk(tmp_path: Path) -> None:
    root = init(tmp_path / "new", "corpus").parent
    sensors = {sensor.name: sensor.minimum_interval_seconds for sensor in definitions_of(root).sensors or []}
    assert "store_observation" not in sensors
    settings = root / "headwater.yaml"
    settings.write_text(settings.read_text().replace("path: data", "path: s3://raw/docs", 1))
    sensors = {sensor.name: sensor.minimum_interval_seconds for sensor in definitions_of(root).sensors or []}
    assert (sensors["observation"], sensors["store_observation"]) == (10, 300)

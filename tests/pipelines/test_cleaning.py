"""What nothing names goes after a week, and nothing else ever does: whatever runs, changes, is decided, or is killed."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pipelines.cleaning
from pipelines.cleaning import LOOK_SECONDS, MARKS, RETENTION_SECONDS, clear, is_time, marks, things
from pipelines.commits import Commit
from pipelines.graph import Graph
from pipelines.housekeeping import housekeeping_sensor
from pipelines.in_use import alone, in_use
from pipelines.promotions import SCHEMA as OVERRULED
from pipelines.references import KEPT
from pipelines.settings import SettingsError
from pipelines.workspace import Workspace
from records import digest
from tests.pipelines.toy_models import STAGES, Declared, ModelHouse, weights

DAY = 24 * 3600
NAMES = ("tuned", "other")
BASES = ("./small", "./large")
PROMOTED = {"model": pl.String, "version": pl.String, "weights": pl.String}


class Cut(BaseException):
    """The process ends here."""


class Life:
    """A workspace through its days, and what is known of it beside the store: what was made, and since when it is unnamed."""

    def __init__(self, root: Path) -> None:
        self.house = ModelHouse(root, STAGES)
        self.models: dict[str, Declared] = {}
        self.now = time.time() + 3600  # so that no life is too short for what is written meanwhile
        self.made: dict[str, Path] = {}
        self.bases: dict[str, str] = {}
        self.unnamed: dict[Path, float] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.litter = 0

    @property
    def workspace(self) -> Workspace:
        return self.house.workspace

    def train(self, name: str, seed: int, base: str = "./small") -> None:
        self.models[name] = Declared(base, seed)
        self.run()

    def drop(self, name: str) -> None:
        self.models.pop(name, None)
        self.run()

    def run(self) -> None:
        self.house.declare(self.models)
        self.house.run()
        for row in self.cells("model_"):
            self.made[row["version"]] = self.workspace.artifacts / row["folder"]
            self.bases[row["version"]] = row["base"]
        self.keep_in_mind()

    def cells(self, stem: str) -> list[dict[str, Any]]:
        store = self.workspace.store
        return [
            row for table in store.tables() if table.startswith(stem) for row in store.scan(table).collect().to_dicts()
        ]

    def promote(self, name: str) -> None:
        """By the rules, or over them."""
        for row in self.cells(f"model_{name}"):
            decided = {"model": name, "version": row["version"], "weights": row["version"]}
            self.commit("promoted_model", pl.DataFrame([decided], schema=PROMOTED), "model")

    def overrule(self, name: str) -> None:
        for row in self.cells(f"model_{name}"):
            self.decide(name, row["version"])

    def decide(self, name: str, version: str) -> None:
        before = self.cells("overruled")
        said = {"place": len(before), "model": name, "version": version, "reason": "so", "stood": []}
        self.commit("overruled", pl.DataFrame([*before, said], schema=OVERRULED), "place")

    def promote_base(self, name: str) -> None:
        """A base with a prompt wins over what was trained, by the rules and over them."""
        for row in self.cells(f"base_model_{name}"):
            decided = {"model": f"base {name}", "version": "0" * 16, "weights": row["digest"][:16]}
            self.commit("promoted_model", pl.DataFrame([decided], schema=PROMOTED), "model")

    def overrule_base(self, name: str) -> None:
        for row in self.cells(f"base_model_{name}"):
            self.decide(f"base {name}", row["digest"][:16])

    def label(self, name: str) -> None:
        """A person says something of what a model answered."""
        head = self.workspace.store.head(f"answers_{name}")
        if head is not None:
            given = pl.DataFrame([{"annotation_id": name, "annotator": "a1", "value": "b"}])
            self.commit(f"said_of_{name}", given, "annotation_id", {f"answers_{name}": head.version})

    def commit(self, table: str, rows: pl.DataFrame, key: str, inputs: dict[str, str] | None = None) -> None:
        store = self.workspace.store
        store.replace(
            rows, Commit(table, "k", "r", inputs or {}, {}, "1", "", "", 0, "", 0, 0), store.head(table), (key,)
        )
        self.keep_in_mind()

    def leave(self, name: str) -> None:
        """A run is killed before it commits."""
        self.litter += 1
        key = f"{self.litter:016x}"
        for place in (
            f"store/artifacts/model_{name}/{key}/adapter",
            f"jobs/model_{name}-{key}/1",
            f"tmp{self.litter:08}",
        ):
            (self.workspace.state / place).mkdir(parents=True)
            (self.workspace.state / place / "x").write_text("x")

    def keep_in_mind(self) -> None:
        store = self.workspace.store
        self.rows = {table: store.scan(table).collect().to_dicts() for table in store.tables()}

    def wait(self, days: int) -> None:
        self.now += days * DAY

    def days(self, days: int) -> None:
        """As it is from day to day: each begins with a look."""
        for _ in range(days):
            clear(self.workspace, self.house.graph, self.now)
            self.now += DAY

    def clear(self) -> None:
        named = self.named()
        clear(self.workspace, self.house.graph, self.now)
        self.assert_only_unnamed_is_gone()
        self.assert_old_is_gone(named)

    def cut(self, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Clearing away is killed at its n-th step, before or in the middle of deleting a folder."""
        left = iter(range(after))

        def step(act: Callable[..., Any], *arguments: Any) -> Any:
            if next(left, None) is None:
                if act is rmtree:
                    next(path for path in Path(arguments[0]).rglob("*") if path.is_file()).unlink()
                raise Cut
            return act(*arguments)

        rmtree, rename = shutil.rmtree, Path.rename
        with monkeypatch.context() as patched, suppress(Cut):
            patched.setattr(pipelines.cleaning.shutil, "rmtree", lambda path: step(rmtree, path))
            patched.setattr(Path, "rename", lambda path, to: step(rename, path, to))
            clear(self.workspace, self.house.graph, self.now)
        self.unnamed = {}
        self.assert_only_unnamed_is_gone()

    def named(self) -> set[str]:
        """Every word that stands anywhere in the rows of any table, in whatever column; paths by their parts."""
        return {part for rows in self.rows.values() for row in rows for part in str(row).replace("'", "/").split("/")}

    def needed_tables(self) -> set[str]:
        """What the settings ask for, what was decided, what people said, and what these were made of."""
        store, graph = self.workspace.store, self.house.graph
        needed = {table for table in self.rows if table in graph.makers or table in KEPT or table.startswith("said_")}
        promoted = {row["model"] for row in [*self.rows.get("promoted_model", []), *self.rows.get("overruled", [])]}
        needed |= {f"base_model_{name[5:]}" if name.startswith("base ") else f"model_{name}" for name in promoted}
        while True:
            more = {each for table in needed if (head := store.head(table)) for each in head.inputs} & self.rows.keys()
            if more <= needed:
                return needed
            needed |= more

    def assert_only_unnamed_is_gone(self) -> None:
        """All tables that are needed are there with their rows, and all weights that any row names, byte for byte."""
        store = self.workspace.store
        assert self.needed_tables() <= set(store.tables())
        self.rows = {table: self.rows[table] for table in store.tables()}
        for table, rows in self.rows.items():
            assert store.scan(table).collect().to_dicts() == rows
        named = self.named()
        for version in self.made.keys() & named:
            assert (self.made[version] / "adapter_model.safetensors").read_text() == weights(version)
            base = self.bases[version]
            assert (store.root / "bases" / base[2:] / "model.safetensors").read_text() == base
        for base in BASES:
            if digest(base)[:16] in named:
                assert (store.root / "bases" / base[2:] / "model.safetensors").read_text() == base
        self.house.run()  # a table's notes name folders as well: nothing that is up to date has to be made again
        assert {table: store.scan(table).collect().to_dicts() for table in self.rows} == self.rows

    def assert_old_is_gone(self, named: set[str]) -> None:
        """What no row named at any look of a week is gone, and nothing is there by halves."""
        state = self.workspace.state
        folders = [path.parent for version, path in self.made.items() if version not in named]
        folders += [path for path in state.glob("store/artifacts/*/*") if int(path.name, 16) <= self.litter]
        folders += state.glob("tmp*")
        self.unnamed = {path: self.unnamed.get(path, self.now) for path in folders if path.exists()}
        old = [path for path, since in self.unnamed.items() if since + RETENTION_SECONDS <= self.now]
        assert old == []
        assert not list(state.rglob(".removed-*"))


NAME = st.sampled_from(NAMES)
STEPS = st.one_of(
    st.tuples(st.just("train"), NAME, st.integers(0, 2), st.sampled_from(BASES)),
    st.tuples(st.just("drop"), NAME),
    st.tuples(st.sampled_from(["promote", "overrule", "label", "leave"]), NAME),
    st.tuples(st.sampled_from(["promote_base", "overrule_base"]), st.sampled_from([base[2:] for base in BASES])),
    st.tuples(st.just("wait"), st.sampled_from([1, 6, 8])),
    st.tuples(st.just("clear")),
    st.tuples(st.just("cut"), st.integers(0, 5)),
)


def live(steps: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take these steps, and hold after each look that all is there, and after the last that the rest is gone."""
    with TemporaryDirectory() as folder, monkeypatch.context() as patched:
        patched.setattr(pipelines.cleaning, "COUNTED_SECONDS", RETENTION_SECONDS)  # else each week would be seven looks
        life = Life(Path(folder) / "house")
        life.train("tuned", 0)
        for what, *arguments in steps:
            getattr(life, what)(*arguments, *([monkeypatch] if what == "cut" else []))
        for _ in range(4):  # a table is seen to be unnamed, goes, and then what it named
            life.clear()
            life.wait(8)
        life.clear()


@pytest.fixture(scope="module")
def patching() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield monkeypatch


@given(steps=st.lists(STEPS, min_size=3, max_size=10))
@settings(max_examples=12, deadline=None)
def test_what_is_named_stays_byte_for_byte_and_what_is_not_goes(patching: pytest.MonkeyPatch, steps: list[Any]) -> None:
    live(steps, patching)


@pytest.mark.long
@given(steps=st.lists(STEPS, min_size=5, max_size=25))
@settings(max_examples=300, deadline=None)
def test_the_same_over_long_lives(patching: pytest.MonkeyPatch, steps: list[Any]) -> None:
    live(steps, patching)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    """A workspace with one model, which the settings do not ask for any more."""
    made = Life(tmp_path / "house")
    made.train("tuned", 0)
    made.train("other", 1)
    made.drop("other")
    return made


def removed(life: Life) -> list[str]:
    return [each.place for each in clear(life.workspace, life.house.graph, life.now)]


def test_a_table_goes_before_what_it_names_and_each_waits_its_week(life: Life) -> None:
    assert removed(life) == []
    life.days(7)
    tables = removed(life)
    assert tables == ["store/tables/answers_other", "store/tables/model_other"]
    assert removed(life) == [] and all(path.exists() for path in life.made.values())
    life.days(7)
    gone = removed(life)
    assert [place.rpartition("/")[0] for place in gone] == ["store/artifacts/model_other", "jobs"]
    assert removed(life) == [] and marks(life.workspace)[1] == {}
    life.train("other", 1)
    life.assert_only_unnamed_is_gone()


def test_what_the_settings_ask_for_again_begins_its_week_anew(life: Life) -> None:
    removed(life)
    life.days(6)
    life.train("other", 1)
    assert removed(life) == [] and marks(life.workspace)[1] == {}
    life.drop("other")
    removed(life)
    life.days(6)
    assert removed(life) == []


def test_what_was_written_to_since_waits_from_then_on(life: Life) -> None:
    removed(life)
    life.days(7)
    late = life.workspace.store.root / "tables" / "model_other" / "part-of-a-run-that-was-killed.parquet"
    late.touch()
    os.utime(late, (life.now - DAY, life.now - DAY))
    assert removed(life) == ["store/tables/answers_other"]
    life.days(6)
    assert removed(life) == ["store/tables/model_other"]


def test_a_clock_that_went_back_removes_nothing_early(life: Life) -> None:
    life.now += 365 * DAY
    removed(life)
    life.now -= 365 * DAY
    removed(life)
    life.days(6)
    assert removed(life) == []
    life.days(1)
    assert len(removed(life)) == 2


def test_a_clock_that_jumps_forward_removes_nothing_early(life: Life) -> None:
    removed(life)
    for _ in range(6):
        life.now += 365 * DAY
        assert removed(life) == []
        life.now -= 364 * DAY
        assert removed(life) == []


def test_what_was_named_between_two_looks_does_not_go_at_the_second(life: Life) -> None:
    removed(life)
    life.train("other", 1)
    life.wait(8)
    life.drop("other")
    assert removed(life) == []
    life.days(5)
    assert removed(life) == []
    life.days(1)
    assert len(removed(life)) == 2


def test_nothing_is_removed_while_a_stage_runs_or_a_command_reads(life: Life) -> None:
    root = life.workspace.store.root
    removed(life)
    life.days(7)
    with in_use(root), in_use(root):
        assert removed(life) == []
        child = os.fork()  # it has the lock's descriptor, and lives on
        if not child:
            time.sleep(60)
            os._exit(0)
    try:
        assert len(removed(life)) == 2, "who was forked meanwhile holds nothing"
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    with alone(root) as first, alone(root) as second:
        assert first and not second


def test_nobody_waits_for_a_deletion_and_two_may_be_at_one(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    life.days(7)
    root, real, hindered = life.workspace.store.root, shutil.rmtree, []

    def rmtree(path: Path) -> None:
        with alone(root) as is_alone:
            assert is_alone, "what is out of the way is deleted while others work"
        hindered.append(path)
        [first, *_] = (each for each in path.rglob("*") if each.is_file())
        first.unlink()
        if len(hindered) % 2:  # another deletes the rest of every second one, too
            raise FileNotFoundError(first)
        real(path)
        raise FileNotFoundError(path)

    monkeypatch.setattr(pipelines.cleaning.shutil, "rmtree", rmtree)
    assert len(removed(life)) == 2 and len(hindered) == 4
    assert not list((root / "tables").glob(".*"))


def test_what_is_out_of_the_way_when_a_process_is_killed_goes_at_the_next_look(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, draft = life.workspace.state, next(path for path in life.made.values()).parent / ".adapter.partial"
    draft.mkdir()
    (draft / "x").write_text("x")
    for folder in ("previews", "reports", "exports", "forgotten", "dagster"):
        (state / folder).mkdir(exist_ok=True)
    (state / "previews" / "gone.json").write_text("{}")
    (state / "reports" / "scores-0123456789abcdef.html").write_text("x")
    drafts = (
        "reports/.scores.html.7.partial",
        "exports/.x.json.7.partial",
        "forgotten/.x.npy.7.partial",
        "dagster/.x.7.partial",
    )
    for name in drafts:
        (state / name).write_text("x")
    for path in (
        draft,
        draft / "x",
        *state.glob("previews/*"),
        *state.glob("reports/*"),
        *(state / name for name in drafts),
    ):
        os.utime(path, (life.now, life.now))
    life.days(7)
    with monkeypatch.context() as patched, suppress(Cut):
        patched.setattr(pipelines.cleaning, "finish", killed)
        removed(life)
    assert len(list(state.rglob(".removed-*"))) == 9, "two tables, five drafts, a preview and a report"
    removed(life)
    assert not list(state.rglob(".removed-*"))


def killed(workspace: Workspace, stuck: list[OSError]) -> None:
    raise Cut


def test_a_process_that_is_killed_holds_nothing_any_more(life: Life) -> None:
    root = life.workspace.store.root
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with in_use(root):
            os.write(writing, b"!")
            time.sleep(60)
    os.read(reading, 1)
    with alone(root) as is_alone:
        assert not is_alone
    os.kill(child, 9)
    os.waitpid(child, 0)
    with alone(root) as is_alone:
        assert is_alone


def test_what_cannot_be_read_stops_it_before_anything_is_removed(life: Life) -> None:
    removed(life)
    life.days(7)
    log = life.workspace.store.root / "tables" / "model_tuned" / "_delta_log"
    (log / "00000000000000000001.json").write_text('{"commitInfo": {"operation": "WRITE"}}\n')
    with pytest.raises(ValueError, match="model_tuned: version 1 was not written by Headwater"):
        removed(life)
    (log / "00000000000000000001.json").unlink()
    path = life.workspace.store.root / MARKS
    said = path.read_text()
    path.write_text(said[:-20])
    with pytest.raises(ValueError, match=f"{MARKS} cannot be read .* delete it"):
        removed(life)
    path.write_text(said)
    assert len(removed(life)) == 2


@pytest.mark.parametrize("said", ["", "[1]", '{"base": '])
def test_a_recipe_that_was_damaged_is_named_with_the_mend(life: Life, said: str) -> None:
    [recipe] = life.workspace.artifacts.glob("model_tuned/*/adapter/recipe.json")
    recipe.write_text(said)
    with pytest.raises(ValueError, match=f"{recipe} cannot be read .* remove {recipe.parent.parent} and run again"):
        removed(life)


def test_what_cannot_be_deleted_is_named_and_the_rest_goes(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = life.workspace.store.root / "tables"
    stuck = [tables / f".removed-{name}" for name in ("1", "3")]
    for path in (*stuck, tables / ".removed-2"):
        path.mkdir()
    rmtree = shutil.rmtree

    def refused(path: Path) -> None:
        if path in stuck:
            raise PermissionError(1, "Operation not permitted", str(path))
        rmtree(path)

    monkeypatch.setattr(pipelines.cleaning.shutil, "rmtree", refused)
    for _ in range(8):
        with pytest.raises(OSError, match=r"cannot be deleted: .*removed-1.*removed-3") as raised:
            removed(life)
        assert "removed-2" not in str(raised.value)
        life.now += DAY
    assert sorted(tables.glob(".removed-*")) == stuck and not (tables / "model_other").exists()


def test_what_cannot_be_put_out_of_the_way_is_named_and_the_rest_goes(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, rename = life.workspace.store.root / "tables" / "answers_other", Path.rename

    def refused(path: Path, to: Path) -> Path:
        if path == stuck:
            raise PermissionError(1, "Operation not permitted", str(path))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refused)
    life.days(7)
    with pytest.raises(OSError, match=r"cannot be deleted: .*answers_other"):
        removed(life)
    assert stuck.is_dir() and not (stuck.parent / "model_other").exists()


def test_a_link_is_removed_and_not_what_it_leads_to(life: Life, tmp_path: Path) -> None:
    [folder] = (path for path in life.made.values() if path.parent.parent.name == "model_other")
    elsewhere = tmp_path / "elsewhere"
    folder.parent.rename(elsewhere)
    folder.parent.symlink_to(elsewhere)
    for _ in range(4):
        removed(life)
        life.days(8)
    assert not folder.parent.is_symlink() and (elsewhere / "adapter" / "adapter_model.safetensors").is_file()


def test_a_look_is_taken_once_an_hour(life: Life) -> None:
    assert is_time(life.workspace, life.now)
    removed(life)
    assert not is_time(life.workspace, life.now + LOOK_SECONDS - 1) and is_time(life.workspace, life.now + LOOK_SECONDS)
    assert is_time(life.workspace, life.now - 2 * LOOK_SECONDS), "a clock that went back"


def test_every_table_that_a_decision_needs_is_held_with_the_reason(life: Life) -> None:
    life.train("other", 1)
    life.promote("other")
    life.drop("other")
    held = {thing.path.name: thing.why for thing in things(life.workspace, life.house.graph) if thing.kind == "tables"}
    assert held["model_tuned"] == "the settings ask for it" and held["promoted_model"] == KEPT["promoted_model"]
    assert held["model_other"] == "promoted_model names weights of it" and held["answers_other"] == ""


@pytest.mark.parametrize("step", ["promote_base", "overrule_base"])
def test_a_base_that_was_chosen_itself_stays_though_no_entry_names_it_any_more(life: Life, step: str) -> None:
    life.train("other", 1, "./large")
    getattr(life, step)("large")
    life.drop("other")
    for _ in range(4):
        life.clear()
        life.days(8)
    held = {thing.path.name: thing.why for thing in things(life.workspace, life.house.graph) if thing.kind == "tables"}
    assert held["base_model_large"].endswith("names weights of it") and "model_other" not in held
    assert life.cells("base_model_large") and (life.workspace.store.root / "bases" / "large").is_dir()


@pytest.mark.parametrize(
    ("looked", "clears"),
    [("0.9.9", False), ("0.10", False), ("1", False), ("0.2.0rc1", True), ("0.2", True), ("0.1.12", True), ("", True)],
)
def test_an_older_version_removes_nothing_after_a_newer_one_looked(
    life: Life, monkeypatch: pytest.MonkeyPatch, looked: str, clears: bool
) -> None:
    """A daemon that was up during an upgrade does not know the new stages, and takes their tables for nobody's."""
    monkeypatch.setattr(pipelines.cleaning, "VERSION_HERE", "0.2.0")
    life.days(7)
    path = life.workspace.store.root / MARKS
    assert json.loads(path.read_text())["version"] == "0.2.0"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": looked}))
    assert is_time(life.workspace, life.now + DAY) == clears
    before = path.read_text()
    assert len(removed(life)) == (2 if clears else 0) and (path.read_text() == before) != clears


def test_no_workspace_is_made_by_looking(tmp_path: Path) -> None:
    with in_use(tmp_path / "none"), alone(tmp_path / "none") as is_alone:
        assert not is_alone
    assert not list(tmp_path.iterdir())


def test_the_daemon_clears_away_once_an_hour_and_not_while_a_run_is_on(life: Life, tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    with dg.instance_for_test(temp_dir=str(tmp_path / "dagster")) as instance:
        loads: list[Workspace] = []
        unreadable: list[Exception] = []

        def load() -> tuple[Workspace, Graph]:
            loads.append(life.workspace)
            for error in unreadable:
                raise error
            return life.workspace, life.house.graph

        def tick() -> str:
            sensor = housekeeping_sensor(life.workspace, load)
            context = dg.build_sensor_context(instance, repository_name="house")
            return str(sensor.evaluate_tick(context).skip_message)

        job = dg.Definitions([thing]).resolve_implicit_global_asset_job_def()
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert "nothing names it: nothing" in tick() and not (life.workspace.store.root / MARKS).exists()
        assert not loads, "the settings are not read while a run is on"
        instance.report_run_failed(run)
        assert "nothing names it: nothing" in tick()
        path = life.workspace.store.root / MARKS
        waited = dict.fromkeys(marks(life.workspace)[1], RETENTION_SECONDS)
        path.write_text(json.dumps({"looked": 1.0, "waited": waited}))
        old = life.workspace.store.root / "tables" / "model_other"
        for each in (old, *old.rglob("*")):
            os.utime(each, (1, 1))
        assert "nothing names it: store/tables/model_other." in tick()
        assert "nothing names it: nothing" in tick(), "it looks once an hour"
        assert len(loads) == 2, "the settings are read when it is time to look"
        path.write_text(json.dumps({"looked": 1.0, "waited": {}}))
        unreadable.append(SettingsError("headwater.yaml: seed: not a number"))
        assert "Runs marked as failed: none." in (said := tick())
        assert "nothing names it: not all, for headwater.yaml: seed: not a number." in said


@dg.asset
def thing() -> None: ...

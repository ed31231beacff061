"""What a look at a source finds is told in counts, beside its version and in the words of the tick."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from pipelines.commits import Commit
from pipelines.definitions import current, definitions_of
from pipelines.findings import facts_by, in_words
from pipelines.templates import init

KEY = dg.AssetKey("source_data")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = init(tmp_path / "new", "corpus").parent
    for name in ("kept.txt", "changed.txt", "gone.txt"):
        (root / "data" / name).write_text(name)
    return root


def read(root: Path) -> None:
    """Commit what was read of the files: documents of all but one, and that one's failure."""
    workspace, graph = current(root)
    files = graph.nodes["source_data"].stage.function(workspace.config.sources[0], workspace, lambda *_: None).value
    rows = files.select("source", "path", "bytes_digest", locator="path", doc_id="path")
    for table, part, key in (("documents", rows[1:], "doc_id"), ("failures", rows[:1], "locator")):
        draft = Commit(table, "", "", {}, {}, "1", "", "", 0, "", 0, 0)
        workspace.store.replace(part, draft, workspace.store.head(table), (key,))


def tick(root: Path, instance: dg.DagsterInstance) -> str:
    """What the sensor's next tick says."""
    (sensor,) = [each for each in definitions_of(root).sensors or [] if each.name == "observation"]
    said = sensor(dg.build_sensor_context(instance))
    assert isinstance(said, dg.SkipReason)
    return str(said.skip_message)


def observed(instance: dg.DagsterInstance) -> list[dict[str, object]]:
    records = instance.fetch_observations(KEY, limit=9).records
    return [{name: each.value for name, each in one.asset_observation.metadata.items()} for one in records]


def test_a_tick_that_found_files_says_how_many_and_one_that_found_nothing_says_so(root: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert "source_data: 3 new files" in tick(root, instance)
        assert tick(root, instance).startswith("Nothing new: ")
        read(root)
        (root / "data" / "changed.txt").write_text("other words")
        (root / "data" / "gone.txt").unlink()
        for name in ("one.txt", "two.txt"):
            (root / "data" / name).write_text(name)
        assert tick(root, instance) == "Found: source_data: 2 new, 1 changed, 1 gone files"
        assert tick(root, instance).startswith("Nothing new: ")
        counts = {"files": 4, "new files": 2, "changed files": 1, "gone files": 1}
        assert observed(instance) == [counts, {"files": 3, "new files": 3, "changed files": 0, "gone files": 0}]
        settings = root / "headwater.yaml"
        settings.write_text(settings.read_text() + "\ndeduplication: {threshold: 0.9}\n")
        assert tick(root, instance) == "Found: settings_deduplication"


def test_what_a_person_has_observed_by_hand_tells_the_same(root: Path) -> None:
    read(root)
    (root / "data" / "one.txt").write_text("one")
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions_of(root).resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance, asset_selection=[KEY]).success
        assert observed(instance) == [{"files": 4, "new files": 1, "changed files": 0, "gone files": 0}]


def test_files_that_cannot_be_counted_are_observed_all_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> pl.DataFrame:
        raise OSError("the disk is away")

    monkeypatch.setattr("pipelines.findings._read", broken)
    with dg.DagsterInstance.ephemeral() as instance:
        assert "source_data: not counted OSError: the disk is away" in tick(root, instance)
        assert observed(instance) == [{"not counted": "OSError: the disk is away"}]


def test_only_sources_have_files(root: Path) -> None:
    workspace, graph = current(root)
    facts = facts_by(graph, workspace)
    assert facts("settings_rules") == facts("tombstones") == facts("no such") == {}
    assert in_words("settings_rules", {}) == "settings_rules"
    assert in_words("source_a", {"files": 3, "new files": 0, "changed files": 0, "gone files": 0}) == "source_a"
    assert (
        in_words("source_a", {"files": 9000, "new files": 1234, "gone files": 1}) == "source_a: 1,234 new, 1 gone files"
    )

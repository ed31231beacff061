"""`headwater forget --purge`: no byte is left in anything that Headwater made, and the scan that says so can say otherwise."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from assets import STAGES
from pipelines import forgetting
from pipelines.exports import record_export
from pipelines.forgetting import Asked, forget, touched
from pipelines.graph import build_graph
from pipelines.purging import TABLE, purge
from pipelines.remembering import folder_of
from pipelines.workspace import Workspace
from tests import forked_commands
from tests.forked_commands import Done, environment
from tests.pipelines.commands.planted import VERSION, commit, plant_models
from tests.pipelines.test_cli import assert_clear, headwater

SECRET = "heron of Saltmarsh Lane who kept the ferry"
ROW = {
    "question": f"Where did the {SECRET} in the winter of the great flood lead all those people, and what did they pay?",
    "answer": f"The {SECRET} brought them over to the mill on the other bank, where they stayed until the spring, for nothing.",
}
SHORT = "Ann's PIN is 4711"
OLD = "deadbeefdeadbeef"
WHY = ("--reason", "asked by the person", "--yes")


def run(root: Path) -> None:
    done = headwater("run", "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr


def holding(root: Path) -> list[str]:
    """Files that hold the secret as it is, or in a column of Parquet."""
    found = []
    for path in (path for path in root.rglob("*") if path.is_file()):
        said = str(pl.read_parquet(path).to_dicts()) if path.suffix == ".parquet" else ""
        if SECRET in said or SECRET.encode() in path.read_bytes():
            found.append(str(path.relative_to(root)))
    return found


@pytest.fixture(scope="module")
def kept(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small workspace with a row more, which a sample and a release hold, and a text of few bytes. Not to be changed."""
    root = tmp_path_factory.mktemp("kept") / "kept"
    shutil.copytree(ready, root)
    with (root / "notes" / "qa.jsonl").open("a") as file:
        file.write(json.dumps(ROW) + "\n")
    (root / "notes" / "short.txt").write_text(SHORT)
    run(root)
    return root


@pytest.fixture
def root(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept, tmp_path / "root")
    return tmp_path / "root"


def release_of(workspace: Workspace) -> str:
    head = workspace.store.head("instructions")
    assert head is not None
    return str(head.notes["release"])


def plant_bytes(root: Path, outside: Path) -> None:
    """Let the secret stand wherever Headwater may have written it, and in exports."""
    workspace = Workspace(root)
    for place in (outside / "out", (outside / "far").as_uri()):
        assert headwater("export", "instructions", "-o", place, "-w", root).returncode == 0
    record_export(workspace, "hf://datasets/acme/river")
    assert headwater("table", "corpus", "-o", outside / "corpus.jsonl", "-w", root).returncode == 0
    job = workspace.state / "jobs" / "answers_tuned-1" / "1"
    job.mkdir(parents=True)
    (job / "job.json").write_text(json.dumps({"questions": [ROW["question"]]}))
    commit(workspace, "answers_gone", [{"sample_id": "x", "output": ROW["answer"]}], ("sample_id",))
    shutil.copytree(workspace.store.location("samples"), workspace.store.location(".removed-samples-1"))
    (workspace.dagster_home / "planted.txt").write_text(ROW["answer"])
    assert len(holding(workspace.state)) > 5 and holding(outside / "out")
    assert SECRET in (outside / "corpus.jsonl").read_text()


def plant_names(root: Path, outside: Path) -> dict[str, list[str]]:
    """Exports of documents, whole, cut and saved anew, in which the text of few bytes can be told by its name alone."""
    workspace = Workspace(root)
    table = workspace.store.scan("documents").filter(~pl.col("text").str.contains(SECRET)).collect()
    other = table.filter(~pl.col("text").str.contains(SHORT, literal=True))
    name = table.filter(text=SHORT)["content_digest"][0]
    line = json.dumps({"content_digest": name, "text": SHORT})
    odd = {
        "cut.jsonl": f'{line}\n{{"content_di'.encode(),
        "cut_within.jsonl": line[:-9].encode(),
        "blank.jsonl": f"\n{line}\n".encode(),
        "bytes.jsonl": line.encode() + b'\n{"text": "\xff"}\n',
        "deep.jsonl": f"{line}\n{'[' * 100_000}\n".encode(),
        "ragged.csv": f"content_digest,text\n{name},a\n{name},b,c\n".encode(),
        "semicolons.csv": f"\ufeffcontent_digest;text\n{name};a\n".encode(),
        "sheet.csv": f"content_digest\ttext\n{name}\ta\n".encode("utf-16"),
    }
    for path, data in odd.items():
        (outside / path).write_bytes(data)
    flat = table.select("content_digest", "locator", "text")
    flat.write_parquet(outside / "documents.parquet")
    flat.write_csv(outside / "documents.csv")
    flat.write_ndjson(outside / "documents.jsonl")
    other.write_ndjson(outside / "without.jsonl")
    (outside / "other.csv").write_bytes(b"\xff\0not what it was")
    (outside / "broken.parquet").write_bytes((outside / "documents.parquet").read_bytes()[:-9])
    (outside / ".drawn.partial").mkdir()
    flat.write_parquet(outside / ".drawn.partial" / "a.parquet")
    go, stay = (
        [*odd, *(f"documents.{ending}" for ending in ("parquet", "csv", "jsonl"))],
        ["without.jsonl", "other.csv"],
    )
    for path in (*go, *stay, "broken.parquet", "drawn"):
        record_export(workspace, str(outside / path))
    return {"go": [*go, ".drawn.partial"], "stay": stay}


def plant_weights(root: Path) -> None:
    """Weights of a model that stands, of an older one on the same release, and of one on another."""
    workspace = Workspace(root)
    plant_models(root)
    release = workspace.store.scan("model_tuned").collect()["dataset_version"][0]
    for version, learnt in {OLD: release, "0" * 16: "another", VERSION: release}.items():
        adapter = workspace.artifacts / "model_tuned" / version / "adapter"
        adapter.mkdir(parents=True)
        (adapter / "recipe.json").write_text(json.dumps({"base": {"name": "tiny"}, "dataset_version": learnt}))


@dataclass(frozen=True)
class Purges:
    """A workspace and exports of it, from which what was taken back was purged, at the second try."""

    root: Path
    outside: Path
    old: str
    """The release that held the row."""
    models: list[tuple[str, str]]
    """That a request for the row touches."""
    names: dict[str, list[str]]
    """Exports that tell the text of few bytes by its name, and others."""
    first: Done
    waits: bool
    """Whether what was taken back still waits after the first try."""
    second: Done


@pytest.fixture(scope="module")
def purges(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Purges:
    outside = tmp_path_factory.mktemp("purged")
    root = shutil.copytree(kept, outside / "root")
    workspace = Workspace(root)
    old = release_of(workspace)
    plant_bytes(root, outside)
    names = plant_names(root, outside)
    plant_weights(root)
    found = touched(workspace, Asked("contains", SECRET))
    assert headwater("forget", "--contains", SECRET, *WHY, "-w", root).returncode == 0
    commit(workspace, "model_tuned", [{"model": "tuned", "version": "new", "dataset_version": "new"}], ("model",))
    first = headwater("forget", "--contains", "PIN is 4711", *WHY, "--purge", "-w", root)
    waits = workspace.store.head(TABLE) is None and bool(list(folder_of(workspace).glob("*.npy")))
    (workspace.dagster_home / "planted.txt").unlink()
    (outside / "broken.parquet").unlink()
    second = headwater("forget", "--purge", "-w", root)
    models = [(row["model"], row["version"]) for row in found.models]
    return Purges(root, outside, old, models, names, first, waits, second)


def test_a_scan_finds_what_is_left_and_then_it_is_not_purged(purges: Purges) -> None:
    said = purges.first.stderr.replace("\n", " ")
    assert purges.first.returncode == 1 and "none was found" not in purges.first.stdout
    assert "still there: dagster/planted.txt: " in said
    assert f"still there: {purges.outside / 'broken.parquet'} cannot be looked into" in said
    assert purges.waits


def test_no_byte_is_left_and_a_scan_proves_it(purges: Purges) -> None:
    workspace, outside, done = Workspace(purges.root), purges.outside, purges.second
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ none was found" in done.stdout and "store/tables" in done.stdout
    assert holding(workspace.state) == [], "what Headwater made"
    assert holding(purges.root / "notes") == ["qa.jsonl"], "sources are not Headwater's"
    assert not (outside / "corpus.jsonl").exists()
    assert [path.name for path in (outside / "out").iterdir()] == ["TAKEN_BACK.json"]
    assert [path.name for path in (outside / "far").rglob("*") if path.is_file()] == ["TAKEN_BACK.json"]
    remains = (
        "remains elsewhere: hf://datasets/acme/river (the hub keeps the history of a dataset; delete the dataset there)"
    )
    assert remains in " ".join(done.stderr.split())
    assert not list(folder_of(workspace).iterdir())
    record = workspace.store.scan(TABLE).collect().row(0, named=True)
    assert record["passages"] > 4 and json.loads(record["looked_at"])["store/tables"]["files"] > 20

    stub = json.loads((workspace.releases / "instructions" / purges.old / "TAKEN_BACK.json").read_text())
    assert stub == {"version": purges.old, "successor": release_of(workspace)}
    assert workspace.store.history("corpus")[-1].number > 0, "the log begins anew"
    assert "Nothing to do" in headwater("run", "-w", purges.root).stdout
    assert_clear(headwater("forget", "--purge", "-w", purges.root), "nothing that was taken back waits to be purged")


def test_a_text_of_few_bytes_is_found_in_exports_by_its_name_also_where_they_were_cut_or_saved_anew(
    purges: Purges,
) -> None:
    assert [name for name in purges.names["go"] if (purges.outside / name).exists()] == []
    assert all((purges.outside / name).exists() for name in purges.names["stay"])


def test_weights_that_are_kept_though_a_newer_model_stands_are_found_and_go(purges: Purges) -> None:
    assert purges.models == [("tuned", VERSION), ("tuned", OLD)]
    said = purges.first.stdout
    assert f"removed weights {OLD}" in said and f"removed weights {VERSION}" in said
    assert [path.name for path in Workspace(purges.root).artifacts.glob("model_tuned/*")] == ["0" * 16]


CHILD = """
import sys
from pathlib import Path
from assets import STAGES
from pipelines.forgetting import Asked, forget, touched
from pipelines.graph import build_graph
from pipelines.purging import purge
from pipelines.workspace import Workspace

workspace, asked = Workspace(Path(sys.argv[1])), Asked("source", "notes")
if sys.argv[2] == "forget":
    forget(workspace, asked, touched(workspace, asked), "why")
else:
    purge(workspace, build_graph(STAGES, workspace.config))
"""


def take_back(workspace: Workspace) -> str:
    asked = Asked("source", "notes")
    return forget(workspace, asked, touched(workspace, asked), "why")


def killed(root: Path, what: str, seconds: float) -> None:
    """Begin a request or a purge in a process of its own, and kill it so long after, if it has not ended."""
    with suppress(subprocess.TimeoutExpired):
        done = forked_commands.run([str(root), what], root, environment(), seconds, CHILD)
        assert done.returncode == 0, done.stderr


def assert_whole(workspace: Workspace) -> None:
    """Every table can be read, and holds what its commit says."""
    for table in workspace.store.tables():
        head = workspace.store.head(table)
        assert head is not None and workspace.store.scan(table).collect().height == head.rows, table


def kill_while_forgetting(root: Path, seconds: float) -> None:
    workspace = Workspace(root)
    asked = touched(workspace, Asked("source", "notes"))
    wanted = len(asked.contents) + len(asked.near) + asked.samples.height
    killed(root, "forget", seconds)
    assert_whole(workspace)
    _, there = forgetting.tombstones(workspace)
    assert there.height in {0, wanted}, "all of a request or nothing"
    take_back(workspace)
    assert forgetting.tombstones(workspace)[1].height == wanted


def kill_while_purging(root: Path, seconds: float) -> None:
    workspace = Workspace(root)
    killed(root, "purge", seconds)
    assert_whole(workspace)
    if workspace.store.head(TABLE) is None or list(folder_of(workspace).glob("*.npy")):
        assert purge(workspace, build_graph(STAGES, workspace.config)).left == []
    assert holding(workspace.state) == []
    assert_whole(workspace)


@pytest.fixture(scope="module")
def taken(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace without the row, before its purge. Not to be changed."""
    root = tmp_path_factory.mktemp("taken") / "taken"
    shutil.copytree(kept, root)
    assert headwater("forget", "--contains", SECRET, *WHY, "-w", root).returncode == 0
    run(root)
    return root


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 25))])
def test_a_request_that_is_killed_is_whole_or_not_there(root: Path, seed: int) -> None:
    kill_while_forgetting(root, random.Random(seed).uniform(0, 0.3))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 25))])
def test_a_purge_that_is_killed_is_finished_by_the_next(taken: Path, tmp_path: Path, seed: int) -> None:
    shutil.copytree(taken, tmp_path / "taken")
    kill_while_purging(tmp_path / "taken", random.Random(seed).uniform(0, 2))

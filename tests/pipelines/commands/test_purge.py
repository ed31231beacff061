"""`headwater forget --purge`: no byte is left in anything that Headwater made, and the scan that says so can say otherwise."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
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
from tests.pipelines.commands.planted import VERSION, commit, plant_models
from tests.pipelines.test_cli import assert_clear, headwater

SECRET = "heron of Saltmarsh Lane who kept the ferry"
ROW = {
    "question": f"Where did the {SECRET} in the winter of the great flood lead all those people, and what did they pay?",
    "answer": f"The {SECRET} brought them over to the mill on the other bank, where they stayed until the spring, for nothing.",
}
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
    """The small workspace with a row more, which a sample and a release hold. Not to be changed."""
    root = tmp_path_factory.mktemp("kept") / "kept"
    shutil.copytree(ready, root)
    with (root / "notes" / "qa.jsonl").open("a") as file:
        file.write(json.dumps(ROW) + "\n")
    run(root)
    return root


@pytest.fixture
def root(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept, tmp_path / "root")
    return tmp_path / "root"


def test_no_byte_is_left_and_a_scan_proves_it(root: Path, tmp_path: Path) -> None:
    workspace = Workspace(root)
    head = workspace.store.head("instructions")
    assert head is not None
    old = head.notes["release"]
    state, out = workspace.state, tmp_path / "out"
    assert headwater("export", "instructions", "-o", out, "-w", root).returncode == 0
    far = tmp_path / "far"
    assert headwater("export", "instructions", "-o", far.as_uri(), "-w", root).returncode == 0
    record_export(workspace, "hf://datasets/acme/river")
    assert headwater("table", "corpus", "-o", tmp_path / "corpus.jsonl", "-w", root).returncode == 0
    job = state / "jobs" / "answers_tuned-1" / "1"
    job.mkdir(parents=True)
    (job / "job.json").write_text(json.dumps({"questions": [ROW["question"]]}))
    commit(workspace, "answers_gone", [{"sample_id": "x", "output": ROW["answer"]}], ("sample_id",))
    shutil.copytree(workspace.store.location("samples"), workspace.store.location(".removed-samples-1"))
    stray = workspace.dagster_home / "planted.txt"
    stray.write_text(ROW["answer"])
    assert len(holding(state)) > 5 and holding(out) and holding(tmp_path / "corpus.jsonl") == []

    found = headwater("forget", "--contains", SECRET, *WHY, "--purge", "-w", root)
    assert found.returncode == 1, "the scan finds what it should"
    assert "still there: dagster/planted.txt: " in found.stderr and "none was found" not in found.stdout
    assert workspace.store.head(TABLE) is None and list(folder_of(workspace).glob("*.npy"))

    stray.unlink()
    done = headwater("forget", "--purge", "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ none was found" in done.stdout and "store/tables" in done.stdout
    assert holding(state) == [] and holding(tmp_path / "root" / "notes") == ["qa.jsonl"], "sources are not Headwater's"
    assert not (tmp_path / "corpus.jsonl").exists() and [path.name for path in out.iterdir()] == ["TAKEN_BACK.json"]
    assert [path.name for path in far.rglob("*") if path.is_file()] == ["TAKEN_BACK.json"]
    remains = (
        "remains elsewhere: hf://datasets/acme/river (the hub keeps the history of a dataset; delete the dataset there)"
    )
    assert remains in " ".join(done.stderr.split())
    assert not list(folder_of(workspace).iterdir())
    record = workspace.store.scan(TABLE).collect().row(0, named=True)
    assert record["passages"] > 4 and json.loads(record["looked_at"])["store/tables"]["files"] > 20

    new = workspace.store.head("instructions")
    assert new is not None
    stub = json.loads((workspace.releases / "instructions" / old / "TAKEN_BACK.json").read_text())
    assert stub == {"version": old, "successor": new.notes["release"]}
    assert workspace.store.history("corpus")[-1].number > 0, "the log begins anew"
    assert "Nothing to do" in headwater("run", "-w", root).stdout
    assert_clear(headwater("forget", "--purge", "-w", root), "nothing that was taken back waits to be purged")


def test_a_text_of_few_bytes_is_found_in_exports_by_its_name_also_where_they_were_cut_or_saved_anew(
    root: Path, tmp_path: Path
) -> None:
    workspace = Workspace(root)
    before, other = tmp_path / "before.jsonl", tmp_path / "other.csv"
    written = [tmp_path / f"documents.{ending}" for ending in ("parquet", "csv", "jsonl")]
    assert headwater("table", "documents", "-o", before, "-w", root).returncode == 0
    (root / "notes" / "short.txt").write_text("Ann's PIN is 4711")
    run(root)
    for path in (*written, other):
        assert headwater("table", "documents", "-o", path, "-w", root).returncode == 0
    other.write_bytes(b"\xff\0not what it was")
    table = workspace.store.scan("documents").collect()
    name = table.filter(pl.col("text").str.contains("4711"))["content_digest"][0]
    line = json.dumps({"content_digest": name, "text": "Ann's PIN is 4711"})
    parquet = tmp_path / "cut.parquet"
    table.write_parquet(parquet)
    parquet.write_bytes(parquet.read_bytes()[:-9])
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
        (tmp_path / path).write_bytes(data)
        record_export(workspace, str(tmp_path / path))
    record_export(workspace, str(parquet))
    record_export(workspace, str(tmp_path / "out"))
    draft = tmp_path / ".out.partial"
    draft.mkdir()
    table.write_parquet(draft / "a.parquet")

    found = headwater("forget", "--contains", "PIN is 4711", *WHY, "--purge", "-w", root)
    assert found.returncode == 1 and f"still there: {parquet} cannot be looked into" in found.stderr.replace("\n", " ")
    assert [path for path in odd if (tmp_path / path).exists()] == [] and not draft.exists()
    assert not any(path.exists() for path in written) and before.exists() and other.exists()
    parquet.unlink()
    assert headwater("forget", "--purge", "-w", root).returncode == 0


def test_weights_that_are_kept_though_a_newer_model_stands_are_found_and_go(root: Path) -> None:
    workspace = Workspace(root)
    plant_models(root)
    release = workspace.store.scan("model_tuned").collect()["dataset_version"][0]
    recipes = {OLD: release, "0" * 16: "another", VERSION: release}
    for version, learnt in recipes.items():
        adapter = workspace.artifacts / "model_tuned" / version / "adapter"
        adapter.mkdir(parents=True)
        (adapter / "recipe.json").write_text(json.dumps({"base": {"name": "tiny"}, "dataset_version": learnt}))
    found = touched(workspace, Asked("contains", SECRET))
    assert [(row["model"], row["version"]) for row in found.models] == [("tuned", VERSION), ("tuned", OLD)]

    assert headwater("forget", "--contains", SECRET, *WHY, "-w", root).returncode == 0
    commit(workspace, "model_tuned", [{"model": "tuned", "version": "new", "dataset_version": "new"}], ("model",))
    done = headwater("forget", "--purge", "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"removed weights {OLD}" in done.stdout and f"removed weights {VERSION}" in done.stdout
    assert [path.name for path in workspace.artifacts.glob("model_tuned/*")] == ["0" * 16]


CHILD = """
import sys
from pathlib import Path
import dagster
from tests.pipelines.commands.test_purge import graph_of, take_back
from pipelines.purging import purge
from pipelines.workspace import Workspace

workspace = Workspace(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
take_back(workspace) if sys.argv[2] == "forget" else purge(workspace, graph_of(workspace))
print("done", flush=True)
"""


def graph_of(workspace: Workspace) -> object:
    return build_graph(STAGES, workspace.config)


def take_back(workspace: Workspace) -> str:
    asked = Asked("source", "notes")
    return forget(workspace, asked, touched(workspace, asked), "why")


def killed(root: Path, what: str, seconds: float) -> None:
    """Begin a request or a purge in a process of its own, and kill it so long after."""
    words = [sys.executable, "-c", CHILD, str(root), what]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("\n")
        child.stdin.flush()
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)


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
        assert purge(workspace, graph_of(workspace)).left == []  # type: ignore[arg-type]
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
    kill_while_forgetting(root, random.Random(seed).uniform(0, 0.6))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 25))])
def test_a_purge_that_is_killed_is_finished_by_the_next(taken: Path, tmp_path: Path, seed: int) -> None:
    shutil.copytree(taken, tmp_path / "taken")
    kill_while_purging(tmp_path / "taken", random.Random(seed).uniform(0, 3))

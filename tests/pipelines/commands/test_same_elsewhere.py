"""The same data give the same release elsewhere: in another folder, order and number of threads, at once or bit by bit."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import polars as pl
import pytest

from assets.datasets import demonstrations, preferences
from curation.release_kinds import KINDS
from curation.releases import verify_release
from pipelines.releases import releases_of
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import digest, silent
from tests.pipelines.commands.conftest import fill
from tests.pipelines.test_cli import headwater

MORE = "\npretraining: {test: 0.3, validation: 0.2}\nmixture: {weights: {web: 1, notes: 2}, max_copies: 2}\n"


ALONE = {"POLARS_MAX_THREADS": "1", "NUMBA_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


def build(root: Path, **threads: str) -> None:
    """Make its releases; by as many threads as the machine has, where nothing is said."""
    done = headwater("run", "pretraining", "instructions", "evaluation", "-w", root, **threads)
    assert done.returncode == 0, done.stdout + done.stderr


def labelled(root: Path, order: int) -> None:
    """Releases of what people prefer and wrote, from labels that stand in an order of their own."""
    workspace = Workspace(root)
    samples = workspace.store.scan("samples").collect()
    rows = [
        {
            "sample_id": sample,
            "task_digest": digest(kind, sample),
            "kind": kind,
            "value": "ab"[int(sample[0], 16) % 2],
            "how": "agreed",
            "output_a": "one answer",
            "output_b": "another answer",
            "model_a": "tuned",
            "model_b": "base",
        }
        for sample in samples["sample_id"].sort()
        for kind in ("preference", "demonstration")
    ]
    labels = pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=order)
    mixed = samples.sample(fraction=1, shuffle=True, seed=order)
    for stage in (preferences, demonstrations):
        assert stage(labels, mixed, Run(workspace, stage.name, "k", silent, lambda *_: {})).notes["release"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two workspaces of the same data: one built at once by one thread, one in two parts by all."""
    here, there = tmp_path_factory.mktemp("here") / "w", tmp_path_factory.mktemp("elsewhere") / "far" / "down" / "other"
    for root in (here, there):
        fill(root)
        with (root / "headwater.yaml").open("a") as file:
            file.write(MORE)
    build(here, **ALONE)
    labelled(here, 1)
    waiting = {path: path.read_bytes() for path in sorted((there / "web").iterdir(), reverse=True)}
    late = dict(islice(waiting.items(), 2, None))
    for path in late:
        path.unlink()
    build(there)
    for number, (path, content) in enumerate(late.items()):
        path.write_bytes(content)
        os.utime(path, (number + 1, number + 1))
    build(there)
    labelled(there, 2)
    return here, there


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_has_the_same_name_and_the_same_rows_on_another_machine(both: tuple[Path, Path], kind: str) -> None:
    newest = []
    for root in both:
        workspace = Workspace(root)
        head = workspace.store.head(kind)
        released = [
            each for each in releases_of(workspace, kind) if head is None or each.version == head.notes["release"]
        ]
        (release,) = released
        verify_release(release.folder)
        newest.append(release)
    one, other = newest
    assert one.version == other.version
    files = sorted(path.relative_to(one.folder) for path in one.folder.rglob("*.parquet"))
    assert files and files == sorted(path.relative_to(other.folder) for path in other.folder.rglob("*.parquet"))
    assert all((one.folder / path).read_bytes() == (other.folder / path).read_bytes() for path in files)


def test_what_was_read_bit_by_bit_had_other_releases_before(both: tuple[Path, Path]) -> None:
    at_once, by_and_by = (len(list(releases_of(Workspace(root), "pretraining"))) for root in both)
    assert at_once == 1 < by_and_by

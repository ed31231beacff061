"""Deduplication as a workspace runs it: what another setting begins anew, and which texts an addition reads."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import assets
from pipelines.engine import run_node
from pipelines.graph import build_graph
from pipelines.running import plan
from pipelines.stages import Observation
from pipelines.watching import LogWatcher, watched_by
from pipelines.workspace import Workspace

SETTINGS = "sources:\n  - name: docs\n    path: raw\n"
TEXTS = [" ".join(f"{name}{number}" for number in range(60)) for name in ("rain", "snow", "hail", "wind")]
TABLES = ("duplicates", "survivors", "pairs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    house = tmp_path / "house"
    (house / "raw").mkdir(parents=True)
    (house / "headwater.yaml").write_text(SETTINGS)
    return house


def made(root: Path) -> dict[str, pl.DataFrame]:
    """The tables, brought up to date."""
    workspace, seen = Workspace(root), dict[str, Observation]()
    graph = build_graph(assets.STAGES, workspace.config)
    for node in graph.upstream(["duplicates"]):
        if node.stage.kind != "observable":
            run_node(node, graph, workspace, seen)
    return {name: workspace.store.scan(name).sort(pl.all()).collect() for name in TABLES}


def why(root: Path) -> dict[str, list[str]]:
    workspace = Workspace(root)
    return plan(workspace, build_graph(assets.STAGES, workspace.config), ["duplicates"]).why


def indexes(root: Path, table: str) -> set[str]:
    return {path.name.rsplit(".", 2)[0] for path in (Workspace(root).store.root / "indexes" / table).iterdir()}


def files(root: Path, table: str) -> set[str]:
    store = Workspace(root).store
    head = store.head(table)
    assert head is not None
    return {Path(file).name for file in store.files(table, head.number)}


def write(root: Path, **texts: str) -> None:
    for name, text in texts.items():
        (root / "raw" / f"{name}.txt").write_text(text)


def test_another_setting_makes_the_index_anew_and_says_why(root: Path, tmp_path: Path) -> None:
    write(root, a=TEXTS[0], b=TEXTS[0] + " end", c=TEXTS[1], d=TEXTS[1].replace("snow30", "more").replace("snow9 ", ""))
    before = made(root)
    assert why(root) == {}
    settings = SETTINGS + "deduplication:\n  threshold: 0.6\n  signature:\n    bands: 30\n    rows: 4\n"
    (root / "headwater.yaml").write_text(settings)
    assert why(root) == {
        "signatures": ["settings_deduplication__signature changed"],
        "duplicates": ["below signatures"],
    }
    said = list[str]()
    with watched_by(LogWatcher(said.append)):
        after = made(root)
    bands = "deduplication.signature.bands, deduplication.signature.rows changed"
    assert [line for line in said if " anew: " in line] == [
        f"signatures anew: {bands}",
        f"duplicates anew: deduplication.threshold, {bands}",
    ]
    assert len(after["duplicates"]) > len(before["duplicates"])
    assert files(root, "signatures") <= indexes(root, "signatures"), "an addition finds the new bands"
    assert why(root) == {}

    (root / "headwater.yaml").write_text(settings.replace("0.6", "0.97"))
    assert why(root) == {"duplicates": ["settings_deduplication changed"]}
    made(root)
    write(root, e=TEXTS[2], f=TEXTS[2] + " end", g=TEXTS[0] + " end ")
    anew = tmp_path / "anew"
    (anew / "raw").mkdir(parents=True)
    (anew / "headwater.yaml").write_text((root / "headwater.yaml").read_text())
    write(anew, **{path.stem: path.read_text() for path in (root / "raw").iterdir()})
    for name, expected in made(anew).items():
        assert made(root)[name].equals(expected), name


def test_no_time_of_a_file_changes_who_stays_where_the_newest_does(tmp_path: Path) -> None:
    settings = SETTINGS + "deduplication:\n  policy: [newest]\n"
    texts, found = [TEXTS[0], TEXTS[0] + " end", TEXTS[0] + " or not"], []
    for times in ((1, 2_000_000, 3_000_000), (3_000_000, 2_000_000, 1), (2_000_000, 1, 3_000_000)):
        own = tmp_path / str(len(found))
        (own / "raw").mkdir(parents=True)
        (own / "headwater.yaml").write_text(settings)
        write(own, **dict(zip("abc", texts, strict=True)))
        for name, seconds in zip("abc", times, strict=True):
            os.utime(own / "raw" / f"{name}.txt", (seconds, seconds))
        found.append(made(own))
    assert len(found[0]["survivors"]) == 2
    assert all(other[name].equals(found[0][name]) for other in found for name in TABLES)


def test_an_addition_decodes_no_text_of_a_file_that_holds_nothing_alike(root: Path) -> None:
    write(root, a=TEXTS[0], b=TEXTS[1])
    made(root)
    first = files(root, "documents")
    write(root, c=TEXTS[2], d=TEXTS[3])
    made(root)
    folder = Path(Workspace(root).store.location("documents"))
    for name in first:
        spoil_texts(folder / name)
    write(root, e=TEXTS[2] + " end")
    found = made(root)
    assert found["pairs"]["jaccard"].to_list() == [pytest.approx(56 / 57)]
    with pytest.raises(pl.exceptions.PolarsError):
        Workspace(root).store.scan("documents").select("text").collect()


def spoil_texts(file: Path) -> None:
    """Overwrite the texts in a file."""
    described = pq.read_metadata(file)
    for group in range(described.num_row_groups):
        chunk = described.row_group(group).column(described.schema.names.index("text"))
        begin = chunk.dictionary_page_offset or chunk.data_page_offset
        with file.open("r+b") as held:
            held.seek(begin)
            held.write(b"\xff" * chunk.total_compressed_size)

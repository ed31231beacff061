"""Evaluation sets that are named: what holds their items leaves the corpus, whole or in part, and comes back with them."""

from __future__ import annotations

from pathlib import Path

from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import build, computed, edit, heads, headwater

ITEM = "How many ships of the line lay at anchor before the town when the fleet of the north came in from the sea?"
OTHER = "Which of the seven rivers of the valley carries the most water to the lake when the snow melts in the spring?"
CLEAN = "The harbour was dug by hand, and the stones for its walls came down the river on rafts of oak."


def run(root: Path) -> dict[str, str]:
    """Make the corpus; its texts by file."""
    build(root, "corpus")
    rows = Workspace(root).store.scan("corpus").collect()
    return dict(rows.select("locator", "text").iter_rows())


def made(tmp_path: Path) -> Path:
    house = tmp_path / "house"
    assert headwater("init", house).code == 0
    (house / "data").mkdir(exist_ok=True)
    (house / "data" / "clean.txt").write_text(CLEAN)
    (house / "data" / "leaked.txt").write_text(f"{CLEAN} It was asked: {ITEM.upper()} Nobody knew.")
    (house / "exam").mkdir()
    (house / "exam" / "questions.txt").write_text(ITEM)
    return house


def test_named_sets_are_kept_out_of_the_corpus_and_one_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    root = made(tmp_path)
    edit(root, lambda text: text + "\nevaluation_sets:\n  - name: held_out\n    path: exam\n")
    assert set(run(root)) == {"clean.txt"}
    verdicts = Workspace(root).store.scan("verdicts").collect()
    assert verdicts["rule"].drop_nulls().to_list() == ["contamination.max_share"]

    before = heads(root)
    (root / "exam" / "more.txt").write_text(OTHER)
    assert set(run(root)) == {"clean.txt"}
    told = computed(before, heads(root))
    assert {"evaluation_items", "contamination"} <= set(told)
    assert not {"documents", "quality", "signatures", "duplicates", "verdicts", "corpus"} & set(told), told

    edit(root, lambda text: text + "\ndecontamination:\n  documents: cut\n")
    left = run(root)
    assert left["clean.txt"] == CLEAN
    assert ITEM.upper()[:-1] not in left["leaked.txt"]
    assert left["leaked.txt"].startswith(f"{CLEAN} It was asked: ")

    (root / "exam" / "questions.txt").unlink()
    assert run(root)["leaked.txt"].endswith(f"{ITEM.upper()} Nobody knew.")

    edit(root, lambda text: text.replace("path: exam", "path: nowhere"))
    done = headwater("run", "corpus", "-w", root)
    assert done.code == 1
    assert "nowhere" in done.out + done.err and "held_out" in done.out + done.err

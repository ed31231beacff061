"""Our own held-out split: a training sample that holds one of its samples is not released, and the books say so."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import build, computed, edit, heads, headwater

QUESTION = "What did {0} of the {1} harbour say to the {1} keeper of light number {0} when the {1} ship number {0} came in late?"
COLOURS = ("red", "old", "last", "tall", "grey", "first", "cold", "north", "small", "new", "dark", "far")
OPTIONS = "\ntask: {recipe: qa}\nsplits: {test: 0.3, validation: 0.1}\n"


def test_training_samples_that_hold_a_held_out_one_are_not_released(tmp_path: Path) -> None:
    root = tmp_path / "house"
    assert headwater("init", root).code == 0
    (root / "data").mkdir(exist_ok=True)
    rows = [{"question": QUESTION.format(n, COLOURS[n]), "answer": f"Number {n} said so."} for n in range(12)]
    (root / "data" / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)))
    edit(root, lambda text: text + OPTIONS)
    store = Workspace(root).store

    def run() -> set[str]:
        build(root, "instructions")
        return set(store.scan("instructions").collect()["sample_id"])

    def table(name: str) -> pl.DataFrame:
        return store.scan(name).collect()

    first = run()
    assert len(first) == 12 and table("sample_overlaps").is_empty()
    asked = table("samples").filter(split="test")["messages"][0][0]["content"]
    filler = " ".join(f"word{n}" for n in range(80))
    longer = [{"question": f"{n} {filler[n:]} {asked} {filler[: -n - 1]}", "answer": "Nothing."} for n in range(6)]
    (root / "data" / "longer.jsonl").write_text(json.dumps(longer[0]) + "\n" + json.dumps(longer[1]))
    assert run() >= first
    found, split = table("sample_overlaps"), dict(table("samples").select("sample_id", "split").iter_rows())
    new = set(split) - first
    books = store.head("instructions").books
    training = {name for name in new if split[name] == "train"}
    assert training, "the longer question is of the training split"
    assert set(found["sample_id"]) == training
    assert books.dropped == {"holds a held-out sample": len(training)}

    before = heads(root)
    edit(root, lambda text: text + "\nheld_out: {samples: keep}\n")
    assert run() == set(split)
    assert computed(before, heads(root)) == ["instructions"]

    edit(root, lambda text: text.replace("samples: keep", "samples: cut"))
    assert run() == set(split)
    released = store.scan("instructions").collect().filter(pl.col("sample_id").is_in(list(training)))
    assert not any(asked in turns[0]["content"] for turns in released["messages"].to_list())
    assert store.head("instructions").notes["samples that a held-out one was cut out of"] == len(training)
    assert asked in table("samples").filter(pl.col("sample_id").is_in(list(training)))["messages"][0][0]["content"]

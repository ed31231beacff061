"""The stages of datasets as they are called: leaks stop what is below, and moves are told."""

from __future__ import annotations

import itertools
from pathlib import Path

import polars as pl
import pytest

import assets.datasets
from assets.datasets import demonstrations, named_demonstrations, samples
from curation.inventory import Source
from curation.releases import instructions, read_release, write_release, write_stub
from curation.splits import SplitSettings, side
from curation.tasks import CANDIDATE, TaskSettings
from pipelines.commits import Commit
from pipelines.split_moves import models_before_moves
from pipelines.stages import Run
from pipelines.tags import set_tag
from pipelines.workspace import Workspace
from records import Outcome, content_digest, doc_id, silent

TASK = TaskSettings("qa", group_depth=1)
HALVES = SplitSettings(test=0.3, validation=0.3)
ASKED = "What did the keeper of the old lighthouse write into his book on the morning after the storm"
NEAR = "What did the keeper of the new lighthouse write into his book on the morning after the flood"
"""At a Jaccard similarity of 0.58 to the former, in runs of three words: just over where leaks begin."""


def places(split: str) -> list[str]:
    """Locators whose own side this is."""
    found = (f"{number}.txt" for number in itertools.count())
    return list(itertools.islice((name for name in found if side(name.removesuffix(".txt"), HALVES) == split), 3))


def made(
    root: Path, asked: dict[str, str], answer: str | None = "Nothing at all.", written: pl.DataFrame | None = None
) -> Outcome:
    """The samples of documents that ask one question each, by locator; committed as a run would."""
    digests = {name: content_digest(question) for name, question in asked.items()}
    corpus = pl.LazyFrame(
        [(digests[name], doc_id("web", name), "web", name) for name in asked],
        schema=["content_digest", "doc_id", "source", "locator"],
        orient="row",
    )
    found = [
        {
            "messages": [{"role": "user", "content": question}],
            "reference": answer,
            "slice": "qa",
            "openness": "open",
        }
        for question in asked.values()
    ]
    candidates = pl.DataFrame(
        {
            "content_digest": list(digests.values()),
            "media_type": ["text/plain"] * len(asked),
            "samples": [[dict.fromkeys(name.name for name in CANDIDATE.fields) | each] for each in found],
            "error": [None] * len(asked),
        },
        schema={
            "content_digest": pl.String,
            "media_type": pl.String,
            "samples": pl.List(CANDIDATE),
            "error": pl.String,
        },
    )
    workspace = Workspace(root)
    run = Run(workspace, "samples", "k", silent, lambda *_: {})
    outcome: Outcome = samples(corpus, candidates, TASK, HALVES, (Source("web", "web"),), None, written, run)
    draft = Commit("samples", "", "", {}, {}, "1", "", "", 0, "", 0, 0)
    workspace.store.replace(outcome.table, draft, workspace.store.head("samples"), ("sample_id",), ("doc_id",))
    return outcome


def test_a_leak_stops_what_is_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {places("test")[0]: ASKED, places("train")[0]: NEAR}
    tied = made(tmp_path, asked)
    assert set(tied.table["split"]) == {"test"} and tied.checks == {"no_leak": ""}

    def untied(collected: pl.DataFrame, settings: SplitSettings) -> Outcome:
        own = pl.Series("split", [side(groups[0], settings) for groups in collected["groups"].to_list()])
        return Outcome(collected.with_columns(own))

    monkeypatch.setattr(assets.datasets, "assign_splits", untied)
    leaking = made(tmp_path, asked)
    assert leaking.notes["leaks"] == 1
    assert leaking.checks["no_leak"].startswith("1 held-out samples have a near-duplicate (Jaccard 0.5 or more)")


def test_moves_are_told_and_models_that_were_trained_before_are_flagged(tmp_path: Path) -> None:
    (tmp_path / "headwater.yaml").write_text("sources: [{name: web, path: web}]\ntask: {recipe: qa}\n")
    alone = {places("train")[0]: ASKED, places("train")[1]: "How long is the river behind the mill, and who owns it?"}
    before = made(tmp_path, alone)
    assert set(before.table["split"]) == {"train"} and "moved to another side" not in before.notes
    workspace = Workspace(tmp_path)
    rows = instructions(before.table)
    folder = workspace.releases / "instructions" / "0123456789abcdef"
    folder.parent.mkdir(parents=True)
    write_release(rows, folder, "instructions", {})
    model = pl.DataFrame([{"model": "tuned", "version": "a", "dataset_version": folder.name}])
    draft = Commit("model_tuned", "", "", {}, {}, "1", "", "", 0, "", 0, 0)
    workspace.store.replace(model, draft, None, ("model",))
    assert models_before_moves(workspace) == {}
    after = made(tmp_path, {**alone, places("test")[0]: NEAR})
    assert after.notes["moved to another side"] == {"train → test": 1} and after.checks == {"no_leak": ""}
    said = "trained on samples that are held out by now (1 of the test split); `headwater run` trains it anew"
    assert models_before_moves(workspace) == {"model_tuned": said}


def wrote(root: Path, *texts: tuple[str, str]) -> str:
    """The version of the release that is made when people wrote these (sample_id, text)."""
    rows = [
        {
            "task_digest": f"t{n}",
            "sample_id": sample,
            "kind": "demonstration",
            "value": text,
            "output_a": None,
            "model_a": None,
        }
        for n, (sample, text) in enumerate(texts)
    ]
    labels = pl.DataFrame(rows, schema_overrides={"output_a": pl.String, "model_a": pl.String})
    workspace = Workspace(root)
    there = workspace.store.scan("samples").collect()
    outcome: Outcome = demonstrations(labels, there, Run(workspace, "demonstrations", "k", silent, lambda *_: {}))
    draft = Commit("demonstrations", "", "", {}, {}, "1", "", "", 0, "", 0, 0, notes=outcome.notes)
    workspace.store.replace(outcome.table, draft, workspace.store.head("demonstrations"), ("sample_id",))
    return str(outcome.notes["release"])


def test_a_named_release_of_demonstrations_answers_samples_until_it_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "headwater.yaml").write_text(
        "sources: [{name: web, path: web}]\ntask: {recipe: qa}\ndemonstrations: good\n"
    )
    asked = {places("train")[0]: ASKED, places("test")[0]: "How long is the river behind the mill, and who owns it?"}
    names = made(tmp_path, asked, answer=None).table["sample_id"].to_list()
    workspace = Workspace(tmp_path)
    with pytest.raises(LookupError, match=r"headwater\.yaml, demonstrations: .*no release yet.*or remove the key"):
        named_demonstrations(workspace)
    first = wrote(tmp_path, (names[0], "He wrote nothing."), (names[1], "A mile."))
    second = wrote(tmp_path, (names[0], "He wrote nothing."))
    set_tag(workspace.store, "demonstrations", "good", first)
    seen = named_demonstrations(workspace)
    assert seen.version == first

    answered = made(tmp_path, asked, answer=None, written=seen.value)
    assert answered.notes["references that people wrote"] == 2
    released = instructions(answered.table)
    assert dict(released.select("sample_id", "reference").iter_rows()) == {
        names[0]: "He wrote nothing.",
        names[1]: "A mile.",
    }
    assert set(released["split"]) == {"train", "test"}, "each on the side of its sample"
    left = made(tmp_path, {places("train")[0]: ASKED}, answer=None, written=seen.value)
    assert instructions(left.table).height == 1, "what is gone does not come back with what was written on it"

    write_stub(workspace.releases / "demonstrations" / first, second)
    followed = named_demonstrations(workspace)
    assert followed.version == second and followed.value.height == 1
    assert read_release(workspace.releases / "demonstrations" / second).equals(followed.value)
    write_stub(workspace.releases / "demonstrations" / second, "")
    with pytest.raises(LookupError, match="remove the key"):
        named_demonstrations(workspace)

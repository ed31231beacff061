"""`headwater trace`: every name leads to one tree, up to the bytes and down to what was touched; text is never obeyed."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from pipelines.tracing import trace
from pipelines.trees import lines_of
from pipelines.workspace import Workspace
from records import content_digest, doc_id
from tests.pipelines.commands.conftest import PROSE, QUESTIONS
from tests.pipelines.commands.planted import commit
from tests.pipelines.test_cli import assert_clear, headwater


def traced(root: Path, name: str) -> str:
    return "\n".join(lines_of(trace(Workspace(root), name)))


def test_every_sample_leads_to_its_line_and_to_the_release_that_holds_it(ready: Path) -> None:
    store = Workspace(ready).store
    head = store.head("instructions")
    samples = store.scan("samples").collect()
    assert head is not None and samples.height == QUESTIONS
    for row in samples.iter_rows(named=True):
        said = traced(ready, row["sample_id"])
        assert said.startswith(f"sample {row['sample_id']}  {row['split']} · ")
        assert f"document {row['doc_id']}  notes:{row['locator']}" in said
        assert "bytes " in said and "notes:qa.jsonl" in said
        assert f"instructions {head.notes['release']}  1 in {row['split']}" in said


def test_a_document_leads_to_its_copies_and_samples(ready: Path) -> None:
    near, longer = doc_id("web", "long.txt"), doc_id("web", "near.txt")
    for name in ("web:long.txt", "long.txt", near, near[:8], content_digest(PROSE)[:8]):
        said = traced(ready, name)
        assert said.startswith(f"document {near}  web:long.txt · dropped by duplicate")
        assert f"near copy of document {longer}" in said and "also at notes:copy.txt" in said
        assert f"content {content_digest(PROSE)}  not in the corpus" in said
    assert f"stands for the near copy {near}" in traced(ready, "near.txt")
    assert "1 samples" in traced(ready, "qa.jsonl#L3")


def test_the_tree_on_a_terminal_shows_text_and_obeys_none(ready: Path) -> None:
    done = headwater("trace", "qa.jsonl#L3", "-w", ready)
    assert done.returncode == 0 and "├── from\n" in done.stdout, done.stderr
    workspace = Workspace(ready)
    tree = trace(workspace, "evil.txt")
    assert not any(sign in line for line in lines_of(tree) for sign in "\x1b\x07\u202e")


def test_names_in_the_data_are_not_obeyed(edited: Path) -> None:
    (edited / "web" / "e\x1b[31m[bold]vil\u202e.txt").write_text(
        "A text of a dozen words and more, which stands at a bad place on this disk."
    )
    assert headwater("run", "documents", "-w", edited).returncode == 0
    name = (
        Workspace(edited)
        .store.scan("documents")
        .filter(pl.col("locator").str.contains("vil\u202e"))
        .collect()["doc_id"][0]
    )
    said = headwater("trace", name, "-w", edited).stdout
    assert "web:e␛[31m[bold]vil<U+202E>.txt" in said and "\x1b" not in said and "\u202e" not in said


def test_ambiguous_names_are_named(ready: Path) -> None:
    assert_clear(headwater("trace", "qa.jsonl", "-w", ready), "'qa.jsonl' fits 24 things; name one of document ")
    assert_clear(
        headwater("trace", "zzzz", "-w", ready),
        "nothing is called 'zzzz': no sample, annotation, model or score, and no document",
    )
    assert_clear(
        headwater("trace", "poison.pdf", "-w", ready), "never became a document: `headwater explain poison.pdf`"
    )


def test_a_sample_that_only_a_release_has_is_found_there(edited: Path) -> None:
    workspace = Workspace(edited)
    sample = workspace.store.scan("samples").filter(pl.col("locator") == "qa.jsonl#L3").collect().row(0, named=True)
    lines = (edited / "notes" / "qa.jsonl").read_text().splitlines(keepends=True)
    (edited / "notes" / "qa.jsonl").write_text("".join(lines[:2] + lines[3:]))
    assert headwater("run", "samples", "-w", edited).returncode == 0
    said = traced(edited, sample["sample_id"])
    assert "only releases do" in said and f"1 in {sample['split']}" in said


def test_models_scores_and_annotations_have_their_trees(adapted: Path) -> None:
    store = Workspace(adapted).store
    head = store.head("instructions")
    assert head is not None
    release = head.notes["release"]
    label = store.scan("annotations").collect().row(0, named=True)
    sample = traced(adapted, label["sample_id"])
    for expected in (
        "model tuned  feedfacefeedface",
        "score tuned/chrf/test/none  20",
        "answers of tuned",
        "task ",
        f"annotation {label['annotation_id']}",
    ):
        assert expected in sample, expected
    for name in ("tuned", "feedface"):
        model = traced(adapted, name)
        assert model.startswith("model tuned  feedfacefeedface · sft") and f"instructions {release}" in model
        assert f"source notes  {QUESTIONS} samples of {QUESTIONS} documents" in model
        assert "base tiny  folder · weights beef" in model and "1 answers: test" in model
    for name in ("tuned/chrf", "tuned/chrf/test", "tuned/chrf/test/none"):
        score = traced(adapted, name)
        assert "model tuned  feedfacefeedface" in score and f"measured on instructions {release}" in score
        assert "comparison base against tuned  p 0.04 · better: tuned" in score
    said = traced(adapted, label["annotation_id"][:10])
    assert f"sample {label['sample_id']}" in said and "notes:qa.jsonl" in said and "answer of base  a" in said
    with pytest.raises(LookupError, match="fits 2 things; name one of score base/chrf/test/none"):
        trace(Workspace(adapted), "base/chrf")


def test_an_annotation_names_the_answers_that_it_showed_and_no_other(adapted: Path, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(adapted, root)
    store = Workspace(root).store
    label = store.scan("annotations").collect().row(0, named=True)
    rated = {**label, "kind": "rating", "value": '{"correct": 4}', "model_b": None, "output_b": None}
    commit(Workspace(root), "annotations", [rated], ("annotation_id",))
    said = traced(root, label["annotation_id"])
    assert "answer of base  a" in said and said.count("answer of") == 1
    commit(Workspace(root), "annotations", [{**label, "model_b": None}], ("annotation_id",))
    assert "answer of a model whose name was sealed with another key  b" in traced(root, label["annotation_id"])

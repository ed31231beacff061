"""`headwater explain`: everything a document met, read from the store alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from curation.deduplication.survivors import shown_similarity
from pipelines.workspace import Workspace
from records import content_digest, doc_id
from tests.pipelines.commands.conftest import PROSE
from tests.pipelines.test_cli import assert_clear, headwater


def explained(root: Path, name: str) -> dict[str, str]:
    """The sections by their titles."""
    done = headwater("explain", name, "-w", root)
    assert done.returncode == 0, done.stderr
    parts = re.split(r"(?m)^(\w[\w ]*)\n", done.stdout)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_a_near_copy_has_its_kept_document_its_similarity_and_a_diff(ready: Path) -> None:
    said = explained(ready, "web:long.txt")
    assert list(said) == ["document", "evidence", "duplicates", "verdict", "corpus", "samples", "releases"]
    assert f"doc_id     {doc_id('web', 'long.txt')}" in said["document"]
    assert f"content    {content_digest(PROSE)}, {len(PROSE)} characters" in said["document"]
    assert "also at    notes:copy.txt" in said["document"]
    row = Workspace(ready).store.scan("duplicates").filter(pl.col("doc_id") == doc_id("web", "long.txt")).collect()
    assert f"near copy of {doc_id('web', 'near.txt')}" in said["duplicates"]
    assert f"similarity {shown_similarity(row['jaccard'][0])} (Jaccard; threshold 0.8)" in said["duplicates"]
    assert "{+Then it rained.+}" in said["duplicates"] and "words that are in both" in said["duplicates"]
    assert said["verdict"].startswith("  dropped by duplicate, on duplicates: near copy")
    assert "not in the corpus" in said["corpus"] and "in no release" in said["releases"]


@pytest.mark.parametrize("jaccard, said", [(1.0, "1"), (0.99996, "0.9999"), (6 / 7, "0.8571")])
def test_a_similarity_of_less_than_one_is_never_shown_as_one(jaccard: float, said: str) -> None:
    assert shown_similarity(jaccard) == said


def test_a_failing_rule_stands_with_its_value_and_threshold(ready: Path) -> None:
    said = explained(ready, "short.txt")
    assert "n_words 3 · " in said["evidence"] and "n_lines 1 · " in said["evidence"]
    assert "dropped by gopher.min_words, on quality: n_plain_words 3 < 12" in said["verdict"]
    assert re.search(r"✗ gopher.min_words +n_plain_words 3, fails if < 12  ← decided", said["verdict"])
    assert re.search(r"✓ gopher.max_words +n_plain_words 3, fails if > 100000\n", said["verdict"])
    assert "begins     Too short, [b]really[/b]." in said["document"], "markup is text"


def test_text_is_shown_and_not_obeyed(ready: Path) -> None:
    done = headwater("explain", "evil.txt", "-w", ready)
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout and "\x07" not in done.stdout
    assert "[bold red]No markup[/] here, ␛[31mno colour␛[0m" in done.stdout and "<script>alert('nothing" in done.stdout
    assert "in the corpus\n" in done.stdout


def test_samples_and_the_releases_that_hold_them(ready: Path) -> None:
    store = Workspace(ready).store
    sample = store.scan("samples").filter(pl.col("locator") == "qa.jsonl#L3").collect().row(0, named=True)
    said = explained(ready, "qa.jsonl#L3")
    assert re.search(rf"{sample['sample_id']}  {sample['split']} ", said["samples"])
    head = store.head("instructions")
    assert head is not None
    assert f"instructions {head.notes['release']}: 1 in {sample['split']}" in said["releases"]


def test_all_names_of_a_document_lead_to_it(ready: Path) -> None:
    place, content = doc_id("notes", "copy.txt"), content_digest(PROSE)
    for name in (place, place[:10], "notes:copy.txt", "copy.txt"):
        assert f"doc_id     {place}" in explained(ready, name)["document"]
    for name in (content, content[:10]):
        assert "place      web:long.txt" in explained(ready, name)["document"], "the first place of a content"


def test_a_file_that_never_became_a_document(ready: Path) -> None:
    for name in ("poison.pdf", "web:poison.pdf"):
        assert "failed at documents: malformed PDF" in explained(ready, name)["failures"]


WRONG = {
    "nothing": ("zz", "no document has a doc_id, content_digest or locator 'zz'; `headwater table documents` lists"),
    "a part of a place": ("short", "locator 'short'; there are: short.txt"),
    "a file of many records": ("qa.jsonl", "'qa.jsonl' fits 24 documents; name one of "),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_name_that_will_not_do(ready: Path, case: str) -> None:
    name, expected = WRONG[case]
    assert_clear(headwater("explain", name, "-w", ready), expected)


def test_before_the_first_run(tmp_path: Path) -> None:
    (tmp_path / "headwater.yaml").write_text("sources: [{name: web, path: .}]\n")
    assert_clear(headwater("explain", "a.txt", "-w", tmp_path), "there are no documents yet; `headwater run` reads")


def test_it_tells_what_is_out_of_step_and_under_which_rules_the_verdict_stands(edited: Path) -> None:
    text = (edited / "headwater.yaml").read_text()
    (edited / "headwater.yaml").write_text(text.replace("min_words: 12", "min_words: 2"))
    said = explained(edited, "short.txt")
    assert "fails if < 12  ← decided" in said["verdict"], "the rules of the run, not those of the file now"
    assert "verdicts: settings_rules changed since; `headwater run`" in said["out of step"]


def test_what_is_not_made_yet_is_said(edited: Path) -> None:
    (edited / "web" / "new.txt").write_text(json.dumps({"a": 1}) + " and a few words more of a text that is new.")
    assert headwater("run", "documents", "-w", edited).returncode == 0
    said = explained(edited, "new.txt")
    assert "none yet; `headwater run verdicts` decides" in said["verdict"]
    assert "nothing: not measured" in said["evidence"] and "documents changed since" in said["out of step"]


def test_the_bytes_that_a_document_was_made_from(ready: Path) -> None:
    line = headwater("explain", "qa.jsonl#L3", "--bytes", "-w", ready)
    assert line.returncode == 0, line.stderr
    (source,) = [entry for entry in Workspace(ready).config.sources if (ready / entry.path / "qa.jsonl").is_file()]
    file = ready / source.path / "qa.jsonl"
    assert line.stdout == file.read_text().split("\n")[2]
    assert headwater("explain", f"{source.name}:qa.jsonl#L3", "--bytes", "-w", ready).stdout == line.stdout
    before = file.read_text()
    try:
        file.write_text(before + "\n")
        changed = headwater("explain", "qa.jsonl#L3", "--bytes", "-w", ready)
    finally:
        file.write_text(before)
    assert_clear(changed, "is not what was read (changed while being read)")

"""`headwater forget`: what it would touch is told and asked, the next run is without it, and it never comes back."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipelines.forgetting import Asked, Touched, key_of, preview, stale_models, touched
from pipelines.workspace import Workspace
from records import content_digest, doc_id
from tests.end_to_end.workspaces import heads
from tests.pipelines.commands.conftest import PROSE, QUESTIONS
from tests.pipelines.commands.planted import VERSION, plant_models
from tests.pipelines.test_cli import assert_clear, headwater

WHY = ("--reason", "the licence was withdrawn")


def counts(said: str) -> dict[str, int]:
    return {what.strip(): int(count) for what, count in re.findall(r"(?m)^│ ([a-z, ]+?) +│ ([\d,]+) +│", said)}


def places(root: Path) -> set[str]:
    return set(Workspace(root).store.scan("documents").select("locator").collect()["locator"])


def forgotten(root: Path, *words: str) -> str:
    done = headwater("forget", *words, *WHY, "--yes", "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(root: Path, *assets: str) -> str:
    done = headwater("run", *assets, "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_text_its_copies_and_near_copies_go_and_come_back_nowhere(edited: Path) -> None:
    told = counts(forgotten(edited, "web:long.txt"))
    assert told["documents"] == 3 and told["of these, near copies in other words"] == 1
    before = heads(edited)
    run(edited, "signatures")
    after = heads(edited)
    assert not places(edited) & {"long.txt", "copy.txt", "near.txt"}
    assert (after["signatures"].added, after["signatures"].removed) == (0, 2), "work is proportional to the change"
    books = after["documents"].books
    assert books is not None and books.dropped == {"taken back": 3} and books.missing == 0
    assert after["documents"].recipe == before["documents"].recipe

    (edited / "web" / "again.txt").write_text(PROSE)
    (edited / "web" / "nearly.txt").write_text(f"{PROSE} Nobody saw it.")
    (edited / "notes" / "row.jsonl").write_text(
        json.dumps({"text": PROSE}) + "\n" + json.dumps({"text": "Something else that is new here, and long."}) + "\n"
    )
    run(edited, "documents")
    assert not places(edited) & {"again.txt", "nearly.txt", "row.jsonl#L1"} and "row.jsonl#L2" in places(edited)
    refused = Workspace(edited).store.scan("failures").filter(error="taken back").collect()
    assert {"again.txt", "nearly.txt", "row.jsonl#L1", "long.txt"} <= set(refused["locator"])
    (request,) = Workspace(edited).store.scan("tombstones").collect()["request"].unique()
    assert set(refused["detail"]) == {f"the licence was withdrawn (request {request})"}
    (edited / "web" / "again.txt").unlink()
    run(edited, "documents")
    assert "again.txt" not in set(Workspace(edited).store.scan("failures").collect()["locator"])
    forced = headwater("run", "documents", "--force", "-w", edited)
    assert forced.returncode == 0 and "different" not in forced.stderr, "from empty, the same"


def lifted(root: Path, request: str) -> str:
    done = headwater("forget", "--lift", request, "--reason", "granted again", "--yes", "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def asked(said: str) -> str:
    return re.findall(r"request ([0-9a-f]+)", said)[0]


def test_what_is_lifted_comes_again_unless_another_request_took_it_back_too(edited: Path) -> None:
    first = asked(forgotten(edited, "web:evil.txt"))
    second = asked(forgotten(edited, "--locator", "web:*i?.txt", "--exact"))
    third = asked(forgotten(edited, "notes:qa.jsonl#L3"))
    whole = places(edited)
    run(edited, "signatures")
    assert whole - places(edited) == {"evil.txt", "qa.jsonl#L3"}
    said = lifted(edited, first[:6])
    assert f"lifted: request {first}, 1 contents" in said
    run(edited, "documents")
    assert "evil.txt" not in places(edited), "the second request still takes it back"
    lifted(edited, second)
    before = heads(edited)
    run(edited, "signatures")
    after = heads(edited)
    assert whole - places(edited) == {"qa.jsonl#L3"} and after["documents"].recipe == before["documents"].recipe
    assert (after["documents"].added, after["signatures"].added) == (1, 1), "work is proportional to the change"
    lifted(edited, third)
    run(edited, "documents")
    assert places(edited) == whole
    assert Workspace(edited).store.scan("failures").filter(error="taken back").collect().is_empty()
    table = Workspace(edited).store.scan("tombstones").collect()
    assert set(table["kind"]) <= {"lifted content", "lifted sample"} and set(table["lifted_because"]) == {
        "granted again"
    }
    assert table["lifted_by"].null_count() == 0 and set(table["request"]) == {first, second, third}
    assert_clear(
        headwater("forget", "--lift", first, "--reason", "again", "--yes", "-w", edited),
        f"no request is called '{first}'; there are: none",
    )
    unknown = headwater("forget", "--lift", "ffff", "--reason", "again", "-w", edited)
    assert_clear(unknown, "no request is called 'ffff'")
    forgotten(edited, "web:evil.txt")
    run(edited, "documents")
    assert "evil.txt" not in places(edited), "it can be taken back anew"


def test_a_lift_names_a_request_and_nothing_else(ready: Path) -> None:
    words = ("forget", "long.txt", "--lift", "1234", *WHY, "--yes", "-w", ready)
    assert_clear(headwater(*words), "name what to take back by one of")
    assert_clear(headwater("forget", "--lift", "1234", "--yes", "-w", ready), "--reason: say why")


def test_exact_leaves_near_copies(edited: Path) -> None:
    assert counts(forgotten(edited, content_digest(PROSE)[:9], "--exact"))["documents"] == 2
    run(edited, "verdicts")
    assert "near.txt" in places(edited) and not places(edited) & {"long.txt", "copy.txt"}
    assert (
        Workspace(edited).store.scan("verdicts").filter(doc_id=doc_id("web", "near.txt")).collect()["verdict"][0]
        == "dropped"
    )


SELECTED: dict[str, tuple[Asked, int]] = {
    "a place": (Asked("id", "notes:qa.jsonl#L3"), 1),
    "a glob over records": (Asked("locator", "qa.jsonl#L1*"), 11),
    "a glob with its source": (Asked("locator", "web:*.txt"), 5),
    "a file": (Asked("locator", "**/qa.jsonl"), QUESTIONS),
    "a source, its copies elsewhere too": (Asked("source", "notes", exact=True), QUESTIONS + 2),
    "a text": (Asked("contains", "boat number 7 of"), 1),
    "signs that are no pattern": (Asked("contains", "<script>alert('nothing runs')</script>"), 1),
}


@pytest.mark.parametrize("case", SELECTED)
def test_what_a_request_means(ready: Path, case: str) -> None:
    asked, expected = SELECTED[case]
    assert touched(Workspace(ready), asked).places.height == expected


WRONG = {
    "several": (Asked("id", "qa.jsonl"), "'qa.jsonl' fits 24 documents; name one of "),
    "nobody": (Asked("id", "zzzz"), "no document has a doc_id, content_digest or locator 'zzzz'"),
    "no source": (Asked("source", "wob"), "no document is of a source 'wob'; nothing is taken back"),
    "blanks": (Asked("contains", "  "), "name some text"),
    "a text that is nowhere": (Asked("contains", "(no [such] thing"), "no document contains"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_one_sentence(ready: Path, case: str) -> None:
    asked, expected = WRONG[case]
    with pytest.raises((LookupError, ValueError), match=re.escape(expected)):
        touched(Workspace(ready), asked)


def test_that_all_empty_documents_are_one_text_is_told_before_one_is_taken_back() -> None:
    empty = [("web", "a.txt", content_digest("")), ("web", "b.txt", content_digest(""))]
    full = ("web", "c.txt", content_digest("full"))
    for rows, told in (([*empty, full], [("of these, empty ones, which are all one text", 2)]), ([full], [])):
        found = pl.DataFrame(rows, ["source", "locator", "content_digest"], orient="row")
        shown = preview(Touched([], [], found, pl.DataFrame(), [], [], {}, [], []))
        assert [(what, count) for what, count, _ in shown if "empty" in what] == told


def test_it_asks_first_and_two_things_are_not_one(ready: Path) -> None:
    sample = Workspace(ready).store.scan("samples").collect()["sample_id"][0]
    done = headwater("forget", sample, *WHY, "-w", ready)
    assert done.returncode == 1 and counts(done.stdout)["documents"] == 1 and "Take all this back?" in done.stdout
    assert "tombstones" not in Workspace(ready).store.tables()
    two = headwater("forget", "long.txt", "--source", "web", *WHY, "-w", ready)
    assert_clear(two, "name what to take back by one of ID, --locator, --source and --contains")


def test_no_reason_no_taking_back(ready: Path) -> None:
    assert_clear(headwater("forget", "long.txt", "--yes", "-w", ready), "--reason: say why")


def test_the_table_tells_who_when_and_why_and_not_what(edited: Path) -> None:
    forgotten(edited, "--contains", "boat number 7 of")
    table = Workspace(edited).store.scan("tombstones").collect()
    assert set(table["how"]) == {"contains"} and set(table["reason"]) == {"the licence was withdrawn"}
    assert table["asked_by"][0] and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", table["asked_at"][0])
    assert set(table["kind"]) == {"content", "sample"}
    said = str(table.to_dicts())
    assert "boat" not in said and not any(name in said for name in content_digests(edited))
    one, other = Workspace(edited).store.head("tombstones"), None
    shutil.rmtree(Path(Workspace(edited).store.location("tombstones")))
    forgotten(edited, "--contains", "boat number 7 of")
    other = Workspace(edited).store.head("tombstones")
    assert one is not None and other is not None and one.version == other.version, "no clock and no name counts"


def content_digests(root: Path) -> list[str]:
    return Workspace(root).store.scan("documents").select("content_digest").collect()["content_digest"].to_list()


def test_a_lost_key_stops_the_run_instead_of_letting_everything_back(edited: Path) -> None:
    forgotten(edited, "long.txt")
    (edited / ".headwater" / "label-studio" / "credentials.json").unlink()
    done = headwater("run", "documents", "-w", edited)
    assert done.returncode == 1 and "is not the file whose key made the tombstones" in " ".join(done.stderr.split())
    assert "long.txt" in places(edited)


def test_models_answers_and_releases_are_told_and_models_are_stale_until_trained_anew(edited: Path) -> None:
    plant_models(edited)
    workspace = Workspace(edited)
    label = workspace.store.scan("annotations").collect().row(0, named=True)
    found = touched(workspace, Asked("id", label["sample_id"]))
    assert (found.samples.height, len(found.tasks), len(found.annotations)) == (1, 1, 1)
    told = {what: for_instance for what, _, for_instance in preview(found)}
    assert told["samples"] == label["sample_id"][:12] and not re.search("[0-9a-f]{17}", str(told)), (
        "short, as elsewhere"
    )
    assert touched(workspace, Asked("id", told["samples"])).samples.equals(found.samples), "and enough for a name"
    assert [row["model"] for row in found.models] == ["tuned"] and len(found.scores) == 1
    assert stale_models(workspace.store) == {}
    forgotten(edited, label["sample_id"])
    request = workspace.store.scan("tombstones").collect()["request"][0]
    assert stale_models(workspace.store) == {
        "model_tuned": f"trained on what was taken back (request {request}); `headwater run` trains it anew"
    }
    assert set(workspace.store.scan("tombstones").collect()["models"].explode()) == {f"tuned {VERSION}"}
    assert key_of(workspace)

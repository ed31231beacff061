"""`headwater tag` and `headwater diff`, and the changelog: two releases of one workspace, made by the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipelines.workspace import Workspace
from tests.pipelines.commands.conftest import QUESTIONS
from tests.pipelines.test_cli import assert_clear, headwater


@pytest.fixture(scope="module")
def two(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A workspace with two releases: one more document, one less, one with another answer, one with another question."""
    root = tmp_path_factory.mktemp("two") / "workspace"
    shutil.copytree(ready, root)
    first = released(root)
    assert headwater("tag", "instructions", "latest-good", first[:8], "-w", root).returncode == 0
    file = root / "notes" / "qa.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[2]["answer"] = (
        "Nobody has counted them since the great flood took the old bridge and all the books of the harbour."
    )
    rows[4]["question"] = "Who keeps the books of the harbour now that the old bridge and the house beside it are gone?"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    new = {"question": rows[0]["question"].replace("boat", "ship"), "answer": rows[0]["answer"]}
    (root / "notes" / "more.jsonl").write_text(json.dumps(new) + "\n")
    ran = headwater("run", "instructions", "-w", root)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return root, first, released(root)


def released(root: Path) -> str:
    head = Workspace(root).store.head("instructions")
    assert head is not None
    return str(head.notes["release"])


def test_a_diff_says_what_came_left_and_changed_and_why(two: tuple[Path, str, str], tmp_path: Path) -> None:
    root, first, second = two
    said = headwater("diff", "instructions", "-w", root, "-o", tmp_path / "rows.parquet")
    assert said.returncode == 0, said.stderr
    assert f"instructions {first} → {second}" in said.stdout
    rows = pl.read_parquet(tmp_path / "rows.parquet")
    counted = {(row["change"], row["reason"].split(";")[0]): row["locator"] for row in rows.iter_rows(named=True)}
    assert counted[("added", "its document came")] == "more.jsonl#L1"
    assert counted[("removed", "its document went")] == f"qa.jsonl#L{QUESTIONS}"
    assert counted[("removed", "its document changed")] == counted[("added", "its document changed")] == "qa.jsonl#L5"
    answers = rows.filter(pl.col("reason").str.contains("answer changed"))
    assert answers["locator"].to_list() == ["qa.jsonl#L3"]
    assert set(rows.filter(pl.col("change") == "changed")["reason"].str.slice(0, 5)) <= {"answe", "split"}
    again = headwater("diff", "instructions", "latest-good", second[:6], "-w", root)
    assert again.stdout == said.stdout.rsplit("wrote", 1)[0], "by tag and by first digits"


def test_the_changelog_says_the_same(two: tuple[Path, str, str]) -> None:
    root, first, second = two
    text = (root / ".headwater" / "store" / "releases" / "instructions" / "CHANGELOG.md").read_text()
    newest, _, oldest = text.removeprefix("# Changes of instructions\n\n").partition("\n## ")
    assert newest.startswith(f"## {second} after {first}\n") and oldest.startswith(f"{first}\n")
    for line in ("- 1 came: its document came", "- 1 left: its document went", "- 1 came: its document changed"):
        assert line in newest
    assert "The first release." in oldest


def test_a_release_is_called_by_its_tag_wherever_a_version_is(two: tuple[Path, str, str], tmp_path: Path) -> None:
    root, first, second = two
    assert headwater("tag", "instructions", "latest-good", "-w", root).stdout == f"{first}\n"
    out = headwater("export", "instructions", "--version", "latest-good", "-o", (tmp_path / "out").as_uri(), "-w", root)
    assert out.returncode == 0 and f"wrote instructions {first}" in out.stdout
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["version"].startswith(first)
    older = headwater("table", "instructions", "--version", "latest-good", "-w", root)
    assert f"{QUESTIONS} rows" in older.stdout, older.stderr
    moved = headwater("tag", "instructions", "candidate", "latest-good", "-w", root)
    assert moved.stdout == f"instructions candidate is {first}\n"
    moved = headwater("tag", "instructions", "candidate", second, "-w", root)
    assert moved.stdout == f"instructions candidate is {second}; it was {first}\n"
    listed = headwater("tag", "instructions", "-w", root).stdout
    assert f"candidate   │ {second}" in listed and f"latest-good │ {first}" in listed
    gone = headwater("tag", "instructions", "candidate", "--remove", "-w", root)
    assert gone.stdout == f"instructions candidate is gone; it was {second}\n"
    history = headwater("tag", "instructions", "--history", "-w", root).stdout
    assert history.count("candidate") == 3 and "(removed)" in history


def test_the_report_on_a_release_is_a_page_of_its_own(two: tuple[Path, str, str]) -> None:
    root, first, second = two
    newest, older = (
        headwater("report", "instructions", *words, "-w", root) for words in ((), ("--version", "latest-good"))
    )
    pages = [Path(said.stdout.strip()) for said in (newest, older)]
    assert [page.name for page in pages] == [f"instructions-{second}.html", f"instructions-{first}.html"], older.stderr
    new, old = (page.read_text() for page in pages)
    assert f"Since <code>{first}" in new and "its document came" in new and "Since" not in old
    assert "notes" in new and "Curation of its corpus" in new and "notes:qa.jsonl#L" in new
    assert pages[0].stat().st_mode & 0o777 == 0o600


def test_the_funnel_stands_on_the_report_before_its_own_asset_has_run(edited: Path) -> None:
    pages = []
    for _ in range(2):
        said = headwater("report", "instructions", "-w", edited)
        assert said.returncode == 0, said.stderr
        pages.append(Path(said.stdout.strip()).read_text())
        shutil.rmtree(edited / ".headwater" / "store" / "tables" / "funnel", ignore_errors=True)
    assert "Curation of its corpus" in pages[0] and pages[0] == pages[1]


WRONG = {
    "no such tag": (("tag", "instructions", "nobody"), "dataset 'instructions' has no tag 'nobody'; there are: "),
    "no such version": (("tag", "instructions", "good", "ffff0000"), "has no release ffff0000; there are: "),
    "a tag like a version": (
        ("tag", "instructions", "abcd", "latest-good"),
        "'abcd' could be the first digits of a version",
    ),
    "no dataset": (("diff", "weather"), "there is no dataset 'weather'; there are: pretraining, instructions, "),
    "no dataset to tag": (("tag", "weather"), "there is no dataset 'weather'; there are: pretraining, instructions, "),
    "no such release": (("diff", "instructions", "nobody"), "has no release nobody; there are: "),
    "no version of that": (("report", "curation", "--version", "1"), "the report curation has no versions"),
    "nothing to remove": (("tag", "instructions", "--remove"), "name the tag that is to go"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_name_that_will_not_do(two: tuple[Path, str, str], case: str) -> None:
    arguments, expected = WRONG[case]
    assert_clear(headwater(*arguments, "-w", two[0]), expected)


def test_the_first_release_has_none_before_it(ready: Path) -> None:
    assert_clear(headwater("diff", "instructions", "-w", ready), "is the first release that is known")

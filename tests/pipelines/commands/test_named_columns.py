"""`task.columns` with names of one's own: rows become questions, only files of rows are read anew, and a wrong name is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from curation.formats.rows import RECORD
from pipelines.commits import Commit
from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import edit, heads
from tests.pipelines.test_cli import assert_clear, headwater

SETTINGS = """
sources: [{name: faq, path: faq}, {name: web, path: web}]
task: {recipe: qa}
"""
QUESTIONS = [
    {"ask": f"What is thing number {number} of the house for?", "reply": f"It holds up part {number} of the roof."}
    for number in range(9)
]


def line(row: dict[str, object]) -> str:
    return json.dumps(row) + "\n"


def fill(root: Path) -> Path:
    for name in ("faq", "web"):
        (root / name).mkdir(parents=True)
    (root / "headwater.yaml").write_text(SETTINGS)
    pl.DataFrame(QUESTIONS[:3]).write_csv(root / "faq" / "a.csv")
    (root / "faq" / "b.jsonl").write_text(
        "".join(line({**row, "note": "From the old book."}) for row in QUESTIONS[3:6])
    )
    pl.DataFrame(QUESTIONS[6:]).write_parquet(root / "faq" / "c.parquet")
    (root / "web" / "page.txt").write_text("A page of words about a house and its roof, which is no row of any table.")
    (root / "web" / "texts.jsonl").write_text(
        line({"text": "A text that stands in a row, of a source of texts alone."})
    )
    (root / "web" / "numbers.jsonl").write_text(line({"n": 1}))
    return root


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Commit]]:
    """A workspace that was read with no column named, then with two; and its tables between. Not to be changed."""
    root = fill(tmp_path_factory.mktemp("named") / "workspace")
    run(root, "signatures")
    before = heads(root)
    name_columns(root, "{question: ask, answer: reply}")
    run(root)
    return root, before


@pytest.fixture
def root(named: tuple[Path, dict[str, Commit]], tmp_path: Path) -> Path:
    return shutil.copytree(named[0], tmp_path / "workspace")


def name_columns(root: Path, columns: str) -> None:
    def named(text: str) -> str:
        return text[: text.index("task:")] + f"task: {{recipe: qa, columns: {columns}}}\n"

    edit(root, named)


def run(root: Path, asset: str = "samples") -> str:
    done = headwater("run", asset, "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def asked(root: Path) -> dict[str, str | None]:
    rows = Workspace(root).store.scan("samples").select("messages", "reference").collect()
    return {messages[-1]["content"]: reference for messages, reference in rows.iter_rows()}


def test_columns_that_are_named_are_read_and_only_files_of_rows_are_read_anew(
    named: tuple[Path, dict[str, Commit]], root: Path
) -> None:
    before, after = named[1], heads(root)
    assert asked(root) == {row["ask"]: row["reply"] for row in QUESTIONS}
    assert after["documents"].notes["files read anew"] == 5, "all but the page, those that failed among them"
    assert after["documents"].recipe == before["documents"].recipe
    assert (after["signatures"].added, after["signatures"].removed) == (9, 9), (
        "texts became records, and no other content moved"
    )

    (root / "faq" / "d.csv").write_text("reply,ask\nYes.,Is a file that comes later read alike?\n")
    run(root, "documents")
    rows = Workspace(root).store.scan("documents").filter(pl.col("locator").str.starts_with("d.csv")).collect()
    assert rows["media_type"].to_list() == [RECORD]
    assert "files read anew" not in heads(root)["documents"].notes
    forced = headwater("run", "documents", "--force", "-w", root)
    assert forced.returncode == 0 and "different" not in forced.stderr, "from empty, the same"

    (root / "faq" / "d.csv").unlink()
    edit(root, lambda text: text[: text.index("task:")] + "task: {recipe: qa}\n")
    run(root, "documents")
    assert heads(root)["documents"].version == before["documents"].version, "what is named no more is as it was"


def test_columns_that_are_in_no_row_are_told_with_the_place_and_the_mend(root: Path) -> None:
    name_columns(root, "{question: ask, answer: replly}")
    done = headwater("run", "samples", "-w", root)
    assert done.returncode == 1
    for part in (
        "source faq: its rows were read as texts, for none has the columns that task.columns names",
        "'ask' (question) and 'replly' (answer)",
        "the first is a.csv#row=1",
        "name columns as its file has them",
    ):
        assert part in " ".join(done.stderr.split()), done.stderr


def test_a_context_that_is_in_no_row_is_told_and_changes_no_reading(root: Path) -> None:
    read = heads(root)["documents"]
    name_columns(root, "{question: ask, answer: reply, context: nte}")
    told = " ".join(run(root).split())
    assert "source faq: no row has the column 'nte' that task.columns.context names" in told
    assert "a.csv#row=1 has ask, reply: name one of these" in told
    assert "source web: its rows were read as texts" in told
    assert len(asked(root)) == 9
    note = str(heads(root)["samples"].notes["columns that no row has"])
    assert "'nte'" in note and "source web" in note
    name_columns(root, "{question: ask, answer: reply, context: note}")
    told = run(root)
    assert "no row has" not in told and any("From the old book." in question for question in asked(root))
    assert heads(root)["documents"].number == read.number


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("{recipe: qa, columns: {questions: ask}}", "task: task.columns: there is no 'questions'"),
        ("{recipe: chat, columns: {question: ask}}", "task: task.columns does nothing for the recipe chat"),
    ],
)
def test_columns_that_would_be_passed_over_in_silence_are_refused(tmp_path: Path, task: str, said: str) -> None:
    root = fill(tmp_path / "workspace")
    edit(root, lambda text: text[: text.index("task:")] + f"task: {task}\n")
    assert_clear(headwater("run", "-w", root), said)

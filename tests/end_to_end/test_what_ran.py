"""What changed, and what ran: the promise of the house, measured; the README's table is written by this test.

`HEADWATER_WRITE_DOCS=1` writes the table; otherwise the README must name the same assets as were computed here.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import Said, computed, edit, heads, headwater, versions
from tests.forked_commands import HEADWATER

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
OPENS, CLOSES = "<!-- what ran -->", "<!-- /what ran -->"
AS_A_PERSON = (str(HEADWATER),) if os.environ.get("HEADWATER_WRITE_DOCS") == "1" else ()
"""The seconds that the table tells are those of the whole command."""
OTHER_CODE = "from tests.end_to_end.other_code import main; main()"
CURATION = [
    "corpus",
    "documents",
    "duplicates",
    "failures",
    "funnel",
    "pairs",
    "quality",
    "signatures",
    "survivors",
    "verdicts",
]
FEW = 12
ABOVE_CORPUS = {*CURATION, "base_model_tiny_base"}


@dataclass(frozen=True)
class Row:
    """One change, what was computed, and whose version is another now."""

    change: str
    computed: list[str]
    changed: list[str]
    seconds: float
    tables: list[str]
    """All that there are."""


class House:
    """A workspace that is changed step by step. Code that a step changed is as it was in the next, which computes it anyway."""

    def __init__(self, built: Built) -> None:
        self.built, self.rows = built, {}

    def measure(self, name: str, change: Callable[[], object], run: Callable[[], Said] | None = None) -> Row:
        before = heads(self.built.root)
        change()
        said = run() if run else headwater("run", "-w", self.built.root, command=AS_A_PERSON)
        assert said.code == 0, said.out + said.err
        after = heads(self.built.root)
        was, now = versions(before), versions(after)
        row = Row(
            name,
            computed(before, after),
            sorted(table for table in now if was[table] != now[table]),
            said.seconds,
            sorted(now),
        )
        self.rows[name] = row
        return row

    def with_code(self, stage: str, answer: str) -> Callable[[], Said]:
        return lambda: headwater(stage, answer, "run", "-w", self.built.root, program=OTHER_CODE)


@pytest.fixture(scope="module")
def house(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    return House(built.copy(tmp_path_factory.mktemp("changed")))


def test_a_touched_file(house: House) -> None:
    row = house.measure("a touched file", lambda: os.utime(house.built.code / "package_04" / "module_1.py"))
    assert row.computed == []


def test_an_exact_copy_of_a_document(house: House) -> None:
    kept = house.built.code / "package_04" / "module_1.py"
    row = house.measure("an exact copy of a document, added", lambda: shutil.copy(kept, kept.with_name("same.py")))
    assert "corpus" in row.computed and set(row.computed) <= set(CURATION), "as far as the corpus, and nothing below"
    assert "corpus" not in row.changed and "documents" in row.changed
    assert heads(house.built.root)["signatures"].added == 0, "no content is measured twice"


def test_one_threshold(house: House) -> None:
    row = house.measure(
        "one threshold: `deduplication.threshold` 0.8 → 0.81",
        lambda: edit(house.built.root, lambda text: text + "\ndeduplication: {threshold: 0.81}\n"),
    )
    assert row.computed == ["duplicates", "pairs", "survivors"] and row.changed == []


def test_one_code_version_with_the_same_answer(house: House) -> None:
    row = house.measure("one code version, the same answer: `corpus`", lambda: None, house.with_code("corpus", "same"))
    assert row.computed == ["corpus"] and row.changed == []


def test_one_code_version_with_another_answer(house: House) -> None:
    row = house.measure(
        "one code version, another answer: `verdicts`", lambda: None, house.with_code("verdicts", "other")
    )
    assert row.computed == ["corpus", "funnel", "verdicts"] and row.changed == ["verdicts"]


def test_one_word_in_a_file_that_is_kept(house: House) -> None:
    path = house.built.code / "package_05" / "module_2.py"
    row = house.measure(
        "one word in one file", lambda: path.write_text(path.read_text().replace("return", "return not", 1))
    )
    after = heads(house.built.root)
    assert {"documents", "corpus", "samples", "instructions", "model_finetune", "scores"} <= set(row.computed)
    assert "base_model_tiny_base" not in row.computed
    assert (after["signatures"].added, after["quality"].added, after["candidates"].added) == (1, 1, 1)
    assert Workspace(house.built.root).store.scan("corpus").collect().height == after["corpus"].rows


def test_the_table_of_the_readme(house: House) -> None:
    assert len(house.rows) == 6, "run this file as a whole"
    text = README.read_text(encoding="utf-8")
    head, _, rest = text.partition(OPENS)
    table, _, tail = rest.partition(CLOSES)
    if os.environ.get("HEADWATER_WRITE_DOCS") == "1":
        table = "\n" + as_markdown(list(house.rows.values())) + "\n"
        README.write_text(f"{head}{OPENS}{table}{CLOSES}{tail}", encoding="utf-8")
    assert without_seconds(table) == without_seconds(as_markdown(list(house.rows.values())))


def as_markdown(rows: list[Row]) -> str:
    lines = [
        "| what changed | what was computed | with another version after it | seconds |",
        "| --- | --- | --- | ---: |",
    ]
    for row in rows:
        made, other = named(row.computed, row.tables), named(row.changed, row.computed)
        lines.append(f"| {row.change} | {made} | {other} | {row.seconds:.0f} |")
    return "\n".join(lines)


def named(tables: list[str], of: list[str]) -> str:
    """Tables by name, or where that is shorter, by those of all that are not among them."""
    left = [name for name in of if name not in tables]
    if len(tables) > FEW and len(left) < len(tables):
        return f"{len(tables)} of {len(of)}: all but {backticked(left)}" if left else f"all {len(of)}"
    return backticked(tables) or "nothing"


def backticked(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def without_seconds(table: str) -> list[str]:
    return [re.sub(r"\| \d+ \|$", "|", line) for line in table.strip().splitlines()]

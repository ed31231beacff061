"""A survivor policy that looks at evidence: who stays follows the rules, and any way there gives what one run gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import build, computed, edit, heads, headwater, versions

WORDS = [
    f"{a}{b}" for a in ("har", "wal", "sto", "riv", "oak", "spr", "mil", "bri") for b in ("bour", "ed", "nes", "ing")
]
TEXT = " ".join(f"the {a} of {b}" for a, b in zip(WORDS, reversed(WORDS), strict=True)) + "."
POLICY = "rules: [{gopher: {max_symbol_word_ratio: 0.1}}]\ndeduplication: {policy: [quality, longest]}\n"
TABLES = ("duplicates", "survivors", "pairs", "verdicts")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    house = tmp_path / "house"
    assert headwater("init", house).code == 0
    (house / "data").mkdir(exist_ok=True)
    (house / "data" / "clean.txt").write_text(TEXT)
    (house / "data" / "marked.txt").write_text(TEXT + " #" * 16)
    edit(house, lambda text: text.replace("rules: []", POLICY))
    return house


def kept(root: Path) -> list[str]:
    build(root, "corpus")
    return Workspace(root).store.scan("corpus").collect()["locator"].to_list()


def test_of_alike_documents_the_one_stays_that_the_rules_keep(root: Path, tmp_path: Path) -> None:
    assert kept(root) == ["clean.txt"], "the longest would stand for it, and then fail"
    before = heads(root)

    edit(root, lambda text: text.replace("max_symbol_word_ratio: 0.1", "max_symbol_word_ratio: 1.0"))
    assert kept(root) == ["marked.txt"], "now both pass, and the longest stays"
    told = computed(before, heads(root))
    assert "rule_failures" in told and not {"documents", "signatures", "quality"} & set(told)

    anew = tmp_path / "anew"
    shutil.copytree(root, anew, ignore=shutil.ignore_patterns(".headwater"))
    assert kept(anew) == ["marked.txt"]
    found, expected = versions(heads(root)), versions(heads(anew))
    assert {name: found[name] for name in TABLES} == {name: expected[name] for name in TABLES}

"""Whoever changes an answer raises the stage's code version; whoever changes code alone says that the answers stay."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from assets import STAGES
from tests import code_digests
from tests.code_digests import canonical, digests, forgotten, main, message, reached, read


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    """The digests of the code as it stands: seconds of reading."""
    return digests()


def test_no_stage_s_code_changed_without_its_code_version_or_a_word(now: dict[str, Any]) -> None:
    """The mend: raise `code_version` and run `python -m tests.code_digests`, or run it with --same-answer."""
    recorded = read()
    open_ = forgotten(recorded, now)
    assert open_ == {}, message(open_)
    late = sorted(name for name in {*recorded, *now} if recorded.get(name) != now.get(name))
    assert late == [], f"not recorded yet: {', '.join(late)}; run `python -m tests.code_digests`"


def same(one: str, other: str) -> bool:
    return canonical(ast.parse(one)) == canonical(ast.parse(other))


def test_layout_comments_and_docstrings_are_no_code_and_all_else_is() -> None:
    plain = "LIMIT = 3\ndef f(a, b=1):\n    return [a, b]\n"
    assert same(
        plain,
        '"""Why."""\nLIMIT = 3\n"""How many."""\ndef f(a,\n      b=1):  # two\n    """What."""\n    return [a,\n b,]\n',
    )
    for part, other in (("= 3", "= 4"), ("b=1", "b=2"), ("[a, b]", "[b, a]"), ("b=1", "*b"), ("f(a", "g(a")):
        assert not same(plain, plain.replace(part, other)), other


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sources of a house of two stages, one of which runs a program in a process of its own."""
    files = {
        "assets/__init__.py": "",
        "assets/toys.py": (
            "from curation import words\nfrom curation.counts import count as counted, unused\nLIMIT = 3\n"
            "@stage(code_version='1', limit=LIMIT)\ndef first(texts, count):\n    return _inner(counted(texts), count)\n"
            "def _inner(texts, count):\n    return words.split(texts)[:LIMIT]\n"
            "def second(run):\n    return run.launch('training.program')\n"
        ),
        "curation/__init__.py": "",
        "curation/words.py": "import re\nSPACE = re.compile(' ')\ndef split(text):\n    return SPACE.split(text)\ndef other():\n    pass\n",
        "curation/counts.py": "from records import digest\ndef count(texts):\n    return digest(texts)\ndef unused():\n    pass\n",
        "records.py": "def digest(text):\n    return text\n",
        "training/__init__.py": "",
        "training/program.py": "def run(job):\n    from training import deep\n    return deep.go(job)\n",
        "training/deep.py": "def go(job):\n    return job\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code_digests, "ROOT", tmp_path)
    clear()
    yield tmp_path
    clear()


def clear() -> None:
    for kept in (code_digests.parsed, code_digests.is_library, code_digests.led, code_digests.said):
        kept.cache_clear()


def test_a_stage_s_own_code_is_what_it_leads_to_by_name_and_no_more(house: Path) -> None:
    assert reached([("assets.toys", "first")]) == {
        ("assets.toys", "first"),
        ("assets.toys", "_inner"),
        ("assets.toys", "LIMIT"),
        ("curation.counts", "count"),
        ("curation.words", "split"),
        ("curation.words", "SPACE"),
        ("records", "digest"),
    }
    assert reached([("assets.toys", "second")]) == {
        ("assets.toys", "second"),
        ("training.program", "run"),
        ("training.deep", "go"),
    }


def test_every_stage_leads_into_the_libraries(now: dict[str, Any]) -> None:
    for name, said in now.items():
        assert any(not module.startswith("assets.") for module in said["code"]), name
    assert "curation.quality_kernel" in now["quality"]["code"]
    assert "training.loop" in now["model"]["code"] and "evaluation.inference" in now["answers"]["code"]
    assert "curation.c4" not in now["quality"]["code"]
    assert set(now) == {stage.name for stage in STAGES if stage.kind != "observable"}


def test_the_command_records_what_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], now: dict[str, Any]
) -> None:
    path = tmp_path / "digests.json"
    monkeypatch.setattr(code_digests, "RECORDED", path)
    monkeypatch.setattr(code_digests, "digests", lambda: deepcopy(now))
    assert main([]) == 0 and read() == now
    old = json.loads(path.read_text())
    old["corpus"]["code"]["curation.corpus"] = "another"
    old["verdicts"]["code"]["curation.gone"] = "removed"
    old["quality"] = {"code_version": "0", "code": {"curation.quality": "another"}}
    del old["samples"]
    path.write_text(json.dumps(old))
    assert forgotten(read(), now) == {"corpus": ["curation.corpus"], "verdicts": ["curation.gone"]}
    assert main([]) == 1
    said = capsys.readouterr().out
    assert "corpus: changed in curation.corpus" in said and "--same-answer" in said
    assert read() == {**now, "corpus": old["corpus"], "verdicts": old["verdicts"]}
    assert main(["--same-answer", "corpus"]) == 1
    assert read() == {**now, "verdicts": old["verdicts"]}
    assert main(["--same-answer"]) == 0
    assert read() == now

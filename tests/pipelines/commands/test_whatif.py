"""`headwater whatif`: seconds, examples, and nothing changed."""

from __future__ import annotations

from pathlib import Path

from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import heads
from tests.pipelines.test_cli import headwater


def test_a_lower_threshold_lets_short_texts_come(ready: Path) -> None:
    before = heads(ready)
    done = headwater("whatif", "gopher.min_words=2", "-w", ready)
    assert done.returncode == 0, done.stderr
    assert "gopher.min_words: fails if n_plain_words < 12 → fails if n_plain_words < 2" in done.stdout
    assert "would come" in done.stdout and "would go" not in done.stdout
    assert "web:short.txt  gopher.min_words: n_plain_words 3 < 12" in done.stdout
    assert "Too short, [b]really[/b]." in done.stdout, "markup is text"
    assert heads(ready) == before


def test_what_a_higher_one_would_drop_is_what_the_run_then_drops(edited: Path) -> None:
    done = headwater("whatif", "gopher.min_words=60", "-w", edited)
    assert done.returncode == 0, done.stderr
    assert "10 of 25 at random" in done.stdout
    settings = edited / "headwater.yaml"
    kept = Workspace(edited).store.scan("verdicts").collect().filter(verdict="kept").height
    settings.write_text(settings.read_text().replace("min_words: 12", "min_words: 60"))
    assert headwater("run", "verdicts", "-w", edited).returncode == 0
    assert Workspace(edited).store.scan("verdicts").collect().filter(verdict="kept").height == kept - 25


def test_text_is_shown_and_not_obeyed(ready: Path) -> None:
    done = headwater("whatif", "gopher.min_words=60", "c4", "-w", ready)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout and "\x07" not in done.stdout
    assert "c4: " in done.stdout


def test_mistakes_are_one_sentence(ready: Path, tmp_path: Path) -> None:
    wrong = headwater("whatif", "gopher.min_wrds=60", "-w", ready)
    assert wrong.returncode == 1 and "gopher has no threshold 'min_wrds'" in wrong.stderr
    headwater("init", tmp_path / "new")
    early = headwater("whatif", "gopher", "-w", tmp_path / "new")
    assert early.returncode == 1 and "`headwater run verdicts`" in early.stderr

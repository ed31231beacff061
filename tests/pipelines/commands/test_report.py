"""`headwater report`: where a page lies, and that it is there whenever its table is."""

from __future__ import annotations

from pathlib import Path

from pipelines.reports import remove_release_pages, write_report
from pipelines.workspace import Workspace
from tests.pipelines.test_cli import assert_clear, headwater


def test_the_page_lies_in_the_workspace_and_only_its_owner_reads_it(ready: Path) -> None:
    said = headwater("report", "curation", "-w", ready)
    assert said.returncode == 0, said.stderr
    page = Path(said.stdout.strip())
    assert page == ready / ".headwater" / "reports" / "curation.html"
    assert page.stat().st_mode & 0o777 == 0o600 and page.parent.stat().st_mode & 0o777 == 0o700
    text = page.read_text()
    assert "gopher.min_words" in text and "web:short.txt" in text and "<script>alert" not in text


def test_a_page_that_is_gone_is_made_again_and_nothing_else_runs(edited: Path) -> None:
    page = edited / ".headwater" / "reports" / "curation.html"
    before = page.read_bytes()
    page.unlink()
    missing = headwater("report", "curation", "-w", edited)
    assert_clear(missing, "there is no report on curation yet; `headwater run funnel` makes it")
    version = Workspace(edited).store.head("funnel")
    ran = headwater("run", "-w", edited)
    assert ran.returncode == 0 and "✓ funnel" in ran.stdout and "✓ verdicts" not in ran.stdout
    assert page.read_bytes() == before and Workspace(edited).store.head("funnel") == version


def test_a_report_that_is_none(ready: Path) -> None:
    assert_clear(
        headwater("report", "weather", "-w", ready),
        "there is no report 'weather'; there are: curation, scores, pretraining, instructions",
    )


def test_pages_on_releases_can_be_removed_and_that_of_curation_stays(tmp_path: Path) -> None:
    here = Workspace(tmp_path)
    for name in ("curation", "instructions-0a", "preferences-0b"):
        write_report(here, name, "text")
    write_report(here, "instructions-0a", "text", ".md")
    gone = ["reports/instructions-0a.html", "reports/instructions-0a.md"]
    assert remove_release_pages(here, {"preferences-0b"}) == gone
    assert sorted(path.name for path in here.reports.iterdir()) == ["curation.html", "preferences-0b.html"]
    assert remove_release_pages(here) == ["reports/preferences-0b.html"]


def test_the_report_that_is_meant_when_none_is_named_and_opened(ready: Path, tmp_path: Path, monkeypatch) -> None:
    browser, seen = tmp_path / "browser", tmp_path / "seen"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    said = headwater("report", "--open", "-w", ready)
    page = ready / ".headwater" / "reports" / "curation.html"
    assert said.returncode == 0 and Path(said.stdout.strip()) == page, said.stderr
    assert seen.read_text().strip() == page.as_uri()
    settings = ready / "headwater.yaml"
    models = tmp_path / "models"
    models.mkdir()
    (models / "headwater.yaml").write_text(f"{settings.read_text()}\nmodels: [{{name: tuned, base: ./base}}]\n")
    assert_clear(headwater("report", "-w", models), "there is no report on scores yet")

"""People in the loop: `headwater up`, the graph in a browser, ten preferences in another, and what becomes of them."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import expect

from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.test_daemon_workspace import wait
from tests.end_to_end.workspaces import HEADWATER, environment, heads, headwater
from tests.label_studio import choice, chromium, open_labelling, sign_in, submit

ANSWERS = ("A is clearly better", "B is slightly better", "A is slightly better", "Equally good", "B is clearly better")
LABELS = 10


@pytest.fixture(scope="module")
def people(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A copy of the workspace under `headwater up`, and what the command has said."""
    folder = tmp_path_factory.mktemp("people")
    root = built.copy(folder).root
    log = folder / "up.log"
    with log.open("w") as file:
        command = subprocess.Popen(
            [str(HEADWATER), "up", "-w", str(root)], env=environment(), stdout=file, stderr=file, start_new_session=True
        )
        try:
            wait(lambda: "Ctrl-C ends them" in log.read_text(), seconds=500)
            yield root, log.read_text()
        finally:
            command.send_signal(signal.SIGINT)
            assert command.wait(90) == 0


def test_the_graph_is_shown(people: tuple[Path, str]) -> None:
    address = re.search(r"Dagster\s+(http://127\.0\.0\.1:\d+)", people[1])
    assert address is not None
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(f"{address[1]}/asset-groups")
        for group in ("sources", "documents", "curation", "annotation", "datasets", "models", "evaluation"):
            expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=60_000)
        page.goto(f"{address[1]}/assets/corpus")
        expect(page.get_by_text("The contents that are kept, one row each.").first).to_be_visible(timeout=60_000)


def test_ten_preferences_reach_the_scores_and_a_release(people: tuple[Path, str]) -> None:
    root, said = people
    assert headwater("run", "-w", root).code == 0
    links = heads(root)["label_studio_projects"].notes["projects"]
    project = re.search(r"\((http://127\.0\.0\.1:\d+/projects/\d+/data)\)", links)
    assert project is not None and re.search(r"Label Studio\s+(\S+)", said)[1] in project[1]
    added = headwater("annotators", "add", "anna@example.org", "-w", root)
    email, password = (re.search(rf"{name}:\s+(\S+)", added.out)[1] for name in ("e-mail", "password"))
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        sign_in(page, project[1].split("/projects")[0], email, password)
        open_labelling(page, project[1])
        for number in range(LABELS):
            choice(page, ANSWERS[number % len(ANSWERS)]).click()
            submit(page)
    ran = headwater("run", "-w", root)
    assert ran.code == 0, ran.out + ran.err
    store = Workspace(root).store
    labels = store.scan("annotations").collect()
    assert labels.filter(pl.col("status") == "submitted").height == LABELS
    assert email not in labels.write_csv()
    wins = store.scan("scores").filter(pl.col("metric") == "human_win_rate").collect()
    assert set(wins["model"]) == {"base", "finetune"} and set(wins["n"]) == {LABELS}
    assert (wins["low"] < wins["value"]).all() and (wins["value"] < wins["high"]).all()
    release = heads(root)["preferences"]
    assert release.rows == LABELS - LABELS // len(ANSWERS), "a tie prefers neither"
    out = root.parent / "preferences"
    assert headwater("export", "preferences", "-o", out, "-w", root).code == 0

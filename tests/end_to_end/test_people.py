"""People in the loop: `headwater up`, the graph in a browser, two annotators in others, and what the sensor makes of it."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.test_daemon_workspace import wait
from tests.end_to_end.workspaces import edit, heads, headwater
from tests.forked_commands import HEADWATER, environment
from tests.label_studio import PATIENCE, choice, choose_by_key, chromium, mend, open_labelling, sign_in, submit

ANSWERS = ("A is clearly better", "B is slightly better", "A is slightly better", "Equally good", "B is clearly better")
LABELS = 10
PROJECTS = (
    "[{name: which, annotators: 2, gold: gold.yaml}, {name: how_good, kind: rating}, {name: mend, kind: demonstration}]"
)
GOLD = '- {question: "def two():\\n    return 2", a: "Return two.", b: "Return three.", answer: a}\n'


@pytest.fixture(scope="module")
def people(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A copy of the workspace under `headwater up`, and what the command has said."""
    folder = tmp_path_factory.mktemp("people")
    root = built.copy(folder).root
    (root / "gold.yaml").write_text(GOLD)
    edit(root, lambda text: re.sub(r"(?s)  projects:\n.*?(?=  routing:)", f"  projects: {PROJECTS}\n", text))
    log = folder / "up.log"
    with log.open("w") as file:
        command = subprocess.Popen(
            [str(HEADWATER), "up", "-w", str(root)], env=environment(), stdout=file, stderr=file, start_new_session=True
        )
        try:
            wait(lambda: "Ctrl-C ends them" in log.read_text(), seconds=800)
            yield root, log.read_text()
        finally:
            command.send_signal(signal.SIGINT)
            assert command.wait(300) == 0


def test_the_graph_is_shown(people: tuple[Path, str]) -> None:
    address = re.search(r"Dagster\s+(http://127\.0\.0\.1:\d+)", people[1])
    assert address is not None
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address[1]}/asset-groups")
        for group in ("sources", "documents", "curation", "annotation", "datasets", "models", "evaluation"):
            expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=60_000)
        page.goto(f"{address[1]}/assets/corpus")
        expect(page.get_by_text("The contents that are kept, one row each.").first).to_be_visible(timeout=60_000)


def test_labels_of_every_kind_reach_the_graph_through_the_sensor(people: tuple[Path, str]) -> None:
    root, said = people
    assert headwater("run", "-w", root).code == 0
    links = heads(root)["label_studio_projects"].notes["projects"]
    places = dict(re.findall(r"\[(\w+)\]\((http://127\.0\.0\.1:\d+/projects/\d+/data)\)", links))
    assert set(places) == {"which", "how_good", "mend"}
    url = places["which"].split("/projects")[0]
    assert re.search(r"Label Studio +(http\S+)", said)[1] == url
    with chromium() as browser:
        dagster = browser.new_page(viewport={"width": 1600, "height": 900})
        dagster.set_default_timeout(PATIENCE)
        dagster.goto(f"{re.search(r'Dagster +(http://127[.]0[.]0[.]1:[0-9]+)', said)[1]}/assets/label_studio_projects")
        dagster.locator(f'a[href="{places["which"]}"]').first.click(timeout=60_000)
        anna, email = signed_in(browser, root, url, "anna")
        open_labelling(anna, places["how_good"])
        anna.locator("label", has_text="Good").first.click()
        anna.locator("label", has_text="Poor").last.click()
        submit(anna)
        choose_by_key(anna, "7", "Cannot answer")
        choose_by_key(anna, "k", "It is private")
        submit(anna, keyboard=True)
        open_labelling(anna, places["mend"])
        mend(anna, "Mended.", keyboard=True)
        submit(anna, keyboard=True)
        open_labelling(anna, places["which"])
        for number in range(LABELS + 1):
            choice(anna, ANSWERS[number % len(ANSWERS)]).click()
            submit(anna)
        bob, _ = signed_in(browser, root, url, "bob")
        open_labelling(bob, places["which"])
        for _ in range(2):  # one of them may be the known question
            choose_by_key(bob, "6", "Both are bad")
            submit(bob, keyboard=True)
        wait(lambda: labelled(root) == {"which": LABELS, "how_good": 3, "mend": 1}, seconds=400)
        wait(lambda: heads(root)["adjudications"].notes.get("waiting", 0) > 0, seconds=400)
        bob.goto(f"{url}/projects")
        expect(bob.get_by_text("Decide where others disagree").first).to_be_visible(timeout=60_000)
    store = Workspace(root).store
    # The run that gave what was waited for goes on: what else is looked at may come after it.
    wait(lambda: store.scan("takedown_previews").collect().height > 0)
    wait(lambda: store.scan("adjudicated_labels").filter(how="disputed").collect().height > 0)
    wait(lambda: store.scan("annotator_quality").filter(pl.col("gold") > 0).collect().height > 0)
    rows = store.scan("adjudicated_labels").collect()
    assert 1 <= rows.filter(how="disputed").height <= 2
    assert rows.filter(project="mend")["value"].to_list() == ["Mended."]
    rated = {(row["criterion"], row["value"], row["how"]) for row in rows.filter(project="how_good").to_dicts()}
    assert rated == {("correct", "4", "single"), ("helpful", "1", "single"), ("rating", None, "unanswerable")}
    private = store.scan("takedown_previews").collect()
    assert private.height == 1 and private["documents"][0] >= 1 and private["annotations"][0] >= 1
    assert private["command"][0].startswith(f"headwater forget {private['sample_id'][0]} --reason")
    labels = store.scan("annotations").collect()
    assert email not in labels.write_csv()
    known = store.scan("annotator_quality").filter(pl.col("gold") > 0).collect()
    assert known.filter(annotator="everyone")["gold"].to_list() == [known["gold"].max()]


def signed_in(browser: Browser, root: Path, url: str, name: str) -> tuple[Page, str]:
    """A page of somebody who was made an account, and the address."""
    added = headwater("annotators", "add", f"{name}@example.org", "-w", root)
    email, password = (re.search(rf"{field}:\s+(\S+)", added.out)[1] for field in ("e-mail", "password"))
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    sign_in(page, url, email, password)
    return page, email


def labelled(root: Path) -> dict[str, int]:
    """How many labels each project has given."""
    rows = Workspace(root).store.scan("adjudicated_labels").select("project").collect()
    return dict(rows.group_by("project").len().iter_rows())


def test_what_people_said_stands_in_scores_a_release_and_the_progress(people: tuple[Path, str]) -> None:
    root, _ = people
    ran = headwater("run", "-w", root)
    assert ran.code == 0, ran.out + ran.err
    store = Workspace(root).store
    wins = store.scan("scores").filter(pl.col("metric") == "human_win_rate").collect()
    assert set(wins["model"]) == {"base", "finetune"} and set(wins["n"]) == {LABELS}
    assert (wins["low"] < wins["value"]).all() and (wins["value"] < wins["high"]).all()
    rated = store.scan("scores").filter(pl.col("metric").str.starts_with("human_rating")).collect()
    assert dict(rated.select("metric", "value").rows()) == {"human_rating correct": 4.0, "human_rating helpful": 1.0}
    rows = store.scan("adjudicated_labels").filter(project="which").collect()
    release = heads(root)["preferences"]
    assert release.rows == rows.filter(pl.col("value").is_in(["a", "b"])).height > 0
    progress = store.scan("annotation_progress").filter(project="which").collect().row(0, named=True)
    made = [f"preferences {release.notes['release']}", f"scores {heads(root)['scores'].version}"]
    assert progress["used_by"] == ", ".join(made)
    of_ratings = store.scan("annotation_progress").filter(project="how_good").collect()["used_by"].item()
    assert of_ratings == made[1], "ratings stand in the scores too"
    out = root.parent / "preferences"
    assert headwater("export", "preferences", "-o", out, "-w", root).code == 0


def test_what_people_wrote_is_a_release_that_samples_learn_their_references_from(people: tuple[Path, str]) -> None:
    root, _ = people
    store = Workspace(root).store
    (written,) = store.scan("demonstrations").collect().to_dicts()
    assert written["reference"] == "Mended." and written["edited"] and written["draft_model"] in {"base", "finetune"}
    release = heads(root)["demonstrations"].notes["release"]
    progress = dict(store.scan("annotation_progress").select("project", "used_by").collect().iter_rows())
    assert progress["mend"] == f"demonstrations {release}" and progress["how_good"].startswith("scores ")
    label = store.scan("annotations").filter(kind="demonstration").collect()["annotation_id"][0]
    assert f"demonstrations {release}" in headwater("trace", label, "-w", root).out
    assert headwater("tag", "demonstrations", "good", release, "-w", root).code == 0
    edit(root, lambda text: text + "\ndemonstrations: good\n")
    ran = headwater("run", "instructions", "evaluation", "-w", root)
    assert ran.code == 0, ran.out + ran.err
    told = store.scan("samples").filter(sample_id=written["sample_id"]).collect().row(0, named=True)
    assert (told["reference"], told["split"]) == ("Mended.", written["split"])
    table = "instructions" if told["split"] == "train" else "evaluation"
    released = store.scan(table).filter(sample_id=written["sample_id"]).collect()
    assert released["reference"].to_list() == ["Mended."]


def test_a_server_that_is_down_stops_its_own_assets_and_leaves_what_is_below(
    people: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = people
    monkeypatch.setenv("TOKEN_OF_NOBODY", "a token")
    before = heads(root)
    edit(root, lambda text: text + "\nlabel_studio: {url: 'http://127.0.0.1:9', token_env: TOKEN_OF_NOBODY}\n")
    ran = headwater("run", "preferences", "-w", root)
    assert ran.code != 0
    assert "no answer from Label Studio at http://127.0.0.1:9" in ran.err and "start it (headwater up)" in ran.err
    for name in ("annotations", "adjudicated_labels", "demonstrations", "preferences"):
        assert heads(root)[name].version == before[name].version
    assert headwater("table", "preferences", "-w", root).code == 0

"""People in the loop: `headwater up`, the graph in a browser, labels of two annotators, and what the sensors make of them.

What an annotator sees and presses is tried in `tests/annotation/test_browser.py`; here the answers come as Label Studio has them.
"""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus
from playwright.sync_api import expect

from annotation import client as api
from annotation.client import Client
from annotation.credentials import credentials
from pipelines.commits import Commit
from pipelines.serving import Running, start_dagster
from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import computed, edit, heads, headwater
from tests.forked_commands import HEADWATER, environment
from tests.label_studio import PATIENCE, chromium, running_label_studio
from tests.pipelines.test_serving import ON, group

ANSWERS = ("a_clearly", "b_slightly", "a_slightly", "tie", "b_clearly")
LABELS = 10
PROJECTS = (
    "[{name: which, annotators: 2, gold: gold.yaml}, {name: how_good, kind: rating}, {name: mend, kind: demonstration}]"
)
GOLD = '- {question: "def two():\\n    return 2", a: "Return two.", b: "Return three.", answer: a}\n'
CURATION = {"documents", "signatures", "quality", "duplicates", "pairs", "survivors", "verdicts", "corpus", "funnel"}


@dataclass(frozen=True)
class People:
    """A workspace under `headwater up`: the command's process, where it says what it does, and the Dagster that it started."""

    root: Path
    command: subprocess.Popen[bytes]
    log: Path
    running: Running

    def head(self, table: str) -> Commit:
        found = Workspace(self.root).store.head(table)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def people(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("people")
    root, log = built.copy(folder).root, folder / "up.log"
    (root / "gold.yaml").write_text(GOLD)
    edit(root, lambda text: re.sub(r"(?s)  projects:\n.*?(?=  routing:)", f"  projects: {PROJECTS}\n", text))
    with log.open("w") as file:
        command = subprocess.Popen(
            [str(HEADWATER), "up", "-w", str(root)], env=environment(), stdout=file, stderr=file, start_new_session=True
        )
    try:
        wait(lambda: "Ctrl-C ends them" in log.read_text(), seconds=800)
        running = start_dagster(root)
        assert not running.started
        with dg.DagsterInstance.from_config(str(running.home)) as instance:
            wait(lambda: "automation" in {each.instigator_name for each in instance.all_instigator_state()})
            _switch(instance, InstigatorStatus.STOPPED)
        made = headwater("run", "-w", root)
        assert made.code == 0, made.out + made.err
        yield People(root, command, log, running)
    finally:
        if command.poll() is None:
            command.send_signal(signal.SIGINT)
            command.wait(300)


def wait(true: Callable[[], object], seconds: float = 400) -> None:
    """Wait until it is true; fail when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.5)


def places(people: People) -> dict[str, str]:
    """The addresses of the projects on the server."""
    links = str(people.head("label_studio_projects").notes.get("projects"))
    return dict(re.findall(r"\[(\w+)\]\((http://127\.0\.0\.1:\d+/projects/\d+/data)\)", links))


def test_the_graph_is_shown_and_leads_to_the_projects(people: People) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(f"{people.running.url}/asset-groups")
        for name in ("sources", "documents", "curation", "annotation", "datasets", "models", "evaluation"):
            expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=60_000)
        page.goto(f"{people.running.url}/assets/corpus")
        expect(page.get_by_text("The contents that are kept, one row each.").first).to_be_visible(timeout=60_000)
        assert set(places(people)) == {"which", "how_good", "mend"}
        page.goto(f"{people.running.url}/assets/label_studio_projects")
        expect(page.locator(f'a[href="{places(people)["which"]}"]').first).to_be_visible(timeout=60_000)


def test_labels_of_every_kind_and_an_edited_threshold_reach_the_graph_through_the_sensors(people: People) -> None:
    root, before = people.root, heads(people.root)
    url = re.search(r"Label Studio +(http\S+)", people.log.read_text())[1]
    email = labels_given(people, url)
    edit(root, lambda text: text + "\ndeduplication: {threshold: 0.81}\n")
    store = Workspace(root).store
    with switched_on(people):
        wait(lambda: labelled(root) == {"which": LABELS, "how_good": 3, "mend": 1})
        wait(lambda: people.head("adjudications").notes.get("waiting", 0) > 0)
        # The run that gave what was waited for goes on: what else is looked at may come after it.
        wait(lambda: store.scan("takedown_previews").collect().height > 0)
        wait(lambda: store.scan("adjudicated_labels").filter(how="disputed").collect().height > 0)
        wait(lambda: store.scan("annotator_quality").filter(pl.col("gold") > 0).collect().height > 0)
        wait(lambda: people.head("survivors").number > before["survivors"].number)
        wait(lambda: "headwater.yaml was edited: Dagster has loaded it" in people.log.read_text())
    touched = CURATION & set(computed(before, heads(root)))
    assert touched == {"duplicates", "pairs", "survivors"}, (
        "nothing is computed again that the threshold does not touch"
    )
    with api.connect(url, credentials(Workspace(root).label_studio).token) as client:
        assert [each for each in projects(client) if "Decide where others disagree" in each]
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


def labels_given(people: People, url: str) -> str:
    """Have Anna answer questions of every kind, and Bob two of hers in another way; the address of Anna."""
    for name in ("anna", "bob"):
        assert headwater("annotators", "add", f"{name}@example.org", "-w", people.root).code == 0
    with api.connect(url, credentials(Workspace(people.root).label_studio).token) as client:
        accounts = {email.partition("@")[0]: number for number, email in api.users(client).items()}
        asked = {
            name: [task["id"] for task in api.tasks(client, int(place.split("/")[-2]))]
            for name, place in places(people).items()
        }

        def answer(who: str, task: int, **controls: str | list[str]) -> None:
            result = []
            for name, said in controls.items():
                kind, value = (
                    ("textarea", {"text": said}) if isinstance(said, list) else ("choices", {"choices": [said]})
                )
                result.append({"from_name": name, "to_name": "prompt", "type": kind, "value": value})
            body = {"result": result, "completed_by": accounts[who], "lead_time": 4.0}
            client.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()

        answer("anna", asked["how_good"][0], rated_correct="4", rated_helpful="1")
        answer("anna", asked["how_good"][1], cannot="cannot_answer", why="private")
        answer("anna", asked["mend"][0], answer=["Mended."])
        for task, value in zip(asked["which"][: LABELS + 1], cycle(ANSWERS), strict=False):
            answer("anna", task, preference=value)
        for task in asked["which"][:2]:  # one of them may be the known question
            answer("bob", task, preference="both_bad")
    return "anna@example.org"


def projects(client: Client) -> list[str]:
    """What the server's projects are called."""
    told = client.http.get("/api/projects/").raise_for_status().json()
    return [each["title"] for each in told["results"]]


@contextmanager
def switched_on(people: People) -> Iterator[None]:
    """The automation asks for runs only here, and what it has asked for is done at the end: a run of the daemon's imports
    all that the command's has imported, and there are as many as there are steps in the graph."""
    with dg.DagsterInstance.from_config(str(people.running.home)) as instance:
        _switch(instance, InstigatorStatus.RUNNING)
        yield
        _switch(instance, InstigatorStatus.STOPPED)


def _switch(instance: dg.DagsterInstance, status: InstigatorStatus) -> None:
    (state,) = (each for each in instance.all_instigator_state() if each.instigator_name == "automation")
    instance.update_instigator_state(state.with_status(status))
    if status == InstigatorStatus.STOPPED:
        wait(lambda: not instance.get_runs(dg.RunsFilter(statuses=ON), limit=1))


def labelled(root: Path) -> dict[str, int]:
    """How many labels each project has given."""
    rows = Workspace(root).store.scan("adjudicated_labels").select("project").collect()
    return dict(rows.group_by("project").len().iter_rows())


def test_ctrl_c_ends_all_processes(people: People) -> None:
    assert group(people.running)
    people.command.send_signal(signal.SIGINT)
    assert people.command.wait(300) == 0
    assert group(people.running) == []
    assert not people.running.alive()


@pytest.fixture
def server(people: People) -> Iterator[None]:
    """Label Studio alone, with all that it knew: what follows is the command's work, and no sensor's."""
    with running_label_studio(Workspace(people.root).label_studio):
        yield


def test_what_people_said_stands_in_scores_and_releases_that_samples_learn_from(people: People, server: None) -> None:
    root = people.root
    ran = headwater("run", "annotation_progress", "-w", root)
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
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = people.root
    monkeypatch.setenv("TOKEN_OF_NOBODY", "a token")
    before = heads(root)
    edit(root, lambda text: text + "\nlabel_studio: {url: 'http://127.0.0.1:9', token_env: TOKEN_OF_NOBODY}\n")
    ran = headwater("run", "preferences", "-w", root)
    assert ran.code != 0
    assert "no answer from Label Studio at http://127.0.0.1:9" in ran.err and "start it (headwater up)" in ran.err
    for name in ("annotations", "adjudicated_labels", "demonstrations", "preferences"):
        assert heads(root)[name].version == before[name].version
    assert headwater("table", "preferences", "-w", root).code == 0

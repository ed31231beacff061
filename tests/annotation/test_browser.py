"""What a person sees and does, in a real browser on a real server.

With HEADWATER_WRITE_DOCS=1 these tests take the pictures of docs/annotators.md.
"""

import json

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from annotation import client as api
from annotation.adjudication import adjudication_projects, labels_of, open_disagreements
from annotation.blinding import pseudonym
from annotation.labels import pull
from annotation.settings import ProjectSettings, TrustSettings
from annotation.sync import synchronise
from tests.annotation.building import answer, project_id, tasks
from tests.label_studio import (
    choice,
    choose_by_key,
    chromium,
    label_all,
    mend,
    open_labelling,
    picture,
    sign_in,
    skip,
    submit,
    write,
)

QUESTION = "How do I keep basil fresh for a week?"
SHORT = "Put the stems in a glass of water, like flowers, and leave it on the kitchen table."
LONG = (
    "There are **two** good ways:\n\n- Stand the stems in water, at room temperature; change it every other day.\n"
    "- Chop the leaves, cover them with oil in an ice-cube tray, and freeze them.\n\nNever put it in the fridge: "
    "below `10 °C` the leaves turn black."
)

HOSTILE = (
    '<script>window.ran = "script"</script><img src="x" onerror="window.ran = \'image\'">'
    '<b onclick="window.ran = 1">bold</b> $output_b {{prompt_text}} javascript:void(0)\n    indented & <i>more</i>'
)
LONG_TEXT = "".join(f"\nLine {number} of a long text." for number in range(2_000)) + "\n\nTHE END"
MARKUP = "# Not a <b>heading</b>\n| a | b |"


@pytest.fixture(scope="module")
def pages(studio, client):
    """Opens a page for a new annotator, who has signed in."""
    with chromium() as browser:

        def opened(name: str) -> tuple[Page, str]:
            email, password = api.add_annotator(client, f"{name}@example.org")
            page = browser.new_context(viewport={"width": 1200, "height": 860}).new_page()
            if name == "ada":
                page.goto(f"{studio.url}/user/login/")
                page.wait_for_selector("input[name=email]")
                picture(page, "sign-in")
            sign_in(page, studio.url, email, password)
            return page, email

        yield opened


def test_hostile_and_long_texts_are_shown_whole_and_do_nothing(client, secret, pages):
    hostile = tasks(1).with_columns(
        prompt_text=pl.lit(HOSTILE + LONG_TEXT),
        output_a=pl.format("{} {}", "output_a", pl.lit(HOSTILE + LONG_TEXT)),
        output_b=pl.lit(MARKUP),
    )
    desired = pl.concat([hostile, tasks(1, version=" after it")])
    guidelines = "Prefer the <b>shorter</b> one.\nSecond line."
    report = synchronise(client, desired, [ProjectSettings(guidelines=guidelines)], secret)
    page, email = pages("annotator")
    open_labelling(page, report.addresses["preference"])

    expect(page.locator(".guidelines")).to_contain_text("Prefer the <b>shorter</b> one.")
    shown = page.locator(".question").inner_text()
    assert shown.strip() == HOSTILE + LONG_TEXT and len(shown) > 50_000
    assert "THE END" in page.locator(".drafts").inner_text()
    assert page.locator(".headwater script, .headwater img, .headwater b, .headwater i").count() == 0
    assert page.locator(".drafts").inner_text().count(HOSTILE.splitlines()[0]) == 1
    expect(page.locator(".drafts h1")).to_have_text("Not a <b>heading</b>")
    expect(page.locator(".drafts h1 em")).to_have_count(0)

    choose_by_key(page, "7", "Cannot answer")
    choose_by_key(page, "k", "It is private")
    page.get_by_placeholder("A few words").fill("A name.")
    page.keyboard.press("Shift+Enter")
    submit(page)
    skip(page)
    assert page.evaluate("window.ran") is None

    labels = pull(client, desired, secret)
    assert labels["annotator"].n_unique() == 1 and email not in labels.write_csv()
    told = set(labels.select("task_digest", "status", "value", "why", "note").iter_rows())
    assert told == {
        ("task-0", "submitted", "cannot_answer", "private", "A name."),
        ("task-0 after it", "skipped", None, None, None),
    }
    assert all(label > 0 for label in labels["lead_time"])


HEBREW = "שלום API עולם."
WAYS = """([place, word]) => {
    const root = document.querySelector(`.headwater ${place}`);
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const at = walker.currentNode.data.indexOf(word);
        if (at < 0) continue;
        const range = document.createRange();
        range.setStart(walker.currentNode, at);
        range.setEnd(walker.currentNode, at + word.length);
        return range.getBoundingClientRect().right;
    }
}"""
"""Where a word ends on the screen, in pixels from the left."""


def is_read_from_the_right(page: Page, kind: str) -> None:
    """The words of the open task stand from right to left; code has letters of one width, and English begins at the left."""
    for place in (".question", ".drafts"):
        expect(page.locator(f".headwater {place}")).to_contain_text(HEBREW)
        first, middle, last = (page.evaluate(WAYS, [place, word]) for word in ("שלום", "API", "עולם"))
        assert last < middle < first, f"{kind}, {place}: a sentence begins at the right, and its words follow"
    if kind != "demonstration":
        for shown in ("pre", "code"):
            fonts = page.locator(f".drafts {shown}").evaluate_all("all => all.map(e => getComputedStyle(e).fontFamily)")
            assert set(fonts) == {"monospace"}, f"{kind}: columns and indents of code would not stand under each other"
        assert page.evaluate(WAYS, [".drafts", "plain"]) < first, "a line in English begins at the left"


def of_kind(kind: str) -> pl.DataFrame:
    """Three tasks: the first two for mouse and keyboard, of which the second is read from right to left and shows code; the
    third of a demonstration has no draft."""
    outputs = [LONG, f"{HEBREW}\n\nplain `code`\n\n```\nif so:\n    iiii\n    WWWW\n```"]
    outputs += [None if kind == "demonstration" else LONG]
    rows = tasks(3, project=kind, kind=kind, version=f" {kind}").with_columns(
        prompt_text=pl.Series([QUESTION, HEBREW, QUESTION]), output_a=pl.Series(outputs, dtype=pl.String)
    )
    other = pl.Series([f"{SHORT} ({number})" for number in range(3)])
    return rows.with_columns(output_b=pl.when(pl.col("kind") == "preference").then(other))


def test_each_kind_is_answered_by_mouse_and_by_keyboard(studio, client, secret, pages):
    kinds = ("preference", "rating", "demonstration")
    desired = pl.concat([of_kind(kind) for kind in kinds])
    projects = [ProjectSettings(name=kind, kind=kind, annotators=2) for kind in kinds]
    report = synchronise(client, desired, projects, secret)
    page, email = pages("ada")
    page.goto(f"{studio.url}/projects")
    expect(page.get_by_text("Mend or write the answer").first).to_be_visible(timeout=60_000)
    picture(page, "projects")
    page.goto(report.addresses["preference"])
    expect(page.get_by_role("button", name="Label All Tasks")).to_be_visible(timeout=60_000)
    picture(page, "table")

    label_all(page)
    expect(page.locator(".drafts strong")).to_have_text("two")
    expect(page.locator(".drafts code")).to_have_text("10 °C")
    picture(page, "preference")
    choice(page, "A is slightly better").click()
    submit(page)
    is_read_from_the_right(page, "preference")
    choose_by_key(page, "5", "B is clearly better")
    submit(page, keyboard=True)
    choose_by_key(page, "7", "Cannot answer")
    choose_by_key(page, "l", "It needs an expert")
    picture(page, "cannot-answer")
    submit(page, keyboard=True)

    open_labelling(page, report.addresses["rating"])
    page.locator("label", has_text="Good").first.click()
    page.locator("label", has_text="Fair").last.click()
    picture(page, "rating")
    submit(page)
    is_read_from_the_right(page, "rating")
    choose_by_key(page, "1", "Poor", place=0)
    choose_by_key(page, "t", "Excellent", place=1)
    submit(page, keyboard=True)

    open_labelling(page, report.addresses["demonstration"])
    picture(page, "demonstration", over=".drafts p")
    mend(page, "Mended by mouse.")
    submit(page)
    is_read_from_the_right(page, "demonstration")
    mend(page, "Mended by keyboard.", keyboard=True)
    submit(page, keyboard=True)
    write(page, "Written by keyboard.")
    submit(page, keyboard=True)

    for sample in ("sample-0", "sample-1"):
        answer(client, project_id(report), sample, "both_bad")
    both = pull(client, desired, secret)
    labels = both.filter(annotator=pseudonym(secret.key, email))
    told = dict(labels.select("task_digest", "value").iter_rows())
    assert told["task-0 preference"] == "a" and told["task-1 preference"] == "b"
    assert (told["task-2 preference"], labels.filter(task_digest="task-2 preference")["why"][0]) == (
        "cannot_answer",
        "expert",
    )
    assert json.loads(told["task-0 rating"]) == {"correct": 4, "helpful": 3}
    assert json.loads(told["task-1 rating"]) == {"correct": 1, "helpful": 5}
    assert [told[f"task-{n} demonstration"] for n in range(3)] == [
        "Mended by mouse.",
        "Mended by keyboard.",
        "Written by keyboard.",
    ]
    assert labels_of(labels, labels.clear(), TrustSettings()).table.height == 3 + 4 + 3

    opened = open_disagreements(both, TrustSettings(), projects).table
    assert set(opened["sample_id"]) == {"sample-0", "sample-1"}
    deciding = [project for project in adjudication_projects(projects) if project.name == "adjudication"]
    place = synchronise(client, opened, deciding, secret, adjudication=True).addresses["adjudication"]
    page.goto(f"{studio.url}/projects")
    expect(page.get_by_text("Decide where others disagree").first).to_be_visible(timeout=60_000)
    open_labelling(page, place)
    expect(page.locator(".question")).to_contain_text(QUESTION)
    choose_by_key(page, "1", "A is clearly better")
    submit(page, keyboard=True)
    decisions = pull(client, opened, secret, adjudication=True)
    table = labels_of(both, decisions, TrustSettings()).table.filter(project="preference")
    assert table.filter(how="adjudicated").select("value", "people").rows() == [("a", 2)]
    assert table.filter(how="disputed").height == 1

    page.goto(report.addresses["preference"])
    page.get_by_text(QUESTION).first.click()
    own = page.locator("[class*=annotation-button]", has_text="ada@example.org").first
    expect(own).to_be_visible()
    picture(page, "change")
    own.click()
    choice(page, "Equally good").click()
    with page.expect_response(lambda given: "/annotations/" in given.url and given.request.method == "PATCH"):
        page.get_by_test_id("bottombar-update-button").click()
    now = pull(client, desired, secret, both).filter(project="preference")
    assert now.filter(value="tie").height == 1 and now.filter(value="both_bad").height == 2
    assert now.height == both.filter(project="preference").height and set(now["status"]) == {"submitted"}


@pytest.mark.long
def test_texts_of_50_000_characters_are_shown_whole_and_hostile_ones_do_nothing_in_every_kind(client, secret, pages):
    kinds = ("rating", "demonstration")
    desired = pl.concat([tasks(1, project=kind, kind=kind, version=f" {kind}") for kind in kinds]).with_columns(
        prompt_text=pl.lit(HOSTILE + LONG_TEXT), output_a=pl.lit(HOSTILE + LONG_TEXT)
    )
    report = synchronise(client, desired, [ProjectSettings(name=kind, kind=kind) for kind in kinds], secret)
    page, _ = pages("dee")
    for kind in kinds:
        open_labelling(page, report.addresses[kind])
        for part in (".question", ".drafts"):
            shown = page.locator(f".headwater {part}").inner_text()
            assert "THE END" in shown and "<script>window.ran" in shown and len(shown) > 49_000
        assert page.locator(".headwater script, .headwater img, .headwater b, .headwater i").count() == 0
        assert page.evaluate("window.ran") is None
    choose_by_key(page, "7", "Cannot answer")
    choose_by_key(page, "j", "The text is broken")
    submit(page, keyboard=True)
    assert pull(client, desired, secret)["why"].to_list() == ["broken"]

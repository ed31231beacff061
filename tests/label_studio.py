"""A real Label Studio server, a real browser and an annotator's hands, for any test that needs them."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from annotation import environment, server
from annotation.settings import LabelStudioSettings

CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
PICTURES = Path(__file__).parents[1] / "docs" / "annotators"
PATIENCE = 60_000
"""Milliseconds: the interface is a large script, and the machine may be busy."""

expect.set_options(timeout=PATIENCE)


@contextlib.contextmanager
def running_label_studio(folder: Path) -> Iterator[server.Server]:
    """The server of a workspace whose `.headwater/label-studio` is `folder`, on any free port; ended afterwards.

    Its environment (1 GB) comes from the cache: `HEADWATER_CACHE`, else the user's cache folder. Where the tests do not
    wait for the disk (eatmydata), it does not either.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "KEPT_VARIABLES", (*environment.KEPT_VARIABLES, "LD_PRELOAD", "LD_LIBRARY_PATH"))
        running = server.start(LabelStudioSettings(port=0), folder)
    try:
        yield running
    finally:
        server.stop(running)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS, timeout=2 * PATIENCE)
        yield browser
        browser.close()


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    """Signs in as a person does, and waits until the first page is there."""
    page.set_default_timeout(PATIENCE)
    page.goto(f"{url}/user/login/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda address: "/user/login" not in address, wait_until="commit")


def open_labelling(page: Page, project_address: str) -> None:
    """Opens a project and presses *Label All Tasks*."""
    page.goto(project_address)
    label_all(page)


def label_all(page: Page) -> None:
    """Presses *Label All Tasks* in the project that is open, and waits for the first."""
    page.get_by_role("button", name="Label All Tasks").click()
    expect(choice(page, "Cannot answer")).to_be_visible(timeout=PATIENCE)


def choice(page: Page, label: str) -> Locator:
    """One of the answers, as the open task shows it (Label Studio writes its key behind it)."""
    return page.locator("label", has_text=label)


def choose_by_key(page: Page, key: str, label: str, place: int = 0) -> None:
    """Presses an answer's key until the answer is marked: a task that has just appeared may not listen yet.

    `place` tells lines of a rubric apart whose levels have the same names. A key that was heard has marked its answer
    two frames later, so that none is pressed a second time which would take the mark away.
    """
    box = choice(page, label).nth(place).locator("input")
    for _ in range(PATIENCE // 200):
        page.keyboard.press(key)
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if box.is_checked():
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"the key {key} does not mark {label}")


def tab_to(page: Page, wanted: Locator) -> None:
    """Reaches a control by the keyboard alone."""
    expect(wanted).to_be_visible(timeout=PATIENCE)
    for _ in range(40):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the keyboard does not lead there")


def mend(page: Page, text: str, *, keyboard: bool = False) -> None:
    """Puts another text in the place of the open task's draft, by mouse or by keyboard."""
    pencil, box = page.get_by_test_id("htx-textbox-edit-button"), page.get_by_test_id("htx-textbox-input")
    if keyboard:
        tab_to(page, pencil)
        page.keyboard.press("Space")
        expect(box).to_be_focused(timeout=PATIENCE)
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
    else:
        pencil.click(timeout=PATIENCE)
        box.fill(text)
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_test_id("htx-textbox-content")).to_have_text(text)


def write(page: Page, text: str) -> None:
    """Writes the answer of the open task by the keyboard."""
    tab_to(page, page.locator("textarea[name=answer]"))
    page.keyboard.type(text)
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_test_id("htx-textbox-content")).to_have_text(text)


def picture(page: Page, name: str, over: str | None = None) -> None:
    """Takes a picture for docs/annotators.md, when HEADWATER_WRITE_DOCS asks for it; `over` is what the mouse lies on."""
    if os.environ.get("HEADWATER_WRITE_DOCS") == "1":
        page.mouse.move(0, 0)
        if over is not None:
            page.locator(over).first.hover()
        page.wait_for_timeout(300)
        page.screenshot(path=PICTURES / f"{name}.png")


def submit(page: Page, *, keyboard: bool = False) -> None:
    """Submits the open task, by mouse or by keyboard, and waits until the server has it and another text is shown."""
    button = page.get_by_test_id("bottombar-submit-button")
    expect(button).to_be_enabled(timeout=PATIENCE)
    leave(page, lambda: page.keyboard.press("Control+Enter") if keyboard else button.click())


def skip(page: Page) -> None:
    """Skips the open task by its key."""
    leave(page, lambda: page.keyboard.press("Control+Space"))


def leave(page: Page, act: Callable[[], None]) -> None:
    """Does what ends the open task, and waits until the server has the answer and the next task (or none) is shown."""
    shown = page.locator(".headwater .drafts").inner_text()
    with page.expect_response(lambda answer: "/annotations" in answer.url and answer.request.method == "POST") as taken:
        act()
    assert taken.value.ok
    page.wait_for_function("shown => document.querySelector('.headwater .drafts')?.innerText !== shown", arg=shown)

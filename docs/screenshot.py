"""The pictures in the README and for ML engineers: the Dagster UI as it shows a workspace, taken by a headless Chromium.

`make screenshot` takes them of the workspace `demo`; `python docs/screenshot.py WORKSPACE` of another one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from pipelines.serving import start_dagster, wait_until_ready

FOLDER = Path(__file__).parent
SIZE = {"width": 2050, "height": 1250}
GRAPH = {"x": 385, "y": 430, "width": 1610, "height": 430}
"""Where the groups lie in the window, without the lists and buttons around them."""
NARROW = {"width": 1300, "height": 1400}
PAGE = {"x": 70, "y": 365, "width": 835, "height": 840}
"""Where the first things that an asset tells of itself lie, in a narrow window."""
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")


def main(workspace: Path) -> int:
    """Take the picture of a workspace; 0, or 1 with what is missing."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or not (workspace / "headwater.yaml").is_file():
        sys.stderr.write(
            f"Chromium and a workspace in {workspace} are needed: install chromium, and run `make demo`.\n"
        )
        return 1
    running = start_dagster(workspace)
    try:
        wait_until_ready(running)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
            page = browser.new_page(viewport=SIZE, device_scale_factor=1)
            _take_lineage(page, running.url)
            _take_scores(page, running.url)
            browser.close()
    finally:
        running.stop()
    return 0


def _take_lineage(page: Page, url: str) -> None:
    """The groups, each folded: a box per asset would be too small to be read."""
    page.goto(f"{url}/asset-groups")
    page.wait_for_selector("svg", timeout=60_000)
    page.get_by_role("button", name="Hide navigation").click()
    page.reload()
    page.wait_for_timeout(3_000)
    expect(page.get_by_text("fetching statuses")).to_have_count(0, timeout=60_000)
    page.screenshot(path=FOLDER / "lineage.png", clip=GRAPH)


def _take_scores(page: Page, url: str) -> None:
    """The page of the scores, from its description on."""
    page.set_viewport_size(NARROW)
    page.goto(f"{url}/assets/scores")
    page.get_by_text("exact_match").first.wait_for(timeout=60_000)
    page.wait_for_timeout(3_000)
    page.screenshot(path=FOLDER / "scores.png", clip=PAGE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo").resolve()))

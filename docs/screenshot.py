"""The picture of the lineage in the README: the Dagster UI as it shows a workspace, taken by a headless Chromium.

`make screenshot` takes it of the workspace `demo`; `python docs/screenshot.py WORKSPACE` of another one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from urllib.parse import quote, unquote

from playwright.sync_api import Page, sync_playwright

from pipelines.serving import start_dagster, wait_until_ready

PICTURE = Path(__file__).with_name("lineage.png")
SIZE = {"width": 2000, "height": 2000}
GRAPH = {"x": 375, "y": 115, "width": 1475, "height": 1700}
"""Where the graph lies in the window, without the lists and buttons around it."""
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
            page.goto(f"{running.url}/asset-groups")
            _take(page)
            browser.close()
    finally:
        running.stop()
    return 0


def _take(page: Page) -> None:
    """Every asset in its group; the sources stay folded, since a box per setting would hide what they lead to."""
    page.wait_for_selector("svg", timeout=60_000)
    page.wait_for_timeout(4_000)
    page.keyboard.press("Alt+e")
    page.wait_for_url("**expanded=**", timeout=10_000)
    address, _, groups = page.url.partition("expanded=")
    opened = [group for group in unquote(groups).split(",") if not group.endswith(":sources")]
    page.goto(f"{address}expanded={quote(','.join(opened))}")
    page.wait_for_selector("svg", timeout=60_000)
    page.get_by_role("button", name="Hide navigation").click()
    page.wait_for_timeout(4_000)
    page.screenshot(path=PICTURE, clip=GRAPH)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo").resolve()))

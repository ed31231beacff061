"""The page in a real browser: what the data says is shown, and never obeyed; nobody is asked for anything."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from playwright.sync_api import expect

from curation.funnel import FunnelSettings, report
from curation.funnel.page import curation_page
from tests.curation.funnel.tables import ORDER, Content, made
from tests.label_studio import chromium

EVIL = (
    "</div></main><script>document.title = 'taken'</script><img src='http://127.0.0.1:9/pixel' onerror='document.title=1'>"
    "<style>body{display:none}</style><svg onload=document.title=2> \u202ebackwards\u202c \x1b[31m \x00 &amp; end"
)


def test_data_on_the_page_is_text_and_nothing_is_requested(tmp_path: Path) -> None:
    tables = made([Content(EVIL, ("web", "notes"), 3, 0.9), Content("fine", ("mail",), 60, 0.0)], [("web", EVIL)])
    documents = tables.documents.with_columns(locator=pl.lit("<b onclick=alert(1)>") + pl.col("locator"))
    found = report(documents, *tables.all()[1:], tables.evidence, tables.rules, ORDER, FunnelSettings())
    path = tmp_path / "curation.html"
    path.write_text(curation_page(found), encoding="utf-8")
    asked, said = [], []
    with chromium() as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(path.as_uri())
        expect(page.get_by_role("heading", name="What is left after each step")).to_be_visible()
        for summary in page.locator("summary").all():
            summary.click()
        shown = page.locator(".example", has_text="document.title").first
        expect(shown).to_be_visible()
        assert "</div></main><script>document.title = 'taken'</script><img src=" in shown.inner_text()
        assert "<U+202E>backwards" in shown.inner_text() and "␛[31m" in shown.inner_text()
        assert page.title() == "Curation report" and page.locator("script, img, iframe").count() == 0
        assert page.locator("body").is_visible() and page.evaluate("document.styleSheets.length") == 2
    assert asked == [path.as_uri()] and said == []

"""Lines of the page around a text: marked, cut from the corpus where the settings say so, and a reason to drop."""

from __future__ import annotations

from pathlib import Path

from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import build, computed, edit, heads, headwater

PROSE = "\n".join(
    f"The {n} stones of the wall came down the river on rafts made of oak." for n in ("red", "old", "last")
)


def test_lines_are_cut_and_documents_full_of_them_dropped(tmp_path: Path) -> None:
    root = tmp_path / "house"
    assert headwater("init", root).code == 0
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "page.txt").write_text(f"{PROSE}\n3 likes\nWe use cookies on this page, as all do.\n{PROSE[::-1]}")
    (root / "data" / "menu.txt").write_text("Home\nNews\nSign in\nThe harbour is open today.\n")
    edit(root, lambda text: text.replace("rules: []", "rules: [{refinedweb: {max_corrected_words: 0.3}}]"))

    def texts() -> dict[str, str]:
        build(root, "corpus")
        return dict(Workspace(root).store.scan("corpus").select("locator", "text").collect().iter_rows())

    assert list(texts()) == ["page.txt"]
    verdicts = Workspace(root).store.scan("verdicts").collect()
    assert verdicts["rule"].drop_nulls().to_list() == ["refinedweb.max_corrected_words"]
    before = heads(root)

    edit(root, lambda text: text + "\nlines: {cut: [refinedweb, c4]}\n")
    assert texts() == {"page.txt": f"{PROSE}\n{PROSE[::-1]}"}
    assert computed(before, heads(root)) == ["corpus"], "which lines are cut measures nothing again"

"""Rules by language, from headwater.yaml to the corpus, and what the commands say of them."""

from __future__ import annotations

from pathlib import Path

from pipelines.workspace import Workspace
from tests.curation.language.sentences import SENTENCES
from tests.end_to_end.workspaces import build, computed, edit, heads, headwater


def kept(root: Path) -> set[str]:
    build(root, "corpus")
    return set(Workspace(root).store.scan("corpus").collect()["locator"])


def test_sets_for_languages_and_languages_that_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "house"
    (root / "data").mkdir(parents=True)
    for code in ("en", "de", "ja"):
        (root / "data" / f"{code}.txt").write_text(SENTENCES[code])
    fifty = "rules:\n  - gopher: {min_words: 50}\n    languages: [de]\n"
    (root / "headwater.yaml").write_text(f"sources:\n  - {{name: docs, path: data}}\n{fifty}")
    assert kept(root) == {"en.txt", "ja.txt"}
    said = headwater("explain", "docs:en.txt", "-w", root)
    assert said.code == 0, said.err
    assert "not for this language" in said.out and "language en" in said.out
    german, japanese = (headwater("explain", f"docs:{code}.txt", "-w", root).out for code in ("de", "ja"))
    assert "gopher.min_words" in german and "pieces of a fixed length" not in german
    assert "pieces of a fixed length (two characters in" in " ".join(japanese.split())

    tried = headwater("whatif", "language.allowed=[ja]", "gopher=none", "-w", root)
    assert tried.code == 0, tried.err
    assert "language.allowed" in tried.out and "language en not in ja" in tried.out

    edit(root, lambda text: text.replace(fifty, "rules:\n  - language: {allowed: [ja, en]}\n"))
    before = heads(root)
    assert kept(root) == {"en.txt", "ja.txt"}
    assert not {"language", "quality"} & set(computed(before, heads(root))), (
        "a rule that changed measures nothing again"
    )
    verdicts = Workspace(root).store.scan("verdicts").collect()
    assert verdicts["rule"].drop_nulls().to_list() == ["language.allowed"]

    edit(root, lambda text: text.replace("[ja, en]", "[japanese]"))
    refused = headwater("run", "-w", root)
    assert refused.code != 0 and "'japanese' is no language" in refused.err + refused.out

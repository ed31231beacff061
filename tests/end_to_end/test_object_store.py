"""A workspace whose raw data lies in an object store: what is unchanged is not read, what is gone leaves, no key is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import build, edit, heads, headwater
from tests.object_store import object_server

TEXTS = {
    "docs/a.txt": "The river runs from the hills to the sea of the north.",
    "docs/b.md": "# Ships\n\nA ship of the line carries seventy-four guns.",
    "docs/copy.txt": "The river runs from the hills to the sea of the north.",
}


def corpus(root: Path) -> set[str]:
    return set(Workspace(root).store.scan("corpus").collect()["locator"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    assert headwater("init", tmp_path / "house").code == 0
    edit(tmp_path / "house", lambda text: text.replace("path: data", "path: s3://raw/docs", 1))
    return tmp_path / "house"


def test_a_bucket_becomes_a_corpus_and_follows_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        for key, text in TEXTS.items():
            server.put(key, text)
        first = headwater("run", "corpus", "-w", root)
        assert first.code == 0, first.out + first.err
        assert len(corpus(root)) == 2
        assert server.reads() == sorted(TEXTS)

        before = heads(root)
        build(root, "corpus")
        assert server.reads() == []
        assert heads(root) == before

        server.put("docs/b.md", "# Ships\n\nA ship of the line carries one hundred guns.")
        server.delete("docs/a.txt")
        build(root, "corpus")
        assert server.reads() == ["docs/b.md"]
        assert corpus(root) == {"b.md", "copy.txt"}

        forced = headwater("run", "documents", "--force", "-w", root)
        assert forced.code == 0, forced.out + forced.err
        assert server.reads() == ["docs/b.md", "docs/copy.txt"], "all are asked for again, those that failed among them"
        kept = heads(root)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    cut = headwater("run", "corpus", "-w", root)
    assert cut.code == 1
    assert "s3://raw/docs/ cannot be listed" in cut.out + cut.err
    assert heads(root) == kept, "a store out of reach changes nothing"
    written = [path for path in root.rglob("*") if path.is_file() and b"of tests" in path.read_bytes()]
    assert written == [], "the secret stays in the environment"

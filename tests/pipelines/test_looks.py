"""A source is looked at once in a run, and anew in the next."""

from pathlib import Path

from assets import STAGES
from pipelines.graph import build_graph
from pipelines.inputs import observe, one_look
from pipelines.templates import init
from pipelines.workspace import Workspace


def test_a_source_is_looked_at_once_in_a_run(tmp_path: Path) -> None:
    workspace = Workspace(init(tmp_path / "house", "corpus").parent)
    data = workspace.root / workspace.config.sources[0].path
    data.mkdir(exist_ok=True)
    node = next(each for each in build_graph(STAGES, workspace.config) if each.stage.name == "source")
    with one_look():
        first = observe(node, workspace)
        (data / "new.txt").write_text("new")
        assert observe(node, workspace) is first
    with one_look():
        assert observe(node, workspace).version != first.version
    assert observe(node, workspace).version != first.version

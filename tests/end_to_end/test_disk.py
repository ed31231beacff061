"""In a workspace where all stages ran, the columns that are said to name weights are all that do."""

from __future__ import annotations

import time
from pathlib import Path

from assets import STAGES
from pipelines.cleaning import COUNTED_SECONDS, RETENTION_SECONDS, clear, things
from pipelines.graph import build_graph
from pipelines.references import NAMING, VERSION
from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import headwater


def test_every_column_that_names_weights_is_looked_at(built: Built) -> None:
    workspace = Workspace(built.root)
    made = [path.name for path in workspace.artifacts.glob("model_*/*") if VERSION.fullmatch(path.name)]
    assert made
    naming = set()
    for table in workspace.store.tables():
        rows = workspace.store.scan(table).collect()
        for column in rows.columns:
            words = [str(value) for value in rows[column].drop_nulls().to_list()]
            if any(version in word for word in words for version in made):
                naming.add(column)
    assert naming and naming <= set(NAMING)


def test_in_a_workspace_that_is_up_to_date_all_is_held_and_stays(built: Built, tmp_path: Path) -> None:
    root = built.copy(tmp_path).root
    workspace = Workspace(root)
    graph = build_graph(STAGES, workspace.config)
    needless = [thing for thing in things(workspace, graph) if not thing.why]
    assert [thing.path for thing in needless] == []
    begin, looks = time.time(), 2 * RETENTION_SECONDS // COUNTED_SECONDS
    for look in range(looks):
        clear(workspace, graph, begin + look * COUNTED_SECONDS)
    done = headwater("run", "-w", root)
    assert "Nothing to do" in done.out, done.out + done.err

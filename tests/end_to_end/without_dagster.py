"""What `headwater run` computes, stage by stage as it plans them, without Dagster, which is half of what a small run takes.

For tests of what stages make of each other's tables. How Dagster runs the stages is tried in those that run the command.
"""

import sys
from pathlib import Path

from assets import STAGES
from pipelines.engine import run_node
from pipelines.graph import build_graph
from pipelines.inputs import one_look
from pipelines.running import plan
from pipelines.stages import Observation
from pipelines.workspace import Workspace


def main() -> None:
    """Bring assets up to date: the arguments are the workspace and their names."""
    root, *names = sys.argv[1:]
    workspace = Workspace(Path(root))
    graph, seen = build_graph(STAGES, workspace.config), dict[str, Observation]()
    with one_look():
        for node in plan(workspace, graph, names).nodes:
            run_node(node, graph, workspace, seen)

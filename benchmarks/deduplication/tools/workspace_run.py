"""Bring a workspace up to date as far as `duplicates`, and tell the CPU seconds of each stage with its processes.

workspace_run.py workspace report.json
"""

import json
import os
import resource
import sys
from pathlib import Path

import assets
from benchmarks.measuring import descendants
from pipelines.engine import run_node
from pipelines.graph import build_graph
from pipelines.inputs import one_look
from pipelines.stages import Observation
from pipelines.workspace import Workspace


def cpu():
    """Of this process, and of those that it started, and these: whether they have ended or not."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    ended = sum(used.ru_utime + used.ru_stime for used in both)
    return ended + sum(ticks(pid) for pid in descendants(os.getpid())) / os.sysconf("SC_CLK_TCK")


def ticks(pid):
    """Of a process that runs, and of those that it started and that have ended: proc(5), fields 14 to 17 of stat."""
    try:
        return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    except OSError:  # it has just ended
        return 0


def run(workspace):
    """The seconds of each stage, and of all together with the start."""
    graph, told, seen = build_graph(assets.STAGES, workspace.config), {}, dict[str, Observation]()
    with one_look():
        for node in graph.upstream(["duplicates"]):
            if node.stage.kind != "observable":
                begun = cpu()
                run_node(node, graph, workspace, seen)
                told[node.name] = cpu() - begun
    return told | {"all": cpu()}


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(run(Workspace(Path(sys.argv[1])))))

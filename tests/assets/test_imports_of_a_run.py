"""What a small run need not import: each headwater command would pay for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = """
import sys
from pathlib import Path

import polars as pl

import assets
from pipelines.engine import run_node
from pipelines.graph import build_graph
from pipelines.workspace import Workspace

root = Path(sys.argv[1])
texts = [" ".join(f"word{number % 31}" for number in range(start, start + 60)) for start in (0, 7, 7, 20)]
if __name__ == "__main__":
    for name, some in (("one", texts[:2]), ("two", [texts[2], texts[3] + " and more"])):
        pl.DataFrame({"text": some}).write_parquet(root / "raw" / f"{name}.parquet")
        workspace, seen = Workspace(root), {}
        graph = build_graph(assets.STAGES, workspace.config)
        for node in graph.upstream(["duplicates"]):
            if node.stage.kind != "observable":
                run_node(node, graph, workspace, seen)
    print(workspace.store.head("duplicates").rows, "pyarrow.compute" in sys.modules)
"""


def test_documents_are_deduplicated_without_all_functions_of_pyarrow(tmp_path: Path) -> None:
    """They take a tenth of a second to import, in each process; what is called is called by its name."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "headwater.yaml").write_text("sources:\n  - name: docs\n    path: raw\n")
    program = tmp_path / "program.py"
    program.write_text(RUN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, program, tmp_path], env=environment, capture_output=True, check=True)
    n_duplicates, has_all = done.stdout.decode().split()
    assert int(n_duplicates) >= 1 and has_all == "False"

"""Which tests run in one process, and which come first, where several processes run them (`pytest -n 2`).

Files that share what is costly to make, a workspace that was built or a Label Studio, go to one process, which makes it
once. The heaviest come first, so that in the end no process has much to do while another has nothing.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parents[1]
SHARED = {
    "a built workspace": ("tests/end_to_end/", "built: Built"),
    "a workspace after a run": ("tests/pipelines/commands/", r"\b(ready|edited|adapted): Path"),
    "a server": ("tests/annotation/", "client"),
}
"""What is shared, by the folder that has the fixture and a pattern of what a file says that asks for it or for a copy."""
SECONDS = {
    "tests/pipelines/test_daemon.py": 15.0,
    "tests/curation/test_corpus_memory.py": 5.0,
    "tests/end_to_end/": 9.0,
    "tests/pipelines/commands/": 3.0,
    "tests/evaluation/harness/": 2.0,
    "tests/annotation/": 1.0,
    "tests/curation/deduplication/": 1.0,
    "tests/training/": 1.0,
    "tests/pipelines/": 0.5,
    "tests/": 0.2,
}
"""About how long a test takes, by its file or folder; the first that fits counts."""


@cache
def together(file: str) -> str:
    """The name of the files that this one runs with."""
    for name, (folder, said) in SHARED.items():
        if file.startswith(folder) and re.search(said, (ROOT / file).read_text(encoding="utf-8")):
            return name
    return file


def seconds(test: str) -> float:
    """About how long a test takes."""
    return next(each for folder, each in SECONDS.items() if test.startswith(folder))


class Sharing(LoadFileScheduling):  # type: ignore[misc]
    """Gives out files, or all that share something, by how long they take."""

    def _split_scope(self, nodeid: str) -> str:
        return together(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: object) -> None:
        heaviest = max(self.workqueue, key=lambda unit: sum(map(seconds, self.workqueue[unit])))
        self.workqueue.move_to_end(heaviest, last=False)
        super()._assign_work_unit(node)

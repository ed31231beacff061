"""A measure takes the memory of its batches, however many contents there are."""

from __future__ import annotations

from pathlib import Path

from tests.memory import growth

CONTENTS = 40_000
MOST_BYTES = 600
"""The evidence of a content takes some thousand bytes in a frame."""

MEASURING = """
import sys
from pathlib import Path
import polars as pl
import pipelines.parts
from pipelines.engine import run_node
from pipelines.parts import Gathering
from tests.pipelines.test_store import draft
from tests.pipelines.toy_stages import STAGES, House

pipelines.parts.GATHERED_BYTES = 8 << 20
contents = int(sys.argv[1])
house = House(Path(sys.argv[2]) / sys.argv[1], STAGES[:3])
store = house.workspace.store
gathering = Gathering(store.writer("lines"))
for start in range(0, contents, 10_000):
    name = pl.int_range(start, start + 10_000, eager=True).cast(pl.String).str.zfill(32)
    lines = pl.DataFrame({"content_digest": name, "text": name.str.tail(9) + 120 * " "})
    gathering.add(lines)
store.replace(gathering.done(lines.schema), draft(table="lines"), None, ["content_digest"])
ran = run_node(house.graph.nodes["lengths"], house.graph, house.workspace, {})
assert ran.commits["lengths"].rows == contents
assert store.scan("lengths").select(pl.col("blanks").list.len().sum()).collect().item() == 120 * contents
"""


def test_memory_does_not_grow_with_the_contents(tmp_path: Path) -> None:
    assert growth(MEASURING, CONTENTS, tmp_path) < MOST_BYTES

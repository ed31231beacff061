"""The versions of all kernels that runs ask for: `python -m tests.curation.kernel_versions` records them in
`curation/kernel_versions.txt`, from which helpers know what to compile ahead.

Nothing but calls tells them: how an array lies in memory is declared nowhere. So this goes through what the graph goes through, from
reading to updates, with a few texts.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pyarrow as pa

from curation.compilation import Kernel
from curation.deduplication import DeduplicationSettings, GroupSettings, find_duplicates_in, near_duplicate_groups
from curation.deduplication.following import follow
from curation.formats.html import ready_for_html
from curation.kernel_arguments import ArrayKind, Kind
from records import content_digest, doc_id
from tests.curation.deduplication.test_following import FOUND, SCHEMAS, STATE, Table
from tests.curation.deduplication.test_incremental import Files, never_the_whole
from tests.curation.measuring_nothing import measured_texts

RECORDED = Path(__file__).parents[2] / "curation" / "kernel_versions.txt"
WORDS = random.Random(4).choices(["river", "market", "number", "value", "house", "system", "paper", "winter"], k=400)
TEXTS = [" ".join(WORDS[at : at + 80]) for at in range(0, 320, 80)]
TEXTS += [f"{text} once more" for text in TEXTS]
CHANGES: list[dict[tuple[str, str], str | None]] = [
    {("first", str(number)): text for number, text in enumerate(TEXTS[1:])},
    {("second", "0"): TEXTS[0], ("second", "1"): f"{TEXTS[1]} and again", ("first", "2"): None},
    {("second", "2"): f"{TEXTS[2]} and again", ("first", "3"): None},
]
"""What becomes of files, step by step."""


def recorded() -> str:
    """What would be recorded: first what updates and groups of near texts alone need."""
    with tempfile.TemporaryDirectory() as folder:
        first = asked_for(ready_for_html, measure, find)
        later = asked_for(group, lambda: update(Path(folder)))
    lines = [*dict.fromkeys(line for line in later if line not in set(first)), *dict.fromkeys(first)]
    return "".join(f"{line}\n" for line in lines)


def asked_for(*works: Callable[[], object]) -> list[str]:
    """A line for each version of a kernel of the package that is asked for meanwhile, as often as it is."""
    with _noted() as lines:
        for work in works:
            work()
    return lines


@contextmanager
def _noted() -> Iterator[list[str]]:
    lines: list[str] = []
    version = Kernel._version

    def noting(kernel: Kernel, kinds: tuple[Kind, ...]) -> Any:
        if kernel.py_func.__module__.startswith("curation."):
            lines.append(line_of(kernel, kinds))
        return version(kernel, kinds)

    with patch.object(Kernel, "_version", noting):
        yield lines


def line_of(kernel: Kernel, kinds: tuple[Kind, ...]) -> str:
    """A version as it is recorded."""
    arrays = [kind for kind in kinds if isinstance(kind, ArrayKind)]
    told = [f"{kind.ndim}{kind.layout.strip('C')}{'r' * kind.readonly}" for kind in arrays]
    return " ".join([f"{kernel.py_func.__module__}.{kernel.py_func.__qualname__}", *told])


def measure() -> None:
    """All measures of texts."""
    list(measured_texts())


def find() -> None:
    """Duplicates among all texts, each read once."""
    places = [("data", f"{number}.txt") for number in range(len(TEXTS))]
    rows = {
        "doc_id": [doc_id(*place) for place in places],
        "source": [source for source, _ in places],
        "locator": [locator for _, locator in places],
        "content_digest": [content_digest(text) for text in TEXTS],
        "text": TEXTS,
    }
    assert find_duplicates_in([pa.RecordBatch.from_pydict(rows)], DeduplicationSettings(), ["data"]).table.height == 4


def group() -> None:
    """Texts that belong together."""
    texts = pl.DataFrame({"content_digest": [content_digest(text) for text in TEXTS], "text": TEXTS})
    assert near_duplicate_groups(texts, GroupSettings()).get_column("group").n_unique() == 4


def update(folder: Path) -> None:
    """A run over some texts and two over what comes and goes, with indexes of files and without."""
    with never_the_whole():
        for is_indexed in (True, False):
            _update(folder / str(is_indexed), is_indexed)


def _update(folder: Path, is_indexed: bool) -> None:
    folder.mkdir()
    files, chance, state = Files(DeduplicationSettings()), random.Random(4), {}
    tables = {name: Table(name, folder, chance) for name in SCHEMAS}
    for changes in CHANGES:
        files.put(changes)
        order = pl.DataFrame({"source": files.order, "rank": range(len(files.order))})
        now = {"documents": files.documents(), "signatures": files.signatures(), "source_order": order}
        moves = [tables[name].become(rows) for name, rows in now.items()]
        found = {name: tables[name].index() for name in FOUND} if is_indexed else {}
        for name, change in follow(state, *moves, files.wanted, found=found)._asdict().items():
            tables[name].change(*change)
        state = {name: tables[name].scan() for name in STATE}


if __name__ == "__main__":
    RECORDED.write_text(recorded(), encoding="utf-8")

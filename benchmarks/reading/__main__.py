"""Reading from files into the committed table, beside the libraries alone and from one run to the next.

    python -m benchmarks.reading

Prints a Markdown table, and writes it to `benchmarks/results/reading.md`. "Beyond empty" is beyond the same command on a
workspace whose source is one word; of a library alone, beyond its imports. MB are those of the files, of rows those of
their text, which Parquet holds compressed. What the extractors keep of a page is measured by
`python -m benchmarks.reading.kept`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.measuring import Cost, measure
from benchmarks.peers import CACHE, Peer, environment
from benchmarks.reading.corpus import files, pages, rows, size_of

ROOT = Path(__file__).parent.parent.parent
TOOLS = Path(__file__).parent / "tools"
_RUN = "from pipelines.cli import main; main()"
HEADER = (
    "| what | tool | files | MB | documents | with text | CPU s | wall s | CPU s beyond empty "
    "| documents / core s | MB / core s | peak MB |"
)
DATATROVE = Peer(
    "datatrove-reading", ("datatrove==0.10.1", "trafilatura==2.3.1", "orjson==3.11.5", "lxml_html_clean==0.4.6")
)
MEASURED_EVERY = 2
"""Half of the pages: 30,000 files."""
CHANGED_EVERY = 100
SAMPLED_EVERY = 20


class Workspace:
    """A workspace of its own, with one source."""

    def __init__(self, folder: Path, source: Path, workers: int, html: str = "fast") -> None:
        self.folder = folder
        folder.mkdir()
        settings = f"sources:\n  - name: raw\n    path: {source}\nreading:\n  workers: {workers}\n  html: {html}\n"
        (folder / "headwater.yaml").write_text(settings)

    def run(self, *, one_core: bool = False) -> Cost:
        """What `headwater run documents` costs, with all cores or with every process on one and the same."""
        pinned = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))] if one_core else []
        command: list[str | Path] = [*pinned, sys.executable, "-c", _RUN, "run", "documents", "-w", self.folder]
        return measure(command, self.folder.with_suffix(".log"), {"PYTHONPATH": str(ROOT)})

    def documents(self) -> pl.DataFrame:
        """What was read."""
        from pipelines.workspace import Workspace as Opened

        return Opened(self.folder).store.scan("documents").collect()


class Table:
    """The table, printed line by line as it is measured."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.say(HEADER)
        self.say("| --- " * 12 + "|")

    def say(self, line: str) -> None:
        """Another line."""
        self.lines.append(line)
        print(line, flush=True)

    def row(
        self, what: str, tool: str, folder: Path, documents: int, cost: Cost, empty: Cost, size: int | None = None
    ) -> None:
        """A line of figures; `size` is in bytes, that of the files unless it is given."""
        count, on_disk = size_of(folder)
        size = on_disk if size is None else size
        beyond = cost.cpu - empty.cpu
        texts = f"{documents:,} | {min(1, documents / count):.2%}" if "HTML" in what else f"{documents:,} | "
        costs = f"{cost.cpu:.1f} | {cost.wall:.1f} | {beyond:.1f}"
        rates = f"{documents / max(beyond, 0.01):,.0f} | {size / 1e6 / max(beyond, 0.01):,.1f}"
        self.say(
            f"| {what} | {tool} | {count:,} | {size / 1e6:,.0f} | {texts} | {costs} | {rates} | {cost.peak / 1e6:,.0f} |"
        )


def alone(tool: str, given: Path, place: Path, python: Path | str = sys.executable) -> tuple[Cost, int]:
    """A library without Headwater, and how many documents it found text in."""
    log = place / f"{tool}.log"
    with tempfile.TemporaryDirectory(dir=place) as folder:
        cost = measure([python, TOOLS / f"{tool}_run.py", given, Path(folder) / "out.parquet"], log)
    return cost, int(log.read_text().split()[-1])


def main() -> None:
    """Measure, print and write."""
    cache = CACHE / "reading"
    table = Table()
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        place = Path(folder)
        html = _every(pages(cache), MEASURED_EVERY, place / "html")
        word = place / "word"
        word.mkdir()
        (word / "a.html").write_text("<html><body><p>word</p></body></html>")
        small = Workspace(place / "empty", word, 0)
        empty, empty_again = small.run(), small.run()
        sample = _every(html, SAMPLED_EVERY, place / "sample")

        nothing = alone("resiliparse", word, place)[0]
        library, found = alone("resiliparse", html, place)
        table.row("HTML", "resiliparse alone", html, found, library, nothing)
        empty_one = Workspace(place / "empty-one", word, 0).run(one_core=True)
        one = Workspace(place / "one", html, 0)
        cost_one = one.run(one_core=True)
        documents = one.documents()
        table.row("HTML", "headwater, one core", html, documents.height, cost_one, empty_one)
        given = _every(html, 1, place / "given")
        all_cores = Workspace(place / "all", given, 0)
        first = all_cores.run()
        table.row("HTML", "headwater, all cores", html, documents.height, first, empty)
        again = all_cores.run()
        table.row("HTML, unchanged", "headwater, all cores", html, documents.height, again, empty_again)
        for page in files(given)[::CHANGED_EVERY]:
            page.write_bytes(page.read_bytes().replace(b"</body>", b"<p>Changed.</p></body>"))
        changed = all_cores.run()
        table.row("HTML, 1% changed", "headwater, all cores", html, documents.height, changed, empty)
        _beside_peers(table, sample, word, place, empty)
        size = int(documents["text"].str.len_bytes().sum())
        for kind in ("jsonl", "parquet"):
            made = rows(documents, kind, cache)
            space = Workspace(place / kind, made, 0)
            table.row(f"rows, {kind}", "headwater, all cores", made, documents.height, space.run(), empty, size)
            cost, found = alone("polars", made, place)
            table.row(f"rows, {kind}", "polars alone", made, found, cost, Cost(0, 0, 0), size)
    ratio = (cost_one.cpu - empty_one.cpu) / library.cpu
    faster = (cost_one.wall - empty_one.wall) / (first.wall - empty.wall)
    table.say(f"\nHTML through Headwater costs {ratio:.2f} of the extractor's own CPU seconds.")
    table.say(
        f"All cores read {faster:.2f} times as fast as one core, beyond what an empty run takes; with that, "
        f"{cost_one.wall / first.wall:.2f} times."
    )
    base = first.cpu - empty.cpu
    table.say(
        f"Beyond empty, a second run costs {(again.cpu - empty_again.cpu) / base:.1%} of the first, "
        f"one with 1% changed {(changed.cpu - empty.cpu) / base:.1%}."
    )
    target = ROOT / "benchmarks" / "results" / "reading.md"
    target.write_text("\n".join(table.lines) + "\n")


def _beside_peers(table: Table, sample: Path, word: Path, place: Path, empty: Cost) -> None:
    """The extractors alone, datatrove, and Headwater with each of its extractors, on a part of the pages."""
    what = f"HTML, every {SAMPLED_EVERY}th"
    for tool in ("resiliparse", "trafilatura"):
        cost, found = alone(tool, sample, place)
        table.row(what, f"{tool} alone", sample, found, cost, alone(tool, word, place)[0])
    python = environment(DATATROVE)
    cost, found = alone("datatrove", sample, place, python)
    table.row(what, "datatrove with trafilatura", sample, found, cost, alone("datatrove", word, place, python)[0])
    for html in ("fast", "careful"):
        space = Workspace(place / html, sample, 0, html)
        cost = space.run()
        table.row(what, f"headwater, {html}", sample, space.documents().height, cost, empty)


def _every(folder: Path, step: int, target: Path) -> Path:
    """A copy of every so many-th page."""
    for page in files(folder)[::step]:
        place = target / page.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, place)
    return target


if __name__ == "__main__":
    main()

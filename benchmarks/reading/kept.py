"""What each extractor keeps of real pages: how many give text, how many words, and how many of the words that count.

    python -m benchmarks.reading.kept

The truth is what the page was made from: Debian's documentation of Python, GHC and Git holds the source of each page (in
reStructuredText or AsciiDoc) beside it. A word of the main content is one that stands in the source and in the page; words
are compared as multisets, letters and digits alone. Prints a Markdown table, and writes it to
`benchmarks/results/reading-kept.md`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from benchmarks.peers import CACHE
from benchmarks.reading.corpus import files, pages, with_sources
from curation.formats import Extract, ReadingSettings, Unreadable, read_items

ROOT = Path(__file__).parent.parent.parent
SOURCED_EVERY = 4
SAMPLED_EVERY = 200
_WORD = re.compile(r"[^\W_]+")


def headwater(html: str, page: bytes) -> str:
    """The document that Headwater makes of the page; "" when it makes none."""
    settings = ReadingSettings(html=html, structure="text")  # type: ignore[arg-type]
    try:
        return "".join(item.text for item in read_items(page, "a.html", settings) if isinstance(item, Extract))
    except Unreadable:
        return ""


def as_datatrove(page: bytes) -> str:
    """Trafilatura as datatrove calls it, but that paragraphs which came before are kept too."""
    text = page.decode("utf-8", "replace")
    return trafilatura.extract(text, favor_precision=True, include_comments=False, deduplicate=False) or ""


def everything(page: bytes) -> str:
    """All visible text, menus and all."""
    return str(extract_plain_text(HTMLTree.parse(page.decode("utf-8", "replace"))))


TOOLS: dict[str, Callable[[bytes], str]] = {
    "all visible text": everything,
    "headwater, fast": partial(headwater, "fast"),
    "headwater, careful": partial(headwater, "careful"),
    "trafilatura, for precision": as_datatrove,
}


@dataclass
class Kept:
    """Sums over pages."""

    pages: int = 0
    with_text: int = 0
    words: int = 0
    main: int = 0
    """Words of the main content that were kept."""
    foreign: int = 0
    """Words kept that stand in no source."""


def words(text: str) -> Counter[str]:
    """The words of a text, each as often as it stands there."""
    return Counter(_WORD.findall(text.lower()))


def judged(given: tuple[Path, Path | None]) -> tuple[int, list[tuple[int, int, int]]]:
    """Words of the page's main content; and per tool the words kept, those of the main content, those of no source."""
    page, source = given
    data = page.read_bytes()
    written = words(source.read_text(errors="replace")) if source else Counter[str]()
    main = written & words(everything(data))
    found = []
    for tool in TOOLS.values():
        kept = words(tool(data))
        found.append((kept.total(), (kept & main).total(), (kept - written).total() if source else 0))
    return main.total(), found


def table(title: str, given: Sequence[tuple[Path, Path | None]]) -> list[str]:
    """A line for each tool."""
    sums = {name: Kept() for name in TOOLS}
    truth = 0
    with ProcessPoolExecutor() as pool:
        for main, found in pool.map(judged, given, chunksize=20):
            truth += main
            for kept, (count, of_main, foreign) in zip(sums.values(), found, strict=True):
                kept.pages += 1
                kept.with_text += count > 0
                kept.words += count
                kept.main += of_main
                kept.foreign += foreign
    every = next(iter(sums.values())).words
    lines = []
    for name, kept in sums.items():
        known = f"{kept.main / truth:.1%} | {1 - kept.foreign / kept.words:.1%}" if truth else " | "
        shares = f"{kept.with_text / kept.pages:.2%} | {kept.words / every:.1%} | {known}"
        lines.append(f"| {title} | {name} | {kept.pages:,} | {shares} |")
    return lines


def main() -> None:
    """Measure, print and write."""
    cache = CACHE / "reading"
    pairs = [*with_sources(cache)][::SOURCED_EVERY]
    sample = [(page, None) for page in files(pages(cache))[::SAMPLED_EVERY]]
    lines = [
        "| pages | tool | of them | with text | words kept of all visible | of the main content's words | kept words in the source |",
        "| --- " * 7 + "|",
        *table(f"every {SOURCED_EVERY}th with its source", pairs),
        *table(f"every {SAMPLED_EVERY}th of all", sample),
    ]
    print("\n".join(lines))
    (ROOT / "benchmarks" / "results" / "reading-kept.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

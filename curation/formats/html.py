"""Web pages: the main content as text, by resiliparse.

Resiliparse reads 26 to 66 MB/s a core, trafilatura 1.6. The extractor's cost grows with the square of the nesting (20,000 nested `div`s take 6.5 s, a million take
hours), and it cannot be interrupted: so pages that nest deeper than any real one are refused by counting beforehand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.formats.decoding import decode
from curation.formats.extracts import Extract, Item, ReadingSettings, Unreadable
from curation.formats.html_facts import facts_of

_BLOCK = re.compile(
    r"<(/?)(?:div|section|article|main|header|footer|aside|nav|blockquote|ul|ol|dl|table|form|fieldset|figure|center"
    r"|details|pre|body)\b",
    re.IGNORECASE,
)


def read_html(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The page's main content with its title; where no main content shows, all its visible text."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    page = decode(data)
    if nesting(page, settings.max_nesting) > settings.max_nesting:
        raise Unreadable("over the limit", f"elements nest deeper than reading.max_nesting ({settings.max_nesting})")
    tree = HTMLTree.parse(page)
    text = extract_plain_text(tree, main_content=True) or extract_plain_text(tree)
    if not text:
        raise Unreadable("no text", "the page shows no text without scripts; exclude it")
    yield Extract("", media_type, text, *facts_of(tree))


def nesting(page: str, limit: int) -> int:
    """How deep block elements nest, counted from their tags; 0 when there are too few tags to reach the limit."""
    if page.count("<") <= limit:
        return 0
    depth = deepest = 0
    for tag in _BLOCK.finditer(page):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest

"""Web pages: the main content as text, by resiliparse, or by trafilatura where care counts more than speed.

Resiliparse reads 26 to 66 MB/s a core, trafilatura 1.6. The extractor's cost grows with the square of the nesting (20,000
nested `div`s take 6.5 s, a million take hours), and it cannot be interrupted: so pages that nest deeper than any real one
are refused by counting beforehand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from curation.formats.decoding import decode
from curation.formats.extracts import Extract, Item, ReadingSettings, Unreadable
from curation.formats.html_facts import facts_of

if TYPE_CHECKING:
    from resiliparse.parse.html import HTMLTree

_NAMES = (
    "(div|section|article|main|header|footer|aside|nav|blockquote|ul|ol|dl|table|form|fieldset|figure|center"
    r"|details|pre|body)\b"
)
_OPENING = re.compile(f"<{_NAMES}", re.IGNORECASE)
_BLOCK = re.compile(f"<(/?){_NAMES}", re.IGNORECASE)


def read_html(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The page's main content with its title; where no main content shows, all its visible text."""
    from resiliparse.extract.html2text import extract_plain_text

    page = decode(data)
    tree = _tree(page, settings)
    text = _carefully(page, settings) if settings.html == "careful" else extract_plain_text(tree, main_content=True)
    text = text or extract_plain_text(tree)
    if not text:
        raise Unreadable("no text", "the page shows no text without scripts; exclude it")
    yield Extract("", media_type, text, *facts_of(tree))


def visible_text(page: str, settings: ReadingSettings) -> str:
    """All that a page shows; "" when that is nothing. Raises Unreadable when elements nest too deep."""
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(_tree(page, settings)))


def _tree(page: str, settings: ReadingSettings) -> HTMLTree:
    from resiliparse.parse.html import HTMLTree

    if nesting(page, settings.max_nesting) > settings.max_nesting:
        raise Unreadable("over the limit", f"elements nest deeper than reading.max_nesting ({settings.max_nesting})")
    return HTMLTree.parse(page)


def _carefully(page: str, settings: ReadingSettings) -> str:
    import trafilatura

    form = "markdown" if settings.structure == "markdown" else "txt"
    return trafilatura.extract(page, output_format=form, include_comments=False) or ""


def nesting(page: str, limit: int) -> int:
    """How deep block elements may nest, counted from their tags; 0 when there are too few tags to reach the limit.

    An end tag ends only elements of its own name, for parsers pass over one that ends nothing.
    """
    if page.count("<") <= limit or len(_OPENING.findall(page)) <= limit:
        return 0
    opened: Counter[str] = Counter()
    depth = deepest = 0
    for tag in _BLOCK.finditer(page):
        name = tag[2].lower()
        if not tag[1]:
            opened[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
    return deepest

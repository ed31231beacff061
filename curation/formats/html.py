"""Web pages: the main content as text, by resiliparse, or by trafilatura where care counts more than speed.

Resiliparse reads 26 to 66 MB/s a core, trafilatura 1.6. Pages that nest deeper than any real one are refused before
either is given them (`curation.formats.html_nesting`).
"""

from __future__ import annotations

from collections.abc import Iterator

from curation.formats.decoding import decoded
from curation.formats.extracts import Extract, Item, ReadingSettings, Unreadable
from curation.formats.html_facts import facts_of
from curation.formats.html_nesting import as_utf8, parsed


def read_html(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The page's main content with its title; where no main content shows, all its visible text."""
    from resiliparse.extract.html2text import extract_plain_text

    page, markup = decoded(data)
    tree = parsed(page, markup, settings)
    facts = facts_of(tree, markup)
    text = _carefully(page, settings) if settings.html == "careful" else extract_plain_text(tree, main_content=True)
    text = text or extract_plain_text(tree)
    if not text:
        raise Unreadable("no text", "the page shows no text without scripts; exclude it")
    yield Extract("", media_type, text, *facts)


def ready_for_html() -> None:
    """Import the extractor, and load what is compiled."""
    from curation.formats.html_kernel import nesting, start_tags

    next(read_html(b"<p>word", "text/html", ReadingSettings()))
    start_tags(b"<p>")
    nesting(b"<p>")


def visible_text(page: str, settings: ReadingSettings) -> str:
    """All that a page shows; "" when that is nothing. Raises Unreadable when elements nest too deep."""
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(parsed(page, as_utf8(page), settings)))


def _carefully(page: str, settings: ReadingSettings) -> str:
    import trafilatura

    form = "markdown" if settings.structure == "markdown" else "txt"
    return trafilatura.extract(page, output_format=form, include_comments=False) or ""

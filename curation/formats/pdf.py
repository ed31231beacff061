"""PDF, by PDFium: pages in the order of their text, without running headers and footers, words put together again.

PDFium is fast and is C++, so it runs in a process that may die. A page of a PDF has no paragraphs, only lines; they stay
as they are set. Where each page begins is kept, so that a place in the text leads back to its page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from curation.formats.extracts import Extract, Item, ReadingSettings, Unreadable
from curation.formats.metadata import as_json, iso_date

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

PDF = "application/pdf"

_EDGE = 2
"""Lines at the top and at the bottom of a page that may be a running header or footer."""
_FEWEST_PAGES = 3
_BROKEN_WORD = re.compile(r"[\x02\ufffe](?:\r?\n)?")
_DIGITS = re.compile(r"\d+")
_DATE = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?")
_BETWEEN = "\n\n"


def read_pdf(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The text of all pages as one document; `pages` in its metadata has the character that each page begins at.

    Raises Unreadable for what is encrypted, damaged, too long, or holds pictures of text alone.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("encrypted", "save the PDF without a password") from error
        raise Unreadable("malformed PDF", "it is cut short or damaged: fetch or print it again") from error
    with document:
        if len(document) > settings.max_pages:
            raise Unreadable("over the limit", f"more pages than reading.max_pages ({settings.max_pages})")
        pages = _without_running_lines([_lines(document, number) for number in range(len(document))])
        told = document.get_metadata_dict(skip_empty=True)
    texts = ["\n".join(lines).strip("\n") for lines in pages]
    if not any(text.strip() for text in texts):
        raise Unreadable("no text", "its pages are pictures: have their text recognised (OCR), or exclude it")
    starts = [0, *accumulate(len(text) + len(_BETWEEN) for text in texts)][: len(texts)]
    facts = as_json({"pages": starts})
    yield Extract("", media_type, _BETWEEN.join(texts), told.get("Title"), _date(told.get("CreationDate", "")), facts)


def _lines(document: PdfDocument, number: int) -> list[str]:
    """A page's lines; a word that was parted at the end of a line stands whole on it."""
    page = document[number]
    try:
        shown = page.get_textpage()
        try:
            text = shown.get_text_bounded()
        finally:
            shown.close()
    finally:
        page.close()
    return [line.rstrip() for line in _BROKEN_WORD.sub("", text).replace("\0", "").splitlines()]


def _without_running_lines(pages: Sequence[list[str]]) -> list[list[str]]:
    """The pages without lines that stand at the edge of at least half of them, whatever number is in the line."""
    edges: Counter[str] = Counter()
    for lines in pages:
        edges.update({_shape(lines[at]) for at in _edges(lines)})
    often = max(_FEWEST_PAGES, len(pages) / 2)
    running = {shape for shape, count in edges.items() if count >= often}
    kept = []
    for lines in pages:
        dropped = {at for at in _edges(lines) if _shape(lines[at]) in running}
        kept.append([line for at, line in enumerate(lines) if at not in dropped])
    return kept


def _edges(lines: Sequence[str]) -> list[int]:
    """The places of the first and the last lines that say something."""
    said = [at for at, line in enumerate(lines) if line.strip()]
    return sorted({*said[:_EDGE], *said[-_EDGE:]})


def _shape(line: str) -> str:
    return _DIGITS.sub("0", " ".join(line.split()))


def _date(said: str) -> str | None:
    """The day of `D:20200102030405Z` (ISO 32000-1, section 7.9.4)."""
    found = _DATE.match(said)
    return iso_date("-".join(part for part in found.groups() if part)) if found else None

"""EPUB: the chapters in reading order, as one document.

The package says which pages a book has and in which order (EPUB 3.3, section 5.7, "spine element"). Pages are read by
the reader of HTML, which resolves no entities and fetches nothing.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote

from curation.formats.decoding import decode
from curation.formats.extracts import Extract, Item, ReadingSettings, Unreadable
from curation.formats.html import visible_text
from curation.formats.metadata import as_json, iso_date
from curation.formats.packages import opened, part_of

if TYPE_CHECKING:
    from lxml.etree import _Element

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html")
_DC = "{http://purl.org/dc/elements/1.1/}"


def read_epub(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The text of the book with its title, date, language and rights.

    Raises Unreadable for a book without text, a damaged one, and one whose pages are locked.
    """
    with opened(data, settings) as book:
        place = _package_place(book)
        package = _parsed(part_of(book, place), place)
        pages = [part_of(book, name) for name in _spine(package, posixpath.dirname(place))]
        chapters = [visible_text(decode(page), settings) for page in pages if page.strip()]
        text = "\n\n".join(chapter for chapter in chapters if chapter)
        if not text and _ENCRYPTION in book.namelist():
            raise Unreadable("encrypted", "the book is locked to a reader: use one without digital rights management")
    if not text:
        raise Unreadable("no text", "the book's pages show no text (pictures alone?); exclude it")
    facts = as_json({"language": _said(package, "language"), "licence": _said(package, "rights")})
    yield Extract("", media_type, text, _said(package, "title"), iso_date(_said(package, "date")), facts)


def _package_place(book: zipfile.ZipFile) -> str:
    container = _parsed(part_of(book, _CONTAINER), _CONTAINER)
    for entry in container.iter("{*}rootfile"):
        return str(entry.get("full-path", ""))
    raise Unreadable("malformed document", f"{_CONTAINER} names no package: make the book again")


def _parsed(data: bytes, name: str) -> _Element:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable("malformed document", f"{name} is no XML: make the book again") from error


def _spine(package: _Element, folder: str) -> Iterator[str]:
    """The names of the pages in reading order."""
    pages = {
        entry.get("id"): str(entry.get("href", ""))
        for entry in package.iter("{*}item")
        if entry.get("media-type") in _PAGES
    }
    for entry in package.iter("{*}itemref"):
        if (page := pages.get(entry.get("idref"))) is not None:
            yield posixpath.normpath(posixpath.join(folder, unquote(page)))


def _said(package: _Element, name: str) -> str | None:
    texts = (" ".join("".join(str(part) for part in entry.itertext()).split()) for entry in package.iter(_DC + name))
    return next((text for text in texts if text), None)

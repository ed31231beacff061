"""What a web page says of itself: title, language, date, canonical address, licence and headings.

Only what is marked as such counts (elements of the head, `rel`, JSON-LD), never a date that stands somewhere in the
text: trafilatura's guesses depend on the day on which they are made.

They are taken from the tags as they stand (`curation.formats.html_tags`), which is several times as fast as to ask the
parser's tree; the tree is asked where tags do not tell for certain. There is one answer: a property test holds the two
ways against each other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from curation.formats.html_tags import LINKS, MOST_HEADINGS, Said, on_one_line, said_by_tags
from curation.formats.metadata import as_json, iso_date

_DATES = (  # the order in which they are believed: first published, then written, then changed
    "article:published_time",
    "datepublished",
    "dc.date.issued",
    "dcterms.issued",
    "dc.date.created",
    "dcterms.created",
    "citation_publication_date",
    "pubdate",
    "publish_date",
    "date",
    "dc.date",
    "dcterms.date",
    "article:modified_time",
    "last-modified",
)
_LINKED_DATE = re.compile(r'"datePublished"\s*:\s*"([^"\\]{4,40})"')
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_TELLING = ",".join(
    (
        "html",
        "meta",
        *(f"link[rel~={rel} i]" for rel in LINKS),  # a page links to far more than that
        "a[rel~=license]",
        "script[type='application/ld+json']",
        *sorted(_HEADINGS),
    )
)


class Facts(NamedTuple):
    """A page's title, its date in ISO 8601, and the rest as canonical JSON; None for what it does not say."""

    title: str | None
    date: str | None
    metadata: str | None


def facts_of(tree: Any, markup: bytes) -> Facts:
    """The facts of a page that resiliparse has parsed (`HTMLTree`) from `markup`, which is UTF-8 without NULs."""
    return facts_from(said_by_tags(markup) or said_by_tree(tree), tree.title or "")


def facts_from(said: Said, title: str) -> Facts:
    """What counts of what a page says."""
    facts = {
        "language": on_one_line(said.language or said.meta.get("content-language") or ""),
        "url": said.links.get("canonical") or said.meta.get("og:url"),
        "licence": said.links.get("license") or said.licence,
        "headings": said.headings,
    }
    titled = on_one_line(title) or said.meta.get("og:title")
    return Facts(titled, _date(said.meta, said.linked_data), as_json(facts))


def said_by_tree(tree: Any) -> Said:
    """What the elements of the tree say."""
    # one query, and a slice of it at once: each walks the whole page, and so does each element taken by itself
    found: defaultdict[str, list[Any]] = defaultdict(list)
    headings: list[tuple[str, Any]] = []
    for element in tree.document.query_selector_all(_TELLING)[:]:
        tag = element.tag
        if tag in _HEADINGS:
            headings.append((tag, element))
        else:
            found[tag].append(element)
    root = next(iter(found["html"]), None)
    return Said(
        (root.getattr("lang") or root.getattr("xml:lang") if root else None) or None,
        {name: content for element in found["meta"] for name, content in _named(element)},
        {rel: href for element in found["link"] for rel, href in _linked(element)},
        _first(on_one_line(element.getattr("href") or "") for element in found["a"]),
        [[int(tag[1]), text] for tag, one in headings[:MOST_HEADINGS] if (text := on_one_line(one.text))],
        tuple(element.text for element in found["script"]),
    )


def _named(element: Any) -> Iterator[tuple[str, str]]:
    content = on_one_line(element.getattr("content") or "")
    for attribute in ("name", "property", "itemprop", "http-equiv"):
        name = element.getattr(attribute)
        if name and content:
            yield name.lower(), content


def _linked(element: Any) -> Iterator[tuple[str, str]]:
    href = on_one_line(element.getattr("href") or "")
    for rel in (element.getattr("rel") or "").lower().split() if href else ():
        yield rel, href


def _date(meta: dict[str, str], scripts: Iterable[str]) -> str | None:
    marked = _first(found for name in _DATES if name in meta and (found := iso_date(meta[name])))
    return marked or _first(found for said in _linked_data(scripts) if (found := iso_date(said)))


def _linked_data(scripts: Iterable[str]) -> Iterator[str]:
    """What JSON-LD calls `datePublished`; the blocks are often broken JSON, so it is found, not parsed."""
    for text in scripts:
        yield from _LINKED_DATE.findall(text)


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)

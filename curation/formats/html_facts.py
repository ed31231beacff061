"""What a web page says of itself: title, language, date, canonical address, licence and headings.

Only what is marked as such counts (elements of the head, `rel`, JSON-LD), never a date that stands somewhere in the
text: trafilatura's guesses depend on the day on which they are made.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

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
_LINKS = ("canonical", "license")
_TELLING = ",".join(
    (
        "html",
        "meta",
        *(f"link[rel~={rel} i]" for rel in _LINKS),  # a page links to far more than that
        "a[rel~=license]",
        "script[type='application/ld+json']",
        *sorted(_HEADINGS),
    )
)
_MOST_HEADINGS = 200
_LONGEST = 300


class Facts(NamedTuple):
    """A page's title, its date in ISO 8601, and the rest as canonical JSON; None for what it does not say."""

    title: str | None
    date: str | None
    metadata: str | None


def facts_of(tree: Any) -> Facts:
    """The facts of a page that resiliparse has parsed (`HTMLTree`)."""
    document = tree.document
    # one query, and a slice of it at once: each walks the whole page, and so does each element taken by itself
    found: defaultdict[str, list[Any]] = defaultdict(list)
    headings: list[tuple[str, Any]] = []
    for element in document.query_selector_all(_TELLING)[:]:
        tag = element.tag
        if tag in _HEADINGS:
            headings.append((tag, element))
        else:
            found[tag].append(element)
    meta = {name: content for element in found["meta"] for name, content in _named(element)}
    links = {rel: href for element in found["link"] for rel, href in _linked(element)}
    licence = links.get("license") or _first(_linked_to(found["a"]))
    root = next(iter(found["html"]), None)
    language = (root.getattr("lang") or root.getattr("xml:lang") if root else None) or meta.get("content-language")
    facts = {
        "language": _line(language or ""),
        "url": links.get("canonical") or meta.get("og:url"),
        "licence": licence,
        "headings": list(_headings(headings)),
    }
    date = _date(meta, found["script"])
    return Facts(_line(tree.title or "") or meta.get("og:title"), date, as_json(facts))


def _named(element: Any) -> Iterator[tuple[str, str]]:
    content = _line(element.getattr("content") or "")
    for attribute in ("name", "property", "itemprop", "http-equiv"):
        name = element.getattr(attribute)
        if name and content:
            yield name.lower(), content


def _linked(element: Any) -> Iterator[tuple[str, str]]:
    href = _line(element.getattr("href") or "")
    for rel in (element.getattr("rel") or "").lower().split() if href else ():
        yield rel, href


def _linked_to(elements: Iterable[Any]) -> Iterator[str]:
    return (_line(element.getattr("href") or "") for element in elements)


def _headings(elements: Sequence[tuple[str, Any]]) -> Iterator[list[object]]:
    """Level and text of each heading, in their order."""
    for tag, element in elements[:_MOST_HEADINGS]:
        if text := _line(element.text):
            yield [int(tag[1]), text]


def _date(meta: dict[str, str], scripts: Iterable[Any]) -> str | None:
    marked = _first(found for name in _DATES if name in meta and (found := iso_date(meta[name])))
    return marked or _first(found for said in _linked_data(scripts) if (found := iso_date(said)))


def _linked_data(scripts: Iterable[Any]) -> Iterator[str]:
    """What JSON-LD calls `datePublished`; the blocks are often broken JSON, so it is found, not parsed."""
    for element in scripts:
        yield from _LINKED_DATE.findall(element.text)


def _first(values: Iterable[str]) -> str | None:
    return next((value for value in values if value), None)


def _line(text: str) -> str:
    """The text on one line, without what no table can hold, cut where no heading or address is that long."""
    return " ".join(text.replace("\0", "").split())[:_LONGEST]

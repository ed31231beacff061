"""What a page's tags say as they stand, without the parser's tree.

To ask the tree is to walk over all of it once more, and each question costs as much as a small page. A pass over the
bytes finds the few tags that tell something; what is in them is taken apart here. Whatever is unusual (an old character
reference, a heading in the wrong place, a page with pictures drawn in it) is left to the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from html import unescape
from html.entities import html5
from typing import NamedTuple

LINKS = ("canonical", "license")
"""The relations of links that matter."""
MOST_HEADINGS = 200
_LONGEST = 300

_BLANK = r"[\t\n\f\r ]"
_ATTRIBUTE = re.compile(
    rf"""(?>(?:{_BLANK}|/)*)([^\t\n\f\r />][^\t\n\f\r />=]*+)"""
    rf"""(?>(?:{_BLANK}*+={_BLANK}*+(?:"([^"]*+)"|'([^']*+)'|([^\t\n\f\r >]++)))?)"""
)
_TAG = re.compile("</?[A-Za-z][^>]*+>")
_REFERENCE = re.compile("&([A-Za-z0-9#]++;?+)")
_NUMBER = re.compile("#(?:([0-9]{2,5})|[xX]([0-9A-Fa-f]{2,4}));")


class Said(NamedTuple):
    """What a page says of itself, as it says it."""

    language: str | None
    meta: dict[str, str]
    """By their names in lower case; the last one counts."""
    links: dict[str, str]
    """Addresses by their relation to the page."""
    licence: str | None
    """The address that the text links to as its licence."""
    headings: list[list[object]]
    """Level and text of each, in their order."""
    linked_data: tuple[str, ...] = ()
    """Blocks of JSON-LD."""


class _Unsure(Exception):
    """The tree must be asked."""


def said_by_tags(markup: bytes) -> Said | None:
    """What a page's tags say; None where the tree must be asked. `markup` is UTF-8 without NULs."""
    from curation.formats.html_tag_kernel import telling_tags

    found = telling_tags(markup)
    try:
        return None if found is None else _said(markup, found)
    except (_Unsure, UnicodeDecodeError):  # half a surrogate pair, which a declared encoding can give
        return None


def _said(markup: bytes, found: list[list[int]]) -> Said:
    from curation.formats.html_tag_kernel import ANCHOR, HTML, LINK, META

    said = Said(None, {}, {}, None, [])
    for kind, start, end in found:
        text = markup[start:end].decode()
        if kind < HTML:
            if line := on_one_line(_text(text)):
                said.headings.append([kind, line])
        elif kind == META:
            said.meta.update(_named(_attributes(text)))
        elif kind == LINK:
            said.links.update(_linked(text, LINKS))
        elif kind == HTML:
            root = _attributes(text)
            said = said._replace(language=root.get("lang") or root.get("xml:lang"))
        elif kind == ANCHOR:
            linked = dict(_linked(text, LINKS[1:]))
            said = said._replace(licence=said.licence or linked.get("license"))
    return said


def _text(content: str) -> str:
    return _resolved(_TAG.sub("", content) if "<" in content else content)


def _attributes(tag: str) -> dict[str, str]:
    """The attributes of a tag by their names in lower case; of two with one name the first counts."""
    found = _ATTRIBUTE.findall(tag)
    return {name.lower(): _resolved(double or single or bare) for name, double, single, bare in reversed(found)}


def _named(attributes: dict[str, str]) -> Iterator[tuple[str, str]]:
    content = on_one_line(attributes.get("content", ""))
    for attribute in ("name", "property", "itemprop", "http-equiv"):
        name = attributes.get(attribute)
        if name and content:
            yield name.lower(), content


def _linked(tag: str, wanted: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The link's relations with its address, when one of them is wanted."""
    said = tag.lower()
    if "&" not in said and not any(relation in said for relation in wanted):
        return
    attributes = _attributes(tag)
    relations = attributes.get("rel", "")
    if not relations.isascii() or relations != relations.lower():
        raise _Unsure
    href = on_one_line(attributes.get("href", ""))
    if href and not set(relations.split()).isdisjoint(wanted):
        yield from ((relation, href) for relation in relations.split())


def _resolved(text: str) -> str:
    """The text with its character references resolved. Raises _Unsure for one that a browser takes in a way of its own."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "&" not in text:
        return text
    if not all(map(_is_usual, _REFERENCE.findall(text))):
        raise _Unsure
    return unescape(text)


@lru_cache(1 << 10)
def _is_usual(reference: str) -> bool:
    """Whether there is no doubt which character is meant: a name or a number of one, with its end."""
    if number := _NUMBER.fullmatch(reference):
        value = int(number[1]) if number[1] else int(number[2], 16)
        return 0x20 <= value < 0x7F or 0xA0 <= value < 0xD800
    return reference.endswith(";") and reference in html5


def on_one_line(text: str) -> str:
    """The text on one line, without what no table can hold, cut where no heading or address is that long."""
    return " ".join(text.replace("\0", "").split())[:_LONGEST]

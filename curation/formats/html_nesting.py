"""How deep a web page nests, told before an extractor that cannot be interrupted is given it.

The extractor's cost grows with the square of how deep block elements lie in each other (20,000 `div`s take 6.5 s, a
million take hours), and so does the parser's where end tags end nothing. No page nests deeper than it has start tags of
such elements, and of Debian's pages 97%, by bytes, have no more of them than the limit: passing over their bytes, at
2 GB/s, tells that. For the others tags are counted twice: as they stand, before the page is parsed, and as the parser
writes its tree, for comments, attributes and stray tags can hide how deep a page is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.formats.extracts import ReadingSettings, Unreadable

if TYPE_CHECKING:
    from resiliparse.parse.html import HTMLTree

BLOCKS = frozenset(
    {
        "article",
        "aside",
        "blockquote",
        "center",
        "details",
        "div",
        "dl",
        "fieldset",
        "figure",
        "footer",
        "form",
        "header",
        "main",
        "nav",
        "ol",
        "pre",
        "section",
        "table",
        "ul",
    }
)
"""The elements that cost the extractor much when they lie in each other."""


def parsed(page: str, markup: bytes, settings: ReadingSettings) -> HTMLTree:
    """The page's tree; `markup` is the page as UTF-8.

    Raises Unreadable when more than `reading.max_nesting` block elements lie in each other.
    """
    from resiliparse.parse.html import HTMLTree

    limit = settings.max_nesting
    if not _can_nest(markup, limit):
        return HTMLTree.parse(page)
    from curation.formats.html_kernel import nesting

    if nesting(markup) <= limit:
        tree = HTMLTree.parse(page)
        if 0 <= nesting(as_utf8(tree.document.html)) <= limit or not nests(tree, limit):
            return tree
    raise Unreadable("over the limit", f"elements nest deeper than reading.max_nesting ({limit})")


def _can_nest(markup: bytes, limit: int) -> bool:
    """Whether there are enough start tags of block elements."""
    if markup.count(b"<") <= limit:
        return False
    from curation.formats.html_kernel import start_tags

    return start_tags(markup) > limit


def as_utf8(page: str) -> bytes:
    """A page as bytes; half a surrogate pair, which a declared encoding can give, is written as it is."""
    return page.encode("utf-8", "surrogatepass")


class _TooDeep(Exception):
    """Ends the walk."""


def nests(tree: HTMLTree, limit: int) -> bool:
    """Whether more than `limit` block elements of the tree lie in each other."""
    from resiliparse.parse.html import traverse_dom

    opened: list[int] = []

    def entered(here: Any) -> None:
        while opened and opened[-1] >= here.depth:
            opened.pop()
        if here.node.tag in BLOCKS:
            opened.append(here.depth)
            if len(opened) > limit:
                raise _TooDeep

    root = tree.document.query_selector("html")
    try:
        if root is not None:
            traverse_dom(root, entered, elements_only=True)
    except _TooDeep:
        return True
    return False

"""Pages that nest too deep cost no time, whatever hides how deep they are; the count is never less than the truth."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from curation.formats import Extract, ReadingSettings, Unreadable, read_items
from curation.formats.html_kernel import UNSURE, nesting, start_tags
from curation.formats.html_nesting import nests

PIECES = [
    *("<div>", "</div>", "<DIV class=a>", "<section>", "</section>", "<ul>", "<li>", "</li>", "</ul>", "<nav/>"),
    *("<table>", "<tr><td>", "</td>", "</table>", "<form>", "</form>", "<select>", "</select>", "<p>", "</p>"),
    *("<!--", "-->", "<script>", "</script>", "<style>", "</style>", "<xmp>", "</xmp>", "<plaintext>", "<iframe>"),
    *("<svg>", "</svg>", "<math>", "<foreignObject>", "<![CDATA[", "]]>", "&lt;/style&gt;", "&lt;/div&gt;"),
    *("<template>", "</template>", "<textarea>", "</textarea>", "<title>", "</title>", "<noscript>", "</noscript>"),
    *('<a title="</div>">', "<a x='<div>", "'>", "<?php </div >?>", "<p <!-- >", "<p <div >", "<div", "<div-x>", "<"),
    *("<b>", "</b>", "<button>", "<h1>", "</h1>", "<dd>", "<object>", "<frameset>", "</body>", "x", " ", ">", '"'),
]


def read(page: str) -> list[str]:
    found = read_items(page.encode(), "a.html", ReadingSettings())
    return [item.text for item in found if isinstance(item, Extract)]


@pytest.mark.parametrize(
    "unit",
    [
        "<div>",
        "<div></ul>",
        "<div><!--</div>-->",
        "<div a='</div>'>",
        "<div><table><td></div></table>",
        "<div><svg><style>&lt;/style>&lt;/div ></style></svg>",
        "<div><script><!--<script></script></div></script>",
        "<dıv><section>",
    ],
)
def test_a_page_that_nests_too_deep_is_refused_before_it_costs_hours(unit: str) -> None:
    with pytest.raises(Unreadable, match=r"reading\.max_nesting"):
        read("<html>" + unit * 4_000 + "deep")


def test_what_is_long_and_flat_is_read() -> None:
    assert read("<html>" + "<div>" * 900 + "deep") == ["deep"]
    assert read("<html>" + "<div>flat</div>" * 3000)
    assert read("<html>" + "<div>flat<svg><style>a</style></svg></div>" * 3000)
    assert read("<html>" + "<!-- <div> -->flat<script>'<div>'</script>" * 3000)
    assert read("<html>" + "<ul><li>Äpfel</ul>" * 3000)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_no_page_nests_deeper_than_was_counted(pieces: list[str]) -> None:
    page = "<html>" + "".join(pieces)
    tree = HTMLTree.parse(page)
    depth = next(limit for limit in range(100) if not nests(tree, limit))
    counted = nesting(tree.document.html.encode())
    assert counted == UNSURE or counted >= depth
    assert start_tags(page.encode()) >= depth

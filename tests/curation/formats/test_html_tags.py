"""What a page's tags say as they stand is what the parser's tree says, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from curation.formats.html_facts import facts_from, said_by_tree
from curation.formats.html_tags import said_by_tags

HEADINGS = [
    f"<{end}h{level}{more}>" for end in ("", "/") for level in (1, 2, 6) for more in ("", " id=a", ' title="<"')
]
META = [
    '<meta name="date" content="2020-01-02">',
    "<META NAME=Date CONTENT=2021>",
    '<meta property="og:url" content="https://example.org/?a=1&amp;b=2">',
    '<meta property="og:url" content="https://example.org/?a=1&copy=2">',
    "<meta http-equiv='content-language' content='de'/>",
    '<meta name="og:title" name="date" content="Said\r\ntwice">',
    '<meta content="2019" itemprop="&#100;atePublished">',
    "<meta name=date content=>",
    '<meta name=x=y="date>" content="2018">',
]
LINKS = [
    '<link rel="stylesheet canonical" href=/a>',
    "<link rel=canonical href='b'>",
    '<link href="c" rel=LICENSE>',
    '<link rel="icon" href="data:canonical">',
    '<a rel="license" href="d">',
    '<a rel="nofollow license" href="e">',
    "<a href=f>",
    "</a>",
]
OTHERS = [
    *[
        "<html lang=en>",
        "<html xml:lang='fr' lang>",
        "<head>",
        "</head>",
        "<body>",
        "</body>",
        "</html>",
        "<title>",
        "</title>",
    ],
    *[
        "<table>",
        "</table>",
        "<tr>",
        "</tr>",
        "<td>",
        "</td>",
        "<th>",
        "<caption>",
        "</caption>",
        "<tbody>",
        "<colgroup>",
        "<col>",
    ],
    *[
        "<select>",
        "</select>",
        "<option>",
        "<button>",
        "</button>",
        "<svg>",
        "</svg>",
        "<template>",
        "</template>",
        "<frameset>",
    ],
    *[
        "<p>",
        "</p>",
        "<div>",
        "</div>",
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<span>",
        "</span>",
        "<br>",
        "</br>",
        "<li>",
        "<nobr>",
        "<object>",
    ],
    *[
        "<script>",
        "<script type='application/ld+json'>",
        "</script>",
        "<style>",
        "</style>",
        "<textarea>",
        "</textarea>",
    ],
    *[
        "<noscript>",
        "</noscript>",
        "<iframe>",
        "</iframe>",
        "<xmp>",
        "</xmp>",
        "<plaintext>",
        "<!--",
        "-->",
        "--!>",
        "<!-->",
        "<!",
        "<?",
        "</>",
        "</ ",
    ],
    *[
        "<!doctype html>",
        "<![CDATA[",
        "]]>",
        "<h",
        "<",
        ">",
        "/",
        "=",
        '"',
        "'",
        "&amp;",
        "&copy",
        "&#182;",
        "&#128;",
        "&nosuch;",
        "&",
        "",
    ],
    *[
        "<p title='>'>",
        '<p title="<h1>">',
        "<h1/>",
        "<h10>",
        "<h1\n>",
        "<my-part>",
        "</my-part>",
        "\n",
        "\r",
        " ",
        "word",
        "é",
        "ſ",
        "K",
    ],
]
PIECES = HEADINGS + META + LINKS + OTHERS


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text("<>/!-\"'= h1&;a", max_size=4), max_size=12).map("".join))
@example("<table><tr><td><h1>b</h1></td></tr><h2>a</h2></table>")
@example("<button><h1>a<button>b</h1>")
@example("<div><h1>a</div>b</h1>")
@example("<script><!--<script></script><h1>a</h1>--></script><h2>b</h2>")
@example("<h1>1 < 2 <b>or</b> <</h1>")
@example("<title><h1>a</h1></title><h2>b</h2>")
def test_tags_say_what_the_tree_says_or_leave_it_to_the_tree(page: str) -> None:
    said = said_by_tags(page.encode())
    if said is not None:
        assert facts_from(said, "") == facts_from(said_by_tree(HTMLTree.parse(page)), "")


@pytest.mark.parametrize(
    "heading", ["<h1>a</h1>", "<h1><a href='#x'>a <i>b</i></a>&#182;</h1>", "<h1>a<button>b</button></h1>"]
)
def test_the_usual_page_needs_no_tree(heading: str) -> None:
    page = (
        "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>A &amp; B</title><script src=a.js></script>"
        '<link rel="canonical" href="https://example.org/"><meta name="date" content="2020"><!-- so --></head><body>'
        f"<select><option>x</select><table><tr><td>{heading}</td></tr></table>{heading}<p>é</p></body></html>"
    )
    said = said_by_tags(page.encode())
    assert said is not None
    assert (said.language, said.links, len(said.headings)) == ("en", {"canonical": "https://example.org/"}, 2)
    assert facts_from(said, "A") == facts_from(said_by_tree(HTMLTree.parse(page)), "A")

"""Pages: whatever is put in is text, and nothing is asked of anybody."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from pages import Html, joined, page, table, tag, text


class Seen(HTMLParser):
    """The elements of a page, and the text of those that are no style."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


SAFE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf")))


@given(SAFE, SAFE)
def test_text_comes_back_as_it_was_and_makes_no_element(inner: str, attribute: str) -> None:
    seen = Seen(tag("p", inner, title=attribute))
    assert seen.tags == ["p"] and seen.words == inner and seen.attributes == [("title", attribute)]
    assert Seen(table((inner,), [(inner, attribute)])).tags == ["div", "table", "thead", "tr", "th", "tbody", "tr", "td", "td"]  # fmt: skip


@given(st.text())
def test_no_sign_that_a_reader_would_obey_is_left(inner: str) -> None:
    put = text(inner)
    assert not set(put) & {*map(chr, range(9)), "\x0b", "\x1b", "\x7f", "\u202e", "\u2066"}
    put.encode()


def test_what_is_quoted_can_be_found_again_in_a_page_and_ends_no_attribute() -> None:
    said = """{"it's": "here"}"""
    assert said in tag("p", said)
    assert Seen(tag("p", title=said + "><script>")).attributes == [("title", said + "><script>")]


def test_markup_is_put_in_as_it_is_and_text_is_not() -> None:
    assert joined("a<b", None, 3, Html("<br>"), ["&", [tag("i", "x")]]) == "a&lt;b3<br>&amp;<i>x</i>"
    assert tag("a", class_="n", data_x=1, title=None) == '<a class="n" data-x="1"></a>'


def test_a_page_asks_nobody_and_its_policy_would_refuse_it() -> None:
    made = page("A <title>", tag("p", "text"))
    assert "<title>A &lt;title&gt;</title>" in made and "default-src &#x27;none&#x27;" in made
    assert "url(" not in made and "//" not in made.replace("<!DOCTYPE", "") and "<script" not in made

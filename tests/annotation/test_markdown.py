"""Markdown is shown as it is meant, and nothing that an answer holds can do anything."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.markdown import as_html

TAGS = "p|br|hr|h[1-6]|pre|code|strong|em|blockquote"
signs = st.text(st.sampled_from("<>&\"'`*_#-|>1. \n\tab\\/=!()[]\r\u00e9"), max_size=80)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# Big", "<h1>Big</h1>"),
        ("a **b** and *c*", "<p>a <strong>b</strong> and <em>c</em></p>"),
        ("call `f(*a, **b)` twice", "<p>call <code>f(*a, **b)</code> twice</p>"),
        ("- one\n- two", "<p>• one<br>• two</p>"),
        ("1. one\n2) two", "<p>1. one<br>2) two</p>"),
        ("```python\nif a < b:\n    return\n```\nend", "<pre><code>if a &lt; b:\n    return</code></pre><p>end</p>"),
        ("```\nnobody closes it", "<pre><code>nobody closes it</code></pre>"),
        ("> said\n> so", "<blockquote>said<br>so</blockquote>"),
        ("| a | b |\n|---|---|", "<pre>| a | b |\n|---|---|</pre>"),
        ("__init__ and snake_case_name stay", "<p>__init__ and snake_case_name stay</p>"),
        ("2 * 3 * 4 stays", "<p>2 * 3 * 4 stays</p>"),
        ("one\n\ntwo", "<p>one</p><p>two</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
    ],
)
def test_what_models_write_is_shown_readably(text, shown):
    assert as_html(text) == shown


@given(st.text(max_size=200) | signs)
def test_only_harmless_tags_without_attributes_come_out(text):
    left = re.sub(rf"</?({TAGS})>", "", as_html(text))
    assert not set("<>\"'") & set(left)
    assert not re.search(r"&(?!(amp|lt|gt|quot|#x27|nbsp);)", left)


@given(signs)
def test_no_word_is_lost(text):
    def words(of):
        return re.findall(r"[a-z\u00e9]+", of)

    shown = re.sub(r"&\w+;|&#x27;|<[^>]*>", " ", as_html(text))
    fence = re.compile(r"(?m)^[ \t]{0,3}(```|~~~).*$")
    assert words(shown) == words(fence.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def test_a_long_text_takes_no_long_time():
    for text in ("*" * 50_000, "`" * 50_000, "**a" * 17_000, "> " * 25_000, "- x\n" * 12_000, "|" * 50_000):
        assert as_html(text)

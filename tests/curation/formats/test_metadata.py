"""What a document says of itself: dates that are dates, facts in one canonical form."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.formats import ReadingSettings, read_items
from curation.formats.metadata import as_json, iso_date

PAGE = """<!DOCTYPE html><html lang="de-AT"><head><title> Ein \n Titel </title>
<link rel="stylesheet canonical" href="https://example.org/a"><link rel=license href="https://example.org/cc-by">
<meta property="article:published_time" content="2021-03-04T05:06:07+01:00"><meta name="date" content="1999">
</head><body><main><h1>Kopf <i>stück</i></h1><p>Worte, die zählen, stehen in diesem Absatz.</p><h2>Zwei</h2>
<p>Und noch mehr davon.</p></main></body></html>"""


def only(data: str, path: str):
    (item,) = read_items(data.encode(), path, ReadingSettings())
    return item


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2020", "2020"),
        ("2020-01", "2020-01"),
        ("2020-01-02", "2020-01-02"),
        ("20200102", "2020-01-02"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05+00:00"),
        (" 2020-01-02 03:04 ", "2020-01-02T03:04:00"),
        ("Thu, 02 Jan 2020 03:04:05 +0100", "2020-01-02T03:04:05+01:00"),
        (1577934245, "2020-01-02T03:04:05+00:00"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        ("2020-13", None),
        ("yesterday", None),
        ("", None),
        ("4711", "4711"),
        ("123456", None),
        (12, None),
        (True, None),
        (float("inf"), None),
        (1e300, None),
        (None, None),
        (["2020"], None),
    ],
)
def test_dates(said, expected):
    assert iso_date(said) == expected


@given(st.text(max_size=80) | st.integers() | st.floats())
def test_any_value_is_a_date_that_reads_back_or_none(said):
    found = iso_date(said)
    assert found is None or iso_date(found) == found


@given(st.datetimes(timezones=st.none() | st.timezones()))
def test_what_python_writes_comes_back(point):
    """As text: Python holds two points unequal where clocks went back and their zones are not the same object."""
    assert iso_date(point.isoformat()) == point.isoformat()


def test_empty_facts_are_no_facts():
    assert as_json({"url": "", "headings": [], "language": None}) is None
    assert as_json({"url": "ü", "a": [1]}) == '{"a":[1],"url":"ü"}'


def test_a_page_tells_title_language_date_address_licence_and_headings():
    item = only(PAGE, "a.html")
    assert item.title == "Ein Titel"
    assert item.date == "2021-03-04T05:06:07+01:00"
    assert json.loads(item.metadata) == {
        "language": "de-AT",
        "url": "https://example.org/a",
        "licence": "https://example.org/cc-by",
        "headings": [[1, "Kopf stück"], [2, "Zwei"]],
    }


def test_a_licence_may_be_a_link_of_the_text_and_a_date_stand_in_linked_data():
    page = "<html><script type='application/ld+json'>{'broken', \"datePublished\" : \"2019-05-06\"}</script>"
    item = only(page + "<body><p>Words under a licence: <a rel='nofollow license' href=/by>this one</a>.</p>", "a.html")
    assert item.date == "2019-05-06"
    assert json.loads(item.metadata) == {"licence": "/by"}


def test_a_page_that_tells_nothing():
    item = only("<html><body><p>Only words.</p></body></html>", "a.html")
    assert (item.title, item.date, item.metadata) == (None, None, None)


def test_a_date_that_is_none_is_left_out():
    assert only("<html><meta name=date content='last week'><p>Only words.</p>", "a.html").date is None


def test_rows_tell_by_their_columns():
    row = {"text": "a", "title": "T", "created_at": 1577934245, "lang": "en", "url": "https://x", "license": "MIT"}
    item = only(json.dumps(row), "a.jsonl")
    assert (item.title, item.date) == ("T", "2020-01-02T03:04:05+00:00")
    assert json.loads(item.metadata) == {"language": "en", "url": "https://x", "licence": "MIT"}
    chat = only(json.dumps({"messages": [{"role": "user", "content": "Hi"}], "timestamp": "2020-01-02"}), "a.jsonl")
    assert chat.date == "2020-01-02"

"""Each format's own reader: what is a document, where it stands, and how it breaks."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.formats import Extract, Poison, ReadingSettings, Unreadable, read_items
from curation.formats.extracts import checked

SETTINGS = ReadingSettings()
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


def read(data: bytes | str, path: str, settings: ReadingSettings = SETTINGS):
    return list(read_items(data.encode() if isinstance(data, str) else data, path, settings))


def texts(items) -> list[str]:
    return [item.text for item in items if isinstance(item, Extract)]


def refused(data: bytes | str, path: str, settings: ReadingSettings = SETTINGS) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(data, path, settings)
    return caught.value


def test_markdown_has_its_first_heading_as_title():
    (item,) = read("Intro\n\n## The title ##  \n# Later\n", "a.md")
    assert item.title == "The title"
    assert item.text == "Intro\n\n## The title ##  \n# Later\n"
    assert read("```sh\n# a comment\n```\n", "a.md")[0].title is None
    assert read("# " + "#" * 50 + "\n", "a.md")[0].title is None
    assert read("# " + " " * 300_000 + "x", "a.md")[0].title is None


def test_html_is_its_main_content():
    page = "<html><head><title> A \n page </title><script>no()</script></head><body><nav><a href=x>Menu</a></nav>"
    page += "<main><h1>Head</h1><p>Some words that matter.</p></main></body></html>"
    (item,) = read(page, "a.html")
    assert item.title == "A page"
    assert "Some words that matter." in item.text
    assert "no()" not in item.text
    assert "Menu" not in item.text


def test_html_in_its_declared_encoding():
    page = '<html><head><meta charset="iso-8859-2"></head><body><p>Zażółć gęślą jaźń</p></body></html>'
    assert texts(read(page.encode("iso8859-2"), "a.html")) == ["Zażółć gęślą jaźń"]


def test_a_page_that_shows_nothing_has_no_text():
    assert refused("<html><body><script>app()</script></body></html>", "a.html").error == "no text"


def test_json_lines_at_their_lines():
    items = read('{"text": "one"}\n\n{"text": "three"}\r\n', "a.jsonl")
    assert [(item.part, item.text) for item in items] == [("L1", "one"), ("L3", "three")]


def test_a_broken_line_fails_alone():
    deep = "[" * 100_000
    items = read(
        '{"text": "one"}\n{"text": \n' + deep + '\n{"text": "four"}\n{"n": ' + "9" * 5000 + '}\n{"text": "cut',
        "a.jsonl",
    )
    assert texts(items) == ["one", "four"]
    assert [(item.part, item.error) for item in items if isinstance(item, Poison)] == [
        (part, "malformed JSON") for part in ("L2", "L3", "L5", "L6")
    ]
    assert not any("cut" in item.detail for item in items if isinstance(item, Poison))


def test_line_separators_within_json_strings_part_no_lines():
    assert texts(read('{"text": "a\u2028b\x85c"}\n{"text": "d"}', "a.jsonl")) == ["a\u2028b\x85c", "d"]


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5))
def test_json_lines_and_arrays_give_the_same_texts(words):
    rows = [{"text": word} for word in words]
    lines = "\n".join(json.dumps(row) for row in rows)
    assert texts(read(lines, "a.jsonl")) == words
    assert texts(read(json.dumps(rows), "a.json")) == words
    assert [item.part for item in read(json.dumps(rows), "a.json")] == [f"row={n}" for n in range(1, len(words) + 1)]


def test_a_json_file_that_is_one_thing():
    config = '{\n  "name": "x",\n  "private": true\n}'
    assert read(config, "package.json") == [Extract("", "application/json", config)]
    assert read('{"text": "a", "title": "T"}', "a.json") == [Extract("", "application/json", "a", "T")]
    (chat,) = read('[{"role": "user", "content": "Hi"}]', "a.json")
    assert chat.part == ""


@pytest.mark.parametrize("data", ['{"a": [1, 2', "[" * 100_000, '{"n": ' + "9" * 5000 + "}", "nonsense"])
def test_a_broken_json_file_fails_whole_with_its_place(data):
    assert refused(data, "a.json").error == "malformed JSON"


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_csv_as_the_standard_library_writes_it(rows):
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow(("label", "text"))
    writer.writerows(rows)
    items = read(sink.getvalue(), "a.csv")
    assert [(item.part, item.text) for item in items] == [(f"row={n}", text) for n, (_, text) in enumerate(rows, 1)]


def test_delimited_files():
    assert texts(read("id;text\n1;a, b\n", "a.csv")) == ["a, b"]
    assert texts(read("id\ttext\n1\ta, b\n", "a.tsv")) == ["a, b"]
    assert texts(read('id,text\n1,"two\nlines"\n', "a.csv")) == ["two\nlines"]
    long = "x" * 200_000
    assert texts(read(f"id,text\n1,{long}\n", "a.csv")) == [long]


def test_a_ragged_row_fails_alone_and_an_open_quote_ends_the_file():
    items = read('id,text\n1,a\n2\n3,b,c\n4,d\n5,"e\n6,f\n', "a.csv")
    assert texts(items) == ["a", "d"]
    assert [item.part for item in items if isinstance(item, Poison)] == ["row=2", "row=3", "row=5"]
    assert refused('id,text\n1,"a', "a.csv").error == "malformed CSV"


def test_a_malformed_row_is_named_by_its_line_too():
    items = read('id,text\n1,"two\nlines"\n\n2\n\n3,c\n4,"d\n5,e\n', "a.csv")
    assert [(item.part, item.detail.partition(":")[0]) for item in items if isinstance(item, Poison)] == [
        ("row=2", "line 5"),
        ("row=4", "line 8"),
    ]
    assert refused('id,text\n\n1,"a\n', "a.csv").detail.startswith("line 3: ")


@pytest.mark.parametrize(("name", "first"), [("a.csv", "id,text"), ("a.tsv", "id\ttext"), ("a.jsonl", '{"text": "x"}')])
def test_nuls_cost_the_rows_that_hold_them(name, first):
    is_json = name == "a.jsonl"
    row = '{"text": "?"}' if is_json else f"1{first[2]}?"
    rows = [row.replace("?", text) for text in ("one", "t\0wo", "three")]
    items = [checked(item) for item in read("\n".join([first, *rows, "\0" * 500, rows[0]]), name)]
    assert [item.text for item in items if isinstance(item, Extract)] == ["x"] * is_json + ["one", "three", "one"]
    failed = [item for item in items if isinstance(item, Poison)]
    assert [item.part for item in failed] == (["L3", "L5"] if is_json else ["row=2", "row=4"])
    assert all(item.detail for item in failed)
    assert refused(first.replace("t", "\0"), name).error == "binary"


@pytest.mark.parametrize("name", ["a.json", "a"])
def test_nuls_cost_their_line_of_json_whatever_the_ending(name):
    items = read('{"text": "one"}\n{"text": "two"}\n{"text": "t\0hree"}\n', name)
    assert texts(items) == ["one", "two"] and [item.part for item in items if isinstance(item, Poison)] == ["L3"]
    assert refused('{\n"text": "t\0wo"}', name).error == "binary"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_lines_of_utf_16_without_a_mark_may_begin_with_an_empty_one(encoding):
    assert texts(read('\n{"text": "one"}\n{"text": "two"}\n'.encode(encoding), "a.jsonl")) == ["one", "two"]


def test_an_archive_without_files_says_so():
    made, folder = io.BytesIO(), io.BytesIO()
    zipfile.ZipFile(made, "w").close()
    with zipfile.ZipFile(folder, "w") as archive:
        archive.mkdir("docs")
    for data in (made.getvalue(), folder.getvalue()):
        assert refused(data, "a.zip").error == "empty archive"
    with zipfile.ZipFile(folder, "w") as archive:
        archive.writestr("inner.zip", made.getvalue())
        archive.writestr("a.txt", "words")
    items = read(folder.getvalue(), "a.zip")
    assert texts(items) == ["words"]
    assert [(item.part, item.error) for item in items if isinstance(item, Poison)] == [("inner.zip", "empty archive")]


def test_parquet_rows():
    table = pa.table({"text": ["a", None, "c"], "title": ["A", None, None], "messages": [None, None, None]})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=2)
    items = read(sink.getvalue(), "data")
    assert [(item.part, item.text, item.title) for item in items if isinstance(item, Extract)] == [
        ("row=1", "a", "A"),
        ("row=3", "c", None),
    ]
    assert [item.part for item in items if isinstance(item, Poison)] == ["row=2"]


def test_parquet_chats():
    sink = io.BytesIO()
    pl.DataFrame({"messages": [[{"role": "user", "content": "Hi"}]]}).write_parquet(sink)
    (item,) = read(sink.getvalue(), "a.parquet")
    assert json.loads(item.text) == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("cut", [20, 200, -1, -10])
def test_a_parquet_file_cut_short_fails_whole(cut):
    sink = io.BytesIO()
    pl.DataFrame({"text": ["some words"] * 100}).write_parquet(sink)
    assert refused(sink.getvalue()[:cut], "a.parquet").error == "malformed Parquet"


def test_what_has_no_reader_says_so():
    error = refused(b"\x89PNG\r\n\x1a\n\0\0\0", "a.png")
    assert error.error == "no reader for image/png"
    assert error.detail
    assert refused(b"a\0b", "a.bin").error == "binary"


def test_html_read_with_care_keeps_headings_and_leaves_menus():
    page = "<html><body><nav><a href=x>Menu of the site</a></nav><article><h1>The harbour</h1>"
    page += "<p>Ships wait there for the tide, and every light has its own rhythm.</p>" * 4
    (item,) = read(page + "</article></body></html>", "a.html", ReadingSettings(html="careful"))
    assert item.text.startswith("# The harbour\n\nShips wait")
    assert "Menu" not in item.text

"""Rows: which are chats, records or texts, and that a poison row fails alone."""

from __future__ import annotations

import csv
import datetime
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.formats import json_files
from curation.formats.delimited import _Lines, _pass_over, _rows
from curation.formats.extracts import Extract, Poison, ReadingSettings, Unreadable
from curation.formats.rows import CHAT, PAIRS, RECORD, extract, extracts

SETTINGS = ReadingSettings()
TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def one(value: object, *columns: str):
    return extract("L1", value, ReadingSettings(text_columns=columns) if columns else SETTINGS, "application/jsonl")


def test_text_columns_in_their_order():
    assert one({"content": "second", "text": "first", "title": "T"}) == Extract("L1", "application/jsonl", "first", "T")
    assert one({"content": "second", "text": None}).text == "second"
    assert one({"story": "x"}, "story").text == "x"
    assert one("a bare string").text == "a bare string"
    assert one({"text": ""}).text == ""


def test_chats_of_both_kinds_have_one_form():
    sharegpt = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    expected = json.dumps(TURNS, separators=(",", ":"), sort_keys=True)
    for value in ({"messages": TURNS}, {"conversations": sharegpt}, TURNS, {"messages": TURNS, "text": "also"}):
        item = one(value)
        assert (item.media_type, item.text) == (CHAT, expected)
        assert json.loads(item.text) == TURNS


def test_a_turn_in_parts_of_text_is_their_text():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert json.loads(one({"messages": [{"role": "user", "content": parts}]}).text) == [
        {"role": "user", "content": "ab"}
    ]


@pytest.mark.parametrize("content", [None, 5, [], [{"type": "image_url", "image_url": "x"}], {"text": "x"}])
def test_a_turn_without_words_is_poison(content):
    item = one({"messages": [{"role": "assistant", "content": content}]})
    assert isinstance(item, Poison)
    assert item.error == "malformed chat"


@pytest.mark.parametrize(("asked", "answered"), PAIRS)
def test_pairs_are_records_kept_whole(asked, answered):
    row = {answered: "b", asked: "a", "text": "all", "id": 3}
    item = one(row)
    assert item.media_type == RECORD
    assert json.loads(item.text) == row
    assert item.text == one(dict(reversed(row.items()))).text


@pytest.mark.parametrize("nothing", [None, "", []])
@pytest.mark.parametrize(("asked", "answered"), PAIRS)
def test_a_question_whose_answer_is_empty_is_a_record_and_an_answer_alone_is_none(asked, answered, nothing):
    assert json.loads(one({asked: "a", answered: nothing}).text) == {asked: "a", answered: nothing}
    assert one({asked: nothing, answered: "b", "text": "all"}).text == "all"
    assert one({asked: "a", "text": "all"}).text == "all"


def test_values_that_only_parquet_has():
    row = {"prompt": "a", "response": "b", "day": datetime.date(2020, 1, 2)}
    assert json.loads(one(row).text)["day"] == "2020-01-02"
    assert isinstance(one({**row, "blob": b"x"}), Poison)
    assert isinstance(one({**row, "x": float("nan")}), Poison)


@pytest.mark.parametrize("value", [3, None, [], [1], {}, {"text": 5}, {"other": "x"}])
def test_a_row_without_text_is_poison_with_a_mend(value):
    item = one(value)
    assert isinstance(item, Poison)
    assert item.error == "no text"
    assert item.detail


def test_the_column_with_most_text_is_taken_for_the_whole_file():
    rows = [(f"L{n}", {"id": "abc", "story": "once upon a time", "n": n}) for n in range(3)]
    assert [item.text for item in extracts(rows, "application/jsonl", SETTINGS)] == ["once upon a time"] * 3
    longer = {"id": "longer than all the others of the file together, and therefore taken for the text"}
    late = [*rows, ("L4", longer), ("L5", {"story": "now without text"})]
    items = list(extracts(late, "application/jsonl", SETTINGS))
    assert [item.text for item in items[:4]] == ["abc", "abc", "abc", longer["id"]]
    assert isinstance(items[4], Poison)


def test_a_file_without_any_text_fails_whole():
    with pytest.raises(Unreadable, match="text_columns"):
        list(extracts([("row=1", {"n": 1}), ("row=2", {"n": 2})], "text/csv", SETTINGS))


def test_poison_fails_alone():
    rows = [("L1", {"text": "a"}), Poison("L2", "malformed JSON", "mend"), ("L3", {"text": "b"})]
    assert [item.part for item in extracts(rows, "application/jsonl", SETTINGS)] == ["L1", "L2", "L3"]


@settings(deadline=None)
@given(JSON)
def test_every_value_is_one_item(value):
    item = one(value)
    assert item.part == "L1"
    if isinstance(item, Extract) and item.media_type in {CHAT, RECORD}:
        json.loads(item.text)


SIGNS = st.text(alphabet='"\\[]{},;\r\n ab', max_size=8)


@given(st.lists(st.lists(SIGNS, min_size=2, max_size=3), min_size=1, max_size=4), st.sampled_from(",;"), st.booleans())
def test_a_row_is_passed_over_as_far_as_the_parser_reads(rows: list[list[str]], delimiter: str, always: bool) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, quoting=csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL).writerows(rows)
    for number in range(len(rows)):
        lines = io.StringIO(written.getvalue(), newline="")
        for _ in range(number):
            _pass_over(lines, delimiter)
        parsed = list(csv.reader(lines, delimiter=delimiter, strict=True))
        assert [fields for fields in parsed if fields] == rows[number:]


@given(st.lists(st.tuples(SIGNS, SIGNS), min_size=1, max_size=5), st.integers(5, 12))
def test_a_row_with_a_line_that_is_too_long_fails_alone(rows: list[tuple[str, str]], most: int) -> None:
    """Wherever what is read at a time ends."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([("a", "b"), *rows])
    stream = io.TextIOWrapper(io.BytesIO(written.getvalue().encode()), "utf-8", newline="")
    found = list(_rows(_Lines(stream, most), ",", SETTINGS))
    assert [row.part if isinstance(row, Poison) else row[0] for row in found] == [
        f"row={n + 1}" for n in range(len(rows))
    ]
    for fields, row in zip(rows, found, strict=True):
        one = io.StringIO(newline="")
        csv.writer(one).writerow(fields)
        if max(map(len, io.StringIO(one.getvalue(), newline=""))) > most:
            assert isinstance(row, Poison) and row.error == "over the limit"
        else:
            assert row[1] == dict(zip("ab", fields, strict=True))


VALUES = st.recursive(
    SIGNS | st.integers() | st.booleans() | st.none(), lambda some: st.lists(some) | st.dictionaries(SIGNS, some)
)


@given(VALUES, VALUES, st.integers(1, 9))
def test_a_value_ends_where_the_decoder_says(value: object, after: object, size: int) -> None:
    """Wherever what is held of the file ends."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_files, "_CHUNK", size)
        text = json_files._Ahead(io.BytesIO(json.dumps([value, after, value]).encode()), 1)
        assert text.takes("[")
        text.pass_over(1)
        assert text.takes(",")
        text.most = 1 << 20
        assert text.value(2) == after and text.takes(",")
        text.pass_over(3)
        assert text.takes("]") and text.is_over()
    with pytest.raises(Unreadable, match="malformed JSON"):
        json_files._Ahead(io.BytesIO(json.dumps(value).encode()), 1).pass_over(1)

"""Rows: which are chats, records or texts, and that a poison row fails alone."""

from __future__ import annotations

import csv
import datetime
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.formats import json_files
from curation.formats.delimited import _Lines, _pass_over, _rows
from curation.formats.extracts import Extract, Poison, ReadingSettings, Unreadable
from curation.formats.rows import CHAT, PAIRS, RECORD, Row, extract, extracts

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


@example([("a" * 11 + '""' + "b", "c"), ("d", "e"), ("f", "")], 12)
@given(st.lists(st.tuples(SIGNS, SIGNS), min_size=1, max_size=5), st.integers(5, 12))
def test_a_row_that_is_too_long_fails_alone(rows: list[tuple[str, str]], most: int) -> None:
    """Wherever what is read at a time ends, and however many lines it has."""
    written = io.StringIO(newline="")
    csv.writer(written).writerows([("a", "b"), *rows])
    for fields, row in zip(rows, _read_in_lines(written.getvalue(), most), strict=True):
        one = io.StringIO(newline="")
        csv.writer(one).writerow(fields)
        if len(one.getvalue()) > most:
            assert isinstance(row, Poison) and row.error == "over the limit"
        else:
            assert not isinstance(row, Poison) and row[1] == dict(zip("ab", fields, strict=True))


@example('a\nx\n123456""7\nafter\nlast\nx"y\n', 6)
@given(st.text('",\n\rab', max_size=30).map("a\nx\n".__add__), st.integers(2, 6))
def test_rows_are_those_of_the_parser_also_where_quotes_stand_anywhere(text: str, most: int) -> None:
    """Up to where the parser says that they are broken, which is told."""
    taken = 0
    lines = io.StringIO(text, newline="").readlines()

    def counted() -> Iterator[str]:
        nonlocal taken
        for line in lines:
            taken += 1
            yield line

    known: list[list[str] | str] = []
    parsed, before = csv.reader(counted(), strict=True), 0
    try:
        for fields in parsed:
            own, before = "".join(lines[before:taken]), taken
            if fields:
                known.append("over the limit" if len(own) > most else fields)
    except csv.Error:
        known.append("malformed CSV")
    found = _read_in_lines(text, most)
    assert len(found) == len(known) - 1
    for fields, row in zip(known[1:], found, strict=True):
        if isinstance(fields, str):
            assert isinstance(row, Poison) and row.error == fields
        elif isinstance(row, Poison):
            assert len(fields) > 1 and "fields where the header has 1" in row.detail
        else:
            assert row[1] == {"a": fields[0]}


def _read_in_lines(text: str, most: int) -> list[Row]:
    lines = _Lines(io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", newline=""), most)
    found = list(_rows(lines, ",", SETTINGS, lines.odd))
    assert [row.part if isinstance(row, Poison) else row[0] for row in found] == [
        f"row={n + 1}" for n in range(len(found))
    ]
    return found


VALUES = st.recursive(
    SIGNS | st.integers() | st.booleans() | st.none(), lambda some: st.lists(some) | st.dictionaries(SIGNS, some)
)


@given(VALUES, VALUES, st.sampled_from([1, 2, 5, 9, 1 << 20]))
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


@example([1, "a,]", {"b": []}], 5, '"', 3)
@given(VALUES, st.integers(0), st.sampled_from([*'"\\[]{},:1-.eu \n\x01', ""]), st.sampled_from([1, 2, 5, 9, 1 << 20]))
def test_what_is_no_json_is_not_passed_over(value: object, place: int, sign: str, size: int) -> None:
    """Also where its quotes and brackets are balanced: what they enclose may be records that are whole."""
    text = json.dumps(value)
    place %= len(text)
    text = text[:place] + sign + text[place + 1 :]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_files, "_CHUNK", size)
        ahead = json_files._Ahead(io.BytesIO(f"[{text},2]".encode()), 1)
        assert ahead.takes("[")
        try:
            _, end = json.JSONDecoder().raw_decode(f"{text},2]".lstrip(" \n"))
        except json.JSONDecodeError:
            end = -1
        rest = f"{text},2]".lstrip(" \n")[end:].lstrip(" \n")
        if end >= 0 and rest.startswith((",", "]")):
            ahead.pass_over(1)
            assert ahead.takes(rest[0])
        else:
            with pytest.raises(Unreadable, match="malformed JSON"):
                ahead.pass_over(1)

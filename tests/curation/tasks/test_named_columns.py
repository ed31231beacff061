"""Columns that are named and nowhere there are told source by source, and what is no row is no reason to tell."""

from __future__ import annotations

import json

import polars as pl

from curation.tasks import TaskSettings, absent_columns
from tests.curation.tasks.building import CHAT, RECORD

NAMED = TaskSettings("qa", columns={"question": "ask", "answer": "reply", "system": "who"})
SCHEMA = ["source", "locator", "media_type", "text"]


def told(*rows: tuple[str, str, str, str], settings: TaskSettings = NAMED) -> list[str]:
    corpus = pl.LazyFrame(rows, schema=dict.fromkeys(SCHEMA, pl.String), orient="row")
    assert absent_columns(corpus, settings) == absent_columns(corpus.reverse(), settings)
    return absent_columns(corpus, settings)


def record(source: str, place: str, **row: object) -> tuple[str, str, str, str]:
    return source, place, RECORD, json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def test_a_column_that_one_row_has_is_there() -> None:
    rows = record("faq", "a.jsonl#L1", ask="?", reply="."), record("faq", "a.jsonl#L2", ask="?", reply=".", who="x")
    assert told(*rows) == []
    (line,) = told(rows[0], record("other", "b.csv#row=1", ask="?", reply=".", who="x"))
    assert line.startswith("source faq: no row has the column 'who' that task.columns.system names")
    assert "a.jsonl#L1 has ask, reply: name one of these" in line


def test_a_column_is_none_because_a_text_speaks_of_it() -> None:
    (line,) = told(record("faq", "a.jsonl#L1", ask='"who":', reply="who"))
    assert "'who'" in line


def test_a_column_is_none_because_something_within_another_bears_its_name() -> None:
    nested = record("faq", "a.jsonl#L1", ask="?", reply=".", meta={"who": "x"})
    (line,) = told(nested, record("other", "b.csv#row=1", ask="?", reply=".", who=None))
    assert line.startswith("source faq: no row has the column 'who'") and "has ask, meta, reply" in line
    assert told(nested, record("faq", "a.jsonl#L2", ask="?", meta={"who": "x"}, who={})) == []


def test_rows_that_were_read_as_texts_are_told_by_the_first_of_them() -> None:
    (line,) = told(("faq", "b.csv#row=1", "text/csv", "x"), ("faq", "a.zip#a.jsonl/L7", "application/jsonl", "y"))
    assert line.startswith("source faq: its rows were read as texts") and "the first is a.zip#a.jsonl/L7:" in line


def test_pages_chats_and_files_are_no_rows() -> None:
    others = (
        ("web", "a.html", "text/html", "x"),
        ("web", "b.pdf#page=1", "application/pdf", "y"),
        ("web", "chats.jsonl#L1", CHAT, "[]"),
    )
    assert told(*others) == []
    assert told(("faq", "b.csv#row=1", "text/csv", "x"), settings=TaskSettings("qa")) == []


def test_who_names_no_question_is_told_of_no_text() -> None:
    assert told(("faq", "b.csv#row=1", "text/csv", "x"), settings=TaskSettings("qa", columns={"context": "ctx"})) == []

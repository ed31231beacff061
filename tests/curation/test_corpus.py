"""The corpus: one row per kept content, whatever copies come and go."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import records
from curation.corpus import CORPUS, build_corpus
from curation.reading import DOCUMENTS
from curation.spans import SPANS
from curation.verdicts import VERDICTS

PLACES = st.tuples(st.sampled_from(["one", "two", "old"]), st.sampled_from(["a", "b", "c"]))
WORLDS = st.dictionaries(
    PLACES, st.tuples(st.sampled_from(["x", "y", "z"]), st.sampled_from(["kept", "dropped", "failed"])), max_size=9
)


def tables(world: dict[tuple[str, str], tuple[str, str]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Documents and verdicts, from (source, locator) to (text, verdict)."""
    documents, verdicts = [], []
    for (source, locator), (text, verdict) in world.items():
        name, content = records.doc_id(source, locator), records.content_digest(text)
        documents.append(
            (name, source, locator, "", locator, "text/plain", None, None, None, text, content, None, None)
        )
        verdicts.append((name, content, verdict, None, None, None, []))
    return pl.DataFrame(documents, schema=DOCUMENTS, orient="row"), pl.DataFrame(
        verdicts, schema=VERDICTS, orient="row"
    )


def corpus_of(world, order=("two", "one")) -> dict[str, tuple[str, str]]:
    rows = build_corpus(*tables(world), order).table
    return {text: (source, locator) for text, source, locator in rows.select("text", "source", "locator").iter_rows()}


@settings(deadline=None)
@given(WORLDS)
def test_each_kept_content_once_at_its_first_place_and_the_books_balance(world):
    outcome = build_corpus(*tables(world), ["two", "one"])
    assert outcome.table.schema == CORPUS
    assert outcome.kept + sum(outcome.dropped.values()) + sum(outcome.failed.values()) == len(world)
    expected = {}
    rank = {"two": 0, "one": 1, "old": 2}
    for text in {text for text, verdict in world.values() if verdict == "kept"}:
        expected[text] = min(
            (place for place, (other, _) in world.items() if other == text), key=lambda place: (rank[place[0]], place)
        )
    assert corpus_of(world) == expected
    assert outcome.table["doc_id"].to_list() == [records.doc_id(*expected[text]) for text in outcome.table["text"]]


@settings(deadline=None)
@given(WORLDS, st.randoms())
def test_no_order_of_rows_matters(world, random):
    shuffled = list(world.items())
    random.shuffle(shuffled)
    documents, _ = tables(world)
    _, verdicts = tables(dict(shuffled))
    assert build_corpus(documents, verdicts, ["one"]).table.equals(build_corpus(*tables(dict(shuffled)), ["one"]).table)


def test_a_copy_moves_the_place_and_not_the_content():
    world = {("one", "b"): ("x", "kept")}
    alone = build_corpus(*tables(world), ["one"]).table
    copied = build_corpus(*tables({**world, ("one", "a"): ("x", "dropped")}), ["one"]).table
    content = ["media_type", "title", "text", "content_digest"]
    assert alone.select(content).equals(copied.select(content))
    assert copied["locator"].to_list() == ["a"]


def test_lazy_tables_and_no_documents():
    documents, verdicts = tables({})
    outcome = build_corpus(documents.lazy(), verdicts.lazy(), [])
    assert outcome.table.schema == CORPUS
    assert (outcome.kept, outcome.dropped, outcome.failed) == (0, {}, {})


@pytest.mark.parametrize("missing", [0, 1])
def test_verdicts_on_other_documents_are_refused(missing):
    pair = list(tables({("one", "a"): ("x", "kept"), ("one", "b"): ("y", "kept")}))
    pair[missing] = pair[missing].head(1)
    with pytest.raises(ValueError, match="do not belong together"):
        build_corpus(*pair, ["one"])


def evidence(found: dict[str, list[str] | None]) -> pl.DataFrame:
    """Spans of the given words in each text; None where the text could not be measured."""
    spans = [
        None
        if words is None
        else sorted(({"start": text.index(w), "end": text.index(w) + len(w), "kind": "email"} for w in words), key=str)
        for text, words in found.items()
    ]
    digests = [records.content_digest(text) for text in found]
    return pl.DataFrame(
        {"content_digest": digests, "spans": spans}, schema={"content_digest": pl.String, "spans": SPANS}
    )


def test_redacted_contents_that_become_equal_are_one_and_the_books_balance():
    world = {
        ("one", "a"): ("write to a@x.org", "kept"),
        ("two", "b"): ("write to b@x.org", "kept"),
        ("one", "c"): ("write to <EMAIL_1>", "kept"),
        ("one", "d"): ("d@x.org", "kept"),
        ("one", "e"): ("plain", "kept"),
        ("one", "f"): ("broken", "kept"),
        ("one", "g"): ("gone", "dropped"),
        ("one", "h"): ("plain", "kept"),
    }
    found = {text: [word for word in text.split() if "@" in word] for text, _ in world.values()} | {"broken": None}
    outcome = build_corpus(*tables(world), ["two", "one"], personal_data=evidence(found))
    assert dict(outcome.table.select("text", "locator").iter_rows()) == {
        "write to <EMAIL_1>": "b",
        "<EMAIL_1>": "d",
        "plain": "e",
    }
    assert outcome.table["content_digest"].to_list() == sorted(map(records.content_digest, outcome.table["text"]))
    assert outcome.dropped == {
        "dropped by verdict": 1,
        "copy of a kept content": 1,
        "equal to another content after cutting and redaction": 2,
    }
    assert outcome.failed == {"spans not measured": 1}
    assert outcome.kept == 3


def test_what_is_cut_to_nothing_is_dropped_and_said():
    world = {("one", "a"): ("Accept cookies", "kept"), ("one", "b"): (" ", "kept"), ("one", "c"): ("text", "kept")}
    found = evidence({"Accept cookies": ["Accept", "cookies"], " ": [], "text": []})
    outcome = build_corpus(*tables(world), ["one"], cuts=[found])
    assert outcome.dropped == {"nothing left after cutting": 1}
    assert sorted(outcome.table["text"]) == [" ", "text"]


def test_a_content_that_no_table_of_spans_knows_is_failed():
    outcome = build_corpus(*tables({("one", "a"): ("x", "kept")}), ["one"], cuts=[evidence({})])
    assert (outcome.kept, outcome.failed) == (0, {"spans not measured": 1})


@settings(deadline=None)
@given(WORLDS)
def test_books_balance_and_places_are_first_also_where_contents_become_equal(world):
    found = {text: [text] if text in {"x", "y"} else [] for text, _ in world.values()}
    outcome = build_corpus(*tables(world), ["two", "one"], personal_data=evidence(found))
    assert outcome.kept + sum(outcome.dropped.values()) + sum(outcome.failed.values()) == len(world)
    kept = {text for text, verdict in world.values() if verdict == "kept"}
    assert set(outcome.table["text"]) == {"<EMAIL_1>" if text in {"x", "y"} else text for text in kept}
    assert outcome.table["doc_id"].is_in([records.doc_id(*place) for place in world]).all()


def test_a_copied_document_leaves_a_redacted_row_as_it_is():
    world = {("one", "b"): ("a@x.org", "kept")}
    found = evidence({"a@x.org": ["a@x.org"]})
    alone = build_corpus(*tables(world), ["one"], personal_data=found).table
    copied = build_corpus(*tables({**world, ("two", "a"): ("a@x.org", "dropped")}), ["one"], personal_data=found).table
    content = ["media_type", "title", "text", "content_digest"]
    assert alone.select(content).equals(copied.select(content))

"""The corpus: one row per kept content, whatever copies come and go."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import records
from curation.corpus import CORPUS, build_corpus
from curation.reading import DOCUMENTS
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
        documents.append((name, source, locator, "", locator, "text/plain", None, text, content))
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

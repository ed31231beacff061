import random

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import records
from curation.deduplication import (
    DeduplicationSettings,
    SignatureSettings,
    find_duplicates,
    find_duplicates_in,
    numbering,
    signatures,
)
from curation.deduplication.corpus import Corpus
from curation.deduplication.duplicates import FETCH_ROWS, fetching
from curation.deduplication.election import elect
from curation.deduplication.set_sources import read_again
from curation.deduplication.whole_corpus import contents_of, rows_of
from tests.curation.deduplication import reference
from tests.curation.deduplication.reference import signed

SOURCES = ["first", "second", "third"]
WORDS = st.lists(st.sampled_from("abcdef"), max_size=14).map(" ".join)
EDITED = st.tuples(st.sampled_from(["a b c d e f a c", "f e d c b a b d"]), WORDS.map(lambda w: w[:3])).map(" ".join)
TEXT = st.one_of(WORDS, EDITED, EDITED.map(lambda t: t.replace(" ", "\n ")), st.sampled_from(["", " ", "!", "?!", "a"]))
PLACES = st.lists(st.tuples(st.sampled_from(SOURCES), TEXT), max_size=14)
LOOSE = DeduplicationSettings(
    threshold=0.5, signature=SignatureSettings(shingle_words=2, bands=8, rows=2), fetch_bytes=20
)


def tables(places):
    """Documents in the given order of locators, their contents, and the signatures of those."""
    documents = pl.DataFrame(
        [
            (records.doc_id(source, f"{i:03}"), source, f"{i:03}", records.content_digest(text), text)
            for i, (source, text) in enumerate(places)
        ],
        schema=["doc_id", "source", "locator", "content_digest", "text"],
        orient="row",
        schema_overrides=dict.fromkeys(["doc_id", "source", "locator", "content_digest", "text"], pl.String),
    )
    contents = documents.select("content_digest", "text").unique("content_digest")
    return documents, contents


def expected(places, evidence, settings):
    """{doc_id: (source, kept_id, kept_source, kind, jaccard)} by the words of the design."""
    order = sorted(range(len(places)), key=lambda i: (SOURCES.index(places[i][0]), i))
    bands = dict(evidence.select("content_digest", "bands").iter_rows())
    first, rank = {}, {}
    for i in order:
        digest = records.content_digest(places[i][1])
        first.setdefault(digest, (records.doc_id(places[i][0], f"{i:03}"), places[i][0]))
        keys = {"source": SOURCES.index(places[i][0]), "longest": -len(places[i][1])}
        rank.setdefault(digest, (*(keys[key] for key in settings.policy), digest))
    texts = {records.content_digest(text): text for _, text in places}
    dropped = reference.elect([(d, texts[d], bands[d]) for d in sorted(rank, key=rank.__getitem__)], settings)
    removed = {}
    for i in order:
        digest, name = records.content_digest(places[i][1]), records.doc_id(places[i][0], f"{i:03}")
        kept, kind, similarity = dropped.get(digest, (digest, "exact", 1.0))
        if name != first[kept][0]:
            removed[name] = (places[i][0], *first[kept], kind, similarity)
    return removed


@settings(max_examples=150, deadline=None)
@given(PLACES, st.sampled_from([("source", "longest"), ("longest",), ()]), st.randoms(use_true_random=False))
def test_it_finds_what_the_words_of_the_design_find(places, policy, shuffler):
    wanted = DeduplicationSettings(LOOSE.threshold, policy, LOOSE.signature, LOOSE.fetch_bytes)
    documents, contents = tables(places)
    evidence = signed(contents["text"].to_list(), LOOSE.signature)
    outcome = find_duplicates(contents, documents, evidence, wanted, SOURCES)
    found = {doc: tuple(rest) for doc, *rest in outcome.table.iter_rows()}
    assert found == expected(places, evidence, wanted)
    assert outcome.kept + sum(outcome.dropped.values()) == len(places)

    seed = shuffler.randrange(1000)
    again = find_duplicates(
        contents.sample(fraction=1, shuffle=True, seed=seed).lazy(),
        documents.sample(fraction=1, shuffle=True, seed=seed),
        evidence.sample(fraction=1, shuffle=True, seed=seed),
        DeduplicationSettings(LOOSE.threshold, policy, LOOSE.signature),
        SOURCES,
    )
    assert again.table.equals(outcome.table)
    assert again.others["pairs"].equals(outcome.others["pairs"])

    size = seed % 4 + 1
    batches = [documents.slice(at, size).to_arrow() for at in range(0, len(documents), size)]
    whole = find_duplicates_in([part for table in batches for part in table.to_batches()], wanted, SOURCES)
    assert whole.table.equals(outcome.table)
    assert whole.others["survivors"].equals(outcome.others["survivors"])
    assert whole.others["pairs"].equals(outcome.others["pairs"])
    assert (whole.kept, whole.dropped) == (outcome.kept, outcome.dropped)


def many(texts):
    documents, contents = tables([("first", text) for text in texts])
    evidence = signed(contents["text"].to_list())
    return documents, contents, evidence


def elected(documents, evidence, fetch):
    corpus = Corpus(documents.lazy(), evidence.lazy(), SOURCES, fetch)
    settings = DeduplicationSettings()
    given = settings.policy, settings.signature.bands
    contents = contents_of(corpus, *given, rows_of(corpus, *given))
    return elect(contents, read_again(fetch, settings.signature), settings)


def test_a_hundred_thousand_copies_cost_no_comparison():
    documents, contents, evidence = many(["the same words stand in every one of these files"] * 100_000)
    outcome = find_duplicates(contents, documents, evidence, DeduplicationSettings(), SOURCES)
    assert outcome.dropped == {"exact": 99_999}
    assert outcome.notes["near pairs"] == 0
    assert outcome.table["kept_id"].unique().to_list() == [records.doc_id("first", "000")]


def test_copies_that_differ_in_white_space_are_exact_and_cost_no_comparison():
    documents, contents, evidence = many(["some words\n" + " " * i + "and others follow here" for i in range(2000)])
    fetched = []

    def fetch(digests):
        fetched.extend(digests)
        return fetching(contents)(digests)

    election = elected(documents, evidence, fetch)
    assert len(election.dropped) == 1999
    assert not fetched
    outcome = find_duplicates(contents, documents, evidence, DeduplicationSettings(), SOURCES)
    assert outcome.dropped == {"exact": 1999}


def test_near_copies_cost_one_comparison_each():
    words = [f"w{i}" for i in range(200)]
    documents, contents, evidence = many([" ".join([*words, f"n{i}"]) for i in range(3000)])
    outcome = find_duplicates(contents, documents, evidence, DeduplicationSettings(), SOURCES)
    assert outcome.dropped == {"near": 2999}
    assert outcome.notes["near pairs"] == 2999
    assert outcome.table["jaccard"].unique().to_list() == [pytest.approx(196 / 198)]


def test_only_candidates_are_fetched():
    texts = [" ".join(f"{i}x{j}" for j in range(40)) for i in range(500)]
    documents, contents, evidence = many([*texts, texts[7] + " end"])
    fetched = []

    def fetch(digests):
        fetched.extend(digests)
        return fetching(contents)(digests)

    elected(documents, evidence, fetch)
    assert sorted(fetched) == sorted(records.content_digest(text) for text in (texts[7], texts[7] + " end"))


@pytest.mark.parametrize("asked", [3, FETCH_ROWS + 1])
def test_few_and_many_are_fetched_once_each_wherever_and_however_often_they_stand(asked):
    names = [f"{i:032x}" for i in range(FETCH_ROWS + 500)]
    rows = pl.DataFrame({"content_digest": names, "text": [f"text {name}" for name in names]})
    contents = pl.concat([rows.reverse(), rows.head(2000)])
    wanted = names[::-1][:asked]
    for table in (contents, contents.lazy(), contents.lazy().filter(pl.col("text") != "")):
        found = pl.concat(fetching(table)(pl.Series(wanted)))
        assert sorted(found["content_digest"]) == sorted(wanted)
        assert (found["text"] == "text " + found["content_digest"]).all()


def test_a_dropped_contents_documents_are_near_those_of_the_first_place_of_the_kept_one():
    base = " ".join(f"w{i}" for i in range(100))
    documents, contents = tables([("second", base + " x"), ("first", base), ("third", base + " x"), ("third", base)])
    evidence = signed(contents["text"].to_list())
    table = find_duplicates(contents, documents, evidence, DeduplicationSettings(), SOURCES).table
    kept = records.doc_id("first", "001")
    assert dict(table.select("doc_id", "kind").iter_rows()) == {
        records.doc_id("second", "000"): "near",
        records.doc_id("third", "002"): "near",
        records.doc_id("third", "003"): "exact",
    }
    assert table["kept_id"].to_list() == [kept] * 3


def test_a_content_whose_signature_failed_is_a_duplicate_of_itself_alone():
    documents, contents = tables([("first", "a b"), ("first", "a b"), ("first", "c d")])
    evidence = signed(["c d"])
    outcome = find_duplicates(contents, documents, evidence, DeduplicationSettings(), SOURCES)
    assert outcome.table.select("doc_id", "kept_id").rows() == [
        (records.doc_id("first", "001"), records.doc_id("first", "000"))
    ]


def test_mistakes_are_named():
    text = "a b c d e f g h i j k l m n o p q r s t u v w x"
    documents, contents = tables([("first", text), ("first", text + " y")])
    evidence = signed(contents["text"].to_list())
    with pytest.raises(ValueError, match="no key 'newset'; it is a list of source, longest"):
        DeduplicationSettings(policy=("newset",))
    with pytest.raises(ValueError, match="source 'first' has documents but is not among the sources"):
        find_duplicates(contents, documents, evidence, DeduplicationSettings(), ["second"])
    with pytest.raises(LookupError, match="has a signature but no text"):
        find_duplicates(contents.head(0), documents, evidence, DeduplicationSettings(), SOURCES)
    other = DeduplicationSettings(signature=SignatureSettings(bands=7))
    with pytest.raises(ValueError, match="compute the signatures with the settings"):
        find_duplicates(contents, documents, evidence, other, SOURCES)
    with pytest.raises(ValueError, match=r"threshold: 1\.5"):
        DeduplicationSettings(threshold=1.5)


def test_the_newest_stays_where_the_policy_says_so():
    documents, contents = tables([("first", "a b c d e f g h"), ("second", "a  b c d e f g h")])
    dated = documents.with_columns(date=pl.Series(["2020-01-01", "2024-05-06"]))
    evidence = signed(contents["text"].to_list())
    wanted = DeduplicationSettings(policy=("newest", "source"))
    outcome = find_duplicates(contents, dated, evidence, wanted, SOURCES)
    assert outcome.table["kept_id"].to_list() == [records.doc_id("second", "001")]
    undated = dated.with_columns(date=pl.Series(["2020-01-01", None], dtype=pl.String))
    outcome = find_duplicates(contents, undated, evidence, wanted, SOURCES)
    assert outcome.table["kept_id"].to_list() == [records.doc_id("first", "000")]


def found_by(digests, column, values):
    return pl.DataFrame({"content_digest": digests, column: values})


def test_the_best_in_quality_and_the_least_contaminated_stay_where_the_policy_says_so():
    texts = ["a b c d e f g h", "a  b c d e f g h", "a   b c d e f g h"]
    documents, contents = tables([("first", text) for text in texts])
    digests, signatures = documents["content_digest"], signed(contents["text"].to_list())
    evidence = {
        "rule_failures": found_by(digests, "failing", [3, 1, 1]),
        "contamination": found_by(digests, "share", [0.0, 0.75, 0.5]),
    }

    def kept(policy, evidence):
        wanted = DeduplicationSettings(policy=policy)
        outcome = find_duplicates(contents, documents, signatures, wanted, SOURCES, evidence=evidence)
        (left,) = set(documents["doc_id"]) - set(outcome.table["doc_id"])
        return int(documents.filter(doc_id=left)["locator"].item())

    assert kept(("contamination",), evidence) == 0
    assert kept(("quality", "contamination"), evidence) == 2
    assert kept(("quality", "contamination"), {**evidence, "contamination": evidence["contamination"].head(2)}) == 1
    unknown = {"rule_failures": found_by(digests, "failing", [3, None, None])}
    assert kept(("quality",), unknown) == 0, "what could not be measured ranks last"
    with pytest.raises(ValueError, match="'quality' looks at the table rule_failures, which is not measured here"):
        kept(("quality",), {})


WORDY = b"all work and no play makes a text that is long enough to be near"
BAD = [
    None,
    b"\xff",
    b"\xed\xa0\x80",
    b"\xed\xb3\xbf",
    b"\xf0\x9f",
    b"",
    b" ",
    b"\n\xe2\x80\x83\t",
    b"\0",
    b"!",
    b"e\xcc\x81\xff",
]


@pytest.mark.parametrize("size", [1, 5, 20])
@pytest.mark.parametrize("bad", BAD)
def test_no_text_is_too_bad_to_be_compared(bad, size):
    beside = bad or b""
    near = [
        WORDY,
        WORDY + b" " + beside,
        beside + b" " + WORDY,
        beside + WORDY + b" end",
        WORDY[:20] + beside + WORDY[20:],
    ]
    texts = [bad, *near, bad, *reversed(near), None, b""]  # which are no copies of each other
    names = [f"{i:032x}" for i in range(len(texts))]
    digests = [records.digest("content", repr(text)) for text in texts]
    held = pa.array(texts, pa.binary())
    column = pa.Array.from_buffers(pa.string(), len(held), held.buffers(), held.null_count)
    rows = {"doc_id": names, "source": ["first"] * len(texts), "locator": names, "content_digest": digests}
    batch = pa.record_batch({**rows, "text": column})
    wanted = DeduplicationSettings(LOOSE.threshold, (), LOOSE.signature)
    found = find_duplicates_in([batch.slice(at, size) for at in range(0, len(texts), size)], wanted, SOURCES)

    evidence = signatures(batch, LOOSE.signature)
    bands = dict(zip(digests, evidence["bands"].to_pylist(), strict=True))
    said = [None if text is None else text.decode("utf-8", "surrogateescape") for text in texts]
    order = sorted(dict(zip(digests, said, strict=True)).items())
    dropped = reference.elect([(digest, text, bands[digest]) for digest, text in order], wanted)
    expected = {}
    for name, digest in zip(names, digests, strict=True):
        kept, kind, similarity = dropped.get(digest, (digest, "exact", 1.0))
        first = names[digests.index(kept)]
        if name != first:
            expected[name] = (first, kind, similarity)
    told = found.table.select("doc_id", "kept_id", "kind", "jaccard")
    assert {doc: tuple(rest) for doc, *rest in told.iter_rows()} == expected
    assert expected.keys() >= {*names[6:12]} and expected[names[6]][1] == "exact"
    assert found.kept + sum(found.dropped.values()) == len(texts)


def test_one_word_a_million_times_is_one_shingle():
    documents, contents, evidence = many(["word " * 1_000_000, "word " * 900_000, "words of another kind " * 9])
    outcome = find_duplicates(contents, documents, evidence, DeduplicationSettings(), SOURCES)
    assert outcome.table.select("kind", "jaccard").rows() == [("near", 1.0)]


@pytest.mark.long
def test_two_hundred_megabytes_are_a_text_like_any_other():
    numbers = random.Random(0)
    block = " ".join(f"{numbers.randrange(1 << 40):x}" for _ in range(90_000))
    long = " ".join(f"part{i} {block}" for i in range(200))
    assert len(long) > 180_000_000
    documents, contents, evidence = many([long, long[:-20_000], "a short one", long + " and an end"])
    outcome = find_duplicates(contents, documents, evidence, DeduplicationSettings(), SOURCES)
    assert sorted(outcome.table["kind"]) == ["near", "near"]
    assert outcome.table["jaccard"].min() > 0.99


@pytest.mark.parametrize("together", [1, 3, 100])
def test_digests_are_written_to_columns_as_they_are(monkeypatch, together):
    monkeypatch.setattr(numbering, "TOGETHER", together)
    names = pl.Series([records.content_digest(str(i)) for i in range(7)])
    views = numbering.views_of(numbering.digests_of(names))
    assert views.at(np.array([6, 0, 3, 3], np.int32)).to_list() == [names[i] for i in (6, 0, 3, 3)]
    assert numbering.views_of(numbering.NO_DIGESTS).at(np.empty(0, np.int32)).to_list() == []

import random
from dataclasses import replace
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import records
from curation.deduplication import DeduplicationSettings, SignatureSettings
from curation.deduplication.corpus import Corpus
from curation.deduplication.duplicates import fetching
from curation.deduplication.incremental import EMPTY, KEYS, Moved, State, update_duplicates
from curation.deduplication.settings import POLICY
from tests.curation.deduplication.reference import share_a_band, signed

# Few words, so that most texts share a band with many others and a change runs on through several of them.
WORDS = st.lists(st.sampled_from("abcd"), min_size=3, max_size=8).map(" ".join)
POOL = st.lists(
    st.one_of(WORDS, WORDS.map(lambda t: t.replace(" ", "  ")), st.sampled_from(["", " ", "!", "! "])),
    min_size=3,
    max_size=12,
    unique=True,
)
LOOSE = DeduplicationSettings(threshold=0.45, signature=SignatureSettings(shingle_words=1, bands=6, rows=2, threads=1))


DATES = [None, "2020-01-01", "2024-05-06"]
MEASURED = st.tuples(st.none() | st.integers(0, 2), st.none() | st.sampled_from([0.0, 0.5, 1.0]))


class Files:
    """A corpus of files, each a text at a place of one of three sources; the same text may stand at several.

    What was measured of a text is how many rules it fails, and its share of an evaluation item. Some have no signature.
    A place may have a date, which stays until it gets another.
    """

    def __init__(self, wanted=None, unsigned=()):
        self.texts, self.dates, self.measured = {}, {}, {}
        self.wanted, self.unsigned, self.order = wanted or LOOSE, set(unsigned), SOURCES

    def corpus(self, fetch=None):
        texts = sorted(set(self.texts.values()))
        places = self.documents().lazy().drop("text")
        return Corpus(places, self.signatures().lazy(), self.order, fetch or fetch_of(texts), self.evidence())

    def documents(self):
        """A row for each place."""
        rows = [
            (records.doc_id(*place), *place, records.content_digest(text), self.dates.get(place), text)
            for place, text in sorted(self.texts.items())
        ]
        return pl.DataFrame(rows, schema=DOCUMENTS, orient="row")

    def signatures(self):
        """A row for each text that has one."""
        return signed(sorted(set(self.texts.values()) - self.unsigned), self.wanted.signature)

    def evidence(self):
        """The tables that a policy looks at, with rows for the texts that were measured."""
        rows = [(records.content_digest(text), *found) for text, found in self.measured.items()]
        table = pl.LazyFrame(rows, schema=FOUND, orient="row")
        return {"rule_failures": table.drop("share"), "contamination": table.drop("failing")}

    def put(self, changes, measured=None, dates=None):
        """Give places another text, or none, or another date, and texts other evidence; what moved by that."""
        self.measured |= measured or {}
        self.dates |= dates or {}
        before = {place: self.texts[place] for place in changes if place in self.texts}
        self.texts = {place: text for place, text in (self.texts | changes).items() if text is not None}
        dated = [self.texts.get(place) for place in dates or {}]
        moved = [text for text in (*before.values(), *changes.values(), *(measured or {}), *dated) if text is not None]
        gone = [place for place, text in before.items() if changes[place] != text]
        return Moved(
            pl.Series([records.content_digest(text) for text in dict.fromkeys(moved)], dtype=pl.String),
            pl.Series([records.doc_id(*place) for place in gone], dtype=pl.String),
        )


SOURCES = ["first", "second", "third"]
DOCUMENTS = dict.fromkeys(("doc_id", "source", "locator", "content_digest", "date", "text"), pl.String)
FOUND = {"content_digest": pl.String, "failing": pl.Int64, "share": pl.Float64}
NOTHING = Moved(pl.Series(dtype=pl.String), pl.Series(dtype=pl.String))


def applied(state, changes):
    tables = []
    for table, change, key in zip(map(pl.LazyFrame.collect, state), changes, KEYS, strict=True):
        assert len(change.removed.join(table, on=key, how="semi")) == len(change.removed), "removes what is not there"
        rest = table.join(change.removed, on=key, how="anti")
        assert rest.join(change.added, on=key, how="semi").is_empty(), "adds what is there"
        assert change.added.join(table, on=table.columns, how="semi", nulls_equal=True).is_empty(), (
            "adds what was so before"
        )
        tables.append(pl.concat([rest, change.added]).sort(key))
    return State(*(table.lazy() for table in tables))


def fetch_of(texts):
    return fetching(pl.DataFrame({"content_digest": [records.content_digest(t) for t in texts], "text": texts}))


def whole(files):
    return applied(EMPTY, update_duplicates(None, files.corpus(), NOTHING, files.wanted))


def files_for(texts, data):
    """No files yet, some policy, some texts that have no signature, and the dates that places begin with."""
    unsigned = data.draw(st.sets(st.sampled_from(texts), max_size=2))
    chance = random.Random(data.draw(st.integers(0, 9999)))
    files = Files(replace(LOOSE, policy=tuple(chance.sample(POLICY, chance.randint(0, 3)))), unsigned)
    files.dates = {(source, name): chance.choice(DATES) for source in SOURCES for name in "abcd"}
    return files


def steps(files, texts, data):
    """Change the files a few times, some times the dates or the evidence alone; what moved each time."""
    spots = st.tuples(st.sampled_from(SOURCES), st.sampled_from("abcd"))
    for _ in range(data.draw(st.integers(1, 4))):
        most = data.draw(st.sampled_from([0, 2, 9]))
        changes = data.draw(st.dictionaries(spots, st.none() | st.sampled_from(texts), max_size=most))
        measured = data.draw(st.dictionaries(st.sampled_from(texts), MEASURED, max_size=4))
        yield files.put(changes, measured, data.draw(st.dictionaries(spots, st.sampled_from(DATES), max_size=4)))


def follow_a_schedule(texts, data):
    """Add, remove, move, change, date and measure at random, and compare with one run over the whole after each step."""
    files = files_for(texts, data)
    state = whole(files)
    for moved in steps(files, texts, data):
        state = applied(state, update_duplicates(state, files.corpus(), moved, files.wanted))
        for table, expected in zip(state, whole(files), strict=True):
            assert table.collect().equals(expected.collect())


@settings(max_examples=100, deadline=None)
@given(POOL, st.data())
def test_any_schedule_of_updates_gives_what_one_run_gives(texts, data):
    with never_the_whole():
        follow_a_schedule(texts, data)


@settings(max_examples=40, deadline=None)
@given(POOL, st.data())
def test_where_much_moved_the_whole_is_decided_anew_and_only_what_differs_changes(texts, data):
    follow_a_schedule(texts, data)


@pytest.mark.long
@settings(max_examples=6000, deadline=None)
@given(POOL, st.data())
def test_thousands_of_schedules_give_what_one_run_gives(texts, data):
    with never_the_whole():
        follow_a_schedule(texts, data)


def never_the_whole():
    """Small corpora move by large shares; go the way of small changes nevertheless."""
    return patch("curation.deduplication.incremental.WHOLE_SHARE", 1e9)


def counting(texts):
    fetched, fetch = [], fetch_of(texts)

    def count(digests):
        fetched.extend(digests)
        return fetch(digests)

    return fetched, count


def files_of(*texts):
    files = Files()
    files.put({("first" if i == 0 else "second", f"{i:04}"): text for i, text in enumerate(texts)})
    return files


def updated(files, state, changes):
    """The update after these changes, and which contents' texts it fetched."""
    moved = files.put(changes)
    fetched, fetch = counting(sorted(set(files.texts.values())))
    return update_duplicates(state, files.corpus(fetch), moved, files.wanted), fetched


PLAIN = [" ".join(f"{i}x{j}" for j in range(30)) for i in range(300)]


def test_an_addition_reads_only_what_it_may_double():
    files = files_of(*PLAIN)
    copy = PLAIN[5] + " end"
    update, fetched = updated(files, whole(files), {("third", "new"): copy})
    assert update.survivors.added["kept_digest"].to_list() == [records.content_digest(PLAIN[5])]
    assert update.survivors.removed.is_empty()
    assert sorted(fetched) == sorted(records.content_digest(text) for text in (PLAIN[5], copy))


def test_a_removed_hub_is_followed_by_one_of_those_it_stood_for():
    words = [f"w{i}" for i in range(60)]
    hub, alike = " ".join(words), [" ".join([*words, f"n{i}"]) for i in range(1000)]
    files = files_of(hub, *alike, *PLAIN)
    state = whole(files)
    assert state.survivors.collect()["kept_digest"].to_list() == [records.content_digest(hub)] * 1000
    update, _ = updated(files, state, {("first", "0000"): None})
    heir = min(records.content_digest(text) for text in alike)
    kept = {row["content_digest"]: row["kept_digest"] for row in update.survivors.added.iter_rows(named=True)}
    assert set(kept.values()) == {heir} and heir not in kept and len(kept) == 999
    assert len(update.pairs.added) == 999


def test_a_change_that_touches_nobody_reads_nothing_and_changes_nothing_else():
    files = files_of(*PLAIN)
    state = whole(files)
    update, fetched = updated(files, state, {("first", "0000"): None, ("third", "new"): "entirely other words"})
    assert [len(rows) for change in update for rows in change] == [0] * 6
    assert fetched == []


def test_another_copy_is_a_duplicate_of_the_first_place_and_reads_nothing():
    files = files_of(*PLAIN)
    state = whole(files)
    update, fetched = updated(files, state, {("third", "new"): PLAIN[7]})
    kept = records.doc_id("second", "0007")
    assert update.duplicates.added.rows() == [(records.doc_id("third", "new"), "third", kept, "second", "exact", 1.0)]
    assert (len(update.survivors.added), fetched) == (0, [])
    state = applied(state, update)
    update, fetched = updated(files, state, {("first", "a"): PLAIN[7]})
    first = records.doc_id("first", "a")
    assert sorted(update.duplicates.added.rows()) == sorted(
        (doc, source, first, "first", "exact", 1.0)
        for doc, source in ((kept, "second"), (records.doc_id("third", "new"), "third"))
    )


def test_a_hundred_thousand_more_copies_are_looked_at_once_and_read_nothing():
    files = files_of(*PLAIN)
    state = whole(files)
    update, fetched = updated(files, state, {("third", f"{i:06}"): PLAIN[7] for i in range(100_000)})
    assert update.duplicates.added["kept_id"].unique().to_list() == [records.doc_id("second", "0007")]
    assert (len(update.duplicates.added), len(update.survivors.added), fetched) == (100_000, 0, [])


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "word " * 100_000, "\ufffd\x00 \u202e a"])
def test_odd_texts_come_and_go(text):
    files = files_of(*PLAIN[:20])
    state = whole(files)
    update, _ = updated(files, state, {("third", "odd"): text, ("third", "again"): text})
    after = applied(state, update)
    assert [table.collect().rows() for table in after] == [table.collect().rows() for table in whole(files)]
    update, _ = updated(files, after, {("third", "odd"): None, ("third", "again"): None})
    assert [table.collect().rows() for table in applied(after, update)] == [table.collect().rows() for table in state]


def test_similarities_once_measured_are_not_measured_again():
    texts = ["a b c d e f g h", "a b c d e f g x", "a b c d e f y z", "a b c d q f y z"]
    files = files_of(*texts)
    state = whole(files)
    with never_the_whole():
        _, fetched = updated(files, state, {("second", "0001"): None})
    assert fetched == []


def sharing(*texts):
    """Whether the first text shares a band with each of the others."""
    first, *others = signed(list(texts), LOOSE.signature)["bands"].to_list()
    return [share_a_band(first, other) for other in others]


def test_one_that_was_compared_before_is_not_read_when_its_kept_one_goes():
    words = [f"w{i}" for i in range(10)]
    text, hub = " ".join(words), " ".join([*words, "x"])
    other = " ".join([*words[:6], *["z"] * 20, "z1", "z2", "z3"])  # repeats hide that 6 of 14 are too few
    assert sharing(text, hub, other) == [True, True]
    files = files_of(hub, text, other, *PLAIN[:20])
    state = whole(files)
    with never_the_whole():
        update, fetched = updated(files, state, {("first", "0000"): None})
    assert update.survivors.removed["content_digest"].to_list() == [records.content_digest(text)]
    assert fetched == []


def test_what_shares_a_band_with_an_addition_but_cannot_be_near_is_not_read():
    shared = [" ".join(f"{5 if (i + j) % 30 < 15 else i}x{j}" for j in range(30)) for i in range(300, 340)]
    assert any(sharing(PLAIN[5], *shared))
    files = files_of(*shared)
    state = whole(files)
    update, fetched = updated(files, state, {("third", "new"): PLAIN[5]})
    assert [len(rows) for change in update for rows in change] == [0] * 6
    assert fetched == []


def test_a_pair_goes_when_its_kept_content_stays_no_longer():
    fine = DeduplicationSettings(0.7, signature=SignatureSettings(shingle_words=1, bands=40, rows=1, threads=1))
    texts = ["a b c d e f g", "a b c d e f g h", "b c d e f g h"]  # the last is near to the second alone
    first, second, third = (records.content_digest(text) for text in texts)
    with never_the_whole(), patch(f"{__name__}.LOOSE", fine):
        files = Files()
        files.put({("second", "b"): texts[1], ("third", "c"): texts[2]})
        state = whole(files)
        assert state.pairs.collect().rows() == [(third, second, 7 / 8)]
        update, _ = updated(files, state, {("first", "a"): texts[0]})
        expected = sorted([(second, first, 7 / 8), (third, first, 6 / 8)])
        assert applied(state, update).pairs.collect().rows() == expected


def test_other_evidence_moves_survivors_and_reads_nothing_again():
    texts = [PLAIN[0], PLAIN[0] + " end", *PLAIN[1:]]
    first, second = (records.content_digest(text) for text in texts[:2])
    files = Files(replace(LOOSE, policy=("quality", "source")))
    files.put({("first" if i == 0 else "second", f"{i:04}"): text for i, text in enumerate(texts)})
    state = whole(files)
    assert state.survivors.collect().select("content_digest", "kept_digest").rows() == [(second, first)]
    moved = files.put({}, {texts[0]: (2, None), texts[1]: (1, None)})
    fetched, fetch = counting(sorted(set(texts)))
    update = update_duplicates(state, files.corpus(fetch), moved, files.wanted)
    assert applied(state, update).survivors.collect().select("content_digest", "kept_digest").rows() == [
        (first, second)
    ]
    assert sorted(fetched) in ([], sorted([first, second])), "the pair is measured the other way round at most"

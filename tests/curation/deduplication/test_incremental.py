import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import records
from curation.deduplication import DeduplicationSettings, SignatureSettings
from curation.deduplication.duplicates import fetching
from curation.deduplication.incremental import EMPTY, SurvivorState, update_survivors
from curation.deduplication.survivors import CANDIDATES
from tests.curation.deduplication.reference import signed

# Few words, so that most texts share a band with many others and a change runs on through several of them.
WORDS = st.lists(st.sampled_from("abcd"), min_size=3, max_size=8).map(" ".join)
POOL = st.lists(
    st.one_of(WORDS, WORDS.map(lambda t: t.replace(" ", "  ")), st.sampled_from(["", " ", "!", "! "])),
    min_size=3,
    max_size=12,
    unique=True,
)
LOOSE = DeduplicationSettings(threshold=0.45, signature=SignatureSettings(shingle_words=1, bands=6, rows=2, threads=1))


def table_of(texts, ranks):
    digests = pl.Series("content_digest", [records.content_digest(text) for text in texts], pl.String)
    names = pl.DataFrame([digests, pl.Series("source_rank", ranks, pl.Int64)])
    return names.join(signed(texts, LOOSE.signature), on="content_digest").select(CANDIDATES.names()).cast(CANDIDATES)


def applied(state, changes):
    tables = []
    for table, change in zip(state, changes, strict=True):
        key = [name for name in table.columns if name.endswith("_digest") and name != "normal_digest"]
        key = key if table is state.pairs else ["content_digest"]
        assert len(change.removed.join(table, on=key, how="semi")) == len(change.removed), "removes what is not there"
        rest = table.join(change.removed, on=key, how="anti")
        assert rest.join(change.added, on=key, how="semi").is_empty(), "adds what is there"
        assert change.added.join(table, on=table.columns, how="semi", nulls_equal=True).is_empty(), (
            "adds what was so before"
        )
        tables.append(pl.concat([rest, change.added]).sort(key))
    return SurvivorState(*tables)


def fetch_of(texts):
    return fetching(pl.DataFrame({"content_digest": [records.content_digest(t) for t in texts], "text": texts}))


def follow_a_schedule(texts, data):
    """Add, remove and re-rank at random, and compare with one run over the whole after each step."""
    there, state = {}, EMPTY
    for _ in range(data.draw(st.integers(1, 4))):
        come = data.draw(st.dictionaries(st.sampled_from(texts), st.integers(0, 2)))
        go = {text for text in there if text in come or data.draw(st.booleans())}
        there = {text: rank for text, rank in there.items() if text not in go} | come
        removed = pl.DataFrame(
            {"content_digest": [records.content_digest(t) for t in go]}, schema={"content_digest": pl.String}
        )
        state = applied(
            state,
            update_survivors(state, table_of(list(come), list(come.values())), removed, fetch_of(list(there)), LOOSE),
        )
        whole = applied(
            EMPTY,
            update_survivors(
                EMPTY, table_of(list(there), list(there.values())), removed.head(0), fetch_of(list(there)), LOOSE
            ),
        )
        assert state.survivors.equals(whole.survivors)
        assert state.pairs.equals(whole.pairs)


@settings(max_examples=150, deadline=None)
@given(POOL, st.data())
def test_any_schedule_of_updates_gives_what_one_run_gives(texts, data):
    follow_a_schedule(texts, data)


@pytest.mark.long
@settings(max_examples=6000, deadline=None)
@given(POOL, st.data())
def test_thousands_of_schedules_give_what_one_run_gives(texts, data):
    follow_a_schedule(texts, data)


def counting(texts):
    fetched, fetch = [], fetch_of(texts)

    def count(digests):
        fetched.extend(digests)
        return fetch(digests)

    return fetched, count


NOTHING = pl.DataFrame(schema={"content_digest": pl.String})
PLAIN = [" ".join(f"{i}x{j}" for j in range(30)) for i in range(300)]


def test_an_addition_reads_only_what_it_may_double():
    state = applied(EMPTY, update_survivors(EMPTY, table_of(PLAIN, [0] * 300), NOTHING, fetch_of(PLAIN), LOOSE))
    copy = PLAIN[5] + " end"
    fetched, fetch = counting([*PLAIN, copy])
    changes = update_survivors(state, table_of([copy], [1]), NOTHING, fetch, LOOSE)
    assert changes.survivors.added["kept_digest"].to_list() == [records.content_digest(PLAIN[5])]
    assert changes.survivors.removed.is_empty()
    assert sorted(fetched) == sorted(records.content_digest(text) for text in (PLAIN[5], copy))


def test_a_removed_hub_is_followed_by_one_of_those_it_stood_for():
    words = [f"w{i}" for i in range(60)]
    hub, alike = " ".join(words), [" ".join([*words, f"n{i}"]) for i in range(1000)]
    texts = [hub, *alike, *PLAIN]
    state = applied(EMPTY, update_survivors(EMPTY, table_of(texts, [0, *[1] * 1300]), NOTHING, fetch_of(texts), LOOSE))
    assert state.survivors["kept_digest"].drop_nulls().to_list() == [records.content_digest(hub)] * 1000
    gone = pl.DataFrame({"content_digest": [records.content_digest(hub)]})
    changes = update_survivors(state, table_of([], []), gone, fetch_of([*alike, *PLAIN]), LOOSE)
    heir = min(records.content_digest(text) for text in alike)
    assert changes.survivors.added.filter(pl.col("kept_digest").is_null())["content_digest"].to_list() == [heir]
    assert len(changes.pairs.added) == 999


def test_a_change_that_touches_nobody_reads_nothing_and_changes_nothing_else():
    state = applied(EMPTY, update_survivors(EMPTY, table_of(PLAIN, [0] * 300), NOTHING, fetch_of(PLAIN), LOOSE))
    fetched, fetch = counting([*PLAIN, "entirely other words"])
    gone = pl.DataFrame({"content_digest": [records.content_digest(PLAIN[0])]})
    changes = update_survivors(state, table_of(["entirely other words"], [0]), gone, fetch, LOOSE)
    assert (len(changes.survivors.added), changes.survivors.removed.rows(), fetched) == (1, gone.rows(), [])


def test_similarities_once_measured_are_not_measured_again():
    texts = ["a b c d e f g h", "a b c d e f g x", "a b c d e f y z", "a b c d q f y z"]
    state = applied(EMPTY, update_survivors(EMPTY, table_of(texts, [0, 1, 2, 3]), NOTHING, fetch_of(texts), LOOSE))
    gone = pl.DataFrame({"content_digest": [records.content_digest(texts[1])]})
    fetched, fetch = counting(texts)
    update_survivors(state, table_of([], []), gone, fetch, LOOSE)
    assert fetched == []


def test_a_content_cannot_be_added_twice():
    state = applied(EMPTY, update_survivors(EMPTY, table_of(["a b"], [0]), NOTHING, fetch_of(["a b"]), LOOSE))
    with pytest.raises(ValueError, match="is added but there already; remove it in the same update"):
        update_survivors(state, table_of(["a b"], [0]), NOTHING, fetch_of(["a b"]), LOOSE)


def test_a_pair_goes_when_its_kept_content_stays_no_longer():
    fine = DeduplicationSettings(0.7, signature=SignatureSettings(shingle_words=1, bands=40, rows=1))
    texts = ["a b c d", "a b c d e", "e f g h"]  # the last shares a word, and so a band, with the second alone
    first, second, third = (records.content_digest(text) for text in texts)
    table = table_of(texts, [0, 1, 2]).drop("bands")
    table = table.join(signed(texts, fine.signature).select("content_digest", "bands"), on="content_digest")
    state = applied(
        EMPTY, update_survivors(EMPTY, table.filter(pl.col("source_rank") > 0), NOTHING, fetch_of(texts), fine)
    )
    assert state.pairs.rows() == [(third, second, 1 / 8)]
    state = applied(
        state, update_survivors(state, table.filter(pl.col("source_rank") == 0), NOTHING, fetch_of(texts), fine)
    )
    assert state.pairs.rows() == [(second, first, 4 / 5)]

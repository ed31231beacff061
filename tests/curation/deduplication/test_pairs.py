from hypothesis import given, settings
from hypothesis import strategies as st

import records
from curation.deduplication import DeduplicationSettings, SignatureSettings
from curation.deduplication.incremental import update_duplicates
from curation.deduplication.settings import POLICY
from tests.curation.deduplication.reference import kept_neighbours, signed
from tests.curation.deduplication.test_incremental import (
    LOOSE,
    MEASURED,
    POOL,
    SOURCES,
    Files,
    applied,
    never_the_whole,
    whole,
)

POLICIES = st.lists(st.sampled_from(POLICY), max_size=3, unique=True)
SPOTS = st.tuples(st.sampled_from(SOURCES), st.sampled_from("abcdef"))
WIDER = SignatureSettings(shingle_words=2, bands=6, rows=1, threads=1)
WANTED = st.one_of(
    POLICIES.map(lambda policy: DeduplicationSettings(LOOSE.threshold, tuple(policy), LOOSE.signature)),
    POLICIES.map(lambda policy: DeduplicationSettings(0.5, tuple(policy), WIDER)),
)


def in_order(files):
    """(digest, text, bands) of the contents of a corpus, in the order of its policy."""
    ranks = {}
    for (source, _), text in files.texts.items():
        ranks[text] = min(SOURCES.index(source), ranks.get(text, len(SOURCES)))
    bands = dict(signed(list(ranks), files.wanted.signature).select("content_digest", "bands").iter_rows())

    def rank(text):
        failing, share = files.measured.get(text, (None, None))
        keys = {
            "source": ranks[text],
            "longest": -len(text),
            "newest": 0,  # no place has a date
            "quality": float("inf") if failing is None else failing,
            "contamination": float("inf") if share is None else share,
        }
        return (*(keys[key] for key in files.wanted.policy), records.content_digest(text))

    digests = {text: records.content_digest(text) for text in ranks}
    return [(digests[text], text, bands[digests[text]]) for text in sorted(ranks, key=rank)]


@settings(max_examples=60, deadline=None)
@given(POOL, WANTED, st.data())
def test_pairs_are_all_kept_neighbours_and_no_others_also_after_updates(texts, wanted, data):
    changed = st.dictionaries(SPOTS, st.none() | st.sampled_from(texts), min_size=1, max_size=12)
    files = Files(wanted)
    files.put(data.draw(changed))
    state = whole(files)
    assert sorted(state.pairs.collect().rows()) == kept_neighbours(in_order(files), wanted)
    for _ in range(2):
        moved = files.put(data.draw(changed), data.draw(st.dictionaries(st.sampled_from(texts), MEASURED, max_size=3)))
        with never_the_whole():
            state = applied(state, update_duplicates(state, files.corpus(), moved, wanted))
        assert sorted(state.pairs.collect().rows()) == kept_neighbours(in_order(files), wanted)

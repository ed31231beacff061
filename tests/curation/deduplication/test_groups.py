import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import records
from curation.deduplication import GroupSettings, SignatureSettings, near_duplicate_groups
from tests.curation.deduplication import reference

TEXT = st.lists(st.sampled_from("abcde"), max_size=12).map(" ".join)
LOOSE = GroupSettings(0.5, SignatureSettings(shingle_words=2, bands=8, rows=2))


def frame(texts):
    digests = [records.content_digest("null" if text is None else text) for text in texts]
    return pl.DataFrame(
        {"content_digest": digests, "text": texts}, schema={"content_digest": pl.String, "text": pl.String}
    )


def slowly(texts, settings):
    """Groups by comparing all with all until nothing moves."""
    evidence = dict(reference.signed(texts, settings.signature).select("content_digest", "bands").iter_rows())
    names = {records.content_digest("null" if text is None else text): text for text in texts}
    group = {name: name for name in names}
    moved = True
    while moved:
        moved = False
        for a in names:
            for b in names:
                same = names[a] is not None and reference.normal(names[a]) == reference.normal(names[b])
                similar = reference.jaccard(
                    *(reference.shingles(names[x], settings.signature.shingle_words) for x in (a, b))
                )
                near = similar >= settings.threshold and reference.share_a_band(evidence[a], evidence[b])
                if (same or near) and group[a] < group[b]:
                    group[b] = group[a]
                    moved = True
    return group


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), TEXT, TEXT.map(lambda t: t.replace(" ", "  "))), max_size=12))
def test_groups_are_the_closure_of_the_pairs(texts):
    found = near_duplicate_groups(frame(texts), LOOSE)
    assert dict(found.iter_rows()) == slowly(texts, LOOSE)
    assert near_duplicate_groups(frame(texts[::-1]), LOOSE).equals(found)


def test_many_alike_are_one_group_and_the_rest_stand_alone():
    alike = [f"def load(path): return read(path, mode={i}) or read(path) or default or other" for i in range(2000)]
    others = [" ".join(f"{i}x{j}" for j in range(12)) for i in range(200)]
    found = near_duplicate_groups(frame(alike + others), GroupSettings())
    assert found["group"].n_unique() == 201
    assert found.group_by("group").len()["len"].max() == 2000


def test_texts_at_exactly_the_threshold_belong_together():
    words = [f"w{i}" for i in range(25)]
    settings = GroupSettings(0.56, SignatureSettings(shingle_words=1, bands=160, rows=1))
    found = near_duplicate_groups(frame([" ".join(words[:14]), " ".join(words)]), settings)
    assert found["group"].n_unique() == 1

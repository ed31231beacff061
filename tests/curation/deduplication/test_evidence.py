import random
import unicodedata

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.deduplication import DeduplicationSettings, SignatureSettings, signatures
from curation.deduplication.evidence import words_of
from curation.deduplication.shingles import shingle_sets
from curation.deduplication.text_kernels import COMPOSES
from curation.deduplication.texts import texts_of
from curation.deduplication.unicode_tables import unicode_tables
from records import content_digest
from tests.curation.deduplication import reference
from tests.curation.deduplication.reference import signed

TEXTS = st.lists(
    st.one_of(
        st.none(),
        st.text(max_size=60),
        st.text(st.sampled_from("aAbß İŉﬁ\u0301\u0327éΣς\u1100\u1161\u11a8가\t\n\u2003\u00a0_9٣𐐀-."), max_size=40),
    ),
    max_size=8,
)
SMALL = SignatureSettings(shingle_words=2, bands=3, rows=2)


def batch(texts, kind=None):
    kind = kind or pa.string()
    names = pa.array([str(i) for i in range(len(texts))], pa.string())
    return pa.record_batch({"content_digest": names, "text": pa.array(texts, kind)})


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_a_text_has_the_words_the_shingles_and_the_normal_form_that_python_finds(texts):
    rows = signatures(batch(texts), SMALL).to_pylist()
    sets = shingle_sets(pa.array(texts, pa.string()), SMALL)
    whole = {}
    for text, row, size, words in zip(texts, rows, sets.sizes, word_counts(texts), strict=True):
        expected = reference.shingles(text, 2)
        assert words == sum(1 for _ in reference.re.findall(r"\w+", unicodedata.normalize("NFC", text or "")))
        assert size == len(expected) <= row["n_shingles"] <= words
        assert (row["bands"] == b"") == (not expected)
        assert (row["normal_digest"] is None) == (text is None)
        if text is not None:
            assert row["n_characters"] == len(unicodedata.normalize("NFC", text))
            assert whole.setdefault(reference.normal(text), row["normal_digest"]) == row["normal_digest"]
    assert len(set(whole.values())) == len(whole)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_shingle_sets_meet_where_pythons_do(texts):
    sets = shingle_sets(pa.array(texts, pa.string()), SMALL)
    ours = [set(sets.hashes[s : s + n].tolist()) for s, n in zip(sets.starts, sets.sizes, strict=True)]
    theirs = [reference.shingles(text, 2) for text in texts]
    for i in range(len(texts)):
        for j in range(i):
            assert len(ours[i] & ours[j]) == len(theirs[i] & theirs[j])


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 4), st.integers(0, 8))
def test_a_row_depends_on_its_text_alone(texts, threads, cut):
    together = signatures(batch(texts), SMALL)
    threaded = signatures(batch(texts), SignatureSettings(shingle_words=2, bands=3, rows=2, threads=threads))
    apart = [signatures(batch(texts).slice(at, 1), SMALL).to_pylist()[0] for at in range(len(texts))]
    assert threaded.to_pylist() == together.to_pylist() == apart
    assert signatures(batch(texts).slice(cut), SMALL).to_pylist() == apart[cut:]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()])
def test_every_arrow_type_of_text_reads_alike(kind):
    texts = ["one two three", None, "", "e\u0301tat é"]
    values = [text if text is None or not pa.types.is_binary(kind) else text.encode() for text in texts]
    assert signatures(batch(values, kind), SMALL).to_pylist() == signatures(batch(texts), SMALL).to_pylist()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_arrow_type_of_digest_reads_alike(kind):
    """Also where the rows are some of a larger batch."""
    texts = ["one of them", "and another", "a third"]
    names = pa.array([content_digest(text) for text in texts])
    given_names = pa.RecordBatch.from_arrays([names.cast(kind), pa.array(texts)], ["content_digest", "text"])
    for place in range(3):
        found = signatures(given_names.slice(place, 2), SMALL)
        assert found["content_digest"].to_pylist() == names.to_pylist()[place : place + 2]


def test_bytes_that_are_no_utf8_end_a_word_and_harm_nothing():
    broken = [
        b"a b\xff c",
        "a b\ud800 c".encode("utf-8", "surrogatepass"),
        b"\xc3",
        b"e\xcc\x81 \xf4\x90\x80\x80",
        b"\xe2\x82",
    ]
    rows = signatures(batch(broken, pa.binary()), SMALL).to_pylist()
    assert word_counts(broken, pa.binary()) == [3, 3, 0, 1, 0]
    assert len({row["normal_digest"] for row in rows}) == 5
    assert rows[0]["bands"] == rows[1]["bands"] == signatures(batch(["a b c"]), SMALL).to_pylist()[0]["bands"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_ends_of_blocks_do_not_show(data):
    """Words, white space and other scripts across the 64 bytes that are looked at together, and words longer than those."""
    piece = st.sampled_from(
        ["a" * 63, "B" * 64, "c" * 200, "d" * 17, " " * 61, "\n \t", "é", "ß-ﬁ", "İx", "中文", "\u2003", "e.", "_9 "]
    )
    text = "".join(data.draw(st.lists(piece, max_size=30)))
    row, shift = signatures(batch([text]), SMALL).to_pylist()[0], data.draw(st.integers(0, 70))
    words = reference.re.findall(r"\w+", unicodedata.normalize("NFC", text))
    assert word_counts([text]) == [len(words)]
    assert row["n_characters"] == len(unicodedata.normalize("NFC", text))
    plain = signatures(batch([" ".join(words), " " * shift + text]), SMALL).to_pylist()
    assert [other["bands"] for other in plain] == [row["bands"]] * 2
    assert plain[1]["normal_digest"] == row["normal_digest"]


def test_a_word_of_megabytes_is_one_word_whatever_stands_before_it():
    long = "x" * 100_003
    first, second, other = signed([f"a {long} b", f"a{' ' * 77}{long.upper()} b", f"a {long}x b"])["bands"].to_list()
    assert first == second != other


def test_the_digest_of_a_normalised_text_is_murmur3():
    assert signed(["hello, \n world", ""])["normal_digest"].to_list() == ["342fac623a5ebc8e4cdcbc079642414d", "0" * 32]


def test_code_points_that_nfc_may_change_are_all_looked_at():
    marked = unicode_tables().kinds & COMPOSES
    for point in range(0x300, len(marked)):
        if not 0xAC00 <= point < 0xD7A4 and not 0xD800 <= point < 0xE000:
            assert marked[point] or (
                not unicodedata.combining(chr(point)) and unicodedata.is_normalized("NFC", chr(point))
            )


def test_a_null_column_and_an_empty_batch_have_signatures():
    assert signatures(batch([None, None], pa.null()), SMALL).column("bands").to_pylist() == [b"", b""]
    assert signatures(batch([]), SMALL).num_rows == 0


def test_blocks_of_a_long_text_do_not_show():
    words = [f"w{i}" for i in range(20_000)]
    text, k = " ".join(words), 5
    sizes = shingle_sets(pa.array([text, text + " ."]), SignatureSettings()).sizes
    assert sizes.tolist() == [len(words) - k + 1] * 2
    first, second = signed([text, "  ".join(words)])["bands"].to_list()
    assert first == second
    repeated = [" ".join(words[:n] * (60_000 // n)) for n in (1, 2, 3000)]
    assert word_counts(repeated) == [60_000] * 3
    periodic = signed(repeated)
    assert periodic["n_shingles"].to_list()[:2] == [1, 2] and 3_000 <= periodic["n_shingles"][2] < 60_000
    once = signed([" ".join(["w0"] * 5), " ".join((words[:2] * 3)[:6]), " ".join((words[:3000] * 2)[:3004])])
    assert periodic["bands"].to_list() == once["bands"].to_list()


@pytest.mark.parametrize("size", [5, 20, 150, 1500])
def test_bins_of_the_sketch_agree_as_often_as_the_texts_are_similar(size):
    seeded, one_bin_a_band = random.Random(size), SignatureSettings(shingle_words=1, bands=2000, rows=1)
    for share in (0.3, 0.8):
        common = max(1, round(2 * size * share / (1 + share)))
        words = seeded.sample(range(10**9), 2 * size - common)
        a, b = words[:size], words[:common] + words[size:]
        true = common / len(words)
        left, right = (
            np.frombuffer(bands, "<u4")
            for bands in signed([" ".join(map(str, t)) for t in (a, b)], one_bin_a_band)["bands"]
        )
        assert 0 < true < 1
        assert abs(np.mean(left == right) - true) < 4 * (true * (1 - true) / 2000) ** 0.5


@settings(max_examples=200, deadline=None)
@given(*[st.lists(st.integers(0, 60), max_size=400)] * 2, st.integers(1, 3))
def test_odd_sketches_differ_in_no_more_bits_than_shingles_stand_in_one_text_alone(a, b, repeats):
    texts = [" ".join(map(str, words)) for words in (a * repeats, b)]
    rows = signed_rows(texts, SMALL)
    odd = [int.from_bytes(row, "little") for row in rows["odd_sketch"]]
    for text, n_shingles in zip(texts, rows["n_shingles"], strict=True):
        assert len(reference.shingles(text, 2)) <= n_shingles <= len(text.split())
    alone = reference.shingles(texts[0], 2) ^ reference.shingles(texts[1], 2)
    assert (odd[0] ^ odd[1]).bit_count() <= len(alone)


def test_odd_sketches_of_texts_that_differ_much_differ_in_many_bits():
    words = [str(i) for i in range(300)]
    rows = signed_rows([" ".join(words), " ".join([*words[:150], *map(str, range(900, 1050))])])["odd_sketch"]
    first, second = (int.from_bytes(row, "little") for row in rows)
    assert 200 < (first ^ second).bit_count() <= 308  # 154 shingles in each alone, in 1024 bits


def test_shingles_that_come_again_from_afar_may_be_counted_again_and_none_is_missed():
    words = [str(i) for i in range(9_000)]
    (n_shingles,) = signed_rows([" ".join([*words, *words])])["n_shingles"]
    assert 9_004 - 4 <= n_shingles <= 2 * 9_000 - 4


def word_counts(texts, kind=None):
    column = batch(texts, kind).column("text")
    return words_of(texts_of(column), SMALL).counts.tolist()


def signed_rows(texts, settings=None):
    return signatures(batch(texts), settings or SignatureSettings()).to_pydict()


@pytest.mark.parametrize("threshold", [0.8, 0.6, 0.3])
def test_recall_of_pairs_at_the_threshold_is_what_the_bands_promise(threshold):
    seeded, texts = random.Random(5), []
    for _ in range(1500):
        n = seeded.choice([12, 60, 300])
        words = [str(seeded.randrange(10**6)) for _ in range(n)]
        cut = max(1, int((n - 4) * (1 - threshold) / (1 + threshold)))
        texts += [" ".join(words), " ".join(words[:-cut] + [f"x{i}" for i in range(cut)])]
    frame = signed(texts, DeduplicationSettings(threshold).signature)["bands"].to_list()
    similar = [
        reference.share_a_band(frame[i], frame[i + 1])
        for i in range(0, len(texts), 2)
        if reference.jaccard(reference.shingles(texts[i], 5), reference.shingles(texts[i + 1], 5)) >= threshold
    ]
    assert len(similar) > 900
    assert sum(similar) / len(similar) >= 0.985


def test_seed_and_shingle_width_enter_the_bands_but_not_the_digest():
    text = ["some seven words that make three shingles"]
    plain = signed(text)
    for other in (SignatureSettings(seed=1), SignatureSettings(shingle_words=4), SignatureSettings(rows=5)):
        assert signed(text, other)["bands"].item() != plain["bands"].item()
        assert signed(text, other)["normal_digest"].item() == plain["normal_digest"].item()


def test_without_normalising_a_text_is_its_bytes():
    apart = signed(["a  b", "a b", "e\u0301", "\u00e9"], SignatureSettings(normalise=False))
    assert apart["normal_digest"].n_unique() == 4
    assert signed(["a  b", "a b", "e\u0301", "\u00e9"])["normal_digest"].n_unique() == 2


def test_the_sketch_is_the_same_on_every_machine():
    wide = SignatureSettings(bands=20, rows=6)
    row = signed(["The quick brown fox jumps over the lazy dog, ÄÖÜ straße 中文 と"], wide).row(0, named=True)
    assert (row["normal_digest"], row["n_shingles"], row["n_characters"]) == ("6a1e1088040f8e52dafb2302908ba359", 9, 60)
    assert row["bands"][:12].hex() == "e5d5e96964f4e2e98bb643d7"


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="bands: -1 is too small"):
        SignatureSettings(bands=-1)
    with pytest.raises(ValueError, match=r"threshold: to find 98\.5% .* give a higher threshold, or both"):
        DeduplicationSettings(threshold=1e-4)
    with pytest.raises(ValueError, match="bands: 5000 of 7 rows are over 4,096 hashes"):
        SignatureSettings(bands=5000, rows=7)


@settings(max_examples=300, deadline=None)
@given(st.floats(0.002, 1), st.sampled_from([(0, 0), (0, 0), (20, 0), (60, 0), (0, 3), (0, 7), (3, 4)]))
def test_bands_that_nobody_names_are_chosen_for_the_threshold(threshold, named):
    try:
        chosen = DeduplicationSettings(threshold, signature=SignatureSettings(bands=named[0], rows=named[1])).signature
    except ValueError:
        assert named != (0, 0)
        return
    bands, rows = chosen.bands, chosen.rows
    assert (named[0] or bands, named[1] or rows) == (bands, rows)
    assert all(named) or 1 - (1 - threshold**rows) ** bands >= 0.985
    if not any(named):
        assert DeduplicationSettings(max(0.1, int(threshold * 10) / 10)).signature == chosen or threshold < 0.1
        assert threshold < 0.8 or (bands, rows) == (18, 7)


def test_frames_of_polars_pass_through():
    frame = pl.DataFrame({"content_digest": ["x"], "text": ["one two"]})
    assert signatures(frame.to_arrow().to_batches()[0], SMALL).num_rows == 1

"""Text that is not English: letters, words, punctuation and the ends of sentences by Unicode, in every measure."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

from curation.decontamination import MatchSettings, contamination
from curation.fineweb import FineWebRules
from curation.gopher import GopherRules
from curation.lines import lines
from curation.privacy import FindSettings, personal_data
from curation.quality import QualitySettings, quality
from curation.refinedweb import RefinedWebLines
from curation.rule_sets import RuleSet
from curation.verdicts import decide
from tests.curation.decontamination.test_contamination import items_of
from tests.curation.language.sentences import SENTENCES

SPACED, UNSPACED = ("el", "ru", "ar", "hi"), ("zh", "ja", "th")
SAMPLES = {
    "el": ("Πού είναι το βιβλίο; Το βιβλίο είναι εδώ. Καλημέρα!", 9, 2),
    "ru": ("Где книга? Книга здесь. Привет!", 5, 3),
    "ar": ("أين الكتاب؟ الكتاب هنا. مرحبا!", 5, 3),
    "hi": ("किताब कहाँ है? किताब यहाँ है। नमस्ते!", 7, 3),
    "zh": ("书在哪里？书在这里。你好！", 5, 3),
    "ja": ("本はどこですか？本はここです。こんにちは！", 10, 3),
    "th": ("หนังสืออยู่ที่ไหน หนังสืออยู่ที่นี่ สวัสดี", 11, 0),
}
"""A text, its words with a letter (pieces of two characters in Chinese and Japanese, of four in Thai), and its sentences: the
Greek question mark is a semicolon and ends none, Thai writes no mark at all."""


def contents(*texts: str) -> pa.RecordBatch:
    digests = [f"{number:032x}" for number in range(len(texts))]
    return pa.RecordBatch.from_pydict({"content_digest": digests, "text": pa.array(texts, pa.large_string())})


def measured(text: str) -> dict:
    (row,) = quality(contents(text), QualitySettings()).to_pylist()
    return row


@pytest.mark.parametrize("code", SAMPLES)
def test_words_letters_and_sentences_are_those_of_the_script(code):
    text, words, sentences = SAMPLES[code]
    row = measured(text)
    assert (row["n_plain_words"], row["clean_sentences"], row["n_chars"]) == (words, sentences, len(text))
    assert row["terminal_line_share"] == (code != "th")


@pytest.mark.parametrize("code", SPACED)
def test_words_between_spaces_have_a_length_and_may_be_stop_words(code):
    row = measured(SAMPLES[code][0])
    assert (row["unspaced_word_share"], row["stop_words"], row["alpha_word_share"]) == (0, 0, 1)
    assert 2 < row["mean_word_length"] < 9


@pytest.mark.parametrize("code", UNSPACED)
def test_where_no_spaces_are_the_signals_of_words_themselves_are_null(code):
    row = measured(SAMPLES[code][0])
    assert row["unspaced_word_share"] > 0.5
    assert (row["mean_word_length"], row["stop_words"], row["alpha_word_share"]) == (None, None, None)


@pytest.mark.parametrize("code", SAMPLES)
def test_running_text_passes_but_for_rules_that_are_of_english(code):
    """English stop words are not in it; lines of a script without marks do not end like sentences."""
    evidence = quality(contents(f"{SENTENCES[code]}\n{SAMPLES[code][0]}"), QualitySettings())
    digests = evidence.column("content_digest").to_pylist()
    documents = pl.DataFrame({"doc_id": digests, "content_digest": digests})
    none = pl.DataFrame(schema={"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float64})
    short = GopherRules(min_words=5, max_top_2gram_characters=1, max_top_3gram_characters=1, max_top_4gram_characters=1)
    rules = (RuleSet(gopher=short), RuleSet(fineweb=FineWebRules(max_short_lines=1)))
    table = decide(documents, none, {"quality": pl.DataFrame(pl.from_arrow(evidence))}, rules).table
    expected = ["gopher.min_stop_words"] if code in SPACED else ["fineweb.min_terminal_lines"] if code == "th" else []
    assert table["rules"].to_list() == [expected]


@pytest.mark.parametrize("code", SAMPLES)
def test_the_line_rules_count_the_same_words_and_cut_no_running_text(code):
    text = SENTENCES[code]
    (row,) = lines(contents(text), RefinedWebLines()).to_pylist()
    assert row["n_words"] == measured(text)["n_words"]
    assert row["spans"] == []


@pytest.mark.parametrize("code", SAMPLES)
def test_personal_data_is_found_in_any_script(code):
    before, after = SENTENCES[code], SAMPLES[code][0]
    (row,) = personal_data(
        contents(f"{before} ann.lee@example.org, +49 30 1234567 {after}"), FindSettings()
    ).to_pylist()
    text = f"{before} ann.lee@example.org, +49 30 1234567 {after}".encode()
    assert [text[span["start"] : span["end"]] for span in row["spans"]] == [b"ann.lee@example.org", b"+49 30 1234567"]


@pytest.mark.parametrize("code", SAMPLES)
def test_an_evaluation_item_is_found_in_any_script(code):
    item = SENTENCES[code]
    others = [SENTENCES[other] for other in SENTENCES if other != code]
    clean, *held = contamination(
        contents(" ".join(others), f"{SAMPLES[code][0]}\n{item.replace(' ', '  ')}\n{others[0]}"),
        items_of([item]),
        MatchSettings(),
    ).to_pylist()
    assert (clean["share"], held[0]["share"]) == (0, 1)

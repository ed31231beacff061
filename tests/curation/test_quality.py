"""Quality signals: against a plain slow reading of what each one says, on any Unicode text."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.gopher import BULLETS, STOP_WORDS
from curation.quality import SIGNALS, QualitySettings, quality

SETTINGS = QualitySettings()
PIECES = [
    " ",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\u2028",
    "\x85",
    "\x1c",
    "\u3000",
    "\xa0",
    "...",
    "…",
    ".",
    "!",
    "?",
    "。",
    "#",
    "{",
    "}",
]
PIECES += [
    "- ",
    "• ",
    "the",
    "THE",
    "And",
    "Javascript",
    "lorem ipsum",
    "Lorem Ipsum",
    "word",
    "été",
    "слово",
    "字",
    "ก็",
    "😀",
    "\ufeff",
    "12",
    '"',
    "”",
    ")",
]
TEXTS = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES)).map("".join),
    st.lists(st.sampled_from(["a b c.\n", "\n", "a b c.", "x\n"])).map("".join),
)
TERMINALS, WIDE, QUOTES = ".!?…\u061f\u06d4।॥", "。！？．", "\"'’”»」』"
CLOSERS = QUOTES + ")]}"


def measured(texts: list[str], settings: QualitySettings = SETTINGS) -> list[dict]:
    digests = [f"{number:032x}" for number in range(len(texts))]
    contents = pa.RecordBatch.from_pydict(
        {"content_digest": pa.array(digests, pa.string()), "text": pa.array(texts, pa.large_string())}
    )
    answer = quality(contents, settings)
    assert answer.schema.names == ["content_digest", *SIGNALS]
    assert answer.column("content_digest").to_pylist() == digests
    return [{name: row[name] for name in SIGNALS} for row in answer.to_pylist()]


def share(part: int, whole: int) -> float:
    return part / max(whole, 1)


def repeated(units: list[str], chars: list[int]) -> tuple[int, int]:
    """How many units occurred before, and the characters in them."""
    again = [unit in units[:number] for number, unit in enumerate(units)]
    return sum(again), sum(size for size, known in zip(chars, again, strict=True) if known)


def paragraphs_of(lines: list[str]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for line in lines:
        found = [*found[:-1], (*found[-1], line.strip())] if line.strip() else [*found, ()]
    return [paragraph for paragraph in found if paragraph]


def sentences_in(line: str) -> int:
    ended = [word.rstrip(CLOSERS)[-1:] for word in line.split()]
    return sum(mark != "" and mark in TERMINALS for mark in ended) + sum(char in WIDE for char in line)


def is_clean(line: str) -> bool:
    last = line.rstrip(")]}")[-1:] if line[-1] in ")]}" else line[-1]
    return (
        last != ""
        and last in TERMINALS + WIDE + QUOTES
        and len(line.split()) >= 3
        and "javascript" not in ascii_lower(line)
    )


def ascii_lower(text: str) -> str:
    return re.sub("[A-Z]", lambda found: found[0].lower(), text)


def plainly(text: str) -> dict:
    """The signals in the words of their descriptions."""
    words, lines = text.split(), text.splitlines()
    full = [line.strip() for line in lines if line.strip()]
    paragraphs = paragraphs_of(lines)
    repeated_lines, line_chars = repeated(full, [len(line) for line in full])
    repeated_paragraphs, paragraph_chars = repeated(paragraphs, [sum(map(len, lines)) for lines in paragraphs])
    clean = [line for line in full if is_clean(line)]
    return {
        "n_chars": len(text),
        "n_words": len(words),
        "n_lines": len(lines),
        "mean_word_length": share(sum(map(len, words)), len(words)),
        "symbol_word_ratio": max(
            share(text.count("#"), len(words)), share(text.count("...") + text.count("…"), len(words))
        ),
        "bullet_line_share": share(sum(line.lstrip().startswith(BULLETS) for line in lines), len(lines)),
        "ellipsis_line_share": share(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)),
        "alpha_word_share": share(sum(any(char.isalpha() for char in word) for word in words), len(words)),
        "stop_words": len({ascii_lower(word) for word in words} & set(STOP_WORDS)),
        "duplicate_line_share": share(repeated_lines, len(full)),
        "duplicate_line_char_share": share(line_chars, len(text)),
        "duplicate_paragraph_share": share(repeated_paragraphs, len(paragraphs)),
        "duplicate_paragraph_char_share": share(paragraph_chars, len(text)),
        "clean_line_share": share(len(clean), len(full)),
        "clean_sentences": sum(sentences_in(line) for line in clean),
        "curly_brackets": text.count("{"),
        "lorem_ipsums": ascii_lower(text).count("lorem ipsum"),
    }


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4))
@example(["a\r", "\nb", "\r\n\r\n", "\r\r\n"])
@example(["a b .)", 'He said "go."\n', "(a b c.)", "a b )", "x y z )”", "。。。", ". . .", "....", "......"])
@example(["a\n\na", "a\n\n\na\nb\n\na\nb", "\n\n", "x", "", " "])
def test_every_signal_is_what_it_says(texts):
    assert measured(texts) == [plainly(text) for text in texts]


@settings(deadline=None)
@given(st.lists(st.text(), max_size=6), st.integers(0, 6))
def test_a_batch_shows_in_no_row(texts, cut):
    assert measured(texts[:cut]) + measured(texts[cut:]) == measured(texts)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_every_layout_of_strings_and_slices(kind):
    texts = ["first", "the second one, and more", "", "third\nthird\n"]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(list("abcd")), pa.array(texts, kind)], names=["content_digest", "text"]
    )
    assert quality(batch.slice(1, 3), SETTINGS).column("n_chars").to_pylist() == [len(text) for text in texts[1:]]


def test_a_null_text_is_an_error():
    batch = pa.RecordBatch.from_pydict({"content_digest": ["a"], "text": pa.array([None], pa.string())})
    with pytest.raises(ValueError, match="no text"):
        quality(batch, SETTINGS)


def test_huge_and_monotonous_texts():
    word, line, char, blank = measured(["word " * 1_000_000, "same\n" * 1_000_000, "x" * 5_000_000, " \n" * 1_000_000])
    assert (word["n_words"], word["mean_word_length"]) == (1_000_000, 4)
    assert (line["n_lines"], line["duplicate_line_share"]) == (1_000_000, 0.999999)
    assert char["mean_word_length"] == 5_000_000
    assert (blank["n_words"], blank["n_lines"], blank["duplicate_line_share"]) == (0, 1_000_000, 0)


def test_many_different_lines_fit_the_table():
    (row,) = measured(["\n".join(map(str, range(200_000)))])
    assert (row["n_lines"], row["duplicate_line_share"]) == (200_000, 0)


def test_one_s_own_stop_words_and_bullets():
    settings = QualitySettings(stop_words=("und", "müde"), bullets=("*",))
    (row,) = measured(["* UND müde\n- the end"], settings)
    assert (row["stop_words"], row["bullet_line_share"]) == (2, 0.5)


@pytest.mark.parametrize(
    "wrong",
    [{"stop_words": ()}, {"stop_words": ("",)}, {"stop_words": tuple(map(str, range(64)))}, {"bullets": ("--",)}],
)
def test_settings_that_cannot_be_looked_for_say_so(wrong):
    with pytest.raises(ValueError, match=r"quality\.(stop_words|bullets)"):
        QualitySettings(**wrong)

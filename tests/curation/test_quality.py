"""Quality signals: against a plain slow reading of what each one says, on any Unicode text."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.gopher import BULLETS, STOP_WORDS
from curation.quality import SIGNALS, QualitySettings, quality
from tests.curation.plain_words import QUOTES, TERMINALS, WIDE, piece_length, sentences_of, words_of

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
    "カナ",
    "ก็",
    "ភាសា",
    "עברית",
    "\u200f",
    "e\u0301",
    "\x00",
    "[1]",
    "[edit]",
    "privacy policy",
    "Use of Cookies",
    "。」",
    "؟",
    "।",
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
    st.lists(st.sampled_from(["a b c.\n", "\n", "a b c.", "x\n", " \n"])).map("".join),
    st.lists(st.sampled_from(["a", "b", "cc", "cc d"]), max_size=60).map(" ".join),
)


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


def repeated(units: list[str]) -> tuple[int, int]:
    """How many units occurred before, and the characters in them."""
    again = [unit for number, unit in enumerate(units) if unit in units[:number]]
    return len(again), sum(map(len, again))


def paragraphs_of(lines: list[str]) -> list[str]:
    found: list[list[str]] = [[]]
    for line in lines:
        found = [*found[:-1], [*found[-1], line]] if line else [*found, []]
    return [text for paragraph in found if (text := "\n".join(paragraph)).strip()]


def top_run(words: list[str], n: int) -> int:
    """Characters in all occurrences of the most frequent run of n words; the first of equals."""
    runs = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
    times = [runs.count(run) for run in runs]
    return len(" ".join(runs[times.index(max(times))])) * max(times) if runs else 0


def duplicate_runs(words: list[str], n: int) -> int:
    """Characters in runs that stood before, looked for from left to right without overlap."""
    seen, total, at = set(), 0, 0
    while at + n <= len(words):
        run = tuple(words[at : at + n])
        if run in seen:
            total += sum(map(len, run))
            at += n
        else:
            seen.add(run)
            at += 1
    return total


POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def c4(lines: list[str]) -> dict:
    """What C4's own code does with the lines with text."""
    kept, lorems, brackets = [], 0, 0
    for line in lines:
        words = words_of(line)
        end = re.sub(r"(\[[0-9]*]|\[edit]|\[citation needed])+$", "", line)
        if end[-1:] not in tuple(TERMINALS + WIDE + QUOTES) or end.endswith(("...", "…")):
            continue
        if len(words) < 3 or max(map(len, words)) > 1000:
            continue
        low = ascii_lower(line)
        lorems += low.count("lorem ipsum")
        if "javascript" in low:
            continue
        brackets += line.count("{")
        if not any(phrase in low for phrase in POLICY):
            kept.append(line)
    return {
        "clean_line_share": share(len(kept), len(lines)),
        "clean_sentences": sum(len(sentences_of(line)) for line in kept),
        "curly_brackets": brackets,
        "lorem_ipsums": lorems,
    }


def ascii_lower(text: str) -> str:
    return re.sub("[A-Z]", lambda found: found[0].lower(), text)


def plainly(text: str) -> dict:
    """The signals in the words of their descriptions."""
    words, lines = words_of(text), text.splitlines()
    plain = [word for word in words if any(char.isalnum() for char in word)]
    filled = [line for line in lines if line]
    full = [line for line in lines if line.strip()]
    stripped = [line.strip() for line in full]
    paragraphs = paragraphs_of(lines)
    repeated_lines, line_chars = repeated(filled)
    repeated_paragraphs, paragraph_chars = repeated(paragraphs)
    pieces = sum(piece_length(word[0]) > 0 for word in words)
    unspaced = 2 * pieces > len(words)
    return {
        "n_chars": len(text),
        "n_words": len(words),
        "n_plain_words": len(plain),
        "unspaced_word_share": share(pieces, len(words)),
        "n_lines": len(lines),
        "mean_word_length": None if unspaced else share(sum(map(len, plain)), len(plain)),
        "symbol_word_ratio": max(
            share(text.count("#"), len(words)), share(text.count("...") + text.count("…"), len(words))
        ),
        "bullet_line_share": share(sum(line.lstrip().startswith(BULLETS) for line in lines), len(lines)),
        "ellipsis_line_share": share(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)),
        "alpha_word_share": None
        if unspaced
        else share(sum(any(char.isalpha() for char in word) for word in words), len(words)),
        "stop_words": None if unspaced else len({ascii_lower(word) for word in words} & set(STOP_WORDS)),
        "duplicate_line_share": share(repeated_lines, len(filled)),
        "duplicate_line_char_share": share(line_chars, len(text)),
        "duplicate_paragraph_share": share(repeated_paragraphs, len(paragraphs)),
        "duplicate_paragraph_char_share": share(paragraph_chars, len(text)),
        **{f"top_{n}gram_char_share": share(top_run(words, n), len(text)) for n in (2, 3, 4)},
        **{f"duplicate_{n}gram_char_share": share(duplicate_runs(words, n), len(text)) for n in range(5, 11)},
        **c4(stripped),
        "terminal_line_share": share(sum(line[-1] in TERMINALS + WIDE for line in stripped), len(full)),
        "short_line_share": share(sum(len(line) <= 30 for line in full), len(full)),
        "repeated_line_char_share": share(repeated(full)[1], len(text) - text.count("\n")),
        "line_feeds_per_word": share(text.count("\n"), len(words)),
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
    assert (blank["n_words"], blank["n_lines"], blank["duplicate_paragraph_share"]) == (0, 1_000_000, 0)


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

"""Signals of a text's quality: numbers that rules can decide on, measured once and never decided here.

Measuring costs a pass over the text, deciding a comparison. Kept apart, a threshold changes in seconds. The rules are in
one file per paper (`curation.gopher`, `curation.c4`, `curation.fineweb`); here is what they all need, from the same
passes over the bytes. Where a text is mostly of scripts without spaces, its words are pieces of a fixed length
(`curation.quality_characters`): counts of them mean something, but what is said of the words themselves is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.gopher import BULLETS, DUPLICATE, STOP_WORDS, TOP

Number = TypeVar("Number", bound=np.generic)

SIGNALS = {
    "n_chars": "characters (code points)",
    "n_words": "words: what white space parts; pieces of a fixed length in scripts without spaces",
    "n_plain_words": "words with a letter or a digit in them",
    "unspaced_word_share": "share of words that are such pieces",
    "n_lines": "lines, blank ones too",
    "mean_word_length": "mean characters of the plain words; null where most words are pieces",
    "symbol_word_ratio": "hash signs for each word or ellipses for each word, whichever are more",
    "bullet_line_share": "share of lines that start with a bullet",
    "ellipsis_line_share": "share of lines that end with an ellipsis",
    "alpha_word_share": "share of words with a letter in them; null where most words are pieces",
    "stop_words": "how many different stop words occur; null where most words are pieces",
    "duplicate_line_share": "share of lines, empty ones aside, that repeat an earlier one",
    "duplicate_line_char_share": "share of the characters that stand in such lines",
    "duplicate_paragraph_share": "share of paragraphs that repeat an earlier one; empty lines part paragraphs",
    "duplicate_paragraph_char_share": "share of the characters that stand in such paragraphs",
    **{f"top_{n}gram_char_share": f"share of the characters in the most frequent run of {n} words" for n in TOP},
    **{
        f"duplicate_{n}gram_char_share": f"share of the characters in runs of {n} words that stood before"
        for n in DUPLICATE
    },
    "clean_line_share": "share of lines with text that C4 would keep",
    "clean_sentences": "sentences in those lines",
    "curly_brackets": "opening curly brackets in lines that C4 would keep but for them",
    "lorem_ipsums": "times that `lorem ipsum` occurs in such lines",
    "terminal_line_share": "share of lines with text that end with a mark that ends sentences",
    "short_line_share": "share of lines with text that are short",
    "repeated_line_char_share": "share of the characters, line feeds aside, in lines with text that repeat an earlier one",
    "line_feeds_per_word": "line feeds for each word",
}
"""Each signal and what it says. Counts are int64, all others float64; the share of nothing is 0."""

OF_WORDS = ("mean_word_length", "alpha_word_share", "stop_words")
"""Signals of the words themselves, which pieces are not: between them, marks stand alone and would count as words."""


@dataclass(frozen=True)
class QualitySettings:
    """What the signals look for."""

    # Words whose presence tells running English text, in lower case.
    stop_words: tuple[str, ...] = STOP_WORDS
    # Characters that start a line of a list.
    bullets: tuple[str, ...] = BULLETS
    # Characters of a line that still counts as short.
    short_line: int = 30

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be looked for."""
        if not 1 <= len(self.stop_words) <= 63 or not all(self.stop_words):
            raise ValueError("quality.stop_words: give 1 to 63 words")
        if any(len(bullet) != 1 for bullet in self.bullets):
            raise ValueError("quality.bullets: give single characters")
        if self.short_line < 0:
            raise ValueError(f"quality.short_line: {self.short_line} is no length")


def quality(contents: pa.RecordBatch, settings: QualitySettings) -> pa.RecordBatch:
    """The signals of each content: `content_digest`, then the columns of `SIGNALS`; a row per row, in the same order.

    `contents` has `content_digest` and `text`. Raises ValueError when a text is null.
    """
    from curation.quality_characters import flags_of
    from curation.quality_kernel import COUNTS, count_all
    from curation.quality_words import stop_words_of

    counted = count_all(
        *_buffers(contents), flags_of(settings.bullets), stop_words_of(settings.stop_words), settings.short_line
    )
    counts = {name: counted[:, column] for column, name in enumerate(COUNTS)}
    signals = _signals(counts)
    unspaced = 2 * counts["pieces"] > counts["words"]
    columns = [pa.array(signals[name], mask=unspaced if name in OF_WORDS else None) for name in SIGNALS]
    digests = contents.column("content_digest").cast(pa.string())
    return pa.RecordBatch.from_arrays([digests, *columns], names=["content_digest", *SIGNALS])


def _buffers(contents: pa.RecordBatch) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The UTF-8 bytes of the texts, and where each one starts and ends, without a copy of the bytes."""
    texts = contents.column("text").cast(pa.large_string())
    if texts.null_count:
        raise ValueError(f"{texts.null_count} contents have no text; a content is its text")
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets or bytes(8), np.int64)
    return _constant(np.frombuffer(data or b"", np.uint8)), _constant(
        starts[texts.offset : texts.offset + len(texts) + 1]
    )


def _constant(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """The array as one that cannot be written to: the compiled code is of that one kind, whoever owns the buffer."""
    array.flags.writeable = False
    return array


def _signals(n: dict[str, npt.NDArray[np.int64]]) -> dict[str, npt.NDArray[np.generic]]:
    """The signals from the counts."""
    filled_lines = n["full_lines"] + n["blank_lines"]
    repeated_chars = n["duplicate_full_line_chars"] + n["duplicate_blank_line_chars"]
    return {
        "n_chars": n["chars"],
        "n_words": n["words"],
        "n_plain_words": n["plain_words"],
        "unspaced_word_share": _share(n["pieces"], n["words"]),
        "n_lines": n["lines"],
        "mean_word_length": _share(n["plain_word_chars"], n["plain_words"]),
        "symbol_word_ratio": _share(np.maximum(n["hashes"], n["ellipses"]), n["words"]),
        "bullet_line_share": _share(n["bullet_lines"], n["lines"]),
        "ellipsis_line_share": _share(n["ellipsis_lines"], n["lines"]),
        "alpha_word_share": _share(n["alpha_words"], n["words"]),
        "stop_words": n["stop_words"],
        "duplicate_line_share": _share(n["duplicate_full_lines"] + n["duplicate_blank_lines"], filled_lines),
        "duplicate_line_char_share": _share(repeated_chars, n["chars"]),
        "duplicate_paragraph_share": _share(n["duplicate_paragraphs"], n["paragraphs"]),
        "duplicate_paragraph_char_share": _share(n["duplicate_paragraph_chars"], n["chars"]),
        **{f"top_{k}gram_char_share": _share(n[f"run{k}"], n["chars"]) for k in TOP},
        **{f"duplicate_{k}gram_char_share": _share(n[f"run{k}"], n["chars"]) for k in DUPLICATE},
        "clean_line_share": _share(n["clean_lines"], n["full_lines"]),
        "clean_sentences": n["sentences"],
        "curly_brackets": n["curly_brackets"],
        "lorem_ipsums": n["lorem_ipsums"],
        "terminal_line_share": _share(n["terminal_lines"], n["full_lines"]),
        "short_line_share": _share(n["short_lines"], n["full_lines"]),
        "repeated_line_char_share": _share(n["duplicate_full_line_chars"], n["chars"] - n["breaks"]),
        "line_feeds_per_word": _share(n["breaks"], n["words"]),
    }


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    share: npt.NDArray[np.float64] = part / np.maximum(whole, 1)
    return share

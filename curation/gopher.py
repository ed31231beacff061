"""Gopher's quality and repetition filters (Rae et al. 2021, "Scaling Language Models", appendix A1.1 and table A1).

They were tuned on web pages in English. Quality: text of 50 to 100,000 words whose mean length is 3 to 10 characters; at
most one symbol (`#` or an ellipsis) for ten words; at most 90% of the lines start with a bullet and at most 30% end with
an ellipsis; 80% of the words hold a letter; two of eight English stop words occur. Words without a letter or a digit are
not counted, nor is their length. Repetition: the limits of table A1 on lines and paragraphs that repeat an earlier one,
on the most frequent run of 2 to 4 words, and on runs of 5 to 10 words that stood before.

In scripts without spaces, words are pieces of a fixed length (`curation.quality_characters`): limits on their number and
on repetition hold as they are, those on mean length, on words without a letter and on stop words do not apply.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.rules import Rule

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
BULLETS = ("•", "-")
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)


@dataclass(frozen=True)
class GopherRules:
    """The thresholds of the paper."""

    # Words of a text that hold a letter or a digit.
    min_words: int = 50
    max_words: int = 100_000
    # Mean characters of its words.
    min_mean_word_length: float = 3.0
    max_mean_word_length: float = 10.0
    # Hash signs for each word, and ellipses for each word.
    max_symbol_word_ratio: float = 0.1
    # Share of lines that start with a bullet.
    max_bullet_lines: float = 0.9
    # Share of lines that end with an ellipsis.
    max_ellipsis_lines: float = 0.3
    # Share of words with at least one letter.
    min_alpha_words: float = 0.8
    # How many of the stop words occur (which they are is a setting of `quality`).
    min_stop_words: int = 2
    # Share of paragraphs that repeat an earlier one, and of the characters in them; the same for lines.
    max_duplicate_paragraphs: float = 0.3
    max_duplicate_paragraph_characters: float = 0.2
    max_duplicate_lines: float = 0.3
    max_duplicate_line_characters: float = 0.2
    # Share of the characters in the most frequent run of that many words.
    max_top_2gram_characters: float = 0.2
    max_top_3gram_characters: float = 0.18
    max_top_4gram_characters: float = 0.16
    # Share of the characters in runs of that many words that stood before.
    max_duplicate_5gram_characters: float = 0.15
    max_duplicate_6gram_characters: float = 0.14
    max_duplicate_7gram_characters: float = 0.13
    max_duplicate_8gram_characters: float = 0.12
    max_duplicate_9gram_characters: float = 0.11
    max_duplicate_10gram_characters: float = 0.1

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with their thresholds, in the paper's order."""
        return tuple(
            Rule(f"gopher.{name}", "quality", column, "<" if name.startswith("min") else ">", getattr(self, name))
            for name, column in _COLUMNS.items()
        )


_COLUMNS = {
    "min_words": "n_plain_words",
    "max_words": "n_plain_words",
    "min_mean_word_length": "mean_word_length",
    "max_mean_word_length": "mean_word_length",
    "max_symbol_word_ratio": "symbol_word_ratio",
    "max_bullet_lines": "bullet_line_share",
    "max_ellipsis_lines": "ellipsis_line_share",
    "min_alpha_words": "alpha_word_share",
    "min_stop_words": "stop_words",
    "max_duplicate_paragraphs": "duplicate_paragraph_share",
    "max_duplicate_paragraph_characters": "duplicate_paragraph_char_share",
    "max_duplicate_lines": "duplicate_line_share",
    "max_duplicate_line_characters": "duplicate_line_char_share",
    **{f"max_top_{n}gram_characters": f"top_{n}gram_char_share" for n in TOP},
    **{f"max_duplicate_{n}gram_characters": f"duplicate_{n}gram_char_share" for n in DUPLICATE},
}
"""The signal that each threshold is for."""

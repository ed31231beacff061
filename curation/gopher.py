"""Gopher's quality filter (Rae et al. 2021, "Scaling Language Models", appendix A1.1 and table A1).

It was tuned on web pages in English: text of 50 to 100,000 words whose mean length is 3 to 10 characters; at most one
symbol (`#` or an ellipsis) for ten words; less than 90% of the lines start with a bullet and less than 30% end with an
ellipsis; 80% of the words hold a letter; two of eight English stop words occur. Of table A1 (repetition) the limits on
lines and paragraphs are here. Words are what white space parts, so the rules on words mean nothing for scripts without
spaces.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.rules import Rule

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
BULLETS = ("•", "-")


@dataclass(frozen=True)
class GopherRules:
    """The thresholds of the paper."""

    # Words of a text.
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
    # Share of lines, and of characters in lines, that repeat an earlier line; the same for paragraphs.
    max_duplicate_lines: float = 0.3
    max_duplicate_line_characters: float = 0.2
    max_duplicate_paragraphs: float = 0.3
    max_duplicate_paragraph_characters: float = 0.2

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with their thresholds, in the paper's order."""
        return (
            Rule("gopher.min_words", "quality", "n_words", "<", self.min_words),
            Rule("gopher.max_words", "quality", "n_words", ">", self.max_words),
            Rule("gopher.min_mean_word_length", "quality", "mean_word_length", "<", self.min_mean_word_length),
            Rule("gopher.max_mean_word_length", "quality", "mean_word_length", ">", self.max_mean_word_length),
            Rule("gopher.max_symbol_word_ratio", "quality", "symbol_word_ratio", ">", self.max_symbol_word_ratio),
            Rule("gopher.max_bullet_lines", "quality", "bullet_line_share", ">", self.max_bullet_lines),
            Rule("gopher.max_ellipsis_lines", "quality", "ellipsis_line_share", ">", self.max_ellipsis_lines),
            Rule("gopher.min_alpha_words", "quality", "alpha_word_share", "<", self.min_alpha_words),
            Rule("gopher.min_stop_words", "quality", "stop_words", "<", self.min_stop_words),
            Rule("gopher.max_duplicate_lines", "quality", "duplicate_line_share", ">", self.max_duplicate_lines),
            Rule(
                "gopher.max_duplicate_line_characters",
                "quality",
                "duplicate_line_char_share",
                ">",
                self.max_duplicate_line_characters,
            ),
            Rule(
                "gopher.max_duplicate_paragraphs",
                "quality",
                "duplicate_paragraph_share",
                ">",
                self.max_duplicate_paragraphs,
            ),
            Rule(
                "gopher.max_duplicate_paragraph_characters",
                "quality",
                "duplicate_paragraph_char_share",
                ">",
                self.max_duplicate_paragraph_characters,
            ),
        )

"""FineWeb's own filters (Penedo et al. 2024, "The FineWeb Datasets", section 3.6), which follow Gopher's and C4's.

Of fifty statistics, those three kept that told good crawls from bad ones at the least cost: lines that end like
sentences (the paper removes a text with 0.12 of them or less: 10.14% of the tokens), characters in lines that repeat an
earlier one (0.1 or more: 12.47%; Gopher's limit is 0.2), and lines shorter than 30 characters (0.67 or more: 3.73%).

The code that the authors published (datatrove, `fineweb_quality_filter.py`) says otherwise in three places: its limit on
repeated lines is 0.01, it counts lines of just 30 characters as short, and a text right at a limit stays. Here the limits
are the paper's, and the comparisons the code's. It adds a limit on line feeds for each word (0.3), which tells lists.
Lines are those with text; how long a short line is, `quality.short_line` says.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.rules import Rule


@dataclass(frozen=True)
class FineWebRules:
    """The thresholds of the paper."""

    # Share of lines that end with a mark that ends sentences.
    min_terminal_lines: float = 0.12
    # Share of short lines.
    max_short_lines: float = 0.67
    # Share of the characters in lines that repeat an earlier one.
    max_repeated_line_characters: float = 0.1
    # Line feeds for each word.
    max_line_feeds_per_word: float = 0.3

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with their thresholds, in the order of the authors' code."""
        return (
            Rule("fineweb.min_terminal_lines", "quality", "terminal_line_share", "<", self.min_terminal_lines),
            Rule("fineweb.max_short_lines", "quality", "short_line_share", ">", self.max_short_lines),
            Rule(
                "fineweb.max_repeated_line_characters",
                "quality",
                "repeated_line_char_share",
                ">",
                self.max_repeated_line_characters,
            ),
            Rule(
                "fineweb.max_line_feeds_per_word", "quality", "line_feeds_per_word", ">", self.max_line_feeds_per_word
            ),
        )

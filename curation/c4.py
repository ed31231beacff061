"""C4's rules for pages (Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.2).

C4 keeps the lines that end in a terminal mark, have three words or more and do not speak of JavaScript, and drops a
page when fewer than five sentences are left, or when it holds a curly bracket (code) or "lorem ipsum" (filler). Here a
page is judged by what would be left of it; its text is not cut. The list of obscene words is not used: it is known to
drop harmless text about minorities (Dodge et al. 2021). For source code this set is of no use: it drops nearly all.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.rules import Rule


@dataclass(frozen=True)
class C4Rules:
    """The thresholds of the paper."""

    # Sentences in the lines that C4 would keep.
    min_sentences: int = 5
    # Curly brackets.
    max_curly_brackets: int = 0
    # Times "lorem ipsum" stands in the text, in any case.
    max_lorem_ipsums: int = 0

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with their thresholds, in the paper's order."""
        return (
            Rule("c4.min_sentences", "quality", "clean_sentences", "<", self.min_sentences),
            Rule("c4.max_lorem_ipsums", "quality", "lorem_ipsums", ">", self.max_lorem_ipsums),
            Rule("c4.max_curly_brackets", "quality", "curly_brackets", ">", self.max_curly_brackets),
        )

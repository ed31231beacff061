"""C4's rules for pages (Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.2).

C4 keeps the lines that end in a terminal or quotation mark (but not in an ellipsis), have three words or more, none of
over 1,000 characters, and speak neither of JavaScript nor of terms of use and cookies; citations at a line's end do not
count. It drops a page when fewer than five sentences are left, or when one of the lines holds a curly bracket (code) or
"lorem ipsum" (filler). The paper speaks of brackets anywhere in the page; the code that made C4 looks at lines that it
would keep otherwise, and so does this. A page is judged by what would be left of it; its text is not cut, but for the
lines that speak of JavaScript and of policies, where `lines.cut` says so (`curation.lines`). The list of
obscene words is not used: it is known to drop harmless text about minorities (Dodge et al. 2021). For source code this
set is of no use: it drops nearly all.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.rules import Rule

LINE_PHRASES = {
    "javascript": ("javascript",),
    "policy": ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"),
}
"""What a line speaks of that C4 removes, in lower case, by the kind of its span."""


@dataclass(frozen=True)
class C4Rules:
    """The thresholds of the paper."""

    # Sentences in the lines that C4 would keep.
    min_sentences: int = 5
    # Opening curly brackets in lines that C4 would keep but for them.
    max_curly_brackets: int = 0
    # Times "lorem ipsum" stands in such lines, in any case.
    max_lorem_ipsums: int = 0

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with their thresholds, in the paper's order."""
        return (
            Rule("c4.min_sentences", "quality", "clean_sentences", "<", self.min_sentences),
            Rule("c4.max_lorem_ipsums", "quality", "lorem_ipsums", ">", self.max_lorem_ipsums),
            Rule("c4.max_curly_brackets", "quality", "curly_brackets", ">", self.max_curly_brackets),
        )

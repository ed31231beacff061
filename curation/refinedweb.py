"""RefinedWeb's line-wise corrections (Penedo et al. 2023, "The RefinedWeb Dataset", appendix G.2).

Pages that passed document-wise filters still hold lines of the page around the text. The paper removes a line that is
mainly capitals, or only numbers, or a counter (`3 likes`), or one word. In a line of ten words or fewer it removes what
matches a pattern: at its beginning (`sign in`), at its end (`read more`), or anywhere (`items in cart`). A document of
whose words more than 5% stand in such lines is dropped. The paper names a few examples and says that the lists have to be
made for each language; those here are ours, in English, and settings.

What the paper leaves open: mainly capitals is over half of a line's characters, white space aside; numbers may have the
marks of dates and times in them; a counter is numbers and nouns of a list alone, at least one of each; one word is one
that holds a letter or a digit. What is left of a line from which a pattern was cut is judged again, so that cutting what
was cut changes nothing. The authors published no code; DCLM (Li et al. 2024), which rebuilt their corpus, reads the appendix
alike: over half capitals (of all characters of the line, white space too), digits alone, a number and one of a dozen
nouns, one word, and in lines of ten words at most a beginning, an end or any part. The rules are for web pages: of source code, lists of names and headings they cut much.
"""

from __future__ import annotations

from dataclasses import dataclass

from curation.rules import Rule

LONGEST_SHORT_LINE = 1000
"""Characters beyond which a line of few words is not short."""

_COUNTED = (
    *("bookmark", "comment", "download", "downvote", "follower", "like", "quote", "reaction", "repost", "retweet"),
    *("review", "share", "tweet", "upvote", "view", "vote"),
)
COUNTERS = (*_COUNTED, *(f"{noun}s" for noun in _COUNTED), "reply", "replies")
STARTS = (
    *("sign in", "sign-in", "sign out", "sign up", "sign-up", "log in", "log-in", "login", "log out", "logout"),
    *("skip to content", "skip to main content", "skip navigation", "jump to navigation"),
    *("share on", "share this", "follow us on"),
)
ENDS = (
    *("read more", "continue reading", "learn more", "load more", "see more", "show more", "view more"),
    *("see all", "show all", "view all"),
)
ANYWHERE = (
    *("item in cart", "items in cart", "items in your cart", "add to cart", "add to basket", "view cart"),
    *("accept cookies", "accept all cookies", "cookie settings", "cookie preferences"),
    *("we use cookies", "this site uses cookies", "this website uses cookies"),
    *("enable javascript", "all rights reserved", "back to top"),
)


@dataclass(frozen=True)
class RefinedWebLines:
    """What lines of the page around a text look like."""

    # More than this share of a line's characters, white space aside, are capitals.
    max_uppercase: float = 0.5
    # Words that make a counter with a number, in lower case.
    counters: tuple[str, ...] = COUNTERS
    # Words of a line in which patterns are looked for.
    short_line_words: int = 10
    # What begins such a line, ends it, or stands anywhere in it; in any case, a blank for any white space.
    starts: tuple[str, ...] = STARTS
    ends: tuple[str, ...] = ENDS
    anywhere: tuple[str, ...] = ANYWHERE

    def __post_init__(self) -> None:
        """Raises ValueError for what could not be found, or would not be the same when it is looked for again."""
        if not 0 < self.max_uppercase <= 1:
            raise ValueError(f"max_uppercase: {self.max_uppercase} is no share; give one over 0, and at most 1")
        for name in ("counters", "starts", "ends", "anywhere"):
            for said in getattr(self, name):
                if not said[:1].isalnum() or not said[-1:].isalnum():
                    raise ValueError(f"{name}: {said!r} should begin and end with a letter or a digit")


@dataclass(frozen=True)
class RefinedWebRules:
    """The threshold of the paper."""

    # Share of the words that stand in lines which the paper corrects.
    max_corrected_words: float = 0.05

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rule on the table `lines`."""
        return (Rule("refinedweb.max_corrected_words", "lines", "refinedweb_share", ">", self.max_corrected_words),)

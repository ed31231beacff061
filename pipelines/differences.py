"""What differs between two texts, word by word, in a size that a person can read.

Lines are compared first, and words only within lines that differ, so that a text in one long line and a listing of code
both read well. What both texts begin and end with is set aside at once. The comparison costs the product of what is left
(Python's `difflib`), so that is cut to `LINES` lines and `WORDS` words a text, of its first `CHARACTERS`; the cut is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal, NamedTuple

from rich.text import Text

from pipelines.shown import shown

CHARACTERS, LINES, WORDS = 500_000, 1_500, 3_000
CONTEXT = 2
"""Equal lines that are shown around a difference."""
LONGEST = 4_000
"""Characters of one run that are shown."""
NEAR = 12
"""Equal words that are shown around a difference within a long line."""

Kind = Literal["both", "first", "second", "left out"]


class Piece(NamedTuple):
    """A run of text that stands in both texts, or in one of them; or a note on what is left out."""

    kind: Kind
    text: str


def difference_lines(first: str, second: str, other: str) -> list[Text]:
    """For a terminal: `[-only in the first-]` in red and `{+only in the second+}` in green; `other` names the second."""
    if first == second:
        return [Text(f"the text is equal to that of {other}")]
    body = Text()
    for kind, text in differences(first, second):
        if kind == "left out":
            body.append(f"\n… {text} …\n", "dim")
        else:
            body.append_text(_coloured(kind, text))
    legend = Text.assemble("the texts: ", ("[-only here-]", "red"), " ", (f"{{+only in {other}+}}", "green"))
    return [legend, *(Text("  ") + line for line in body.split("\n") if line.plain.strip())]


def differences(first: str, second: str) -> list[Piece]:
    """What of two texts is to be shown: runs in order, long ones that stand in both only where they are beside others."""
    pieces = list(_shortened(compared(first[:CHARACTERS], second[:CHARACTERS])))
    longer = max(len(first), len(second)) - CHARACTERS
    return pieces + ([Piece("left out", f"{longer:,} characters more are not compared")] if longer > 0 else [])


def compared(first: str, second: str) -> list[Piece]:
    """Both texts as runs, in order: `both` and `first` joined are the first text, `both` and `second` the second."""
    return _merged(_by_lines(_lines(first), _lines(second)))


def _coloured(kind: str, text: str) -> Text:
    """A run with its marks close about the words; of one that is very long the middle is left out."""
    body = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    if kind == "both":
        return Text(shown(body))
    opening, closing, style = ("[-", "-]", "red") if kind == "first" else ("{+", "+}", "green")
    if body.isspace():
        return Text(f"{opening}{shown(body).replace(chr(10), '⏎').replace(' ', '·')}{closing}", style)
    inner = body.strip()
    before, _, after = body.partition(inner)
    return Text.assemble(shown(before), (f"{opening}{shown(inner)}{closing}", style), shown(after))


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _by_lines(first: list[str], second: list[str]) -> Iterator[Piece]:
    before, middle, after = _apart(first, second)
    yield Piece("both", "".join(before))
    (one, cut_one), (two, cut_two) = (_cut(lines, LINES) for lines in middle)
    for tag, a, b, c, d in SequenceMatcher(None, one, two).get_opcodes():
        if tag == "equal":
            yield Piece("both", "".join(one[a:b]))
        else:
            yield from _by_words("".join(one[a:b]), "".join(two[c:d]))
    if cut_one or cut_two:
        yield Piece("left out", f"{cut_one:,} lines more of this text and {cut_two:,} of the other are not compared")
    yield Piece("both", "".join(after))


def _by_words(first: str, second: str) -> Iterator[Piece]:
    before, middle, after = _apart(_words(first), _words(second))
    yield Piece("both", "".join(before))
    (one, cut_one), (two, cut_two) = (_cut(words, WORDS) for words in middle)
    for tag, a, b, c, d in SequenceMatcher(None, one, two).get_opcodes():
        if tag == "equal":
            yield Piece("both", "".join(one[a:b]))
        else:
            yield from (Piece("first", "".join(one[a:b])), Piece("second", "".join(two[c:d])))
    if cut_one or cut_two:
        yield Piece("left out", f"{cut_one:,} words more of this text and {cut_two:,} of the other are not compared")
    yield Piece("both", "".join(after))


def _apart(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[list[str]], list[str]]:
    """What both begin with, what is between in each, and what both end with."""
    shorter = min(len(first), len(second))
    start = next((place for place in range(shorter) if first[place] != second[place]), shorter)
    rest = range(1, shorter - start + 1)
    end = next((place - 1 for place in rest if first[-place] != second[-place]), shorter - start)
    between = [list(each[start : len(each) - end]) for each in (first, second)]
    return list(first[:start]), between, list(first[len(first) - end :])


def _cut(parts: list[str], most: int) -> tuple[list[str], int]:
    return parts[:most], max(0, len(parts) - most)


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Neighbours of one kind as one; between two equal runs what goes stands before what comes."""
    full = [piece for piece in pieces if piece.text]
    return [Piece(kind, "".join(piece.text for piece in run)) for kind, run in groupby(full, lambda piece: piece.kind)]


def _shortened(pieces: list[Piece]) -> Iterator[Piece]:
    """Long runs that stand in both, with only what is beside a difference."""
    for place, piece in enumerate(pieces):
        if piece.kind != "both":
            yield piece
        else:
            yield from _beside(piece.text, has_before=place > 0, has_after=place < len(pieces) - 1)


def _beside(text: str, *, has_before: bool, has_after: bool) -> Iterator[Piece]:
    lines = _lines(text)
    parts, near, unit = (lines, CONTEXT, "lines") if len(lines) > 2 * CONTEXT + 2 else (_words(text), NEAR, "words")
    head, tail = near if has_before else 0, near if has_after else 0
    left_out = len(parts) - head - tail
    if left_out < 4:
        yield Piece("both", text)
        return
    yield Piece("both", "".join(parts[:head]))
    yield Piece("left out", f"{left_out:,} {unit} that are in both")
    yield Piece("both", "".join(parts[len(parts) - tail :]))

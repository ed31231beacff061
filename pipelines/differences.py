"""What differs between two texts, word by word, in a size that a person can read.

Lines are compared first, and words only within lines that differ, so that a text in one long line and a listing of code
both read well. What both texts begin and end with is set aside at once. The comparison costs the product of what is left
(Python's `difflib`), so that is cut to `LINES` lines and `WORDS` words a text, of its first `CHARACTERS`; the cut is said.
Copies are often wrapped otherwise, so white space in another's stead is not shown, but told.
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

WORD = re.compile(r"\s*\S+|\s+$")
"""With the white space before it; at the end of a text, that alone."""

Kind = Literal["both", "first", "second", "left out"]


class Piece(NamedTuple):
    """A run of text that stands in both texts, or in one of them; or a note on what is left out."""

    kind: Kind
    text: str


def difference_lines(first: str, second: str, other: str) -> list[Text]:
    """For a terminal: `[-only in the first-]` in red and `{+only in the second+}` in green; `other` names the second."""
    if first == second:
        return [Text(f"the text is equal to that of {other}")]
    body, pieces = Text(), differences(first, second)
    if first.split() == second.split() and {"first", "second"}.isdisjoint(piece.kind for piece in pieces):
        return [Text(f"the text differs from that of {other} in white space alone")]
    for kind, text in pieces:
        if kind == "left out":
            body.append(f"\n… {text} …\n", "dim")
        else:
            body.append_text(_coloured(kind, text))
    legend = Text.assemble("the texts: ", ("[-only here-]", "red"), " ", (f"{{+only in {other}+}}", "green"))
    return [legend, *(Text("  ") + line for line in body.split("\n") if line.plain.strip())]


def differences(first: str, second: str) -> list[Piece]:
    """What of two texts is to be shown: runs in order, long ones that stand in both only where they are beside others.

    White space that stands in another's stead counts as in both, and is that of the first.
    """
    pieces = list(_shortened(_spaced_alike(compared(first[:CHARACTERS], second[:CHARACTERS]))))
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
    return re.findall(WORD, text)


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
    all_words = [list(map(_Word, re.findall(WORD, text))) for text in (first, second)]
    before, middle, after = _apart(*all_words)
    yield from _paired(before, all_words[1])
    (one, cut_one), (two, cut_two) = (_cut(words, WORDS) for words in middle)
    for tag, a, b, c, d in SequenceMatcher(None, one, two).get_opcodes():
        if tag == "equal":
            yield from _paired(one[a:b], two[c:d])
        else:
            yield from (Piece("first", "".join(one[a:b])), Piece("second", "".join(two[c:d])))
    if cut_one or cut_two:
        yield Piece("left out", f"{cut_one:,} words more of this text and {cut_two:,} of the other are not compared")
    yield from _paired(after, all_words[1][len(all_words[1]) - len(after) :])


class _Word(str):
    """A word with the white space before it, which makes it no other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lstrip() == other.lstrip()

    def __hash__(self) -> int:
        return hash(self.lstrip())


def _paired(first: Sequence[str], second: Sequence[str]) -> Iterator[Piece]:
    """Words that are equal in both texts, where the white space before them may not be."""
    for one, two in zip(first, second, strict=False):
        word = one.lstrip()
        space, other = one[: len(one) - len(word)], two[: len(two) - len(word)]
        if space == other:
            yield Piece("both", space + word)
        else:
            yield from (Piece("first", space), Piece("second", other), Piece("both", word))


def _spaced_alike(pieces: Sequence[Piece]) -> list[Piece]:
    """Where white space stands in another's stead, that of the first as if it stood in both."""
    found: list[Piece] = []
    for piece in pieces:
        before = found[-1] if found else Piece("both", "")
        space = before.text[: len(before.text) - len(before.text.lstrip())]
        if (before.kind, piece.kind) == ("first", "second") and space and piece.text[0].isspace():
            piece = Piece("second", space + piece.text.lstrip())
            if before.text == piece.text:
                found[-1] = Piece("both", space)
                continue
        found.append(piece)
    return _merged(found)


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

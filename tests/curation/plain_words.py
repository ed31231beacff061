"""Words and sentences as the signals count them, in plain slow Python: what tests and benchmarks compare with."""

from __future__ import annotations

import unicodedata

TERMINALS = ".!?\u203d\u061f\u06d4\u0964\u0965\u1362\u0589\u104a\u104b"
"""Marks that end a sentence before white space: those of Unicode's Sentence_Terminal that texts here use."""
WIDE = "。！？．｡"
QUOTES = "\"'’”»」』"
CLOSERS = QUOTES + ")]}"


def piece_length(char: str) -> int:
    """How many such letters make a word in scripts without spaces: two of Chinese and Japanese, four of Thai and its like."""
    if unicodedata.category(char)[0] not in "LMN":
        return 0
    name = unicodedata.name(char, "")
    if name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEO", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA")):
        return 2
    if name.startswith(("IDEOGRAPHIC ITERATION", "IDEOGRAPHIC CLOSING", "IDEOGRAPHIC NUMBER ZERO", "HANGZHOU NUMERAL")):
        return 2
    return 4 if name.startswith(("THAI ", "LAO ", "MYANMAR ", "KHMER ")) else 0


def words_of(text: str) -> list[str]:
    """What white space parts, and pieces of a fixed length in scripts without spaces."""
    found: list[str] = []
    for run in text.split():
        kind = -1
        for char in run:
            piece = piece_length(char)
            if piece == kind and not (piece and len(found[-1]) == piece):
                found[-1] += char
            else:
                found.append(char)
            kind = piece
    return found


def sentences_of(line: str) -> list[str]:
    """A line cut after each mark with white space behind it, and after each full-width one."""
    found = [""]
    terminal = False
    for char in line:
        if char.isspace() and terminal:
            found.append("")
        terminal = char in TERMINALS or (char in CLOSERS and terminal)
        found[-1] += char
        if char in WIDE:
            found.append("")
            terminal = False
    return [sentence for sentence in found if sentence.strip().strip(CLOSERS).strip()]

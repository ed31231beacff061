"""What each character is to the quality signals: one byte of flags for each code point.

Letters, white space and line ends are Unicode's, as `str.isalpha`, `str.split` and `str.splitlines` see them. Sentence
marks are those of Latin, Greek, Arabic and Devanagari text, which white space must follow, and the full-width ones of
Chinese and Japanese, which it need not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from curation.quality_kernel import ALPHA, BREAK, BULLET, CLOSER, QUOTE, SPACE, TERMINAL, WIDE_TERMINAL, Bytes

_FLAGGED = 0x33480
"""Beyond the third plane no code point is a letter, white space or a mark."""

_LINE_BREAKS = "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
_TERMINALS = ".!?\u2026\u061f\u06d4\u0964\u0965"
_QUOTES = "\"'\u2019\u201d\u00bb\u300d\u300f"
_CLOSERS = ")]}" + _QUOTES
_WIDE_TERMINALS = "\u3002\uff01\uff1f\uff0e"


@lru_cache(maxsize=8)
def flags_of(bullets: tuple[str, ...]) -> Bytes:
    """The table, with these characters as bullets; what lies beyond its end has no flags."""
    chars = [chr(code) for code in range(_FLAGGED)]
    flags = np.fromiter((char.isspace() * SPACE | char.isalpha() * ALPHA for char in chars), np.uint8, _FLAGGED)
    marks = ((_LINE_BREAKS, BREAK), (_TERMINALS, TERMINAL), (_QUOTES, QUOTE), (_CLOSERS, CLOSER))
    for group, flag in (*marks, (_WIDE_TERMINALS, WIDE_TERMINAL), ("".join(bullets), BULLET)):
        flags[[ord(char) for char in group]] |= flag
    return flags

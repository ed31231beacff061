"""Text of the data on a terminal: shown as text, never obeyed.

A document can hold escape sequences that move the cursor, colour what follows or rename the window, and marks that turn
the reading direction round. Each stands here as a sign that can be seen, so that nothing printed is other than it looks.
"""

from __future__ import annotations

import re

_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_HIDDEN = "\u00ad\u180e\u200b\u2028\u2029\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
_SIGNS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_TURNING}{_HIDDEN}\ud800-\udfff]")


def shown(text: str) -> str:
    """The text with every control character but line breaks and tabs as a sign: ESC is `␛`, U+202E is `<U+202E>`."""
    return _SIGNS.sub(lambda found: _sign(ord(found[0])), text.replace("\r\n", "\n"))


def excerpt(text: str, limit: int) -> str:
    """The text's beginning on one line: white space folded, control characters as signs, at most `limit` characters."""
    line = " ".join(text[: 8 * limit].split())
    said = shown(line[: limit + 1])
    return said if len(said) <= limit else said[: limit - 1] + "…"


def _sign(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"

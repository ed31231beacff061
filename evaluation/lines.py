"""The line that counts of an answer, when an answer is one line.

Chat models wrap what they say: a code fence or a docstring's opening quotes on a line of their own say nothing yet. A
contestant is judged by its first line of substance, so that habits of layout cost it nothing.
"""

from __future__ import annotations

import re

_WRAPPING = re.compile(r"`{3,}\w*|[`'\"]*")


def first_line(text: str) -> str:
    """The first line with something on it beside fences and quotes, without outer whitespace; "" when there is none."""
    return next((line.strip() for line in text.splitlines() if is_substance(line)), "")


def has_ended(text: str) -> bool:
    """Whether a line of substance has come to its end in a text that still grows."""
    return any(is_substance(line) for line in text.split("\n")[:-1])


def is_substance(line: str) -> bool:
    """Whether a line says something: it is not blank, nor only a code fence's mark or quotes."""
    return _WRAPPING.fullmatch(line.strip()) is None

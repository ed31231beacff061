"""The options of a multiple-choice question, and which of them a model finds likeliest.

A model may know the answer and fail to name it in the asked manner; what it finds likely cannot be formatted wrongly. So
beside the letter that was written stands the letter whose token is likeliest where the answer begins, as MMLU is scored
(Hendrycks et al. 2021). It costs nothing: these logits are had when the answer is generated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from records import Message

LETTERS = "ABCDEFGHIJ"
_LINE = re.compile(r"^\s*\(?([A-J])[.):]\s", re.MULTILINE)


def options_of(messages: Sequence[Message]) -> int:
    """How many options the last message lists, a line each, from A on ("A) ...", "(A) ...", "A. ..."); 0 for fewer than two."""
    found = "".join(_LINE.findall(messages[-1]["content"])) if messages else ""
    return max((size for size in range(2, len(LETTERS) + 1) if LETTERS[:size] in found), default=0)


def likeliest(nll: Sequence[float]) -> str:
    """The letter of the option with the smallest negative log-likelihood; of equal ones the first."""
    return LETTERS[min(range(len(nll)), key=lambda place: (nll[place], place))]

"""Numbers of payment cards: issuers' ranges and lengths, in the groups that cards show, with the check digit of ISO/IEC 7812."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.privacy.checksums import luhn
from curation.privacy.context import before, last_word, phrases, stands_alone

_GROUPED = re.compile(
    rb"(?<![0-9])(?<![0-9][.-])(?:[0-9]{13,19}|[0-9]{4}([ -]|\xc2\xa0)[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
    rb"|[0-9]{4}([ -]|\xc2\xa0)[0-9]{6}\2[0-9]{4,5})(?![0-9])(?![.-][0-9])"
)
_NAMING = phrases(
    "card, cards, visa, mastercard, amex, american express, credit, debit, cc, pan, maestro, discover, karte, kreditkarte, "
    "carte, tarjeta, carta"
)
_ISSUERS = (
    ("4", (13, 16, 19)),  # Visa
    ("34 37", (15,)),  # American Express
    ("36 38 39 300 301 302 303 304 305 3095", (14, 16, 19)),  # Diners Club
    ("6011 644 645 646 647 648 649 65", (16, 19)),  # Discover
    ("62 81", (16, 17, 18, 19)),  # UnionPay
    ("50 56 57 58 63 67", (16, 17, 18, 19)),  # Maestro
)
_MASTERCARD = ((51, 55, 2), (2221, 2720, 4))
_JCB = (3528, 3589, 4)


def find_cards(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The card numbers among groups of digits."""
    for found in _GROUPED.finditer(data, start, end):
        if data[found.start() - 1 : found.start()] == b"+":
            continue
        digits = bytes(byte for byte in found[0] if 48 <= byte <= 57).decode()
        if not _is_issued(digits) or not luhn([int(digit) for digit in digits]):
            continue
        if stands_alone(data, *found.span()) and last_word(before(data, found.start()), _NAMING) != "otherwise":
            yield found.span()


def _is_issued(digits: str) -> bool:
    length = len(digits)
    if length == 16:
        for low, high, places in (*_MASTERCARD, _JCB):
            if low <= int(digits[:places]) <= high:
                return True
    return any(length in lengths and digits.startswith(tuple(ranges.split())) for ranges, lengths in _ISSUERS)

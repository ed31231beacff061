"""Telephone numbers: what `phonenumbers`, Google's tables of every country's numbering plan, says is one.

Its own search reads 1.3 MB of mail a second, for each country anew. Here groups of digits are proposed by the kernel, and
the library is asked only about those that look like a number: after a plus or 00; as North America writes them
(`(212) 555-0147`, `212-555-0147`); with a leading 0 in two groups or more, or as a mobile number in one; and, after a word
such as `tel` or `mobile`, in any form that is valid in one of the regions.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache

from curation.privacy.context import before, ends_alone, last_word, phrases, starts_alone

_GROUP = re.compile(rb"[0-9]+")
_AMERICAN_FORM = (
    rb"(?:1[-. ]{0,2}(?=\()|1[-. ])?(?:\([2-9][0-9]{2}\)[ -]?[2-9][0-9]{2}(?:[-. ]| - )[0-9]{4}"
    rb"|[2-9][0-9]{2}(?P<sign>[-./])[2-9][0-9]{2}[-.][0-9]{4})(?![0-9])(?![-./ ]?[0-9]{3,})"
)
_AMERICAN = re.compile(_AMERICAN_FORM)
_AMERICAN_LATER = re.compile(rb"(?<=[ \xa0])" + _AMERICAN_FORM)
_TRUNK = re.compile(rb"0[1-9][0-9]{1,10}|0[1-9]\)|0[1-9](?=[ .\-/])")
_ABROAD = re.compile(rb"00[1-9][0-9]{0,3}")
_OTHER = re.compile(rb"[0-9]{1,2}([-./])[0-9]{1,2}\1[0-9]{2,4}(?![0-9])|[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9])")
_PAIRS = re.compile(rb"0[1-9](?:[ .\-/][0-9]{2}){4}(?![0-9])")
PHONE_NAMES = phrases(
    "tel, tels, phone, phones, telephone, fax, mobile, mob, cell, cellphone, call, calls, called, calling, dial, ring, text, "
    "sms, whatsapp, hotline, helpline, voicemail, voice, ph, toll free, telefon, telefax, handy, mobil, mobilnummer, "
    "telefonnummer, rufnummer, durchwahl, anrufen, tél, téléphone, portable, appeler, appelez, teléfono, telefono, móvil, movil, celular, llame, "
    "llamar, cellulare, chiamare, chiamate, telefoon, telefoonnummer, mobiel, gsm, bellen, telefone"
)
"""The words and phrases by which people call a telephone number."""
FEWEST, MOST = 7, 15
"""Digits of a number: E.164 allows fifteen; below seven nothing tells a number from others."""
_FEWEST_UNNAMED = 9
"""Digits of a number that no word names."""
_SPACES = (b" ", b"\xc2\xa0", b" (")


def find_phones(data: bytes, start: int, end: int, regions: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """The telephone numbers among the groups of digits from `start` to `end`."""
    groups = [found.span() for found in _GROUP.finditer(data, start, end)]
    place = leading = 0
    plus = _plus(data, start)
    if plus >= 0:
        stop = _longest(data, plus, groups, 0, (None,))
        place = leading = _after(groups, stop) if stop else 1
        if stop:
            yield plus, stop
    while place < len(groups):
        span = _national(data, groups, place, regions, leads=place == leading)
        if span is not None and span[1]:
            yield span
            place = leading = _after(groups, span[1])
        else:
            later = _AMERICAN_LATER.search(data, groups[place][1], end)
            place = _after(groups, later.start()) if later else len(groups)


def _plus(data: bytes, start: int) -> int:
    """Where the `+` or `+(` before a number is; -1 where there is none, or it adds."""
    plus = start - 1 if data[start - 1 : start] == b"+" else start - 2
    is_there = plus >= 0 and data[plus] == 43 and (plus == start - 1 or data[start - 1] == 40)
    return plus if is_there and (plus == 0 or not data[plus - 1 : plus].isalnum()) else -1


def _after(groups: list[tuple[int, int]], at: int) -> int:
    """The place of the first group that begins at `at` or after it."""
    return bisect_left(groups, (at, 0))


def _national(
    data: bytes, groups: list[tuple[int, int]], place: int, regions: tuple[str, ...], *, leads: bool
) -> tuple[int, int] | None:
    """The span of a number that begins with a group, by its place; None where none may, an end of 0 where none does."""
    first, last = groups[place][0], groups[-1][1]
    has_brackets = data[first - 1 : first] == b"(" and data[groups[place][1] : groups[place][1] + 1] == b")"
    start = first - has_brackets
    american = _AMERICAN.match(data, start, last)
    trunk = None if american else _ABROAD.match(data, first, last) or _TRUNK.match(data, first, last)
    if not (leads or (american and data[start - 1] in b" \xa0")) or not starts_alone(data, start):
        return None
    said = last_word(before(data, start), PHONE_NAMES)
    if said == "otherwise" and not (american and b"(" in american[0]):
        return None
    if american and _may_end(data, american.end(), last):
        number = _plain(data[start : american.end()])
        if any(calling_code(region) == 1 and is_valid(number, region) for region in regions):
            return start, american.end()
    if trunk and not _is_other(data, first) and data[start - 1 : start] != b"-":
        if data[first : first + 2] == b"00":
            return start, _longest(data, start, groups, place, (None,))
        if len(groups) > place + 1 or said or _is_mobile(data, groups[place], regions):
            inland = tuple(region for region in regions if calling_code(region) != 1)
            return start, _longest(data, start, groups, place, inland, FEWEST if said else _FEWEST_UNNAMED)
    if said == "named" and leads:
        return start, _longest(data, start, groups, place, regions)
    return None


def _longest(
    data: bytes,
    start: int,
    groups: list[tuple[int, int]],
    place: int,
    regions: tuple[str | None, ...],
    fewest: int = FEWEST,
) -> int:
    """The end of the longest run of groups from `start`, in the group at `place`, that is a number in one of the regions; 0 for none."""

    def is_number(stop: int) -> bool:
        said = _plain(data[start:stop]).lstrip("(")
        said = "+" + said[2:] if regions == (None,) and said.startswith("00") else said
        return any(is_valid(said, region) for region in regions)

    ends: list[int] = []
    digits, last = 0, groups[-1][1]
    for first, stop in groups[place : place + MOST]:
        begins_anew = data[first] == 48 and data[first - 1] in b" \xa0" and digits >= _FEWEST_UNNAMED
        digits += stop - first
        if digits > MOST + 2 or (begins_anew and ends and is_number(ends[-1])):
            break
        if digits >= fewest and _may_end(data, stop, last):
            ends.append(stop)
    return next((stop for stop in reversed(ends) if is_number(stop)), 0)


def _may_end(data: bytes, stop: int, last: int) -> bool:
    """Whether a number may end there: where its groups do, or before a space."""
    return ends_alone(data, stop) if stop == last else data.startswith(_SPACES, stop)


def _is_other(data: bytes, first: int) -> bool:
    """Whether the number is written as a date is, or as a US social security number."""
    return bool(_OTHER.match(data, first)) and not _PAIRS.match(data, first)


def _is_mobile(data: bytes, group: tuple[int, int], regions: tuple[str, ...]) -> bool:
    said = data[group[0] : group[1]].decode("ascii")
    return 10 <= len(said) <= 12 and any(_kind_of(said, region) == 1 for region in regions)


def _plain(said: bytes) -> str:
    """The number as the library is asked about it: without the 0 that is dialled only within the country."""
    return said.decode("utf-8").replace("(0)", "")


@lru_cache(1 << 16)
def is_valid(said: str, region: str | None) -> bool:
    """Whether the number is given out, as it is dialled in the region (international form for None)."""
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(said, region))
    except phonenumbers.NumberParseException:
        return False


@lru_cache(1 << 16)
def _kind_of(said: str, region: str) -> int:
    import phonenumbers

    try:
        return int(phonenumbers.number_type(phonenumbers.parse(said, region)))
    except phonenumbers.NumberParseException:
        return -1


@lru_cache(None)
def calling_code(region: str) -> int:
    """The country calling code; 0 for a region that has none."""
    import phonenumbers

    return int(phonenumbers.country_code_for_region(region))

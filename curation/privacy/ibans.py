"""IBANs: ISO 13616, with the length that each country's bank association registered and the check digits of ISO 7064."""

from __future__ import annotations

from collections.abc import Iterator

from curation.privacy.checksums import mod_97

_BY_LENGTH = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
LENGTHS = {country.encode(): length for length, countries in _BY_LENGTH.items() for country in countries.split()}
"""Characters of an IBAN by its country, after SWIFT's IBAN registry."""

_SEPARATORS = (b"\xc2\xa0", b" ", b"-")


def find_iban(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """The IBAN that starts there: in one piece, or in groups of four with one sign between them."""
    country = data[start : start + 2].upper()
    length = LENGTHS.get(country)
    if length is None:
        return
    separator = next((sign for sign in _SEPARATORS if data.startswith(sign, start + 4)), b"")
    end = start + length + len(separator) * ((length - 1) // 4)
    groups = data[start:end].split(separator) if separator else [data[start:end]]
    if separator and any(len(group) != 4 for group in groups[:-1]):
        return
    said = b"".join(groups)
    if len(said) != length or not said.isalnum() or not said[2:4].isdigit() or not (said.isupper() or said.islower()):
        return
    if not b"02" <= said[2:4] <= b"98":
        return
    if not data[end : end + 1].isalnum() and data[end : end + 1] != b"_" and mod_97(said.decode("ascii")):
        yield start, end

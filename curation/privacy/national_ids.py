"""National ids: the forms and check digits of fifteen countries.

Each is a pattern, a rule that the digits meet, and the words by which people call it. An id whose form and check digits
leave less than one in a hundred random numbers stands by itself; any other counts only after one of its words. US social
security numbers and British national insurance numbers have no check digit: these stand by their form and by what their
authorities never give out, unless a word before says that the number is another one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

from curation.privacy.checksums import luhn, mod_11_10, verhoeff, weighted
from curation.privacy.context import are_named, before, last_word, phrases, stands_alone

_ADVERTISED = {"078051120", "219099999", "457555462", "123456789"}


def _digits(text: str) -> list[int]:
    return [int(letter) for letter in text]


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _us(said: str) -> bool:
    """SSA, Program Operations Manual RM 10201.035: what no number has; and those that were printed as examples."""
    area, group, serial = said[:3], said[3:5], said[5:]
    return (
        area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000" and said not in _ADVERTISED
    )


def _gb(said: str) -> bool:
    """HMRC, National Insurance Manual NIM39110: prefixes that are not used."""
    return said[:2] not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}


def _de(said: str) -> bool:
    """The tax id (Abgabenordnung § 139b): of its first ten digits one stands two or three times, no other twice."""
    counts = sorted(said[:10].count(digit) for digit in set(said[:10]))
    return said[0] != "0" and counts[-1] in {2, 3} and counts[-2] == 1 and mod_11_10(_digits(said))


def _es(said: str) -> bool:
    """DNI and NIE (Real Decreto 1553/2005 and Orden INT/2058/2008): a letter for the remainder modulo 23."""
    number = {"X": "0", "Y": "1", "Z": "2"}.get(said[0], said[0]) + said[1:-1]
    return said[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def _fr(said: str) -> bool:
    """The NIR (INSEE): sex, year, month, place, number, and 97 less the remainder of all that."""
    return 1 <= int(said[3:5]) <= 42 and int(said[13:]) == 97 - int(said[:13]) % 97


_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def _it(said: str) -> bool:
    """The codice fiscale (Decreto ministeriale 23 dicembre 1976): a letter for the sum over odd and even places."""
    places = [int(letter) if letter.isdigit() else ord(letter) - 65 for letter in said]
    total = sum(_ODD[place] for place in places[:15:2]) + sum(places[1:15:2])
    return chr(65 + total % 26) == said[15]


def _nl(said: str) -> bool:
    """The BSN's elfproef (Besluit burgerservicenummer)."""
    return said != "000000000" and weighted(_digits(said), (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _pl(said: str) -> bool:
    """PESEL (Ustawa o ewidencji ludności): the century is in the month."""
    year, month, day = int(said[:2]), int(said[2:4]), int(said[4:6])
    century = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[month // 20]
    checked = weighted(_digits(said), (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
    return checked and _is_date(century + year, month % 20, day)


def _br(said: str) -> bool:
    """CPF (Receita Federal): two check digits, and no number of one digit alone."""
    digits = _digits(said)
    first = weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return len(set(said)) > 1 and digits[9:] == [first, second]


def _be(said: str) -> bool:
    """The national register number (Koninklijk besluit 3 april 1984); who is born from 2000 on has a 2 before it."""
    head, check = int(said[:9]), int(said[9:])
    month, day = int(said[2:4]) % 20, int(said[4:6])
    return month <= 12 and day <= 31 and check in {97 - head % 97, 97 - (2_000_000_000 + head) % 97}


def _se(said: str) -> bool:
    """The personnummer (Folkbokföringslag § 18); coordination numbers have 60 added to the day."""
    said = said[-10:]
    day = int(said[4:6])
    return 1 <= int(said[2:4]) <= 12 and 1 <= (day - 60 if day > 60 else day) <= 31 and luhn(_digits(said))


def _ch(said: str) -> bool:
    """The AHV number: Switzerland's 756 with the check digit of an EAN-13."""
    return weighted(_digits(said), (1, 3) * 7) % 10 == 0


def _cn(said: str) -> bool:
    """The resident id (GB 11643-1999): a birthday, and ISO 7064's MOD 11-2."""
    total = weighted(_digits(said[:17]), (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    born = _is_date(int(said[6:10]), int(said[10:12]), int(said[12:14])) and said[6:8] in {"18", "19", "20"}
    return born and said[0] != "0" and "10X98765432"[total % 11] == said[17].upper()


def _in(said: str) -> bool:
    """Aadhaar (UIDAI): Verhoeff's check digit, and neither 0 nor 1 first."""
    return said[0] > "1" and verhoeff(_digits(said))


def _ca(said: str) -> bool:
    """The social insurance number (Service Canada): Luhn's check digit; 8 is not used, 0 is for tests."""
    return said[0] not in "08" and luhn(_digits(said))


_NAMING = {
    "US": phrases("ssn, ssns, social security, soc sec, itin, taxpayer"),
    "GB": phrases("nino, national insurance, ni number, ni no, insurance number"),
    "DE": phrases(
        "steuer id, steuer idnr, steueridentifikationsnummer, identifikationsnummer, idnr, id nr, tin, tax id"
    ),
    "ES": phrases("dni, nie, nif"),
    "FR": phrases("nir, sécurité sociale, securite sociale, sécu, secu, insee, carte vitale"),
    "IT": phrases("codice fiscale, cf, c f"),
    "NL": phrases("bsn, burgerservicenummer, sofinummer, sofi"),
    "PL": phrases("pesel"),
    "BR": phrases("cpf"),
    "BE": phrases(
        "rijksregisternummer, rijksregister, registre national, numéro national, nationaal nummer, niss, insz, national register"
    ),
    "SE": phrases("personnummer, personnr, samordningsnummer, pnr, personal identity"),
    "CH": phrases("ahv, avs, ahv nummer, ahv nr, navs"),
    "CN": phrases("id card, resident id, identity card, identity number"),
    "IN": phrases("aadhaar, aadhar, uidai, uid"),
    "CA": phrases("sin, social insurance, nas, assurance sociale"),
}
ID_NAMES: frozenset[str] = frozenset().union(*_NAMING.values())
"""The words and phrases by which people call any id."""

_MONTH, _DAY = rb"(?:0[1-9]|1[0-2])", rb"(?:0[1-9]|[12][0-9]|3[01])"
_FORMS = {
    "ssn": rb"[0-9]{3}-[0-9]{2}-[0-9]{4}",
    "ssn_spaced": rb"[0-9]{3} [0-9]{2} [0-9]{4}",
    "nir": rb"[12] ?[0-9]{2} ?[0-4][0-9] ?[0-9]{2} ?[0-9]{3} ?[0-9]{3}[ -]?[0-9]{2}",
    "ahv": rb"756(?:\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}|[0-9]{10}| [0-9]{4} [0-9]{4} [0-9]{2})",
    "cpf": rb"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}",
    "rrn": rb"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}",
    "idnr": rb"[1-9][0-9] [0-9]{3} [0-9]{3} [0-9]{3}",
    "personnummer": rb"(?:(?:19|20)[0-9]{2}|[0-9]{2})" + _MONTH + rb"[0-9]{2}-[0-9]{4}",
    "cn": rb"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}" + _MONTH + _DAY + rb"[0-9]{4}",
    "bsn": rb"[0-9]{4}\.[0-9]{2}\.[0-9]{3}",
    "three": rb"[0-9]{3}(?P<a>[ -])[0-9]{3}(?P=a)[0-9]{3}",
    "aadhaar": rb"[2-9][0-9]{3}(?P<b>[ -])[0-9]{4}(?P=b)[0-9]{4}",
    "twelve": rb"[0-9]{12}",
    "eleven": rb"[0-9]{11}",
    "ten": rb"[0-9]{10}",
    "nine": rb"[0-9]{9}",
}
_NUMBERS = re.compile(
    rb"(?<![0-9])(?<![0-9][.-])(?:"
    + b"|".join(rb"(?P<%b>%b)" % (name.encode(), pattern) for name, pattern in _FORMS.items())
    + rb")(?![0-9])(?![.-][0-9])"
)
_Rules = dict[str, tuple[tuple[str, Callable[[str], bool]], ...]]
_ALONE: _Rules = {
    "ssn": (("US", _us),),
    "nir": (("FR", _fr),),
    "ahv": (("CH", _ch),),
    "cpf": (("BR", _br),),
    "rrn": (("BE", _be),),
    "idnr": (("DE", _de),),
    "eleven": (("DE", _de),),
    "personnummer": (("SE", _se),),
    "cn": (("CN", _cn),),
}
_NAMED: _Rules = {
    "ssn_spaced": (("US", _us),),
    "bsn": (("NL", _nl),),
    "three": (("CA", _ca), ("NL", _nl)),
    "aadhaar": (("IN", _in),),
    "twelve": (("IN", _in), ("SE", _se)),
    "eleven": (("PL", _pl), ("BR", _br), ("BE", _be)),
    "ten": (("SE", _se),),
    "nine": (("US", _us), ("NL", _nl), ("CA", _ca)),
}
_CODES = re.compile(
    rb"(?P<nino>(?-i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])(?: ?[0-9]{2}){3} ?[A-D])"
    rb"|(?P<codice>[A-Za-z]{6}[0-9LMNP-Vlmnp-v]{2}[A-EHLMPRSTa-ehlmprst][0-9LMNP-Vlmnp-v]{2}[A-Za-z][0-9LMNP-Vlmnp-v]{3}[A-Za-z])"
    rb"|(?P<nie>[XYZ]-?[0-9]{7}-?[A-Z])"
    rb"|(?P<dni>[0-9]{8}[A-Z])"
    rb"|(?P<cn>[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])[0-9]{5}[Xx])"
)
_PARTED_DNI = re.compile(rb"(?:[0-9]{8}|[0-9]{2}\.[0-9]{3}\.[0-9]{3})[- ]?[A-Z](?![A-Za-z0-9_])")
_OF_CODES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "nino": ("GB", _gb),
    "codice": ("IT", _it),
    "nie": ("ES", _es),
    "dni": ("ES", _es),
    "cn": ("CN", _cn),
}
_SIGNS = re.compile(rb"[^0-9A-Za-z]+")


def find_coded_id(data: bytes, start: int, countries: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The id with letters in it that starts there."""
    found = _CODES.match(data, start)
    if found is None or found.lastgroup is None or data[found.end() : found.end() + 1].isalnum():
        return
    country, valid = _OF_CODES[found.lastgroup]
    said = _SIGNS.sub(b"", found[0]).decode("ascii").upper()
    if country not in countries or not valid(said) or not stands_alone(data, start, found.end()):
        return
    if last_word(before(data, start), ID_NAMES) != "otherwise":
        yield found.span()


def find_numeric_ids(data: bytes, start: int, end: int, countries: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The ids among groups of digits."""
    if "ES" in countries:
        yield from _dni(data, end)
    for found in _NUMBERS.finditer(data, start, end):
        form = next(name for name, value in found.groupdict().items() if value and name not in "ab")
        said = _SIGNS.sub(b"", found[0]).decode("ascii")
        if _is_id(data, found.start(), form, said, countries) and stands_alone(data, *found.span()):
            yield found.span()


def _dni(data: bytes, end: int) -> Iterator[tuple[int, int]]:
    """A DNI whose letter a sign parts from the groups of digits that end there."""
    for length in (8, 10):
        found = _PARTED_DNI.match(data, max(0, end - length), end + 3)
        said = _SIGNS.sub(b"", found[0]).decode("ascii") if found and found.end() > end else ""
        if found and said and _es(said) and stands_alone(data, *found.span()):
            yield found.span()


def _is_id(data: bytes, start: int, form: str, said: str, countries: frozenset[str]) -> bool:
    alone = any(country in countries and valid(said) for country, valid in _ALONE.get(form, ()))
    named = [country for country, valid in _NAMED.get(form, ()) if country in countries and valid(said)]
    text = before(data, start) if alone or named else []
    if any(are_named(text, _NAMING[country]) for country in named):
        return True
    return alone and last_word(text, ID_NAMES) != "otherwise"

"""What stands beside a candidate: words that name it, words that say it is something else, signs that make it part of more.

A checksum of one digit lets every tenth number through, so a bare number is personal data only where a word before it
says so. Nothing here looks beyond a `<` or a `>`: what stands behind a placeholder says nothing of what stands before it,
so that redacting a redacted text changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

WINDOW = 56
"""Bytes before a candidate in which words count."""

_NEAR = 4
"""Words before a candidate among which one that names another thing counts."""
_WORD = re.compile(r"[^\W\d_]+")
_DIGITS = frozenset(b"0123456789")
_SPACE = frozenset(b" \t\n\r")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ALNUM = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")


def phrases(said: str) -> frozenset[str]:
    """Words, and phrases of two, from a list that commas part."""
    return frozenset(phrase.strip() for phrase in said.split(","))


OTHERWISE = phrases(
    "order, invoice, isbn, issn, serial, part, parts, sku, ticket, item, model, version, ver, patent, doi, case, article, "
    "tracking, build, release, revision, rev, commit, batch, lot, issue, bug, pmid, oclc, lccn, ean, upc, gtin, rfc, "
    "section, chapter, page, figure, ref, reference, transaction, shipment, parcel, id, ssn, sin, bsn, pesel, cpf, nif, dni, "
    "nir, ahv, iban, aadhaar, personnummer, bestellung, bestellnummer, rechnung, artikel, commande, facture, pedido, "
    "factura, fattura, ordine, factuur, zamówienie"
)
"""Words that name numbers which are about things, or other numbers of people."""


def before(data: bytes, at: int, window: int = WINDOW) -> list[str]:
    """The words that stand before `at` as far as they count, in small letters."""
    text = _whole_words(data, max(0, at - window), at)
    text = text[max(text.rfind(b"<"), text.rfind(b">")) + 1 :]
    return _WORD.findall(text.decode("utf-8", "ignore").lower())


def _whole_words(data: bytes, start: int, end: int) -> bytes:
    """data[start:end] without the rest of a word that began before."""
    if start and _is_of_word(data[start - 1]):
        while start < end and _is_of_word(data[start]):
            start += 1
    return data[start:end]


def _is_of_word(byte: int) -> bool:
    return byte in _LETTERS or byte >= 0x80


def last_word(words: list[str], naming: frozenset[str]) -> str:
    """Which comes last: `named` for a phrase of `naming`, `otherwise` for one that names another thing, or "" for neither."""
    for place, phrase in enumerate(_from_last(words)):
        if not naming.isdisjoint(phrase):
            return "named"
        if phrase[0] in OTHERWISE and place < _NEAR:
            return "otherwise"
    return ""


def are_named(words: list[str], naming: frozenset[str]) -> bool:
    """Whether any phrase of `naming` is there."""
    return any(not naming.isdisjoint(phrase) for phrase in _from_last(words))


def _from_last(words: list[str]) -> Iterator[tuple[str, str]]:
    """Each word, and it with the word before it, from the last to the first."""
    for place in range(len(words) - 1, -1, -1):
        yield words[place], f"{words[place - 1]} {words[place]}" if place else ""


def stands_alone(data: bytes, start: int, end: int) -> bool:
    """Whether a number is whole: no part of a word, a decimal, an amount, a path or a longer code."""
    return starts_alone(data, start) and ends_alone(data, end)


def starts_alone(data: bytes, start: int) -> bool:
    """Whether nothing before `start` makes what follows part of more."""
    prior = data[start - 1] if start else 32
    earlier = data[start - 2] if start > 1 else 32
    if prior in _ALNUM or prior in b"$#\\%" or data[max(0, start - 3) : start] == b"\xe2\x82\xac":
        return False
    if data[max(0, start - 2) : start] == b"\xc2\xa3":
        return False
    if prior in b".,-" and (earlier in _ALNUM or earlier == prior):
        return False
    return prior != 47 or earlier in _SPACE


def ends_alone(data: bytes, end: int) -> bool:
    """Whether nothing from `end` on makes what is before it part of more."""
    following = data[end] if end < len(data) else 32
    later = data[end + 1] if end + 1 < len(data) else 32
    if following in _ALNUM or following in b"%$\\":
        return False
    return not (following in b"-:" and later in _DIGITS) and not (following in b".,/" and later in _ALNUM)

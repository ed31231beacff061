"""Which script each letter and mark is of, by Unicode (UAX 24), as a table that a compiled loop can look up.

Python has no property for scripts, but names its characters by them: `CYRILLIC SMALL LETTER A`. Letters of scripts that
have no column here are `Other`. Marks that any script may use (a combining acute accent) belong to words and are of no
script.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

SCRIPTS = (
    "Latin",
    "Cyrillic",
    "Greek",
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Bengali",
    "Gurmukhi",
    "Gujarati",
    "Oriya",
    "Tamil",
    "Telugu",
    "Kannada",
    "Malayalam",
    "Sinhala",
    "Thai",
    "Lao",
    "Tibetan",
    "Myanmar",
    "Georgian",
    "Armenian",
    "Ethiopic",
    "Khmer",
    "Mongolian",
    "Hangul",
    "Hiragana",
    "Katakana",
    "Bopomofo",
    "Han",
    "Other",
)
"""Names of scripts as Unicode has them."""

TABLED = 0x33480
"""Beyond the third plane no code point is a letter."""
NO_LETTER, NO_SCRIPT, FIRST = 0, 1, 2
"""Entries of the table: part of no word; a mark of no script; the first of `SCRIPTS`."""
_OF_NAME = {name.upper(): FIRST + place for place, name in enumerate(SCRIPTS)}
_OTHER = _OF_NAME.pop("OTHER")
_OF_NAME |= dict.fromkeys(("CJK", "IDEOGRAPHIC", "ITERATION"), _OF_NAME["HAN"]) | {"HENTAIGANA": _OF_NAME["HIRAGANA"]}
_OF_NAME |= dict.fromkeys(("CAPITAL", "SMALL", "ROMAN"), _OF_NAME["LATIN"])
_FORMS = ("MODIFIER LETTER", "FEMININE ORDINAL", "MASCULINE ORDINAL", "OHM", "KELVIN", "ANGSTROM")
_PREFIXES = ("FULLWIDTH ", "HALFWIDTH ", "MODIFIER LETTER ", "SUPERSCRIPT ", "TURNED ", "VERTICAL ", "OLD CHINESE ")


@cache
def script_table() -> npt.NDArray[np.uint8]:
    """The entry of each code point."""
    table = np.fromiter(map(_entry, map(chr, range(TABLED))), np.uint8, TABLED)
    table.flags.writeable = False
    return table


def _entry(char: str) -> int:
    kind = unicodedata.category(char)[0]
    if kind not in "LM":
        return NO_LETTER
    return _OF_NAME.get(_script_name(char), _OTHER if kind == "L" else NO_SCRIPT)


def _script_name(char: str) -> str:
    """The script that a character is named by; of letters that are forms of another one (ª, ʰ, Ω for ohm), by that one."""
    name = unicodedata.name(char, "")
    if name.startswith(_FORMS):
        name = unicodedata.name(unicodedata.normalize("NFKC", char)[0])
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name.partition(" ")[0]

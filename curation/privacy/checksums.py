"""Check digits, each by its standard."""

from __future__ import annotations

from collections.abc import Sequence

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_DIHEDRAL = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
"""Multiplication in the dihedral group of order ten."""
_MOVED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _permutations() -> list[tuple[int, ...]]:
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(_MOVED[digit] for digit in rows[-1]))
    return rows


_PERMUTED = _permutations()


def luhn(digits: Sequence[int]) -> bool:
    """Whether the last digit is right by ISO/IEC 7812-1, annex B."""
    return (sum(digits[-1::-2]) + sum(_DOUBLED[digit] for digit in digits[-2::-2])) % 10 == 0


def mod_97(letters: str) -> bool:
    """Whether an IBAN's check digits are right by ISO 7064 (MOD 97-10); letters count from A = 10."""
    moved = letters[4:] + letters[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def mod_11_10(digits: Sequence[int]) -> bool:
    """Whether the last digit is right by ISO 7064 (MOD 11,10)."""
    product = 10
    for digit in digits[:-1]:
        product = ((product + digit) % 10 or 10) * 2 % 11
    return (product + digits[-1]) % 10 == 1


def verhoeff(digits: Sequence[int]) -> bool:
    """Whether the last digit is right by Verhoeff (1969), Error detecting decimal codes."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _DIHEDRAL[check][_PERMUTED[place % 8][digit]]
    return check == 0


def weighted(digits: Sequence[int], weights: Sequence[int]) -> int:
    """The sum of digits times weights."""
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))

"""Values as a person may see them who asks what was found: their shape and not what they say."""

from __future__ import annotations

from collections.abc import Iterable

from curation.spans import Span

_HIDDEN = "secret"


def masked(kind: str, value: str) -> str:
    """The value with `x` for letters and `9` for digits, of a secret `*` throughout; as many bytes of UTF-8 as it has.

    >>> masked("email", "ann.lee7@mail.example")
    'xxx.xxx9@xxxx.xxxxxxx'
    """
    return "".join(_sign(kind, sign) * len(sign.encode("utf-8", "surrogatepass")) for sign in value)


def masked_text(text: str, spans: Iterable[Span]) -> str:
    """The text with each of the spans (sorted, disjoint) masked; spans of the text lead to the same places in it."""
    data = text.encode("utf-8", "surrogatepass")
    pieces, at = [], 0
    for start, end, kind in spans:
        pieces += [data[at:start], masked(kind, data[start:end].decode()).encode()]
        at = end
    return b"".join([*pieces, data[at:]]).decode("utf-8", "surrogatepass")


def _sign(kind: str, sign: str) -> str:
    if kind == _HIDDEN or not sign.isascii():
        return "*" if kind == _HIDDEN else "x"
    return "9" if sign.isdigit() else "x" if sign.isalpha() else sign

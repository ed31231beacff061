"""All personal data of texts, as spans that do not overlap.

Where two kinds claim the same bytes, the one that is surer of itself has them: a password in an address before the e-mail
address that it seems to be part of, an IBAN before the numbers within. What was passed over for that, or because it stood
too close, may be found once its neighbour is a placeholder. So texts in which something was found are looked at again with
those spans blanked, until nothing is left to find; then a redacted text has nothing more, for no detector sees through a
placeholder (`curation.privacy.context`). Two looks do for nearly every text; one that was made to reveal its data bit by
bit is looked at `LOOKS` times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from curation.privacy import kernels
from curation.privacy.candidates import Candidate, candidates
from curation.privacy.cards import find_cards
from curation.privacy.emails import find_email
from curation.privacy.ibans import find_iban
from curation.privacy.ip_addresses import find_ipv4, find_ipv6
from curation.privacy.national_ids import find_coded_id, find_numeric_ids
from curation.privacy.phones import find_phones
from curation.privacy.secrets import find_assigned, find_bot_token, find_key, find_password_in_address
from curation.privacy.settings import FindSettings
from curation.spans import Span

LOOKS = 16
_FIRST = ("secret", "email", "iban", "credit_card", "national_id", "ip", "phone")
"""The kinds by how sure of themselves they are."""


def find(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], settings: FindSettings) -> list[list[Span]]:
    """The spans of each text, sorted and disjoint; text t is data[offsets[t] : offsets[t + 1]], in valid UTF-8."""
    found: list[list[Span]] = [[] for _ in range(len(offsets) - 1)]
    pending = list(range(len(found)))
    for _ in range(LOOKS):
        texts = []
        for place, own in candidates(data, offsets).items():
            text = data[offsets[place] : offsets[place + 1]].tobytes()
            new = _chosen(_claims(text, own, settings))
            if new:
                found[pending[place]] += new
                texts.append((pending[place], _blanked(text, new)))
        pending = [place for place, _ in texts]
        data = np.frombuffer(b"".join(text for _, text in texts), np.uint8)
        offsets = np.cumsum([0, *(len(text) for _, text in texts)], dtype=np.int64)
    return [sorted(spans) for spans in found]


def find_in(text: str, settings: FindSettings) -> list[Span]:
    """The spans of one text."""
    data = np.frombuffer(text.encode(), np.uint8)
    return find(data, np.array([0, len(data)], np.int64), settings)[0]


def _claims(text: bytes, proposed: Iterable[Candidate], settings: FindSettings) -> Iterator[Span]:
    """What each detector makes of what was proposed."""
    countries = frozenset(settings.national_ids)
    for sort, start, end in proposed:
        if sort == kernels.AT:
            yield from _named("secret", find_password_in_address(text, start))
            yield from _named("email", find_email(text, start))
        elif sort == kernels.NUMBER:
            yield from _named("secret", find_bot_token(text, start, end))
            yield from _named("credit_card", find_cards(text, start, end))
            yield from _named("national_id", find_numeric_ids(text, start, end, countries))
            yield from _named("phone", find_phones(text, start, end, settings.phone_regions))
        elif sort == kernels.CODE:
            yield from _named("iban", find_iban(text, start))
            yield from _named("national_id", find_coded_id(text, start, countries))
        elif sort == kernels.PREFIX:
            yield from _named("secret", find_key(text, start))
        elif sort == kernels.ASSIGNED:
            yield from _named("secret", find_assigned(text, start))
        else:
            find_address = find_ipv4 if sort == kernels.IPV4 else find_ipv6
            yield from _named("ip", find_address(text, start, end))


def _named(kind: str, spans: Iterator[tuple[int, int]]) -> Iterator[Span]:
    return ((start, end, kind) for start, end in spans)


def _chosen(claims: Iterable[Span]) -> list[Span]:
    """The claims that stand: the surest kind first, of one kind the first, the longest where two begin together."""
    chosen: list[Span] = []
    for start, end, kind in sorted(claims, key=lambda span: (_FIRST.index(span[2]), span[0], -span[1])):
        place = bisect_right(chosen, (start, end, kind))
        is_free_before = place == 0 or chosen[place - 1][1] <= start
        if is_free_before and (place == len(chosen) or end <= chosen[place][0]):
            chosen.insert(place, (start, end, kind))
    return chosen


def _blanked(text: bytes, spans: Sequence[Span]) -> bytes:
    """The text, of the same length, with something like a placeholder for each span."""
    pieces, at = [], 0
    for start, end, _ in spans:
        pieces += [text[at:start], b"<", b"_" * (end - start - 2), b">"]
        at = end
    return b"".join([*pieces, text[at:]])

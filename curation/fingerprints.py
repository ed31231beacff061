"""Fingerprints of texts that must be nowhere: enough of them that any passage of 96 bytes is found again.

Winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003): of the hashes of all runs of 32 bytes, the least of every 65 that
follow each other. So a passage of 96 bytes that two texts share holds a fingerprint of both, and a text has about one for 33
bytes. The hash is a polynomial whose base is drawn from the workspace's key, so fingerprints cannot be tried against
texts without it; it is computed for megabytes at once by sums of powers, modulo 2^64.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RUN = 32
"""Bytes in a run that is hashed; a text of fewer has no fingerprint."""
WINDOW = 65
"""Of so many runs in a row, one at least is a fingerprint."""
CHUNK = 1 << 20
LEAST_BYTES = 8
"""A run of fewer different bytes (blanks, a rule of dashes) is no fingerprint: it stands everywhere."""

Hashes = npt.NDArray[np.uint64]
_BUCKETS = 24
_NOTHING: Hashes = np.empty(0, np.uint64)


@dataclass(frozen=True)
class Base:
    """The powers of the polynomial's base, and those of its inverse, for one chunk."""

    powers: Hashes
    inverses: Hashes

    @classmethod
    def of(cls, key: str) -> Base:
        """The base that belongs to a key: an odd number, which has an inverse modulo 2^64."""
        drawn = int.from_bytes(hashlib.blake2b(b"fingerprints", key=key.encode(), digest_size=8).digest(), "little") | 1
        return cls(_powers(drawn), _powers(pow(drawn, -1, 1 << 64)))


def _powers(base: int) -> Hashes:
    factors = np.full(CHUNK + RUN, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def hashes_of(data: bytes | memoryview, base: Base) -> Hashes:
    """The hash of each run of `RUN` bytes of at most a chunk, in order."""
    values = np.frombuffer(data, np.uint8).astype(np.uint64) + np.uint64(1)
    if len(values) < RUN:
        return np.empty(0, np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values * base.powers[: len(values)], dtype=np.uint64)])
    runs: Hashes = (sums[RUN:] - sums[:-RUN]) * base.inverses[: len(values) - RUN + 1]
    runs ^= runs >> np.uint64(31)
    runs *= np.uint64(0x9E3779B97F4A7C15)
    runs ^= runs >> np.uint64(29)
    return runs


def union(parts: Iterable[Hashes]) -> Hashes:
    """All that stands in some sets, sorted, each once."""
    found: Hashes = np.unique(np.concatenate([_NOTHING, *parts]))
    return found


def fingerprints(texts: Iterable[str], key: str) -> Hashes:
    """The fingerprints of texts, sorted, each once."""
    base = Base.of(key)
    found = (_winnowed(text.encode("utf-8", "surrogatepass"), base) for text in texts)
    return union(found)


def _winnowed(data: bytes, base: Base) -> Hashes:
    """The least hash of every window, of one text; of a text with fewer runs than a window, the least of all."""
    parts = []
    for start in range(0, max(len(data) - RUN + 1, 0), CHUNK - WINDOW - RUN):
        piece = data[start : start + CHUNK]
        runs = hashes_of(piece, base)
        windows = np.lib.stride_tricks.sliding_window_view(runs, min(WINDOW, len(runs)))
        places = np.unique(windows.argmin(axis=1) + np.arange(len(windows)))
        parts.append(runs[[place for place in places if len(set(piece[place : place + RUN])) >= LEAST_BYTES]])
    return union(parts)


class Hunt:
    """Looks for fingerprints in bytes, chunk by chunk."""

    def __init__(self, wanted: Hashes, key: str) -> None:
        self.wanted = np.sort(wanted)
        self._base = Base.of(key)
        self._buckets = np.zeros(1 << _BUCKETS, np.bool_)
        self._buckets[self.wanted >> np.uint64(64 - _BUCKETS)] = True

    def found(self, data: bytes | memoryview) -> Hashes:
        """Those of the fingerprints that stand in the data, each once."""
        view = memoryview(data)
        hits = [self._found(view[start : start + CHUNK]) for start in range(0, len(view), CHUNK - RUN + 1)]
        return union(hits)

    def _found(self, chunk: memoryview) -> Hashes:
        runs = hashes_of(chunk, self._base)
        likely = runs[self._buckets[runs >> np.uint64(64 - _BUCKETS)]]
        found: Hashes = likely[np.isin(likely, self.wanted)]
        return found

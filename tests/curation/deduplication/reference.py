"""Deduplication said slowly: plain Python from the words of the design, against which the fast one is held."""

import re
import unicodedata

import polars as pl
import pyarrow as pa

import records
from curation.deduplication import SignatureSettings, signatures


def normal(text):
    return None if text is None else " ".join(unicodedata.normalize("NFC", text).split())


def shingles(text, k):
    words = [word.casefold() for word in re.findall(r"\w+", unicodedata.normalize("NFC", text or ""))]
    if len(words) < k:
        return {tuple(words)} if words else set()
    return {tuple(words[i : i + k]) for i in range(len(words) - k + 1)}


def jaccard(a, b):
    return len(a & b) / len(a | b) if a | b else 0.0


def signed(texts, settings=None):
    """The signatures of distinct texts, as a frame."""
    digests = [records.content_digest("null" if text is None else text) for text in texts]
    batch = pa.record_batch({"content_digest": pa.array(digests, pa.string()), "text": pa.array(texts, pa.string())})
    return pl.from_arrow(signatures(batch, settings or SignatureSettings()))


def share_a_band(a, b):
    return any(a[i : i + 4] == b[i : i + 4] for i in range(0, min(len(a), len(b)), 4))


def elect(order, settings):
    """From (digest, text, bands) in the order of the policy: {dropped digest: (kept digest, kind, jaccard)}."""
    kept, dropped, k = [], {}, settings.signature.shingle_words
    for digest, text, bands in order:
        same = [other for other, words, _ in kept if text is not None and normal(words) == normal(text)]
        if same:
            dropped[digest] = (same[0], "exact", 1.0)
            continue
        near = [
            (jaccard(shingles(text, k), shingles(words, k)), other)
            for other, words, there in kept
            if share_a_band(bands, there)
        ]
        best = max((similarity for similarity, _ in near), default=0.0)
        if near and best >= settings.threshold:
            dropped[digest] = (next(other for similarity, other in near if similarity == best), "near", best)
        else:
            kept.append((digest, text, bands))
    return dropped


def kept_neighbours(order, settings):
    """From (digest, text, bands) in the order of the policy: each content, each kept one before it that shares a band with it
    and is similar enough, and their similarity. What has the normalised text of a kept one has none."""
    dropped, k = elect(order, settings), settings.signature.shingle_words
    found = []
    for at, (digest, text, bands) in enumerate(order):
        kept = [each for each in order[:at] if each[0] not in dropped]
        if any(text is not None and normal(words) == normal(text) for _, words, _ in kept):
            continue
        near = [
            (digest, other, jaccard(shingles(text, k), shingles(words, k)))
            for other, words, there in kept
            if share_a_band(bands, there)
        ]
        found += [pair for pair in near if pair[2] >= settings.threshold]
    return sorted(found)

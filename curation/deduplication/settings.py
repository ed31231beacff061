"""What deduplication can be told. Measuring and deciding are apart, so that a threshold moves without measuring again.

Bands of rows turn a sketch into an S-curve: two texts at Jaccard s share a band with a chance of 1 - (1 - s^rows)^bands
(Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4). Of pairs just at the threshold of 0.8, 18 bands
of 7 find 0.9855, and more of all that are over it: at 0.85 already 0.999. 20 of 6 find 0.998, and propose nearly twice
as many pairs below it; 14 of 9 find only 0.867. What is found is verified afterwards, so generous bands cost time, never
precision. At 0.5, for groups, 160 bands of 4 miss 3 pairs in 100,000.

So a lower threshold needs other bands: those 18 of 7 would find 0.79 of the pairs at 0.7. Bands that nobody names are
chosen for the threshold, a tenth at a time, lest each little step of it measure all signatures anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, log, prod

POLICY = ("source", "longest", "newest", "quality", "contamination")
"""The keys that a survivor policy may name."""

EVIDENCE = {"quality": "rule_failures", "contamination": "contamination"}
"""The keys that sort by what was measured of a content, each with the table that says it."""

RECALL = 0.985
"""The share of pairs just at the threshold that bands which are chosen find, at least."""
HIGHEST = 0.8
"""The similarity for which bands are chosen at the most: they find more of what is over it."""
HASHES = 126
"""Places of a sketch, of which as many bands are made as there is room for."""
MOST_HASHES = 4096


@dataclass(frozen=True)
class SignatureSettings:
    """How a text is seen: what counts as the same text, as a shingle, and as a candidate."""

    # Words in a shingle; a text with fewer words is one shingle.
    shingle_words: int = 5
    # Bands of the sketch; contents that share one are candidates (0: chosen for the threshold).
    bands: int = 0
    # Rows of the sketch in a band (0: chosen for the threshold).
    rows: int = 0
    # Seed of the sketch.
    seed: int = 0
    # See texts in Unicode NFC, with each run of white space as one blank and none at the ends.
    normalise: bool = True
    # Threads (0: all cores this process may use).
    threads: int = field(default=0, metadata={"runtime": True})

    def __post_init__(self) -> None:
        for name, least in (("shingle_words", 1), ("bands", 0), ("rows", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: {getattr(self, name)} is too small; give 1 or more")
        if self.bands * self.rows > MOST_HASHES:
            raise ValueError(f"bands: {self.bands} of {self.rows} rows are over {MOST_HASHES:,} hashes; give fewer")

    def banded(self, threshold: float = HIGHEST) -> SignatureSettings:
        """The same, with bands: those that it names, else those that find `RECALL` of the pairs at the threshold.

        Raises ValueError where that would take more than `MOST_HASHES`.
        """
        bands, rows = _banding(self.bands, self.rows, threshold)
        return replace(self, bands=bands, rows=rows)


@dataclass(frozen=True)
class DeduplicationSettings:
    """Which contents are near-duplicates, and which of them stays."""

    # Jaccard similarity of the shingle sets at or over which two contents are near-duplicates.
    threshold: float = 0.8
    # Who stays, first key first: "source" (order of the sources), "longest" (characters), "newest" (date in the
    # content), "quality" (fewest failing rules), "contamination" (least of any evaluation item); ties by digest.
    policy: tuple[str, ...] = ("source", "longest")
    # How a text is seen.
    signature: SignatureSettings = SignatureSettings()
    # Bytes of text whose shingles are held at a time while candidates are verified.
    fetch_bytes: int = field(default=4 << 20, metadata={"runtime": True})

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)
        object.__setattr__(self, "signature", self.signature.banded(self.threshold))
        unknown = [key for key in self.policy if key not in POLICY]
        if unknown:
            raise ValueError(f"policy: there is no key {unknown[0]!r}; it is a list of {', '.join(POLICY)}")

    @property
    def evidence(self) -> tuple[str, ...]:
        """The tables beside signatures that the policy looks at."""
        return tuple(EVIDENCE[key] for key in self.policy if key in EVIDENCE)


@dataclass(frozen=True)
class GroupSettings:
    """Which short texts belong together, so that they fall on the same side of a split."""

    # Jaccard similarity of the shingle sets at or over which two texts belong together.
    threshold: float = 0.5
    # How a text is seen: short shingles and narrow bands, for texts of a few dozen words.
    signature: SignatureSettings = SignatureSettings(shingle_words=3, bands=160, rows=4)

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)


def _banding(bands: int, rows: int, threshold: float) -> tuple[int, int]:
    """Bands and rows, where a 0 is chosen: the most rows that leave enough bands within `HASHES`, or within those given."""
    if bands and rows:
        return bands, rows
    similarity = min(HIGHEST, int(threshold * 10 + 1e-9) / 10) or threshold
    needed = {each: _bands_needed(similarity, each) for each in ([rows] if rows else range(1, HASHES + 1))}
    choices = [(bands or most, each) for each, most in needed.items() if not bands or most <= bands]
    fitting = [choice for choice in choices if bands or prod(choice) <= HASHES] or choices[:1]
    if fitting and prod(fitting[-1]) <= MOST_HASHES:
        return fitting[-1]
    raise ValueError(
        f"threshold: to find {RECALL:.1%} of the pairs at {similarity:g} takes other bands and rows, or more than "
        f"{MOST_HASHES:,} hashes; give a higher threshold, or both signature.bands and signature.rows"
    )


def _bands_needed(similarity: float, rows: int) -> int:
    """How many bands find `RECALL` of the pairs of that similarity; more than are allowed, where none do."""
    shared = similarity**rows
    return ceil(log(1 - RECALL) / log(1 - shared)) if shared > 1e-9 else MOST_HASHES + 1


def _check_threshold(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(
            f"threshold: {threshold} is no Jaccard similarity to decide by; give one over 0, and at most 1"
        )

"""The corpus as a release to pre-train on: each kept content, on its side of the split, in the mixture that was asked for.

A content's own side is a hash of seed and digest. It goes to a more protected side with what is near to it, and with the
held-out samples that were found in it: what a task is judged on is not learned as plain text either. Near-duplicates at
deduplication's own threshold are gone by then; what lies between that and `LEAK` is tied here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import polars as pl

from curation.deduplication import GroupSettings, SignatureSettings, near_duplicate_groups
from curation.mixture import MixtureSettings, mixed
from curation.release_kinds import FRAMES
from curation.splits import LEAK, SPLITS, SplitSettings, held_out_contents, sides, straddling_texts
from records import Outcome

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

SEEN = SignatureSettings(bands=128, rows=4)
"""How documents are seen: in runs of five words, as deduplication does. At 0.5 all but 3 pairs in 10,000 are found."""


@dataclass(frozen=True)
class PretrainingSettings:
    """How the corpus is released to pre-train on."""

    # draws the sides of the contents
    seed: int = 0
    # share of the contents that goes to test
    test: float = 0.01
    # share of the contents that goes to validation
    validation: float = 0.01
    # Jaccard similarity (runs of five words) at or over which contents stay together; at most 0.5, where leaks begin
    threshold: float = LEAK
    # what the training split is made of
    mixture: MixtureSettings = field(default_factory=MixtureSettings)

    def __post_init__(self) -> None:
        """Raises ValueError for shares that leave nothing to train on, and a mixture by what documents have not."""
        SplitSettings(self.seed, self.test, self.validation, self.threshold)
        if self.mixture.by != "source":
            raise ValueError("mixture.by: documents have a source and no slice; write source")


def pretraining(
    corpus: Frame,
    settings: PretrainingSettings,
    samples: Frame | None = None,
    candidates: Frame | None = None,
) -> Outcome:
    """The contents of the corpus as columns `PRETRAINING`, with `copies` where a mixture takes some more than once.

    `corpus` has content_digest, source, media_type and text; `samples` messages and split, `candidates` content_digest and
    samples. Books in contents. The check `no_leak` searches afresh, with another seed.
    """
    contents = corpus.lazy().select("content_digest", "text", "source", "media_type").sort("content_digest").collect()
    ranked = contents.with_columns(sides(contents["content_digest"], _sides(settings)).alias("own"))
    ranked = ranked.join(_of_held_out(samples, candidates), on="content_digest", how="left", maintain_order="left")
    groups = near_duplicate_groups(ranked.select("content_digest", "text"), GroupSettings(settings.threshold, SEEN))
    ranked = ranked.join(groups, on="content_digest", maintain_order="left").with_columns(
        rank=pl.min_horizontal("own", "held_out").min().over("group")
    )
    split = pl.col("rank").replace_strict(dict(enumerate(SPLITS)), return_dtype=pl.String)
    placed = ranked.with_columns(split=split)
    leaks = straddling_texts(placed.select("content_digest", "text", "split"), seen=SEEN)
    rows = placed.select(FRAMES["pretraining"])
    taken, mix = mixed(rows, placed["source"], rows["text"].str.len_bytes(), "content_digest", settings.mixture)
    left_out = rows.height - taken.height
    said = f"{leaks.height} held-out contents are near (Jaccard {LEAK} or more) to one on another side; draw others (pretraining.seed)"
    return Outcome(
        taken,
        kept=taken.height,
        dropped={"left out by the mixture": left_out} if left_out else {},
        others={"mix": mix},
        notes={
            "contents by split": {name: placed.filter(split=name).height for name in reversed(SPLITS)},
            "moved to the side of a near-duplicate or a held-out sample": placed.filter(
                pl.col("rank") != pl.col("own")
            ).height,
            "leaks": leaks.height,
        },
        checks={"no_leak": said if leaks.height else ""},
    )


def _sides(settings: PretrainingSettings) -> SplitSettings:
    return replace(SplitSettings(), seed=settings.seed, test=settings.test, validation=settings.validation)


def _of_held_out(samples: Frame | None, candidates: Frame | None) -> pl.DataFrame:
    """The contents in which samples stand (content_digest), with the rank of the most protected of these (held_out)."""
    if samples is None or candidates is None:
        return pl.DataFrame(schema={"content_digest": pl.String, "held_out": pl.Int64})
    return held_out_contents(samples, candidates)

"""Which samples a model learns from, which it is chosen on, and which it is judged on, once.

Lee et al. (Deduplicating Training Data Makes Language Models Better, ACL 2022) found about 4% of the validation samples
of common corpora in their training data, nearly verbatim. Two ties are kept here. A *group* (package, document, user)
has its side by a hash of seed and name, whatever else there is: data that comes later moves nothing. Then near-duplicate
prompts follow the most protected of them: test before validation before train. Only prompts tie clusters, never groups:
were a package as a whole to follow one copied function, packages would chain into one component.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import GroupSettings, SignatureSettings, near_duplicate_groups
from curation.tasks.docstrings import RETURN_QUESTION
from records import Outcome, digests

SPLITS = ("test", "validation", "train")
"""By rank: the first wins where near-duplicates differ."""

LEAKS = {
    "held_out_id": pl.String,
    "held_out_split": pl.String,
    "other_id": pl.String,
    "other_split": pl.String,
    "jaccard": pl.Float64,
}
"""The columns of `straddling`."""
LEAK = 0.5
"""Jaccard similarity at or over which two prompts on different sides are a leak. Groups are tied at this or less: were
they tied at more, what lies between would be found as a leak in every larger task, and nobody could mend it."""


@dataclass(frozen=True)
class SplitSettings:
    """How samples are divided. Raises ValueError for shares that leave nothing to train on."""

    # draws the sides of the groups
    seed: int = 0
    # share of the groups that goes to test
    test: float = 0.1
    # share of the groups that goes to validation
    validation: float = 0.05
    # Jaccard similarity (runs of three words) at or over which prompts stay together; at most 0.5, where leaks begin
    threshold: float = LEAK

    def __post_init__(self) -> None:
        if min(self.test, self.validation) < 0 or self.test + self.validation >= 1:
            raise ValueError(
                f"test: {self.test} and validation: {self.validation} must be 0 or more, and leave a share for training"
            )
        GroupSettings(self.threshold)
        if self.threshold > LEAK:
            raise ValueError(
                f"threshold: {self.threshold} would leave prompts on both sides that are leaks at {LEAK}; give {LEAK} or less"
            )


def side(group: str, settings: SplitSettings) -> str:
    """A group's own split: a function of seed and name alone."""
    return SPLITS[sides(pl.Series([group]), settings)[0]]


def sides(groups: pl.Series, settings: SplitSettings) -> pl.Series:
    """The rank in `SPLITS` of each group's own split."""
    drawn = digests("split", str(settings.seed), of=groups).str.head(12).str.to_integer(base=16) / 16**12
    limits = (settings.test, settings.test + settings.validation)
    return sum(((drawn >= limit).cast(pl.Int64) for limit in limits), pl.zeros(len(groups), pl.Int64, eager=True))


def assign_splits(samples: pl.DataFrame, settings: SplitSettings) -> Outcome:
    """The samples with `split`, sorted by sample_id; every sample gets one, also those without a reference.

    A sample has its group's side (the most protected one, if the same question stands in several `groups`), unless a
    prompt near to its own, or another sample of the same function (document, line and name), is more protected: then it
    moves there. Books in samples; notes say how many moved.
    """
    clusters = near_duplicate_groups(_texts(samples), GroupSettings(settings.threshold))
    ranked = _ranked(samples, settings).join(
        clusters.select(sample_id="content_digest", cluster="group"), on="sample_id"
    )
    settled = _settled(ranked)
    split = settled.select(pl.col("rank").replace_strict(dict(enumerate(SPLITS)), return_dtype=pl.String))["rank"]
    table = settled.select(samples.columns).with_columns(split.alias("split")).sort("sample_id")
    return Outcome(table, notes=_notes(settled, table))


def _ranked(samples: pl.DataFrame, settings: SplitSettings) -> pl.DataFrame:
    """With `own`, the rank of the most protected side of each sample's groups, and `rank`, which is that to begin with."""
    named = samples.select(pl.col("groups").explode().drop_nulls().unique()).to_series()
    own = pl.DataFrame({"groups": named, "own": sides(named, settings)})
    each = samples.select("sample_id", "groups").explode("groups").join(own, on="groups")
    own = each.group_by("sample_id").agg(pl.col("own").min())
    return samples.join(own, on="sample_id", how="left", maintain_order="left").with_columns(rank="own")


def _settled(ranked: pl.DataFrame) -> pl.DataFrame:
    """Each sample at the lowest rank of its cluster and of its function, until none moves any more."""
    function = pl.when(pl.col("line").is_not_null()).then(pl.struct("doc_id", "line", "name"))
    ranked = ranked.with_columns(function=function.rank("dense"))
    while True:
        lower = pl.min_horizontal("rank", pl.col("rank").min().over("cluster"), _least("function"))
        moved = ranked.with_columns(rank=lower)
        if moved["rank"].equals(ranked["rank"]):
            return moved
        ranked = moved


def _least(key: str) -> pl.Expr:
    return pl.when(pl.col(key).is_not_null()).then(pl.col("rank").min().over(key))


def _notes(settled: pl.DataFrame, table: pl.DataFrame) -> dict[str, object]:
    counts = {split: table.filter(split=split).height for split in reversed(SPLITS)}
    own = dict(settled.group_by("own").agg(pl.col("group").n_unique()).iter_rows())
    notes: dict[str, object] = {
        "samples by split": counts,
        "groups by split": {split: own.get(SPLITS.index(split), 0) for split in counts},
        "moved to the side of a near-duplicate": settled.filter(pl.col("rank") != pl.col("own")).height,
        "largest near-duplicate cluster": settled.group_by("cluster").len()["len"].max() or 0,
    }
    if empty := [split for split, count in counts.items() if not count]:
        notes["empty splits"] = f"{', '.join(empty)}: make groups smaller (task.group_depth) or try another seed"
    return notes


def held_out_contents(samples: pl.DataFrame | pl.LazyFrame, candidates: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """The contents in which held-out samples stand (content_digest), with the rank in `SPLITS` of the most protected of
    these (held_out).

    `samples` has messages and split, `candidates` content_digest and samples; of both the prompts of held-out samples alone
    are held.
    """
    rank = pl.col("split").replace_strict({name: place for place, name in enumerate(SPLITS)}, return_dtype=pl.Int64)
    held_out = samples.lazy().filter(pl.col("split") != "train")
    asked = held_out.select(_prompt("messages").alias("asked"), held_out=rank).collect(engine="streaming")
    found = candidates.lazy().select("content_digest", "samples").explode("samples").drop_nulls("samples")
    prompts = found.unnest("samples").select("content_digest", _prompt("messages").alias("asked"))
    standing = prompts.join(asked.lazy(), on="asked").group_by("content_digest").agg(pl.col("held_out").min())
    return standing.collect(engine="streaming")


def _prompt(messages: str) -> pl.Expr:
    """The turns of a prompt as one text that no other prompt has."""
    turn = pl.format("{}\x1f{}", pl.element().struct.field("role"), pl.element().struct.field("content"))
    return pl.col(messages).list.eval(turn).list.join("\x1e")


def moves(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, int]:
    """How many samples (sample_id, split) stand on another side than before, by `from → to`, the most first.

    A sample moves only when its group gains or loses a more protected member, so a move has always a cause in the data.
    """
    both = before.select("sample_id", was="split").join(after.select("sample_id", "split"), on="sample_id")
    moved = both.filter(pl.col("was") != pl.col("split"))
    counted = moved.group_by(pl.format("{} → {}", "was", "split").alias("move")).len()
    return dict(counted.sort("len", "move", descending=[True, False]).iter_rows())


def straddling(samples: pl.DataFrame, threshold: float = LEAK, seed: int = 1) -> pl.DataFrame:
    """Leaks: samples of different splits whose prompts are at least this similar; empty when all is well.

    Columns held_out_id, held_out_split, other_id, other_split, jaccard, the most similar first; one row for each
    sample that is more protected than a near-duplicate of its own. `seed` draws a sketch that `assign_splits` has not
    used, so that a pair which one sketch misses is found by the other; similarity itself is measured, not estimated.
    """
    texts = _texts(samples).join(samples.select(content_digest="sample_id", split="split"), on="content_digest")
    return straddling_texts(texts, threshold, seed)


def straddling_texts(
    texts: pl.DataFrame, threshold: float = LEAK, seed: int = 1, seen: SignatureSettings | None = None
) -> pl.DataFrame:
    """`straddling` of any texts (content_digest, text, split), seen as `seen` says, but for its seed."""
    known = GroupSettings(threshold) if seen is None else GroupSettings(threshold, seen)
    settings = replace(known, signature=replace(known.signature, seed=seed))
    suspects = (
        texts.join(near_duplicate_groups(texts, settings), on="content_digest")
        .filter(pl.col("split").n_unique().over("group") > 1)
        .sort("content_digest")
    )
    found = [
        leak for _, members in suspects.group_by("group", maintain_order=True) for leak in _leaks(members, settings)
    ]
    leaks = pl.DataFrame(found, schema=LEAKS, orient="row").filter(pl.col("jaccard") >= threshold)
    return leaks.sort("jaccard", "held_out_id", descending=[True, False])


def _leaks(members: pl.DataFrame, settings: GroupSettings) -> Iterator[tuple[str, str, str, str, float]]:
    """For each member the most similar one that is less protected."""
    from curation.deduplication.shingles import shingle_sets

    sets = shingle_sets(members["text"].to_arrow(), settings.signature)
    shingles = [sets.hashes[start : start + size] for start, size in zip(sets.starts, sets.sizes, strict=True)]
    ids, splits = members["content_digest"].to_list(), members["split"].to_list()
    ranks = [SPLITS.index(split) for split in splits]
    for i, own in enumerate(ranks):
        others = [(_jaccard(shingles[i], shingles[j]), -j) for j, rank in enumerate(ranks) if rank > own]
        if others:
            similarity, j = max(others)
            yield ids[i], splits[i], ids[-j], splits[-j], similarity


def _jaccard(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> float:
    """Similarity of two sorted sets; 1 for two empty ones (texts without a word share a group only when they are equal)."""
    common = len(np.intersect1d(left, right, assume_unique=True))
    union = len(left) + len(right) - common
    return common / union if union else 1.0


def _texts(samples: pl.DataFrame) -> pl.DataFrame:
    """What is compared: all turns but the system's, without the words that a whole slice shares."""
    turns = pl.col("messages").list.eval(
        pl.when(pl.element().struct.field("role") != "system").then(
            pl.element().struct.field("content").str.strip_prefix(RETURN_QUESTION)
        )
    )
    return samples.select(content_digest="sample_id", text=turns.list.drop_nulls().list.join("\n"))

"""Which held-out samples stand in documents of the corpus that none was found in by the task's recipe.

Nothing is dropped for it; it is told for what is trained on the corpus itself. It costs what changed: contents that came are
held against all samples; and of samples that came, or are looked for otherwise, the words are sought in the other contents,
whose texts are gone through for these alone. How a sample is looked for depends on the others, for what stands in many is
their form. So the samples of the time before are put in an index again, and both are compared item by item.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from curation.blocks import parts_of
from curation.decontamination.held_out import BATCH, MATCH, Sought, sought_of
from curation.decontamination.index import entries, restricted
from curation.decontamination.settings import MatchSettings
from curation.splits import held_out_contents
from curation.updates import Followed, TableChange
from records import Progress, silent

IN_CORPUS = pl.Schema(
    {"content_digest": pl.String(), "held_out_id": pl.String(), "held_out_split": pl.String(), **MATCH}
)
"""One row per content and held-out sample of which a part stands in it, as `curation.decontamination.held_out.OVERLAPS`."""
KEYS = ("content_digest", "held_out_id")
_NONE = pl.DataFrame(schema=dict.fromkeys(KEYS, pl.String))


class _Moved(NamedTuple):
    """What an update looks at: samples that are sought otherwise than before, and the contents in which held-out samples stand
    now, and stood before."""

    samples: pl.Series
    own: pl.Series
    own_before: pl.Series


def find_in_corpus(
    corpus: pl.LazyFrame,
    samples: pl.LazyFrame,
    candidates: pl.LazyFrame,
    matches: MatchSettings,
    progress: Progress = silent,
) -> pl.DataFrame:
    """`IN_CORPUS` of the contents (content_digest, text) in which no held-out sample was found, by digest and held_out_id.

    `samples` has sample_id, messages, reference and split, `candidates` content_digest and samples: what the task's recipe
    found. Of contents a batch is held at a time.
    """
    own = held_out_contents(samples, candidates).select("content_digest").lazy()
    sought = sought_of(samples, matches)
    return _found(corpus.join(own, on="content_digest", how="anti"), sought, None, (), progress)


def update_in_corpus(
    found: pl.LazyFrame | None,
    corpus: Followed,
    samples: Followed,
    candidates: Followed,
    matches: MatchSettings,
    progress: Progress = silent,
) -> TableChange:
    """What `found`, which `find_in_corpus` gave of the tables as they were, is to be changed by; all, where there is none.

    What comes is in the order of the `KEYS`.
    """
    if found is None:
        return TableChange(find_in_corpus(corpus.now, samples.now, candidates.now, matches, progress), _NONE)
    sought = sought_of(samples.now, matches)
    moved = _moved(sought, samples, candidates, matches)
    came, went = (_names(rows, "content_digest") for rows in (corpus.came, corpus.went))
    freed = moved.own_before.filter(~moved.own_before.is_in(moved.own.implode()))
    texts = corpus.now.filter(~pl.col("content_digest").is_in(pl.concat([came, moved.own]).implode()))
    fresh = corpus.came.filter(~pl.col("content_digest").is_in(moved.own.implode()))
    added = [_found(fresh, sought, None, (), progress)]
    if len(moved.samples) or len(freed):
        added.append(_found(texts, sought, moved.samples, freed, progress))
    anew = pl.concat([came, went, freed, moved.own]).implode()
    is_gone = pl.col("content_digest").is_in(anew) | pl.col("held_out_id").is_in(moved.samples.implode())
    return TableChange(pl.concat(added).sort(KEYS), found.filter(is_gone).select(KEYS).collect())


def _moved(sought: Sought, samples: Followed, candidates: Followed, matches: MatchSettings) -> _Moved:
    own = held_out_contents(samples.now, candidates.now)["content_digest"]
    if not any(rows.head(1).collect().height for each in (samples, candidates) for rows in (each.came, each.went)):
        return _Moved(pl.Series("held_out_id", [], pl.String), own, own)
    before = _before(samples, ["sample_id"])
    was = held_out_contents(before, _before(candidates, ["content_digest", "media_type"]))["content_digest"]
    return _Moved(_sought_otherwise(sought, sought_of(before, matches)), own, was)


def _before(table: Followed, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows of a table before it moved."""
    return pl.concat([table.now.join(table.came.select(keys).unique(), on=keys, how="anti"), table.went])


def _sought_otherwise(now: Sought, was: Sought) -> pl.Series:
    """The held-out samples that came or went, or of which other words count or other runs lead to them."""
    both = entries(now.item_index).join(entries(was.item_index), on="item", how="full", coalesce=True, suffix="_was")
    other = both.filter(
        pl.any_horizontal(pl.col(part).ne_missing(pl.col(f"{part}_was")) for part in ("weights", "places"))
    )
    whose = [each.items.select("held_out_id", "held_out_split", "item") for each in (now, was)]
    moved = [one.join(two, on=one.columns, how="anti") for one, two in (whose, whose[::-1])]
    parts = [*moved, *(each.join(other, on="item", how="semi") for each in whose)]
    return pl.concat([part["held_out_id"] for part in parts]).unique()


def _found(
    contents: pl.LazyFrame,
    sought: Sought,
    some: pl.Series | None,
    all_in: pl.Series | Sequence[str],
    progress: Progress,
) -> pl.DataFrame:
    """What stands in contents of `some` of the samples (all, when None), and in the contents `all_in` of all of them."""
    found, done = [IN_CORPUS.to_frame()], 0
    few = sought if some is None else _only(sought, some)
    for batch in parts_of(contents.select("content_digest", "text"), BATCH) if sought.items.height else ():
        is_whole = pl.col("content_digest").is_in(pl.Series(all_in, dtype=pl.String).implode())
        for rows, index in ((batch.filter(is_whole), sought), (batch.filter(~is_whole), few)):
            if rows.height and index.items.height:
                found.append(index.within(rows).select(IN_CORPUS.names()).cast(IN_CORPUS))
        done += batch.height
        progress(done, None, "contents")
    return pl.concat(found).sort(KEYS)


def _only(sought: Sought, samples: pl.Series) -> Sought:
    items = sought.items.filter(pl.col("held_out_id").is_in(samples.implode()))
    return sought._replace(items=items, item_index=restricted(sought.item_index, items["item"]))


def _names(rows: pl.LazyFrame, column: str) -> pl.Series:
    return rows.select(column).unique().collect(engine="streaming").to_series()

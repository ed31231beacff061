"""Tombstones: contents that were taken back, known again wherever they stand, by marks that reveal nothing.

A mark is a hash under the workspace's key (keyed BLAKE2b): without the key nobody can try texts against it. An exact mark
knows the very text. A sketch knows its near copies: of the text's shingles (runs of five words) those whose hash is below
a bound, as many as some hundreds, each hashed under the key; the share that two such samples have in common estimates
Jaccard similarity without the text (Irber et al., Lightweight compositional analysis of metagenomes with FracMinHash,
bioRxiv 2022; with 256 shingles the standard error at 0.8 is 0.025). Texts in the corpus are never judged by an estimate;
here the text to compare with is gone, and refusing one too many is the lesser harm.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.document_rows import DOCUMENTS, FAILURES, STAGE
from records import digest

Hashes = npt.NDArray[np.uint64]
FILE = ["source", "path", "bytes_digest"]
"""The columns that name a file."""
_EMPTY = pl.DataFrame(schema=DOCUMENTS)

TAKEN_BACK = "taken back"
"""The reason in the books, and the `error` in `failures`."""
LIFTED = "lifted "
"""Stands before the kind of a tombstone that a person has lifted: it refuses nothing any more."""

TOMBSTONES = pl.Schema(
    {
        "tombstone": pl.String(),
        "kind": pl.String(),
        "reason": pl.String(),
        "shingles": pl.Int64(),
        "scale": pl.Int64(),
        "sketch": pl.List(pl.Int64()),
        "hashing": pl.String(),
    }
)
"""`kind` is content or sample, `tombstone` the mark of its digest or id. `sketch` holds the marks of the shingles whose
hash is below 2^64 / `scale`, of `shingles` in all; null where near copies are welcome, or the text has no words. `hashing`
names the way in which they were hashed: sketches made in another cannot be compared with, and are counted (`outdated`). The reason
says which request it was. A kind that begins with `LIFTED` refuses nothing."""

THRESHOLD = 0.8
"""The estimated Jaccard similarity at or over which a content is refused as a near copy."""
SKETCH = 256
"""A sketch holds between half of this and this many marks, of a text that has so many shingles."""
PROBES = 8
"""A content is compared with a sketch that holds one of its eight smallest shingles: at 0.8, all but 3 in a million are."""


def mark(key: str, kind: str, name: str) -> str:
    """The name's hash under the key: 32 hexadecimal digits."""
    return hashlib.blake2b(f"{kind}:{name}".encode(), key=key.encode(), digest_size=16).hexdigest()


def marks(key: str, kind: str, names: Iterable[str]) -> pl.DataFrame:
    """Each name once (column `name`) with its mark (`tombstone`)."""
    once = list(dict.fromkeys(names))
    return pl.DataFrame(
        {"name": once, "tombstone": [mark(key, kind, name) for name in once]},
        schema={"name": pl.String, "tombstone": pl.String},
    )


def tombstones_of(key: str, kind: str, names: Sequence[str], reason: str, texts: Sequence[str] = ()) -> pl.DataFrame:
    """Tombstones (`TOMBSTONES`) of contents or samples; with `texts`, one for each name, near copies are known too."""
    made = [_sketch(key, hashes) for hashes in _shingles(texts)] if texts else [None] * len(names)
    rows = [
        (mark(key, kind, name), kind, reason, *((*sketch, hashing()) if sketch else (None,) * 4))
        for name, sketch in zip(names, made, strict=True)
    ]
    return pl.DataFrame(rows, schema=TOMBSTONES, orient="row")


@cache
def hashing() -> str:
    """The name of the way in which shingles are hashed now: a digest of those of a fixed text, and so never forgotten."""
    return digest(*(value.tobytes() for value in _shingles([_PROBE])[0]))


_PROBE = "Eins, zwei, drei: the quick brown fox jumps over ÄÖÜ straße ﬁ 中文 ½ x_1 and a_very_long_word_of_many_letters again"


def outdated(tombstones: pl.DataFrame) -> int:
    """How many tombstones hold a sketch of other hashes than today's: the text itself is still known, near copies are not."""
    return len(_sketched(tombstones)) - len(_comparable(tombstones))


def _sketched(tombstones: pl.DataFrame) -> pl.DataFrame:
    return tombstones.filter(pl.col("sketch").is_not_null())


def _comparable(tombstones: pl.DataFrame) -> pl.DataFrame:
    sketched = _sketched(tombstones)
    return sketched.filter(pl.col("hashing") == hashing()) if len(sketched) else sketched


def refused(documents: pl.DataFrame, tombstones: pl.DataFrame, key: str) -> pl.DataFrame:
    """The contents among `documents` (content_digest, text) that were taken back: `content_digest` and `reason`.

    The reason is that of the tombstone which knows the text itself, else of the most similar one.
    """
    exact = known(documents["content_digest"], tombstones, key, "content")
    others = documents.select("content_digest", "text").unique("content_digest", maintain_order=True)
    others = others.join(exact, left_on="content_digest", right_on="name", how="anti")
    near = _near(others, _Sketches.of(tombstones), key)
    return pl.concat([exact.rename({"name": "content_digest"}), near])


def known(names: Iterable[str], tombstones: pl.DataFrame, key: str, kind: str) -> pl.DataFrame:
    """Those of the names that have a tombstone of their own: `name` and `reason`."""
    of_kind = tombstones.filter(kind=kind).select("tombstone", "reason")
    if of_kind.is_empty():
        return pl.DataFrame(schema={"name": pl.String, "reason": pl.String})
    return marks(key, kind, names).join(of_kind, on="tombstone").select("name", "reason")


@dataclass(frozen=True)
class _Sketches:
    """The sketches of all tombstones, by the marks that they hold."""

    rows: list[tuple[str, int, int, frozenset[int]]]
    """Reason, number of shingles, scale, and marks."""
    holding: dict[int, list[int]]

    @classmethod
    def of(cls, tombstones: pl.DataFrame) -> _Sketches:
        found = _comparable(tombstones).sort("tombstone")
        columns = found.select("reason", "shingles", "scale", "sketch").rows()
        rows = [(reason, size, scale, frozenset(sketch)) for reason, size, scale, sketch in columns]
        holding: dict[int, list[int]] = defaultdict(list)
        for place, (*_, sketch) in enumerate(rows):
            for value in sketch:
                holding[value].append(place)
        return cls(rows, holding)


def _near(documents: pl.DataFrame, sketches: _Sketches, key: str) -> pl.DataFrame:
    found = []
    if sketches.rows and documents.height:
        names = documents["content_digest"].to_list()
        for name, hashes in zip(names, _shingles(documents["text"].to_list()), strict=True):
            reason = _most_similar(hashes, sketches, key)
            if reason is not None:
                found.append((name, reason))
    return pl.DataFrame(found, schema={"content_digest": pl.String, "reason": pl.String}, orient="row")


def _most_similar(hashes: Hashes, sketches: _Sketches, key: str) -> str | None:
    """The reason of the tombstone that a text's shingles are nearest to, if they are near to one."""
    met = Counter(place for value in _marked(key, hashes[:PROBES]) for place in sketches.holding.get(value, ()))
    best = (THRESHOLD, "")
    for place in sorted(met):
        reason, size, scale, sketch = sketches.rows[place]
        if not THRESHOLD <= size / len(hashes) <= 1 / THRESHOLD:
            continue
        own = set(_marked(key, hashes[: np.searchsorted(hashes, _bound(scale), "right")]))
        similarity = len(own & sketch) / len(own | sketch)
        if similarity > best[0] or (similarity == best[0] and not best[1]):
            best = (similarity, reason)
    return best[1] or None


def _sketch(key: str, hashes: Hashes) -> tuple[int, int, list[int]] | None:
    if not len(hashes):
        return None
    scale = 1 << max(0, int(np.ceil(np.log2(len(hashes) / SKETCH))))
    chosen = hashes[: np.searchsorted(hashes, _bound(scale), "right")]
    return len(hashes), scale, sorted(_marked(key, chosen))


def _bound(scale: int) -> np.uint64:
    return np.uint64((1 << 64) // scale - 1)


def _marked(key: str, hashes: Hashes) -> list[int]:
    return [
        int.from_bytes(
            hashlib.blake2b(value.tobytes(), key=key.encode(), digest_size=8).digest(), "little", signed=True
        )
        for value in hashes
    ]


def _shingles(texts: Sequence[str]) -> list[Hashes]:
    """The sorted shingle hashes of each text, as deduplication sees it by default."""
    from curation.deduplication import SignatureSettings
    from curation.deduplication.shingles import shingle_sets

    sets = shingle_sets(pl.Series(texts, dtype=pl.String).to_arrow(), SignatureSettings())
    return [sets.hashes[start : start + size] for start, size in zip(sets.starts, sets.sizes, strict=True)]


def allowed_again(failures: pl.LazyFrame | None, tombstones: pl.DataFrame) -> pl.DataFrame:
    """The files (`FILE`) in which something was refused by a tombstone that is lifted: they are to be read anew.

    `failures` is the table of that name, None when there is none.
    """
    lifted = tombstones.filter(pl.col("kind").str.starts_with(LIFTED))["reason"].unique().to_list()
    if failures is None or not lifted:
        return _EMPTY.select(FILE)
    refused_by = (pl.col("error") == TAKEN_BACK) & pl.col("detail").is_in(lifted)
    return failures.filter(refused_by).select(FILE).unique().collect()


class Piece(NamedTuple):
    """Some documents that came: what their writing gave (None when none is left), who was refused, and whose files stay."""

    written: Any
    taken: pl.DataFrame
    left: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Refusing:
    """Writes documents without those that were taken back; in whatever process has them, as `write` does."""

    write: Callable[[pl.DataFrame], Any]
    tombstones: pl.DataFrame
    key: str = field(repr=False)

    def __call__(self, documents: pl.DataFrame) -> Piece:
        """Write what is left of some documents."""
        told = documents.join(
            refused(documents, self.tombstones, self.key), on="content_digest", how="left", maintain_order="left"
        )
        kept = told.filter(pl.col("reason").is_null()).drop("reason")
        taken = told.filter(pl.col("reason").is_not_null()).select(*FILE, "locator", "reason")
        return Piece(self.write(kept) if kept.height else None, taken, kept.select(FILE).unique())


class Obeyed(NamedTuple):
    """Which documents that stood go (`doc_id`), how many were taken back, and what `failures` has of them."""

    gone: pl.DataFrame
    taken: int
    failures: pl.DataFrame


def obey(
    standing: pl.LazyFrame | None, came: Sequence[Piece], removed: pl.DataFrame, tombstones: pl.DataFrame, key: str
) -> Obeyed:
    """Take back what tombstones know of the documents that stand, and account for that and for what was refused.

    `standing` is the table of documents, None when there is none; `removed` are files (`FILE`) that go anyhow. Documents that
    stand are known by their digests alone: their near copies were looked for when the request was made.
    """
    columns = ["doc_id", *FILE, "locator", "content_digest"]
    all_ = _EMPTY.select(columns) if standing is None else standing.select(columns).collect()
    stays = all_.join(removed, on=FILE, how="anti")
    told = known(stays["content_digest"], tombstones, key, "content").rename({"name": "content_digest"})
    stays = stays.join(told, on="content_digest", how="left")
    goes = stays.filter(pl.col("reason").is_not_null())
    taken = pl.concat([*(piece.taken for piece in came), goes.select(*FILE, "locator", "reason")])
    left = pl.concat([*(piece.left for piece in came), stays.filter(pl.col("reason").is_null()).select(FILE)])
    gone = pl.concat([all_.join(removed, on=FILE, how="semi").select("doc_id"), goes.select("doc_id")])
    return Obeyed(gone, taken.height, _failures(taken, left))


def _failures(taken: pl.DataFrame, left: pl.DataFrame) -> pl.DataFrame:
    """A failure for each document that was taken back, and one for each file that no document is left of."""
    whole = taken.join(left, on=FILE, how="anti").unique(FILE, maintain_order=True)
    whole = whole.with_columns(locator=pl.col("path").str.replace_all("#", "##", literal=True))
    rows = pl.concat([taken, whole]).unique(["source", "locator"], keep="first", maintain_order=True)
    told = rows.with_columns(stage=pl.lit(STAGE), error=pl.lit(TAKEN_BACK), detail="reason")
    return told.select(FAILURES.names())

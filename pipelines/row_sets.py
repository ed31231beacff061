"""Which rows of a large table are new, gone or named twice, told from eight bytes a row; and which have some keys.

Rows are known by 64 bits of a hash here, which are sorted as numbers: a table of strings with as many rows would be many
times larger. Where two different rows could be taken for one, what they are is looked at, or the sum of all hashes is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.commits import PrimaryKeyError
from pipelines.digests import ROW_HASH

Numbers = npt.NDArray[np.uint64]
_SLICE = 1 << 20
_DOUBTFUL = "doubtful"


class Firsts:
    """Of rows that have the same keys the first alone.

    Eight bytes a row are held while it is made, and afterwards the keys that more than one row has.
    """

    def __init__(self, rows: pl.LazyFrame, keys: Sequence[str]) -> None:
        self._keys, self._hash = list(keys), pl.struct(keys).hash()
        numbers, twice = _twice(rows.select(self._hash))
        self._twice = pl.Series(twice)
        self._seen: set[tuple[Any, ...]] = set()
        doubtful = rows.select(keys).filter(self._hash.is_in(self._twice.implode())).unique().select(pl.len())
        n_doubtful = int(doubtful.collect(engine="streaming").item()) if len(twice) else 0
        ends = numbers[1:] != numbers[:-1]
        self.count = int(ends.sum()) + bool(len(numbers)) - len(twice) + n_doubtful
        """How many there are."""

    def of(self, pieces: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The first rows among these, which are all rows in pieces."""
        for piece in pieces:
            if not len(self._twice):
                yield piece
                continue
            hashed = piece.with_columns(self._hash.is_in(self._twice.implode()).alias(_DOUBTFUL))
            fresh = [
                not doubtful or self._is_new(row) for *row, doubtful in hashed.select(*self._keys, _DOUBTFUL).rows()
            ]
            yield piece.filter(pl.Series(fresh, dtype=pl.Boolean))

    def _is_new(self, row: list[Any]) -> bool:
        known = len(self._seen)
        self._seen.add(tuple(row))
        return len(self._seen) > known


def repeated(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The keys that more than one row has, as often as they stand there."""
    hashed = pl.struct(keys).hash()
    _, twice = _twice(rows.select(hashed))
    if not len(twice):
        return rows.select(keys).head(0).collect()
    some = rows.select(keys).filter(hashed.is_in(pl.Series(twice).implode())).collect(engine="streaming")
    return some.filter(some.is_duplicated())


def rows_with_keys(rows: pl.LazyFrame, names: pl.DataFrame) -> pl.LazyFrame:
    """The keys and hashes of the rows that have one of these keys; by a filter, if it is one column, for then no others unpack."""
    keys, both = names.columns, rows.select(*names.columns, ROW_HASH)
    if len(keys) == 1:
        return both.filter(pl.col(keys[0]).is_in(names.to_series().implode(), nulls_equal=True))
    return both.join(names.lazy(), on=keys, how="semi", nulls_equal=True)


def check_unique(table: str, rows: pl.LazyFrame, primary_key: Sequence[str]) -> None:
    """Raises PrimaryKeyError where rows of a table share a primary key."""
    same = repeated(rows, primary_key)
    if same.height:
        raise PrimaryKeyError(
            f"table {table}: {same.height} rows share a primary key {tuple(primary_key)}, for instance {same.row(0)}"
        )


def numbers_of(rows: pl.LazyFrame) -> Numbers:
    """The rows (with their hashes) as sorted numbers."""
    return _sorted(rows.select(_number()))


def absent(numbers: Numbers, there: Numbers) -> Numbers:
    """Which of the first sorted numbers are not among the second."""
    if not len(there):
        return numbers
    found = [numbers[:0]]
    for start in range(0, len(numbers), _SLICE):
        some = numbers[start : start + _SLICE]
        places = np.minimum(np.searchsorted(there, some), len(there) - 1)
        found.append(some[there[places] != some])
    return np.concatenate(found)


def having(numbers: Numbers) -> pl.Expr:
    """Whether a row has one of these numbers."""
    return _number().is_in(pl.Series(numbers).implode())


def _number() -> pl.Expr:
    return pl.col(ROW_HASH).bin.slice(0, 8).bin.reinterpret(dtype=pl.UInt64)


def _twice(numbers: pl.LazyFrame) -> tuple[Numbers, Numbers]:
    """The numbers, sorted, and those that stand there more than once."""
    found = _sorted(numbers)
    return found, np.unique(found[1:][found[1:] == found[:-1]])


def _sorted(numbers: pl.LazyFrame) -> Numbers:
    found = numbers.collect(engine="streaming").to_series().to_numpy(writable=True)
    found.sort()
    return found

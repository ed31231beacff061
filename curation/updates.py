"""What an update goes by, and what it comes to: tables that move, and rows that come and go."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import polars as pl


class Followed(Protocol):
    """A table, and the rows that came to it and went from it since the last update."""

    @property
    def now(self) -> pl.LazyFrame:
        """All rows."""
        ...

    @property
    def came(self) -> pl.LazyFrame:
        """Rows that were not there."""
        ...

    @property
    def went(self) -> pl.LazyFrame:
        """Rows that are no longer there."""
        ...


class TableChange(NamedTuple):
    """Rows that come to a table, and the keys of rows that go before (a changed row does both)."""

    added: pl.DataFrame
    removed: pl.DataFrame

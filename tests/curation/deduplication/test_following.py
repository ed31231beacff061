"""What an update of a workspace comes to, which finds rows by the indexes of files and texts by their pages, is what one run
over the whole gives: also where rows went, files were written anew without them, and files were joined."""

import random
import uuid
from typing import NamedTuple
from unittest.mock import patch

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.curation import FOUND
from curation.deduplication.corpus import SIGNATURE
from curation.deduplication.following import follow
from curation.deduplication.incremental import KEYS
from curation.deduplication.survivors import DUPLICATES, PAIRS, SURVIVORS
from curation.row_index import IndexedFile, RowIndex
from pipelines.part_writer import PartWriter
from tests.curation.deduplication.test_incremental import (
    DOCUMENTS,
    POOL,
    SOURCES,
    files_for,
    never_the_whole,
    steps,
    whole,
)

PLAIN = {"use_dictionary": False, "compression": "zstd", "write_page_index": True, "data_page_size": 1}
"""Pages of as many rows as are written at a time. Where Polars writes a table of few rows it has a dictionary, and is looked
through for its texts."""
STATE = {"duplicates": DUPLICATES, "survivors": SURVIVORS, "pairs": PAIRS}
SCHEMAS = {
    "documents": DOCUMENTS,
    "signatures": SIGNATURE,
    "rule_failures": {"content_digest": pl.String, "failing": pl.Int64},
    "contamination": {"content_digest": pl.String, "share": pl.Float64},
    "source_order": {"source": pl.String, "rank": pl.Int64},
    **STATE,
}


class Move(NamedTuple):
    """A table, and what came to it and went from it."""

    now: pl.LazyFrame
    came: pl.LazyFrame
    went: pl.LazyFrame


class Table:
    """Rows in several Parquet files, laid out by `chance`: rows that go are gone from a file that is written anew."""

    def __init__(self, name, folder, chance):
        self.schema, self.layout = pl.Schema(SCHEMAS[name]), FOUND.get(name)
        self.folder, self.chance = folder / name, chance
        self.folder.mkdir()
        self.files = {}

    def rows(self):
        return pl.concat([self.schema.to_frame(), *self.files.values()])

    def become(self, rows):
        """Hold these rows instead of those that are there."""
        before, rows = self.rows(), rows.select(self.schema.names()).cast(self.schema)
        return self.change(_without(rows, before), _without(before, rows))

    def change(self, came, went):
        """Rows come, and those go that have these values."""
        taken = []
        for place, held in list(self.files.items()):
            left = _without(held, went)
            if len(left) < len(held):
                taken.append(held.join(went, on=went.columns, how="semi", nulls_equal=True))
                del self.files[place]
                self._write(left)
        came = came.select(self.schema.names())
        cut = self.chance.randint(0, len(came))
        self._write(came[:cut])
        self._write(came[cut:])
        if self.chance.random() < 0.2:
            joined = self.rows()
            self.files.clear()
            self._write(joined.sample(fraction=1, shuffle=True, seed=self.chance.randrange(99)))
        return Move(self.scan(), came.lazy(), pl.concat([self.schema.to_frame(), *taken]).lazy())

    def _write(self, rows):
        if len(rows):
            if self.chance.random() < 0.3:
                place = self.folder / PartWriter(str(self.folder))(rows).name
            else:
                place = self.folder / f"{uuid.uuid4()}.parquet"
                pq.write_table(rows.to_arrow(), place, write_batch_size=self.chance.randint(1, 3), **PLAIN)
            self.files[place] = rows

    def scan(self):
        parts = [pl.scan_parquet(place).select(self.schema.names()) for place in self.files]
        return pl.concat([self.schema.to_frame().lazy(), *parts])

    def index(self):
        """As the store has it."""
        schema = pl.Schema({name: self.schema[name] for name in self.layout.columns})
        files = [IndexedFile(place, self.folder / "indexes", self.layout) for place in self.files]
        for file in files:
            file.write(lambda place: pl.read_parquet(place, columns=list(self.layout.columns)).cast(schema))
        return RowIndex(files, self.layout, schema)


def _without(rows, others):
    return rows.join(others, on=others.columns, how="anti", nulls_equal=True)


def follow_through_files(folder, texts, data):
    """Follow a schedule as a workspace does, in which sources change their order too."""
    chance = random.Random(data.draw(st.integers(0, 9999)))
    tables = {name: Table(name, folder, chance) for name in SCHEMAS}
    files = files_for(texts, data)
    state = {}
    for _ in steps(files, texts, data):
        files.order = data.draw(st.just(files.order) | st.permutations(SOURCES))
        evidence = {name: rows.collect() for name, rows in files.evidence().items()}
        order = pl.DataFrame({"source": files.order, "rank": range(len(files.order))})
        now = {"documents": files.documents(), "signatures": files.signatures(), "source_order": order, **evidence}
        moves = {name: tables[name].become(rows) for name, rows in now.items()}
        given = [moves[name] for name in ("documents", "signatures", "source_order")]
        ranked = {name: moves[name] if name in files.wanted.evidence else None for name in evidence}
        found = {name: tables[name].index() for name in FOUND}
        with patch("curation.deduplication.lookups.TOGETHER", chance.choice([1, 2, 512])):
            update = follow(state, *given, files.wanted, ranked, found=found)
        for name, change in update._asdict().items():
            tables[name].change(*change)
        state = {name: tables[name].scan() for name in STATE}
        for name, expected, key in zip(STATE, whole(files), KEYS, strict=True):
            assert tables[name].rows().sort(key).equals(expected.collect()), name
            assert state[name].sort(key).collect().equals(expected.collect()), name


@settings(max_examples=60, deadline=None)
@given(POOL, st.data())
def test_any_schedule_through_indexes_gives_what_one_run_gives(tmp_path_factory, texts, data):
    with never_the_whole():
        follow_through_files(tmp_path_factory.mktemp("tables"), texts, data)


@pytest.mark.long
@settings(max_examples=2000, deadline=None)
@given(POOL, st.data())
def test_thousands_of_schedules_through_indexes_give_what_one_run_gives(tmp_path_factory, texts, data):
    with never_the_whole():
        follow_through_files(tmp_path_factory.mktemp("tables"), texts, data)

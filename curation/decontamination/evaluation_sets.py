"""Evaluation sets as they lie in files: which texts are items, each named by its place.

Sets are published as JSON lines, Parquet or CSV, with the question, the choices and the answer in columns. Each column
is an item of its own, for a question that leaked without its answer has leaked; columns with few words (an answer, a
label, an id) fall below the shortest item. Of a text file every line is an item. No text is kept: an item is the hashes of its
words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from curation.decontamination.index import item_name, words_of
from curation.decontamination.settings import EvaluationSet
from curation.fetching import bytes_of, files_of
from curation.formats import Poison, ReadingSettings, Unreadable, read_rows
from curation.inventory import Root
from records import Outcome, Progress, silent

ITEMS = pl.Schema(
    {
        "set": pl.String(),
        "item": pl.String(),
        "locator": pl.String(),
        "column": pl.String(),
        "n_words": pl.Int64(),
        "words": pl.Binary(),
    }
)
"""One row per set and item; `locator` is its first place in the set, `words` the 64-bit hashes of its words."""

_NO_WORD, _COPY = "no word", "copy of another item"
_COLUMNS_SHOWN = 12


class _Text(NamedTuple):
    locator: str
    column: str
    text: str


def read_evaluation_sets(
    inventories: Mapping[str, pl.DataFrame],
    roots: Mapping[str, Root],
    sets: Sequence[EvaluationSet],
    progress: Progress = silent,
) -> Outcome:
    """The items of all sets as `ITEMS`; in texts, in = kept + dropped + failed, a file or row that cannot be read being one.

    `inventories` has each set's files (`curation.inventory.INVENTORY`), `roots` the folder that their paths start from.
    Raises ValueError for a set that has no items, or lacks a column that is named.
    """
    parts, dropped, failed = [], Counter[str](), Counter[str]()
    for done, entry in enumerate(sets, 1):
        found = _items(entry, inventories[entry.name], roots[entry.name], failed)
        dropped[_NO_WORD] += found.filter(n_words=0).height
        whole = found.filter(pl.col("n_words") > 0)
        parts.append(whole.unique(["set", "item"], keep="first", maintain_order=True))
        dropped[_COPY] += whole.height - parts[-1].height
        progress(done, len(sets), "evaluation sets")
        if whole.is_empty():
            raise ValueError(f"evaluation set {entry.name}: no text in {entry.path}; {_reasons(failed)}")
    table = pl.concat([pl.DataFrame(schema=ITEMS), *parts]).sort("set", "item")
    return Outcome(
        table,
        dropped={reason: count for reason, count in dropped.items() if count},
        failed=dict(failed),
        notes={"items by set": dict(table.group_by("set").len().sort("set").iter_rows())},
    )


def _reasons(failed: Counter[str]) -> str:
    said = ", ".join(f"{count} × {reason}" for reason, count in failed.items())
    return f"what could not be read: {said}" if said else "mend its `path`, `include` or `columns`"


def _items(entry: EvaluationSet, inventory: pl.DataFrame, root: Root, failed: Counter[str]) -> pl.DataFrame:
    texts: list[_Text] = []
    columns: set[str] = set()
    for file in files_of(inventory.sort("path"), {entry.name: root}):
        try:
            rows = list(read_rows(bytes_of(file), file.path, ReadingSettings()))
        except Unreadable as error:
            failed[error.error] += 1
            continue
        failed.update(row.error for row in rows if isinstance(row, Poison))
        whole = [row for row in rows if not isinstance(row, Poison)]
        columns.update(name for _, row in whole if isinstance(row, Mapping) for name in row)
        texts += (text for place, row in whole for text in _texts(file.path, place, row, entry.columns))
    _check_columns(entry, texts, columns)
    frame = pl.DataFrame(texts, schema={"locator": pl.String, "column": pl.String, "text": pl.String}, orient="row")
    words = words_of(frame["text"])
    names = pl.Series("item", [item_name(own) for own in words], pl.String)
    counted = (words.bin.size() // 8).cast(pl.Int64)
    items = frame.with_columns(words, names, set=pl.lit(entry.name), n_words=counted)
    return items.select(ITEMS.names()).cast(ITEMS)


def _texts(path: str, place: str, row: object, columns: Sequence[str]) -> Iterator[_Text]:
    """The items of one row: of the columns that are named, else of all that hold text."""
    locator = f"{path.replace('#', '##')}#{place}"
    values: Iterable[tuple[str, object]] = [("", row)]
    if isinstance(row, Mapping):
        values = ((name, _at(row, name)) for name in columns) if columns else row.items()
    for name, value in values:
        text = "\n".join(_said(value))
        if text.strip():
            yield _Text(locator, str(name), text.encode("utf-8", "replace").decode())


def _at(value: object, name: str) -> object:
    """What stands in a column; dots lead into nested ones, through lists too."""
    if isinstance(value, Mapping) and name in value:
        return value[name]
    first, _, rest = name.partition(".")
    if isinstance(value, list):
        return [_at(element, name) for element in value]
    return _at(value[first], rest) if isinstance(value, Mapping) and first in value and rest else None


def _said(value: object) -> Iterator[str]:
    """All texts in a value, in order; of a chat's turn what is said, not who says it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for element in value:
            yield from _said(element)
    elif isinstance(value, Mapping):
        said = next((value[name] for name in ("content", "value") if name in value), None)
        yield from _said(list(value.values()) if said is None else said)


def _check_columns(entry: EvaluationSet, texts: Sequence[_Text], known: set[str]) -> None:
    missing = sorted(set(entry.columns) - {text.column for text in texts}) if known else []
    if missing:
        has = ", ".join(sorted(map(str, known))[:_COLUMNS_SHOWN])
        raise ValueError(f"evaluation set {entry.name}: no text in column {missing[0]!r}; its files have {has}")

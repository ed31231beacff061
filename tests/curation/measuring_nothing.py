"""Run as a program: each measure of texts on no rows and then on one, and what loops that one needed besides."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import get_type_hints

import polars as pl

from assets import STAGES
from curation import compilation
from curation.decontamination.index import item_name, words_of
from pipelines.measuring_worker import measured

TEXT = "Ada's number is +44 20 7946 0958 or 000-12-3456; the e\u0301t\u00e9 was hot. Terms of use. " * 9
MEASURES = ("signatures", "quality", "language", "lines", "contamination", "personal_data")


def _loops() -> set[tuple[str, object]]:
    return {(each.py_func.__qualname__, kinds) for each in compilation.kernels for kinds in each.versions}


def measured_texts() -> Iterator[tuple[str, set[tuple[str, object]], set[tuple[str, object]]]]:
    """Each measure, the loops that no rows need of it, and those that there are after a row."""
    rows = pl.DataFrame({"content_digest": ["0" * 32], "text": [TEXT]})
    words = words_of(rows["text"])
    items = pl.DataFrame({"set": ["s"], "item": [item_name(words[0])], "words": words})
    for stage in (each for each in STAGES if each.name in MEASURES):
        hints, names = get_type_hints(stage.function), list(inspect.signature(stage.function).parameters)[1:]
        options = {name: items if hints[name] is pl.DataFrame else hints[name]() for name in names}
        measured(stage.function, stage.name, stage.key, rows.head(0).to_arrow(), options)
        before = _loops()
        measured(stage.function, stage.name, stage.key, rows.to_arrow(), options)
        yield stage.name, before, _loops()


def main() -> None:
    """Print a line per measure: its name, whether nothing has loops, and those that a row needed more."""
    for name, before, after in measured_texts():
        print(name, bool(before), *sorted(name for name, _ in after - before))


if __name__ == "__main__":
    main()

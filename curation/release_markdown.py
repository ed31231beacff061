"""The report on a release as Markdown: the same figures as the page, for a repository, a wiki or a review.

What the rows say stands in fenced blocks, longer than any fence within them, so that no text of the data is markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from curation.release_facts import UNKNOWN, facts, gaps
from curation.release_kinds import SPLITS
from curation.release_page import (
    LENGTHS,
    MOST,
    STEPS,
    ReleaseReport,
    agreed_rows,
    contaminated_rows,
    looked_at,
    mixed_rows,
    quantiles,
    said_in,
)

_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def release_markdown(report: ReleaseReport) -> str:
    """The whole report."""
    placed = report.placed
    of_split = dict(placed.group_by("split").len().iter_rows())
    counted = [["rows", f"{placed.height:,}"], *([split, f"{of_split.get(split, 0):,}"] for split in SPLITS)]
    parts = [
        f"# {report.dataset.capitalize()} {report.version}",
        _table(("split", "rows"), counted),
        *_changes(report),
        *_section("Known gaps", "\n".join(f"- {_plain(each)}" for each in gaps(placed, SPLITS))),
        *_section(
            "Mixture of the training split",
            _table(*mixed_rows(report.mix)) if report.mix is not None and report.mix.height else "",
        ),
        *_facts(placed),
        *_section(
            "Lengths",
            "\n".join(
                f"- {name.replace('_', ' ')}: {quantiles(placed[name])}" for name in LENGTHS if name in placed.columns
            ),
        ),
        *_section(
            "What it speaks of",
            "\n".join(f"- {topic.share:.0%}: {_plain(', '.join(topic.words))}" for topic in report.topics),
        ),
        *_section("Agreement of the people whose answers it holds", _agreement(report)),
        *_contamination(placed),
        *_steps(report),
        *_samples(placed),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, body: str) -> Iterator[str]:
    if body:
        yield f"## {title}"
        yield body


def _changes(report: ReleaseReport) -> Iterator[str]:
    if report.parent is not None and report.changes is not None:
        rows = [[row["change"], row["reason"], f"{row['rows']:,}"] for row in report.changes.iter_rows(named=True)]
        beside = "".join(f"\n- {_plain(said)}" for said in report.beside)
        yield from _section(
            f"Since {report.parent}", _table(("change", "why", "rows"), rows) + (f"\n{beside}" if beside else "")
        )


def _facts(placed: pl.DataFrame) -> Iterator[str]:
    for (fact,), rows in facts(placed).group_by("fact", maintain_order=True):
        names = rows["name"].unique(maintain_order=True).to_list()
        if set(names) != {UNKNOWN}:
            counts = {(row["name"], row["split"]): row["rows"] for row in rows.iter_rows(named=True)}
            lines = [[name, *(f"{counts.get((name, split), 0):,}" for split in SPLITS)] for name in names[:MOST]]
            yield from _section(f"By {fact}", _table((str(fact), *SPLITS), lines))


def _agreement(report: ReleaseReport) -> str:
    return _table(*agreed_rows(report.agreement)) if report.agreement is not None and report.agreement.height else ""


def _contamination(placed: pl.DataFrame) -> Iterator[str]:
    rows = contaminated_rows(placed)
    if rows:
        yield from _section(
            "Evaluation items in its documents", _table(("rows whose document holds", "rows", "of all"), rows)
        )


def _steps(report: ReleaseReport) -> Iterator[str]:
    if report.steps is not None and report.steps.height:
        rows = [[str(value) for value in row] for row in report.steps.iter_rows()]
        yield from _section("The stages that made it", _table(STEPS.names(), rows))


def _samples(placed: pl.DataFrame) -> Iterator[str]:
    yield "## A look"
    for row in looked_at(placed).iter_rows(named=True):
        place = f" {row['source']}:{row['locator']}" if row["locator"] else ""
        yield f"### {row['sample_id']}"
        yield _plain(f"{row['split']}{place}")
        for role, content in said_in(row):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", content)), default=0))
            yield f"{_plain(role)}\n\n{fence}text\n{content}\n{fence}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |", *lines])


def _plain(said: str) -> str:
    """Text in which nothing is markup, on one line."""
    return _MARKS.sub(r"\\\1", _CONTROL.sub(" ", said))

"""The report on a release as a page: what it is made of, what is new since the one before, what is missing, and a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from curation.funnel.charts import distribution
from curation.funnel.examples import nearness
from curation.funnel.page import STYLE, share, steps_drawn, summed
from curation.funnel.signals import signals
from curation.release_facts import UNKNOWN, facts, gaps
from curation.releases import SPLITS
from pages import Html, Part, folded, joined, page, table, tag

LOOKED_AT = 10
MOST = 20
"""Names of a fact that are listed."""
_CHARACTERS = 2000
_LENGTHS = ("prompt_characters", "answer_characters")


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """What the page shows."""

    dataset: str
    version: str
    placed: pl.DataFrame
    """The rows, of `curation.release_facts.with_places`."""
    parent: str | None = None
    changes: pl.DataFrame | None = None
    """`curation.release_diff.summary` against the parent."""
    beside: Sequence[str] = ()
    funnel: pl.DataFrame | None = None
    """`curation.funnel.FUNNEL` of the corpus that it was made from."""


def release_page(report: ReleaseReport) -> str:
    """The whole page, as HTML."""
    placed = report.placed
    return page(
        f"{report.dataset} {report.version}",
        tag("style", Html(STYLE + _STYLE)),
        tag("h1", report.dataset.capitalize(), " ", tag("code", report.version)),
        tag("p", "What this release is made of; a release is named by its rows, and never changes.", class_="quiet"),
        _tiles(placed),
        *_changes(report),
        *_gaps(placed),
        *_facts(placed),
        *_lengths(placed),
        *_contamination(placed),
        *_funnel(report),
        *_samples(report),
    )


def _tiles(placed: pl.DataFrame) -> Html:
    of_split = dict(placed.group_by("split").len().iter_rows())
    counts = {"rows": placed.height, **{split: of_split.get(split, 0) for split in SPLITS}}
    tiles = []
    for name, count in counts.items():
        of_all = "" if name == "rows" else f" {share(count, placed.height)}"
        tiles.append(tag("div", tag("span", name), tag("b", f"{count:,}", tag("small", of_all)), class_="tile"))
    return tag("div", *tiles, class_="tiles")


def _changes(report: ReleaseReport) -> Iterator[Html]:
    if report.parent is not None and report.changes is not None:
        yield tag("h2", "Since ", tag("code", report.parent))
        rows = ([row["change"], row["reason"], f"{row['rows']:,}"] for row in report.changes.iter_rows(named=True))
        yield table(("change", "why", "rows"), rows, [2])
        yield tag("ul", (tag("li", said) for said in report.beside), class_="quiet small")


def _gaps(placed: pl.DataFrame) -> Iterator[Html]:
    said = gaps(placed, SPLITS)
    if said:
        yield tag("h2", "Known gaps")
        yield tag("ul", (tag("li", each) for each in said))


def _facts(placed: pl.DataFrame) -> Iterator[Html]:
    yield tag("h2", "What it is made of")
    boxes = []
    for (fact,), rows in facts(placed).group_by("fact", maintain_order=True):
        if set(rows["name"]) != {UNKNOWN}:
            boxes.append(tag("div", tag("h3", str(fact)), _counted(rows)))
    yield tag("div", *boxes, class_="facts")


def _counted(rows: pl.DataFrame) -> Html:
    names = rows["name"].unique(maintain_order=True).to_list()
    counts = {(row["name"], row["split"]): row["rows"] for row in rows.iter_rows(named=True)}
    lines: list[list[Part]] = []
    for name in names[:MOST]:
        own = [counts.get((name, split), 0) for split in SPLITS]
        lines.append([name, *(f"{count:,}" for count in own), share(sum(own), int(rows["rows"].sum()))])
    more = tag("p", f"and {len(names) - MOST:,} more", class_="quiet small") if len(names) > MOST else None
    return joined(table(("", *SPLITS, "of all"), lines, range(1, 5)), more)


def _lengths(placed: pl.DataFrame) -> Iterator[Html]:
    yield tag("h2", "Lengths")
    lengths = placed.select(pl.col(name).cast(pl.Int64) for name in _LENGTHS)
    charts = []
    for signal in signals({"lengths": lengths}, []):
        ordered = sorted(lengths[signal.column].drop_nulls())
        middle, most = (ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.95))
        said = f" median {middle:,}, 95% up to {most:,}, longest {ordered[-1]:,}"
        title = joined(tag("b", signal.column.replace("_", " ")), tag("small", said))
        charts.append(tag("figure", tag("figcaption", title), distribution(signal)))
    yield tag("div", *charts, class_="charts")


def _contamination(placed: pl.DataFrame) -> Iterator[Html]:
    if placed["contaminated"].null_count() < placed.height:
        yield tag("h2", "Evaluation items in its documents")
        rows = []
        for limit in (0.0, 0.25, 0.5):
            over = placed.filter(pl.col("contaminated") > limit)
            rows.append([f"more than {limit:.0%} of an item", f"{over.height:,}", share(over.height, placed.height)])
        yield table(("rows whose document holds", "rows", "of all"), rows, [1, 2])


def _funnel(report: ReleaseReport) -> Iterator[Html]:
    if report.funnel is not None and report.funnel.height:
        yield tag("h2", "Curation of its corpus")
        yield steps_drawn(summed(report.funnel))


def _samples(report: ReleaseReport) -> Iterator[Html]:
    near = report.placed.sort(nearness(pl.col("sample_id"), 0), "sample_id").head(LOOKED_AT)
    yield tag("h2", "A look")
    inside = (_sample(row) for row in near.iter_rows(named=True))
    yield folded(f"{near.height} rows at random", *inside, opened=True)


def _sample(row: dict[str, object]) -> Html:
    place = f" {row['source']}:{row['locator']}" if row["locator"] else ""
    head = tag("div", tag("code", str(row["sample_id"])), tag("small", f" {row['split']} · {row['slice']}{place}", class_="quiet"))  # fmt: skip
    if "reference" in row:
        turns = [*_turns(row["messages"]), ("answer", str(row["reference"]))]
    else:
        turns = [*_turns(row["prompt"]), *_turns(row["chosen"], "chosen"), *_turns(row["rejected"], "rejected")]
    said = (tag("p", tag("small", role, class_="quiet"), tag("br"), content[:_CHARACTERS], " …" if len(content) > _CHARACTERS else None) for role, content in turns)  # fmt: skip
    return tag("div", head, tag("div", said, dir="auto"), class_="example")


def _turns(turns: object, role: str = "") -> list[tuple[str, str]]:
    assert isinstance(turns, list)
    return [(role or str(turn["role"]), str(turn["content"])) for turn in turns]


_STYLE = """
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(460px, 1fr)); gap: 4px 32px; align-items: start; }
.example p { max-width: none; margin: 0 0 8px; }
.example > div + div { max-height: 20em; }
"""

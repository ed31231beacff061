"""The report on a release as a page: what it is made of, what is new since the one before, what is missing, and a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from curation.funnel.charts import distribution
from curation.funnel.examples import nearness
from curation.funnel.page import STYLE, share, steps_drawn, summed
from curation.funnel.signals import signals
from curation.release_facts import UNKNOWN, facts, gaps, said_of
from curation.release_kinds import SPLITS
from curation.topics import DRAWN, Topic, topics
from pages import Html, Part, folded, joined, page, table, tag

LOOKED_AT = 10
MOST = 20
"""Names of a fact that are listed."""
_CHARACTERS = 2000
LENGTHS = ("prompt_characters", "answer_characters", "characters")
STEPS = pl.Schema(
    {
        "stage": pl.String,
        "unit": pl.String,
        "in": pl.Int64,
        "kept": pl.Int64,
        "dropped": pl.Int64,
        "failed": pl.Int64,
        "reasons": pl.String,
    }
)
"""The books of the stages that a release was made by."""
AGREEMENT = pl.Schema(
    {
        "project": pl.String,
        "criterion": pl.String,
        "tasks": pl.Int64,
        "shared": pl.Int64,
        "alpha": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
    }
)
"""How far people agree whose answers are in it: Krippendorff's alpha with its interval, by project and criterion."""


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
    steps: pl.DataFrame | None = None
    """`STEPS`"""
    agreement: pl.DataFrame | None = None
    """`AGREEMENT`"""
    mix: pl.DataFrame | None = None
    """`curation.mixture.MIX`"""
    topics: Sequence[Topic] = ()
    """What the rows speak of."""


def topics_of(placed: pl.DataFrame) -> list[Topic]:
    """What the rows speak of, by the first thousands of them; ids are hashes, so that is a random sample."""
    return topics(said_of(placed.sort("sample_id").head(DRAWN)))


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
        *_mix(report),
        *_facts(placed),
        *_lengths(placed),
        *_topics(report),
        *_agreement(report),
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
    lengths = placed.select(pl.col(name).cast(pl.Int64) for name in LENGTHS if name in placed.columns)
    charts = []
    for signal in signals({"lengths": lengths}, []):
        said = f" {quantiles(lengths[signal.column])}"
        title = joined(tag("b", signal.column.replace("_", " ")), tag("small", said))
        charts.append(tag("figure", tag("figcaption", title), distribution(signal)))
    yield tag("div", *charts, class_="charts")


def quantiles(lengths: pl.Series) -> str:
    """Median, 95th percentile and longest, in words."""
    ordered = lengths.drop_nulls().sort()
    if ordered.is_empty():
        return "none"
    middle, most = (ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.95))
    return f"median {middle:,}, 95% up to {most:,}, longest {ordered[-1]:,}"


def _mix(report: ReleaseReport) -> Iterator[Html]:
    if report.mix is not None and report.mix.height:
        yield tag("h2", "Mixture of the training split")
        yield table(*mixed_rows(report.mix), range(1, 6))


def mixed_rows(mix: pl.DataFrame) -> tuple[tuple[str, ...], list[list[str]]]:
    """The achieved mix as a head and rows of words."""
    head = ("part", "rows taken", "tokens taken", "wanted", "achieved", "copies")
    rows = [
        [
            row["part"],
            f"{row['rows_taken']:,} of {row['rows']:,}",
            f"{row['tokens_taken']:,} of {row['tokens']:,}",
            f"{row['wanted_share']:.1%}",
            f"{row['share']:.1%}",
            f"{row['copies']:.2f}",
        ]
        for row in mix.iter_rows(named=True)
    ]
    return head, rows


def _topics(report: ReleaseReport) -> Iterator[Html]:
    found = report.topics
    if found:
        yield tag("h2", "What it speaks of")
        yield table(("words that set a cluster apart", "of the rows"), ([", ".join(topic.words), f"{topic.share:.0%}"] for topic in found), [1])  # fmt: skip


def _agreement(report: ReleaseReport) -> Iterator[Html]:
    if report.agreement is not None and report.agreement.height:
        yield tag("h2", "Agreement of the people whose answers it holds")
        yield table(*agreed_rows(report.agreement), range(2, 5))


def agreed_rows(agreement: pl.DataFrame) -> tuple[tuple[str, ...], list[list[str]]]:
    """Agreement as a head and rows of words."""
    head = ("project", "criterion", "tasks", "by several", "Krippendorff's alpha")
    rows = [
        [
            row["project"],
            row["criterion"],
            f"{row['tasks']:,}",
            f"{row['shared']:,}",
            "–"
            if row["alpha"] is None
            else f"{row['alpha']:.2f}" + ("" if row["low"] is None else f" ({row['low']:.2f} to {row['high']:.2f})"),
        ]
        for row in agreement.iter_rows(named=True)
    ]
    return head, rows


def contaminated_rows(placed: pl.DataFrame) -> list[list[str]]:
    """Rows by how much of an evaluation item stands in their document; none where it was not looked for."""
    if placed["contaminated"].null_count() == placed.height:
        return []
    found = []
    for limit in (0.0, 0.25, 0.5):
        over = placed.filter(pl.col("contaminated") > limit).height
        found.append([f"more than {limit:.0%} of an item", f"{over:,}", share(over, placed.height)])
    return found


def _contamination(placed: pl.DataFrame) -> Iterator[Html]:
    rows = contaminated_rows(placed)
    if rows:
        yield tag("h2", "Evaluation items in its documents")
        yield table(("rows whose document holds", "rows", "of all"), rows, [1, 2])


def _funnel(report: ReleaseReport) -> Iterator[Html]:
    if report.funnel is not None and report.funnel.height:
        yield tag("h2", "Curation of its corpus")
        yield steps_drawn(summed(report.funnel))
    if report.steps is not None and report.steps.height:
        yield tag("h2", "The stages that made it")
        yield table(STEPS.names(), ([_figure(value) for value in row] for row in report.steps.iter_rows()), range(2, 6))


def _figure(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def looked_at(placed: pl.DataFrame) -> pl.DataFrame:
    """The rows of the random page of samples."""
    return placed.sort(nearness(pl.col("sample_id"), 0), "sample_id").head(LOOKED_AT)


def _samples(report: ReleaseReport) -> Iterator[Html]:
    near = looked_at(report.placed)
    yield tag("h2", "A look")
    inside = (_sample(row) for row in near.iter_rows(named=True))
    yield folded(f"{near.height} rows at random", *inside, opened=True)


def _sample(row: dict[str, object]) -> Html:
    place = f" {row['source']}:{row['locator']}" if row["locator"] else ""
    about = " · ".join(str(row[name]) for name in ("split", "slice") if row.get(name))
    head = tag("div", tag("code", str(row["sample_id"])), tag("small", f" {about}{place}", class_="quiet"))
    said = (tag("p", tag("small", role, class_="quiet"), tag("br"), content) for role, content in said_in(row))
    return tag("div", head, tag("div", said, dir="auto"), class_="example")


def said_in(row: dict[str, object]) -> list[tuple[str, str]]:
    """What a row says, the beginning of each part, with who says it."""
    if "text" in row:
        said = [("text", str(row["text"]))]
    elif "chosen" in row:
        said = [*_turns(row["prompt"]), *_turns(row["chosen"], "chosen"), *_turns(row["rejected"], "rejected")]
    else:
        answer = [] if row["reference"] is None else [("answer", str(row["reference"]))]
        said = [*_turns(row["messages"] if "messages" in row else row["prompt"]), *answer]
    return [(role, content[:_CHARACTERS] + (" …" if len(content) > _CHARACTERS else "")) for role, content in said]


def _turns(turns: object, role: str = "") -> list[tuple[str, str]]:
    assert isinstance(turns, list)
    return [(role or str(turn["role"]), str(turn["content"])) for turn in turns]


_STYLE = """
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(460px, 1fr)); gap: 4px 32px; align-items: start; }
.example p { max-width: none; margin: 0 0 8px; }
.example > div + div { max-height: 20em; }
"""

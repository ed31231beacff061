"""The curation report as a page: a data engineer's first look at what was dropped, and why.

From the whole to the single: how much is left after each step, what each source lost, which rules did it and whether
they overlap, where the signals lie beside their thresholds, and documents to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from curation.deduplication.survivors import shown_similarity
from curation.funnel.charts import distribution, matrix, number, stacked
from curation.funnel.copies import Member
from curation.funnel.examples import Example
from curation.funnel.report import Report
from curation.funnel.signals import Signal
from curation.funnel.steps import CORPUS, DROPPED, FAILED, IN, KEPT, READING
from curation.rules import Rule
from curation.whatif import CHARACTERS_PER_TOKEN
from pages import Html, Part, folded, joined, page, table, tag

MOST_REASONS = 5
MOST_RULES = 40
"""Rules in the table of overlaps."""

_SAID = {
    READING: "files and records that could be read",
    "measuring": "texts that could be measured",
    "empty": "texts with a word in them",
    "duplicate": "one of several copies",
    CORPUS: "each content once, marked text cut",
}

Row = dict[str, Any]


def curation_page(report: Report) -> str:
    """The whole page, as HTML."""
    sums = summed(report.table)
    return page(
        "Curation report",
        tag("style", Html(STYLE)),
        tag("h1", "Curation report"),
        tag("p", "What was read, what was kept, and what was dropped or failed, where and why.", class_="quiet"),
        _tiles(sums),
        tag("h2", "What is left after each step"),
        steps_drawn(sums),
        tag("h2", "By source"),
        _by_source(report.table),
        *_rules(report),
        *_overlap(report),
        *_copies(report),
        *_signals(report),
        *_marks(report),
        *_unread(report),
        *_kept(report),
    )


def summed(rows: pl.DataFrame) -> pl.DataFrame:
    """The funnel of all sources together."""
    found = rows.group_by("step", "fate", "reason", maintain_order=True).agg(
        pl.col("place").first(), pl.col("documents", "characters").sum()
    )
    return found.sort("place", "documents", "reason", descending=[False, True, False])


def _count(rows: pl.DataFrame, fate: str, step: str | None = None, what: str = "documents") -> int:
    some = rows.filter(pl.col("fate") == fate)
    return int((some if step is None else some.filter(pl.col("step") == step))[what].sum())


def share(part: int, whole: int) -> str:
    """A percentage that never says 0 or 100 of what is not."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "<0.1%"
    return ">99.9%" if 99.9 < percent < 100 else f"{percent:.3g}%"


def tokens(characters: int) -> str:
    count = characters // CHARACTERS_PER_TOKEN
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return str(count)


def _tiles(sums: pl.DataFrame) -> Html:
    found = _count(sums, IN, READING)
    told: list[tuple[str, int, str]] = [
        ("found", found, f"≈ {tokens(_count(sums, IN, READING, 'characters'))} tokens read"),
        ("kept", _count(sums, KEPT, CORPUS), f"≈ {tokens(_count(sums, KEPT, CORPUS, 'characters'))} tokens"),
        ("dropped", _count(sums, DROPPED), "by a rule, or as a copy"),
        ("failed", _count(sums, FAILED), "could not be read or measured"),
    ]
    tiles = []
    for name, count, said in told:
        of_all = f" {share(count, found)}" if name != "found" else ""
        figure = tag("b", f"{count:,}", tag("small", of_all))
        tiles.append(tag("div", tag("span", name), figure, tag("small", said), class_=f"tile {name}"))
    return tag("div", *tiles, class_="tiles")


def steps_drawn(sums: pl.DataFrame) -> Html:
    """A bar for each step: what it kept, dropped and failed, of all that was found."""
    found = _count(sums, IN, READING)
    lines = []
    for step in sums["step"].unique(maintain_order=True):
        own = sums.filter(pl.col("step") == step)
        counts = {fate: _count(own, fate) for fate in (KEPT, DROPPED, FAILED)}
        gone = counts[DROPPED] + counts[FAILED]
        bar = stacked(counts, found, f"{step}: {counts}")
        reasons = own.filter(pl.col("fate").is_in([DROPPED, FAILED])).sort("documents", descending=True)
        said = joined(tag("b", step), tag("small", _SAID.get(step, "texts that pass the rules of that set")))
        left = joined(tag("b", f"{counts[KEPT]:,}"), tag("small", f"−{gone:,}" if gone else "±0"))
        lines.append(tag("div", tag("div", said), tag("div", bar, _reasons(reasons)), tag("div", left, class_="n"), class_="step"))  # fmt: skip
    legend = tag("p", (tag("span", name, class_=f"key {name}") for name in (KEPT, DROPPED, FAILED)), class_="small")
    return tag("div", legend, *lines)


def _reasons(rows: pl.DataFrame) -> Part:
    if rows.is_empty():
        return None
    said = [f"{row['reason']} {row['documents']:,}" for row in rows.head(MOST_REASONS).iter_rows(named=True)]
    rest = rows.slice(MOST_REASONS)["documents"].sum()
    return tag("small", " · ".join([*said, *([f"others {rest:,}"] if rest else [])]), class_="quiet")


def _by_source(rows: pl.DataFrame) -> Html:
    parts = []
    for (source,), own in rows.group_by("source", maintain_order=True):
        counts = {KEPT: _count(own, KEPT, CORPUS), DROPPED: _count(own, DROPPED), FAILED: _count(own, FAILED)}
        found = _count(own, IN, READING)
        summary = tag(
            "span",
            tag("b", str(source)),
            stacked(counts, found, f"{source}: {counts}"),
            tag("span", tag("b", f"{counts[KEPT]:,}"), f" of {found:,} kept ({share(counts[KEPT], found)})"),
            class_="source",
        )
        parts.append(folded(summary, _of_source(own)))
    return tag("div", tag("p", "Open a source for its steps and reasons.", class_="quiet small"), *parts)


def _of_source(rows: pl.DataFrame) -> Html:
    lines: list[list[Part]] = []
    for step in rows["step"].unique(maintain_order=True):
        own = rows.filter(pl.col("step") == step)
        counts = [_count(own, fate) for fate in (IN, KEPT, DROPPED, FAILED)]
        reasons = own.filter(pl.col("fate").is_in([DROPPED, FAILED]))
        characters = _count(own, KEPT, what="characters")
        lines.append([step, *(f"{count:,}" for count in counts), tokens(characters), _reasons(reasons)])
    return table(("step", "in", "kept", "dropped", "failed", "≈ tokens kept", "reasons"), lines, range(1, 6))


def _limit(rule: Rule) -> str:
    among = ", ".join(rule.threshold) if isinstance(rule.threshold, tuple) else number(rule.threshold)
    only = f" ({', '.join(rule.languages)})" if rule.languages else ""
    but = f" (but {', '.join(rule.except_languages)})" if rule.except_languages else ""
    return f"{rule.evidence}.{rule.column} {rule.comparison} {among}{only}{but}"


def _order(report: Report) -> list[str]:
    """The names of all rules that a document fails, in the order in which they decide."""
    known = [rule.name for rule in report.rules]
    names = dict.fromkeys([*known[:1], "duplicate", *known[1:], *sorted(report.overlaps.fails)])
    return [name for name in names if report.overlaps.fails.get(name)]


def _rules(report: Report) -> Iterator[Html]:
    yield tag("h2", "Rules")
    yield tag("p", "The first rule that a document fails decides; ", tag("em", "alone"), " counts what no other rule would drop. Open a rule for documents that fail it.", class_="quiet small")  # fmt: skip
    found = _order(report)
    if not found:
        yield tag("p", "No document fails a rule.")
    most = max(report.overlaps.fails.values(), default=1)
    for name in found:
        yield folded(_rule(report, name, most), *_inside(report, name))
    silent = dict.fromkeys(rule.name for rule in report.rules if rule.name not in found)
    if silent:
        yield tag("p", "No document fails ", tag("code", ", ".join(silent)), ".", class_="quiet small")


def _rule(report: Report, name: str, most: int) -> Html:
    counted = report.overlaps
    limits = " or ".join(dict.fromkeys(_limit(rule) for rule in report.rules if rule.name == name))
    fails, decides, alone = counted.fails[name], counted.decides.get(name, 0), counted.alone.get(name, 0)
    bar = stacked({DROPPED: fails}, most, f"{fails:,} documents fail {name}")
    said = joined(tag("b", f"{fails:,}"), tag("small", f"decides {decides:,} · alone {alone:,}"))
    what = joined(tag("b", name), tag("small", limits or "the same text, or a near copy"))
    return tag("span", tag("span", what), bar, tag("span", said, class_="n"), class_="rule")


def _inside(report: Report, name: str) -> Iterator[Html]:
    places = {(rule.evidence, rule.column) for rule in report.rules if rule.name == name}
    for signal in report.signals:
        if (signal.table, signal.column) in places:
            yield tag("div", distribution(signal), class_="wide-chart")
    shown = report.examples.get(name, [])
    total = report.overlaps.fails[name]
    if shown:
        yield tag("p", f"{len(shown)} of {total:,} at random" if len(shown) < total else f"All {total:,}", class_="quiet small")  # fmt: skip
    for example in shown:
        yield _example(example, name)


def _example(example: Example, rule: str) -> Html:
    other = f" · decided by {example.decided}" if example.decided not in ("", rule) else ""
    rest = example.characters - len(example.text)
    more = tag("small", f" … {rest:,} characters more", class_="quiet") if rest > 0 else None
    head = tag("div", tag("code", example.place), tag("small", f" {example.found}{other}", class_="quiet"))
    body = (
        tag("div", example.text, more, dir="auto")
        if example.text
        else tag("div", tag("small", "no text", class_="quiet"))
    )
    return tag("div", head, body, class_="example")


def _overlap(report: Report) -> Iterator[Html]:
    names = _order(report)
    if len(names) > 1:
        most = sorted(names, key=lambda name: -report.overlaps.fails[name])[:MOST_RULES]
        yield tag("h2", "Overlap between rules")
        yield tag("p", "Of the documents that fail the rule of a row, the percentage that fails the rule of the column too. A row full of dark cells is a rule that others could stand for.", class_="quiet small")  # fmt: skip
        said = "{both} of the {total} documents that fail {one} fail {other} too"
        yield matrix([name for name in names if name in most], report.overlaps.fails, report.overlaps.together, said)


def _copies(report: Report) -> Iterator[Html]:
    found = report.copies
    if not found.between:
        return
    yield tag("h2", "Copies", id="copies")
    yield tag("p", "Of the documents of a row's source, the percentage that is removed because a document of the column's source stays.", class_="quiet small")  # fmt: skip
    said = "{both} of the {total} documents of {one} are removed for one of {other}"
    yield matrix(list(found.documents)[:MOST_RULES], found.documents, found.between, said)
    inside = []
    for group in found.largest:
        near = (
            f", {group.near:,} of them near copies (Jaccard {shown_similarity(group.least)} and more)"
            if group.near
            else ""
        )
        inside.append(_member(group.kept, f"stays for {group.removed:,} others{near}"))
        inside += [
            tag("div", _member(each, f"removed, Jaccard {shown_similarity(each.jaccard)}"), class_="of-group")
            for each in group.samples
        ]
    if inside:
        yield folded(f"The {len(found.largest)} texts with the most copies", *inside)


def _member(member: Member, said: str) -> Html:
    return _example(Example("", member.place, said, "", member.text, member.characters), "")


def _signals(report: Report) -> Iterator[Html]:
    if not report.signals:
        return
    yield tag("h2", "Signals and thresholds")
    yield tag("p", "Contents by what was measured of them. Heights are square roots, so that few are seen beside many; what fails is in the colour of ", tag("span", "dropped", class_="key dropped"), ".", class_="quiet small")  # fmt: skip
    yield _charts([signal for signal in report.signals if signal.rules])
    others = [signal for signal in report.signals if not signal.rules]
    if others:
        yield folded(f"{len(others)} signals that no rule looks at", _charts(others))


def _charts(signals: Sequence[Signal]) -> Html:
    charts = []
    for signal in signals:
        without = f" · {signal.without:,} without a value" if signal.without else ""
        title = joined(tag("b", signal.column), tag("small", f" {signal.table}{without}"))
        charts.append(tag("figure", tag("figcaption", title), distribution(signal)))
    return tag("div", *charts, class_="charts")


def _marks(report: Report) -> Iterator[Html]:
    if report.marks.height:
        yield tag("h2", "Marked within texts")
        yield tag("p", "Spans that evidence marks; what is done with them, the settings say.", class_="quiet small")
        rows = (
            [row["table"], row["kind"], *(f"{row[name]:,}" for name in ("contents", "spans", "bytes"))]
            for row in report.marks.iter_rows(named=True)
        )
        yield table(("table", "kind", "contents", "spans", "bytes"), rows, range(2, 5))


def _unread(report: Report) -> Iterator[Html]:
    if report.unread:
        sums = report.table.filter((pl.col("step") == READING) & pl.col("fate").is_in([DROPPED, FAILED]))
        counts = dict(sums.group_by("reason").agg(pl.col("documents").sum()).iter_rows())
        yield tag("h2", "Could not be read")
        for error, places in report.unread.items():
            lines = ([tag("code", place), detail] for place, detail in places)
            yield folded(joined(tag("b", error), f" {counts.get(error, 0):,}"), table(("place", "what to do"), lines))


def _kept(report: Report) -> Iterator[Html]:
    shown = report.examples.get(KEPT, [])
    if shown:
        yield tag("h2", "Kept")
        inside = (_example(example, "") for example in shown)
        yield folded(f"{len(shown)} documents that are kept, at random", *inside)


STYLE = """
.kept { fill: var(--ink); } .dropped { fill: var(--mark); } .failed { fill: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin: 20px 0 0; }
.tile { background: var(--panel); border-left: 4px solid var(--quiet); border-radius: 4px; padding: 12px 16px; }
.tile > span { display: block; color: var(--quiet); font-size: 13px; }
.tile b { display: block; font-size: 26px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile b small { font-size: 14px; font-weight: 400; color: var(--quiet); }
.tile > small { color: var(--quiet); }
.tile.kept { border-color: var(--ink); } .tile.dropped { border-color: var(--mark); } .tile.failed { border-color: var(--bad); }
.key { margin-right: 16px; } .key::before { content: ""; display: inline-block; width: 10px; height: 10px;
  border-radius: 2px; margin-right: 6px; background: var(--ink); }
.key.dropped::before { background: var(--mark); } .key.failed::before { background: var(--bad); }
.bar { width: 100%; height: 14px; background: var(--panel); border-radius: 3px; }
.step { display: grid; grid-template-columns: 190px 1fr 110px; gap: 4px 18px; padding: 7px 0; border-top: 1px solid var(--line); }
.step small, .rule small { display: block; color: var(--quiet); line-height: 1.35; }
.step > div > small { margin-top: 3px; }
summary:has(.source), summary:has(.rule) { list-style: none; } summary::-webkit-details-marker { color: var(--quiet); }
summary:has(.source)::-webkit-details-marker, summary:has(.rule)::-webkit-details-marker { display: none; }
.source, .rule { display: grid; grid-template-columns: 190px 1fr 220px; gap: 18px; align-items: center; }
.rule { grid-template-columns: 370px 1fr 190px; }
.source > b::before, .rule > span:first-child > b::before { content: "▸ "; color: var(--quiet); }
details[open] .source > b::before, details[open] .rule > span:first-child > b::before { content: "▾ "; }
.rule small { padding-left: 14px; }
summary:hover b { text-decoration: underline; }
details[open] { padding-bottom: 18px; }
.wide-chart { max-width: 620px; margin: 10px 0; }
.example { border-left: 3px solid var(--line); padding: 2px 0 2px 12px; margin: 12px 0; }
.example > div + div { font-size: 13.5px; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 11em; overflow: auto;
  background: var(--panel); border-radius: 4px; padding: 8px 10px; margin-top: 4px; unicode-bidi: isolate; }
.of-group { margin-left: 28px; }
.wide > .matrix { font-size: 11.5px; width: auto; }
.matrix code { font-size: 11.5px; }
.matrix td, .matrix th { border: 0; padding: 3px; text-align: right; min-width: 25px; white-space: nowrap; font-variant-numeric: tabular-nums; }
.matrix tbody th { text-align: left; font-weight: 400; padding-right: 12px; }
.matrix .self { background: var(--line); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 20px 28px; margin-top: 12px; }
figure { margin: 0; } figcaption small { color: var(--quiet); }
path.axis { stroke: var(--line); } path.limit { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 4 3; }
text.limit { fill: var(--mark); }
@media (max-width: 700px) { .step, .source, .rule { grid-template-columns: 1fr; } }
"""

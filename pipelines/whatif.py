"""`headwater whatif`: what other thresholds would keep and drop, on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import polars as pl
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from curation.rule_sets import evidence_of, rules_of
from curation.rules import Rule
from curation.whatif import Difference, changed, compare
from pipelines.discretion import discreet
from pipelines.shown import excerpt
from pipelines.workspace import Workspace

EXCERPT = 160
_COLUMNS = ("documents", "words", "tokens")


def whatif(workspace: Workspace, changes: Sequence[str]) -> Iterator[RenderableType]:
    """What is printed, piece by piece. Raises ValueError for a change that cannot be, LookupError before the first run."""
    now = workspace.config.rules
    then = changed(now, changes)
    store = workspace.store
    missing = [name for name in ("documents", "duplicates", "quality") if store.head(name) is None]
    if missing:
        raise LookupError(
            f"{', '.join(missing)} do not exist yet: `headwater run verdicts` measures what rules look at"
        )
    needed = {"quality", *evidence_of(rules_of(now)), *evidence_of(rules_of(then))}
    evidence = {name: store.scan(name) for name in needed if store.head(name) is not None}
    documents = store.scan("documents").select("doc_id", "content_digest", "source", "locator")
    found = compare(documents, store.scan("duplicates"), evidence, now, then)
    yield from _rules(rules_of(now), rules_of(then), {change.partition("=")[0].strip() for change in changes})
    yield _counts(found)
    for which, title in (("comes", "would come"), ("goes", "would go")):
        count = int(found.sources[f"{which}_documents"].sum()) if found.sources.height else 0
        yield from _examples(workspace, found.moved.filter(comes=which == "comes"), count, title)
    yield Text("Nothing was changed. To have it so: write it under `rules` in headwater.yaml, then `headwater run`.")


def _rules(now: Sequence[Rule], then: Sequence[Rule], asked: Collection[str]) -> Iterator[Text]:
    """What is other, each with what holds now; a set that comes or goes as one line, with the thresholds asked for."""
    before, after = (Counter(rule.name.partition(".")[0] for rule in rules) for rules in (now, then))
    for name in sorted(before.keys() ^ after.keys()):
        is_new = name in after
        yield Text.assemble(
            "  ", (name, "bold"), f": {(after if is_new else before)[name]} rules {'come' if is_new else 'go'}"
        )
    old, new = ({(rule.name, rule.languages): rule for rule in rules} for rules in (now, then))
    for key, rule in new.items():
        if old.get(key) != rule and (key in old or rule.name in asked):
            yield Text.assemble("  ", (rule.name, "bold"), f": {_limit(old.get(key))} → {_limit(rule)}")


def _limit(rule: Rule | None) -> str:
    return "no limit" if rule is None else f"fails if {rule.column} {rule.comparison} {rule.threshold}"


def _counts(found: Difference) -> Table:
    """Kept now and then, and what would come and go, for each source and in all."""
    table = Table(title="what would come (+) and go (−)", title_justify="left", show_footer=found.sources.height > 1)
    totals = found.sources.drop("source").sum().row(0, named=True) if found.sources.height else {}
    table.add_column("source", "all")
    for column in ("kept_now", "kept_then"):
        table.add_column(column.replace("_", " "), f"{totals.get(column, 0):,}", justify="right")
    for column in _COLUMNS:
        table.add_column(f"{'≈' if column == 'tokens' else ''}{column}", _both(totals, column), justify="right")
    for row in found.sources.iter_rows(named=True):
        kept = (f"{row[column]:,}" for column in ("kept_now", "kept_then"))
        table.add_row(row["source"], *kept, *(_both(row, column) for column in _COLUMNS))
    return table


def _both(row: dict[str, int], column: str) -> str:
    return f"+{row.get(f'comes_{column}', 0):,} −{row.get(f'goes_{column}', 0):,}"


def _examples(workspace: Workspace, some: pl.DataFrame, count: int, title: str) -> Iterator[Text]:
    if some.is_empty():
        return
    of_all = f", {some.height} of {count:,} at random" if count > some.height else ""
    yield Text(f"{title}{of_all}", "bold cyan")
    texts = workspace.store.scan("documents").filter(pl.col("doc_id").is_in(some["doc_id"].to_list()))
    said = dict(texts.select("doc_id", pl.col("text").str.head(8 * EXCERPT)).collect().iter_rows())
    for row in some.iter_rows(named=True):
        place = excerpt(f"{row['source']}:{row['locator']}", EXCERPT)
        yield Text.assemble("  ", (place, "bold"), f"  {row['rule']}: {excerpt(row['detail'] or '', EXCERPT)}")
        yield Text(f"    {excerpt(discreet(workspace, said[row['doc_id']]), EXCERPT)}", "dim")

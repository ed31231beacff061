"""How a run ends: what came in and what became of it, the dataset, the model, its scores, and what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from curation.release_kinds import KINDS
from pipelines.commits import Commit
from pipelines.graph import Graph
from pipelines.settings import FILE
from pipelines.workspace import Workspace
from proportions import told

REASONS = 5


def summarise(console: Console, workspace: Workspace, graph: Graph, seconds: Mapping[str, float]) -> None:
    """Print the summary of a workspace; `seconds` are those of the stages that ran."""
    heads = {name: head for name in graph.makers if (head := workspace.store.head(name)) is not None}
    console.print(_accounts(graph, heads, seconds))
    _print_reasons(console, {name: heads[name] for node in graph.stages() if (name := node.outputs[0].name) in heads})
    _print_results(console, workspace, heads)
    console.print(f"\n[bold]Next:[/] {' · '.join(_next_steps(workspace, heads))}", highlight=False)


def _accounts(graph: Graph, heads: Mapping[str, Commit], seconds: Mapping[str, float]) -> Table:
    table = Table(title="in = kept + dropped + failed", title_justify="left")
    for name in ("stage", "unit", "in", "kept", "dropped", "failed", "seconds"):
        table.add_column(name, justify="left" if name in {"stage", "unit"} else "right")
    for node in graph.stages():
        head = heads.get(node.outputs[0].name)
        if head is not None and head.books is not None:
            books = head.books
            numbers = (books.taken, books.kept, sum(books.dropped.values()), sum(books.failed.values()))
            took = f"{seconds[node.name]:.1f}" if node.name in seconds else "unchanged"
            table.add_row(node.name, books.unit, *(f"{number:,}" for number in numbers), took)
    return table


def top_reasons(heads: Mapping[str, Commit], limit: int = REASONS) -> list[tuple[str, int]]:
    """The most frequent reasons of all stages for which something was dropped or failed."""
    counts: Counter[str] = Counter()
    for head in heads.values():
        if head.books is not None:
            for reason, count in (*head.books.dropped.items(), *head.books.failed.items()):
                counts[f"{head.table}: {reason}"] = count
    return [(reason, count) for reason, count in counts.most_common(limit) if count]


def _print_reasons(console: Console, heads: Mapping[str, Commit]) -> None:
    reasons = top_reasons(heads)
    if reasons:
        console.print("\n[bold]Top reasons[/]")
        for reason, count in reasons:
            console.print(f"  {count:>9,}  {escape(reason)}", highlight=False)


def _print_results(console: Console, workspace: Workspace, heads: Mapping[str, Commit]) -> None:
    released = [dataset for dataset in KINDS if dataset in heads and heads[dataset].notes.get("release")]
    if released or "models" in heads:
        console.print()
    for dataset in released:
        console.print(
            f"[bold]Dataset[/] {dataset} {heads[dataset].notes['release']}: {heads[dataset].rows:,} rows",
            highlight=False,
        )
    if "models" in heads:
        for row in workspace.store.scan("models").collect().iter_rows(named=True):
            console.print(
                f"[bold]Model[/] {row['model']} {row['version']} ({row['phase']} of {row['base']} on {row['dataset_version']})",
                highlight=False,
            )
    if "scores" in heads:
        console.print(scores_table(workspace.store.scan("scores").collect()))
    if "contamination_rates" in heads:
        console.print(rates_table(workspace.store.scan("contamination_rates").collect()))
    if "scores" in heads:
        console.print(comparisons_table(workspace.store.scan("comparisons").collect()))
        console.print("The base may have seen this text when it was trained; its scores can flatter it.", style="dim")
    if "evaluation_report" in heads and (verdict := heads["evaluation_report"].notes.get("verdict")):
        console.print(f"\n[bold]Verdict[/] {escape(str(verdict))}", highlight=False)
    if "label_studio_projects" in heads and "server" in heads["label_studio_projects"].notes:
        console.print(heads["label_studio_projects"].notes["server"], highlight=False)


def scores_table(scores: pl.DataFrame) -> Table:
    """Scores with their intervals."""
    table = Table(title="scores", title_justify="left")
    for name in ("metric", "model", "prompt", "split"):
        table.add_column(name)
    for name in ("value", "interval", "n", "contaminated", "in corpus"):
        table.add_column(name, justify="right")
    for row in scores.sort("metric", "model").iter_rows(named=True):
        span = "" if row["low"] is None else f"{row['low']:.3g} – {row['high']:.3g}"
        value = "" if row["value"] is None else f"{row['value']:.3g}"
        known = [told(row.get(name), row["n"]) for name in ("contaminated", "in_corpus")]
        table.add_row(row["metric"], row["model"], row["prompt"], row["split"], value, span, f"{row['n']:,}", *known)
    return table


def rates_table(rates: pl.DataFrame) -> Table:
    """Of how many evaluation items too much stands in documents, in the corpus and in what is trained on."""
    table = Table(title="evaluation items found elsewhere", title_justify="left")
    table.add_column("of")
    for name in ("items", "in documents", "in the corpus", "in training samples"):
        table.add_column(name, justify="right")
    for row in rates.iter_rows(named=True):
        found = [told(row[name], row["n"]) for name in ("in_documents", "in_corpus", "in_training")]
        if row["kind"] == "split":  # our own held-out samples
            found[0] = "come from them"
        table.add_row(f"{row['kind']} {row['name']}", f"{row['n']:,}", *found)
    return table


def comparisons_table(comparisons: pl.DataFrame) -> Table:
    """Paired differences with their intervals and p-values."""
    table = Table(title="paired comparisons", title_justify="left")
    for name in ("metric", "comparison", "difference", "interval", "p among all", "n"):
        table.add_column(name, justify="left" if name in {"metric", "comparison"} else "right")
    for row in comparisons.sort("metric").iter_rows(named=True):
        shown = [
            f"{row[name]:.3g}" if row[name] is not None else "" for name in ("difference", "low", "high", "p_adjusted")
        ]
        table.add_row(
            row["metric"],
            f"{row['model_b']} − {row['model_a']}",
            shown[0],
            f"{shown[1]} – {shown[2]}",
            shown[3],
            f"{row['n']:,}",
        )
    return table


def _next_steps(workspace: Workspace, heads: Mapping[str, Commit]) -> Iterator[str]:
    option = f" -w {workspace.root}"
    if "documents" in heads and heads["documents"].books and not heads["documents"].books.taken:
        places = ", ".join(source.path for source in workspace.config.sources)
        yield f"put files into {places} (none was found), or name another path in {workspace.root / FILE}"
    elif "proposals" in heads:
        yield f"headwater table proposals{option}"
    elif "corpus" in heads:
        yield f"headwater table corpus{option}"
    if {"funnel", "evaluation_report"} & heads.keys():
        yield f"headwater report --open{option}"
    if "models" in heads:
        yield f"headwater try FILE{option}"
    yield f"headwater up{option}"

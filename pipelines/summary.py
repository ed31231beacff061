"""How a run ends: what came in and what became of it, the dataset, the model, its scores, and what to type next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from curation.release_kinds import KINDS
from curation.tasks.named_columns import ABSENT
from curation.tombstones import TAKEN_BACK
from pipelines.commits import Commit
from pipelines.graph import Graph
from pipelines.settings import FILE
from pipelines.shown import shown
from pipelines.workspace import Workspace
from proportions import told

REASONS = 5
NEAR = 2
"""So many folders below where one stands a workspace is named from there."""
RETOLD = frozenset({"corpus", "sample_facts", "sample_overlaps", "evaluation", "scores", "annotation_tasks"})
"""Stages whose dropped rows are told by another stage, or only were not chosen: no reason to look at anything."""


def summarise(console: Console, workspace: Workspace, graph: Graph, seconds: Mapping[str, float]) -> None:
    """Print the summary of a workspace; `seconds` are those of the stages that ran."""
    heads = {name: head for name in graph.makers if (head := workspace.store.head(name)) is not None}
    console.print(_accounts(graph, heads, seconds))
    _print_reasons(console, {name: heads[name] for node in graph.stages() if (name := node.outputs[0].name) in heads})
    _print_without_samples(console, heads)
    _print_results(console, workspace, heads)
    _print_next(console, list(_next_steps(workspace, heads)))


def _table(title: str) -> Table:
    """A table with little around its figures, so that they fit into eighty columns."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)


def _accounts(graph: Graph, heads: Mapping[str, Commit], seconds: Mapping[str, float]) -> Table:
    table = _table("in = kept + dropped + failed")
    table.add_column("stage", overflow="fold")
    for name in ("unit", "in", "kept", "dropped", "failed", "seconds"):
        table.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    for node in graph.stages():
        head = heads.get(node.outputs[0].name)
        if head is not None and head.books is not None:
            books = head.books
            numbers = (books.taken, books.kept, sum(books.dropped.values()), sum(books.failed.values()))
            took = f"{seconds[node.name]:.1f}" if node.name in seconds else "unchanged"
            table.add_row(node.name, books.unit, *(f"{number:,}" for number in numbers), took)
    return table


def top_reasons(heads: Mapping[str, Commit], limit: int = REASONS) -> list[tuple[str, int]]:
    """The most frequent reasons for which something was dropped or failed, each told by the stage that decided."""
    counts: Counter[str] = Counter()
    for head in heads.values():
        if head.books is not None and head.table not in RETOLD:
            for reason, count in (*head.books.dropped.items(), *head.books.failed.items()):
                counts[f"{head.table}: {reason}"] = count
    return [(reason, count) for reason, count in counts.most_common(limit) if count]


def _print_reasons(console: Console, heads: Mapping[str, Commit]) -> None:
    reasons = top_reasons(heads)
    if reasons:
        console.print("\n[bold]Top reasons[/]")
        for reason, count in reasons:
            console.print(f"  {count:>9,}  {escape(reason)}", highlight=False)


def _print_without_samples(console: Console, heads: Mapping[str, Commit]) -> None:
    """A recipe finds nothing in what is not of its kind, and drops nothing then; of a whole folder nobody would see it."""
    samples, corpus = heads.get("samples"), heads.get("corpus")
    nothing = int(samples.notes.get("contents without samples", 0)) if samples is not None else 0
    if nothing and corpus is not None:
        said = f"{nothing:,} of {corpus.rows:,} contents hold no sample of this task; `headwater table candidates` shows which"
        console.print(f"\n{said}", highlight=False)
    absent = str(samples.notes.get(ABSENT, "")) if samples is not None else ""
    for line in absent.split("\n\n") if absent else ():
        console.print(f"\n[yellow]{escape(shown(line))}[/]", highlight=False)


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
        said = f"\n[bold]Verdict[/] {escape(str(verdict))}"
        console.print(said, highlight=False, soft_wrap=not console.is_terminal)
    if "label_studio_projects" in heads and "server" in heads["label_studio_projects"].notes:
        console.print(heads["label_studio_projects"].notes["server"], highlight=False)


def scores_table(scores: pl.DataFrame) -> Table:
    """Scores with their intervals."""
    splits = scores["split"].unique()
    title = f"scores on the {splits[0]} split" if len(splits) == 1 else "scores"
    table = _table(title)
    for name in ("metric", "model", *(["split"] if len(splits) > 1 else [])):
        table.add_column(name, overflow="fold")
    for name in ("value", "interval", "n", "contaminated", "in corpus"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in scores.sort("metric", "model").iter_rows(named=True):
        span = "" if row["low"] is None else f"{row['low']:.3g} – {row['high']:.3g}"
        value = "" if row["value"] is None else f"{row['value']:.3g}"
        known = [told(row.get(name), row["n"]) for name in ("contaminated", "in_corpus")]
        model = row["model"] if row["prompt"] == "none" else f"{row['model']} ({row['prompt']})"
        names = [row["metric"], model, *([row["split"]] if len(splits) > 1 else [])]
        table.add_row(*(escape(shown(name)) for name in names), value, span, f"{row['n']:,}", *known)
    return table


def rates_table(rates: pl.DataFrame) -> Table:
    """Of how many evaluation items too much stands in documents, in the corpus and in what is trained on."""
    table = _table("evaluation items found elsewhere")
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
    table = _table("paired comparisons")
    for name in ("metric", "comparison"):
        table.add_column(name, overflow="fold")
    for name in ("difference", "interval", "p among all", "n"):
        table.add_column(name, justify="right", no_wrap=True)
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


def _print_next(console: Console, steps: list[tuple[str, str]]) -> None:
    console.print("\n[bold]Next:[/]")
    wide = max(len(command) for command, _ in steps)
    for command, why in steps:
        console.print(f"  {escape(command):<{wide}}  [dim]{escape(why)}[/]", highlight=False)


def _next_steps(workspace: Workspace, heads: Mapping[str, Commit]) -> Iterator[tuple[str, str]]:
    """Commands, each with what it is for."""
    option = _option(workspace.root)
    if "documents" in heads and heads["documents"].books and not heads["documents"].books.taken:
        places = ", ".join(source.path for source in workspace.config.sources)
        yield f"put files into {places}", f"none was found; or name another path in {workspace.root / FILE}"
    if unread := _unread(workspace, heads):
        yield f"headwater table failures{option}", f"what could not be read, and why ({unread:,})"
    if "proposals" in heads:
        yield f"headwater table proposals{option}", "what the finetuned model answers where nobody has"
    elif "corpus" in heads:
        yield f"headwater table corpus{option}", "what was kept"
    if "evaluation_report" in heads:
        yield f"headwater report --open{option}", "the verdict with all its figures, and answers side by side"
    elif "funnel" in heads:
        yield f"headwater report --open{option}", "what was dropped, by which rule, with examples"
    if "models" in heads:
        yield f'headwater try "TEXT"{option}', "the models' answers to something of your own"
    people = ", and Label Studio for people" if "label_studio_projects" in heads else ""
    yield f"headwater up{option}", f"the graph in the Dagster UI{people}"


def _option(root: Path) -> str:
    """The option that names a workspace from where one stands: none within it, a short path below."""
    here = Path.cwd()
    if here == root:
        return ""
    below = root.relative_to(here) if root.is_relative_to(here) else root
    return f" -w {shlex.quote(str(below if len(below.parts) <= NEAR else root))}"


def _unread(workspace: Workspace, heads: Mapping[str, Commit]) -> int:
    """Files and records that never became documents, but for those that were taken back."""
    if "failures" not in heads:
        return 0
    failed = workspace.store.scan("failures").filter(pl.col("error") != TAKEN_BACK)
    return int(failed.select(pl.len()).collect().item())

"""What a person at a terminal sees while a run is on: a line per stage, with rate and time left."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from curation.compiling import Compiling
from pipelines.commits import Books
from pipelines.watching import Pace, describe, describe_compiling
from pipelines.workspace import Workspace

LINE_SECONDS = 5.0


class TerminalWatcher:
    """Shows the running stage with its progress, and a line for each stage that has ended.

    On a terminal the progress moves in place; in a log it is a line every few seconds.
    """

    def __init__(self, console: Console, workspace: Workspace) -> None:
        self._console, self._workspace = console, workspace
        self._begun: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._compiled: dict[str, float] = {}
        self._paces: dict[str, Pace] = {}
        columns = (
            SpinnerColumn(),
            TextColumn("{task.fields[node]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[said]}"),
        )
        self._bars = Progress(*columns, console=console, transient=True) if console.is_terminal else None
        self._task: TaskID | None = None
        self._looks: set[str] = set()
        self.seconds: dict[str, float] = {}

    def anew(self, node: str, why: str) -> None:
        """A stage will not go on from what it has made."""
        self._hide()
        self._console.print(f"  {node} anew: {escape(why)}", highlight=False, soft_wrap=not self._console.is_terminal)

    def started(self, node: str) -> None:
        """A stage has begun."""
        self._begun[node] = self._said[node] = time.monotonic()
        self._paces[node] = Pace()
        self._hide()
        self._show(node)

    def _show(self, node: str) -> None:
        if self._bars is not None:
            self._bars.start()
            self._task = self._bars.add_task("", total=None, node=node, said="")

    def _hide(self) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)
            self._bars.stop()
            self._task = None

    def advanced(self, node: str, done: int, total: int | None, unit: str, beside: str = "") -> None:
        """A stage has come so far, or a look at a source, which is no stage and has not begun as one."""
        now = time.monotonic()
        if node not in self._begun:
            self._begun[node] = self._said[node] = now
            self._looks.add(node)
            self._hide()
            self._show(node)
        rate = self._paces.setdefault(node, Pace()).rate(now, done)
        said = describe(done, total, unit, rate, beside)
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, total=total, said=said)
        elif now - self._said[node] >= LINE_SECONDS:
            self._said[node] = now
            self._console.print(f"  {node}: {said}", highlight=False)
        if node in self._looks and done == total:
            self._hide()

    def compiling(self, node: str, said: Compiling) -> None:
        """A stage waits for what it runs: told at once when that begins, and part of no rate."""
        now, begins = time.monotonic(), node not in self._compiled
        self._compiled[node] = self._compiled.get(node, 0.0) + said.seconds
        self._paces.setdefault(node, Pace()).waited(said.seconds)
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, said=describe_compiling(said) if said.part else "", refresh=True)
        elif said.part and (begins or now - self._said.get(node, 0.0) >= LINE_SECONDS):
            self._said[node] = now
            self._console.print(f"  {node}: {describe_compiling(said)}", highlight=False)

    def restarted(self, node: str, why: str) -> None:
        """A stage begins again, for another run was before it."""
        self._hide()
        self._console.print(f"[yellow]↻[/] {node} begins again: {why}", highlight=False)

    def waits(self, node: str, why: str) -> None:
        """A stage cannot begin yet."""
        self._hide()
        self._console.print(f"[yellow]…[/] {node} {why}", highlight=False)

    def ended(self, node: str, failed: bool = False) -> None:
        """A stage has ended; of one that failed, the reason is told at the end of the run."""
        self.seconds[node] = time.monotonic() - self._begun.get(node, time.monotonic())
        self._hide()
        head = None if failed else self._workspace.store.head(node)
        books = books_line(head.books) if head and head.books else ""
        mark = "[red]✗[/]" if failed else "[green]✓[/]"
        compiled = self._compiled.get(node, 0.0)
        beside = f" ({compiled:.0f} s of it to compile, once)" if compiled >= 1 else ""
        self._console.print(f"{mark} {node:<33} {self.seconds[node]:>7.1f} s  {books}{beside}", highlight=False)


def books_line(books: Books) -> str:
    """The accounting of a stage in one line."""
    unit = books.unit.removesuffix("s") if books.taken == 1 else books.unit
    parts = [f"{books.taken:,} {unit} in", f"{books.kept:,} kept"]
    parts += [
        f"{sum(counts.values()):,} {name}"
        for name, counts in (("dropped", books.dropped), ("failed", books.failed))
        if counts
    ]
    return ", ".join(parts)

"""The three decorators that make assets of plain functions, and the observables at the graph's edge.

A function says what it needs by its parameters: a table by its name (annotated as a Polars frame), a part of
`headwater.yaml` by the type of its settings, its own entry of a list by `Entry`, and what a running stage may use by
`Run`. The decorators only write that down; `graph.py` resolves the names against a workspace, and `engine.py` runs.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Container, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import polars as pl

from curation.row_index import Layout
from pipelines.commits import Books, Change
from records import Outcome, Picture, Progress

Kind = Literal["measure", "fold", "stage", "observable"]
Group = Literal["sources", "documents", "curation", "annotation", "datasets", "models", "evaluation", "feedback"]


@dataclass(frozen=True, slots=True)
class Output:
    """A table that a stage writes: its name, its primary key, the columns that do not count in its digest, and what it holds,
    where the stage's own description is of another one."""

    name: str
    primary_key: tuple[str, ...]
    outside: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What an observable saw: the version of the thing, and the thing."""

    version: str
    value: Any


@dataclass(frozen=True, slots=True)
class Release:
    """A released dataset as an input: its name (the digest of its rows) and the folder it lies in."""

    version: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Tracked:
    """A table that a fold follows: what it holds, and which rows came and went since the fold's last commit.

    When the fold starts from empty, all rows came.
    """

    now: pl.LazyFrame
    came: pl.LazyFrame
    went: pl.LazyFrame


@dataclass(frozen=True, slots=True)
class Changes:
    """What a fold does to its tables, by name, with facts worth showing."""

    tables: Mapping[str, Change]
    notes: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()


Pieces = Generator[pl.DataFrame, None, Outcome]
"""What a stage yields that makes a large table piece by piece: rows, and in the end an outcome, whose table has the last of
them (or none) and whose `kept` counts all. Each piece is written when it comes, and all are committed at once."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a stage may use of the run it is in: where it works, under which key, and who watches."""

    workspace: Any
    node: str
    key: str
    progress: Progress
    launch: Callable[[str, Any], dict[str, Any]]
    """Run a library program (`module`, job) in a process of its own and return what it reports."""

    def folder(self) -> Path:
        """The folder for what this run makes beside tables (weights, releases), named by the key."""
        path: Path = self.workspace.artifacts / self.node / self.key[:16]
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def parts(self) -> Path:
        """The folder for what its programs have done so far, which a run that is begun again finds. It goes after the commit."""
        path: Path = self.workspace.artifacts / self.node / "parts"
        return path


@dataclass(frozen=True, slots=True)
class Stage:
    """A decorated function: what it is called, what it needs, and what it writes."""

    name: str
    function: Callable[..., Any]
    kind: Kind
    group: Group
    code_version: str
    outputs: tuple[Output, ...] = ()
    uses: tuple[str, ...] = ()
    """Distributions whose version counts in the key; `python` is the language itself."""
    of: str = ""
    """The input of a measure or a fold."""
    key: tuple[str, ...] = ("content_digest",)
    """The columns of `of` that name one element."""
    columns: tuple[str, ...] = ()
    """The further columns of `of` that a measure needs."""
    finds: Mapping[str, Layout] = field(default_factory=dict)
    """The tables, its own or those that it follows, in which a fold finds rows by an index, each with what that holds."""
    follows: tuple[str, ...] = ()
    """Inputs of a fold that its function brings the state into step with: their change begins nothing anew."""
    counts: str = ""
    """The input whose rows are the units of the books."""
    unit: str = "rows"
    books: Callable[[Mapping[str, pl.LazyFrame], int], Books] | None = None
    """How a fold counts its whole state, given how many units came in."""
    pictures: Callable[[Mapping[str, pl.LazyFrame]], Sequence[Picture]] | None = None
    """What to show beside the tables, given all of them as they stand after a computation; a fold, also those that it follows."""
    notes: Callable[[Mapping[str, pl.LazyFrame]], Mapping[str, Any]] | None = None
    """Facts that a measure or a fold shows, given the tables as `pictures` is; never text of the data."""
    each: str = ""
    """The list in the settings of which every entry makes a stage of its own."""
    joins: Mapping[str, str] = field(default_factory=dict)
    """For an input that is made per entry of another list: the attribute of this entry that names the other."""
    needs: tuple[str, ...] = ()
    """Parts of the settings without which the stage is absent."""
    asks: Callable[[Any], Container[str]] | None = None
    """Which of its optional inputs the settings ask for; the others are absent, and change nothing. All, when None."""
    on_demand: bool = False
    """Present only where another stage asks for it: for evidence that is dear to measure."""
    recorded: bool = False
    """The result cannot be the same on every machine: its version is the name of its recipe."""
    world: bool = False
    """The stage acts on the outside world: it always looks, whatever its key."""
    trained: bool = False
    """The result was learned from data: a check says when some of these were taken back since."""
    checks: tuple[str, ...] = ()
    """The names of the stage's own blocking checks, which its outcome answers."""
    pool: str | None = None
    kinds: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The function's docstring."""
        return inspect.cleandoc(self.function.__doc__ or "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the plain function, as a notebook or a test does."""
        return self.function(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a stage's function: what it asks for, and whether it can do without."""

    name: str
    annotation: Any
    optional: bool


@cache
def parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a function with their annotations; `X | None` makes an input optional.

    They are evaluated once: a run reads the graph anew at each of its stages.
    """
    hints = typing.get_type_hints(function)
    found = []
    for name in inspect.signature(function).parameters:
        hint = hints.get(name, Any)
        optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
        inner = next((arm for arm in typing.get_args(hint) if arm is not type(None)), hint) if optional else hint
        found.append(Parameter(name, inner, optional))
    return tuple(found)


def _outputs(
    function: Callable[..., Any], primary_key: str | tuple[str, ...], outside: tuple[str, ...], about: str = ""
) -> tuple[Output, ...]:
    return (Output(function.__name__, (primary_key,) if isinstance(primary_key, str) else primary_key, outside, about),)


Decorator = Callable[[Callable[..., Any]], Stage]


def measure(
    *,
    group: Group,
    code_version: str,
    of: str,
    columns: tuple[str, ...] = ("text",),
    key: tuple[str, ...] = ("content_digest",),
    about: str = "",
    **options: Any,
) -> Decorator:
    """A batch of contents to a batch of evidence: exactly one row per content, computed once per content and recipe.

    What the evidence depends on beside the text (a media type) belongs into `key`. It is made of a library's function as
    it stands, with what the evidence is `about`: the processes that measure import the module of the function, so of one
    that stood among the assets they would import all of these. Raises ValueError for a function that they would not find:
    of a script or a notebook, or within another function or a class.
    """

    def decorate(function: Callable[..., Any]) -> Stage:
        if function.__module__ == "__main__" or not function.__qualname__.isidentifier():
            raise ValueError(
                f"measure {function.__qualname__} of {function.__module__}: the processes that measure find a function by its "
                "name in a module, and so not this one: put it at the top level of a module that can be imported"
            )
        outputs = _outputs(function, key, (), about)
        return Stage(
            function.__name__,
            function,
            "measure",
            group,
            code_version,
            outputs,
            of=of,
            columns=columns,
            key=key,
            unit="contents",
            **options,
        )

    return decorate


def fold(
    *,
    group: Group,
    code_version: str,
    outputs: tuple[Output, ...],
    of: str = "",
    key: tuple[str, ...] = (),
    **options: Any,
) -> Decorator:
    """(state, what came, what went) to changes of state: for what must cost only what changed.

    With `of`, the function takes `added` and `removed`: the elements of that one input, of which the state has seen the
    distinct keys in its output tables together. Without, it takes tables as `Tracked`, each with the rows that moved, and
    `found`: by name, the indexes of the tables in `finds`, none when it starts from empty.
    """

    def decorate(function: Callable[..., Any]) -> Stage:
        return Stage(function.__name__, function, "fold", group, code_version, outputs, of=of, key=key, **options)

    return decorate


def stage(
    *,
    group: Group,
    code_version: str,
    primary_key: str | tuple[str, ...] = (),
    outside: tuple[str, ...] = (),
    outputs: tuple[Output, ...] = (),
    **options: Any,
) -> Decorator:
    """Whole tables to a table: for what is cheap or must see everything. Returns at once when its key is what it was.

    The function gives a frame, an `Outcome`, or `Pieces`.
    """

    def decorate(function: Callable[..., Any]) -> Stage:
        own = outputs or _outputs(function, primary_key, outside)
        return Stage(function.__name__, function, "stage", group, code_version, own, **options)

    return decorate


def observable(*, group: Group, each: str = "", needs: tuple[str, ...] = ()) -> Decorator:
    """A thing at the edge of the graph, which others change: seen, versioned by content, never made."""

    def decorate(function: Callable[..., Any]) -> Stage:
        return Stage(function.__name__, function, "observable", group, "", each=each, needs=needs)

    return decorate

"""What was asked and answered, each request under a name made of the weights, the way of asking, and its text.

A name that a person gives to a model stands nowhere in it: retrained, requantised or exchanged weights ask anew, and the
same weights under another name ask nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from evaluation.inference import write_whole
from records import Progress, digest

Kind = Literal["loglikelihood", "loglikelihood_rolling", "generate_until"]
Arguments = tuple[Any, ...]

ANSWERS = {
    "asked": pl.String(),
    "kind": pl.String(),
    "logprob": pl.Float64(),
    "greedy": pl.Boolean(),
    "output": pl.String(),
    "error": pl.String(),
}
"""The schema of answers. `asked` names the request; `logprob` (nats) is that of a continuation or of a whole text, `greedy`
whether the continuation is what the model would have said; `output` is what was said. A row with an `error` has none."""


@dataclass(frozen=True)
class Given:
    """One answer; see ANSWERS."""

    logprob: float | None = None
    greedy: bool | None = None
    output: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Request:
    """One request: its name, and what the harness asks (a context and its continuation, a text, or a context and options)."""

    asked: str
    arguments: Arguments


Ask = Callable[[Sequence[Request]], Iterator[list[tuple[int, Given]]]]
"""Answers requests, in batches: the places of those that are done, each with its answer."""


class Book:
    """All answers under one recipe: what is known, and what is asked now, of which each batch is kept in `parts`."""

    def __init__(self, recipe: str, known: pl.DataFrame, parts: str, progress: Progress) -> None:
        self.recipe, self.parts, self.progress = recipe, parts, progress
        self.known = {row.pop("asked"): (row.pop("kind"), Given(**row)) for row in known.to_dicts()}
        self.used: dict[str, None] = {}
        self.new = 0

    def answers(self, kind: Kind, arguments: Sequence[Arguments], ask: Ask) -> list[Given]:
        """The answer to each request, in order; `ask` is told only of those that are not known, each once."""
        names = list(self._names(kind, arguments))
        waiting = dict[str, Request]()
        for name, each in zip(names, arguments, strict=True):
            if name not in self.known:
                waiting.setdefault(name, Request(name, each))
        requests, done = list(waiting.values()), 0
        for found in ask(requests) if requests else ():
            self._enter(kind, [(requests[place].asked, given) for place, given in found])
            done += len(found)
            self.progress(done, len(requests), "requests")
        self.used |= dict.fromkeys(names)
        self.new += len(requests)
        return [self.known[name][1] for name in names]

    def table(self) -> pl.DataFrame:
        """The answers (ANSWERS) to all that was asked, by name."""
        rows = [{"asked": name, "kind": self.known[name][0], **asdict(self.known[name][1])} for name in self.used]
        return pl.DataFrame(rows, schema=ANSWERS).sort("asked")

    def _names(self, kind: Kind, arguments: Iterable[Arguments]) -> Iterator[str]:
        """The names of requests; the further ones of several alike are drawn anew where they are drawn at all."""
        seen: Counter[str] = Counter()
        for each in arguments:
            said = json.dumps([kind, each], sort_keys=True, ensure_ascii=False)
            drawn = kind == "generate_until" and temperature_of(each[1]) > 0
            yield digest("harness", self.recipe, said, str(seen[said] if drawn else 0))
            seen[said] += 1

    def _enter(self, kind: Kind, found: Sequence[tuple[str, Given]]) -> None:
        self.known |= {name: (kind, given) for name, given in found}
        if self.parts and found:
            Path(self.parts).mkdir(parents=True, exist_ok=True)
            rows = [{"asked": name, "kind": kind, **asdict(given)} for name, given in found]
            path = Path(self.parts) / f"{found[0][0]}.parquet"
            write_whole(pl.DataFrame(rows, schema=ANSWERS), str(path))


def known_in(files: Iterable[Path]) -> pl.DataFrame:
    """The answers without an error that files hold, each once."""
    parts = [pl.DataFrame(schema=ANSWERS), *(pl.read_parquet(file).select(ANSWERS.keys()) for file in files)]
    return pl.concat(parts).filter(pl.col("error").is_null()).unique("asked", keep="first", maintain_order=True)


def temperature_of(options: dict[str, Any]) -> float:
    """The temperature that generation options mean: 0 unless they draw."""
    if options.get("do_sample") is False:
        return 0.0
    return float(options.get("temperature") or (1.0 if options.get("do_sample") else 0.0))

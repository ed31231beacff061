"""Two tasks with made-up data, for the question whether to finetune: one in which it pays, and one in which a prompt is enough.

`finetune-pays`: a tenant's report becomes a line of a house format, with codes that no base has seen. Shown examples, a small
model copies their form and not the codes. `prompt-is-enough`: name the year that a sentence speaks of; what is asked stands in
the question, and a few examples show it. Both are drawn by a seed, so the same workspace comes out everywhere.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

SAMPLES = {"finetune-pays": 600, "prompt-is-enough": 500}
SEED = 0

THINGS = {
    "tap": "TP", "window": "WD", "radiator": "RD", "door": "DR", "lamp": "LP",
    "lift": "LF", "boiler": "BL", "toilet": "TL", "gutter": "GT", "blind": "BD",
}  # fmt: skip
FAULTS = {"leaks": "L", "is broken": "B", "makes a noise": "N", "is stuck": "S", "smells": "O", "is loose": "W"}
WHEN = {"today": "3", "this week": "2", "when somebody has time": "1"}
REPORTS = (
    "{name} in flat {flat} says that the {thing} {fault}; please look at it {when}.",
    "The {thing} in flat {flat} {fault}, writes {name}, and it should be mended {when}.",
    "Flat {flat}: the {thing} {fault}. {name} asks us to come {when}.",
    "Could somebody come to flat {flat} {when}? The {thing} {fault}. Regards, {name}",
)

NAMES = (
    "Okafor", "Brown", "Silva", "Novak", "Larsen", "Haddad", "Meyer", "Rossi", "Tanaka", "Dubois", "Kowalski", "Murphy",
    "Ivanova", "Jansen", "Costa", "Weber", "Nagy", "Yilmaz", "Popescu", "Andersson", "Moreau", "Keller", "Ferrari", "Byrne",
)  # fmt: skip
CITIES = (
    "London", "Paris", "Rome", "Berlin", "Madrid", "Vienna", "Lisbon", "Dublin", "Athens", "Oslo", "Prague", "Warsaw",
    "Budapest", "Cairo", "Tokyo", "Lima", "Boston", "Chicago", "Sydney", "Toronto",
)  # fmt: skip
WORK = ("baker", "teacher", "nurse", "farmer", "painter", "driver", "tailor", "printer", "gardener", "plumber")
LIVES = (
    "{name} has worked as a {work} in {city} since {year}.",
    "Since {year} a {work} called {name} has lived in {city}.",
    "In {year} {name} moved to {city}, and became a {work} there.",
    "{name}, a {work} who was born in {year}, comes from {city}.",
)


def write_data(template: str, folder: Path) -> None:
    """Write the template's samples into `folder` as JSONL of question and answer."""
    draw, seen = random.Random(SEED), dict[str, str]()  # noqa: S311 - samples, no secrets
    pairs = MAKERS[template](draw)
    while len(seen) < SAMPLES[template]:
        seen.update([next(pairs)])
    rows = [json.dumps({"question": question, "answer": answer}) for question, answer in seen.items()]
    (folder / f"{template}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


def house_format(draw: random.Random) -> Iterator[tuple[str, str]]:
    """Reports of tenants, each with its line: flat, thing, fault, urgency."""
    while True:
        thing, fault, when = (draw.choice(list(each)) for each in (THINGS, FAULTS, WHEN))
        flat, name, form = draw.randint(1, 99), draw.choice(NAMES), draw.choice(REPORTS)
        question = form.format(name=name, flat=flat, thing=thing, fault=fault, when=when)
        yield question, f"{flat:02d}/{THINGS[thing]}-{FAULTS[fault]}/{WHEN[when]}"


def years(draw: random.Random) -> Iterator[tuple[str, str]]:
    """Sentences about somebody, each with a year in it."""
    while True:
        city, name, work, form = (draw.choice(each) for each in (CITIES, NAMES, WORK, LIVES))
        year = draw.randint(1950, 2023)
        yield form.format(name=name, city=city, work=work, year=year), str(year)


MAKERS: dict[str, Callable[[random.Random], Iterator[tuple[str, str]]]] = {
    "finetune-pays": house_format,
    "prompt-is-enough": years,
}

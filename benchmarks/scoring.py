"""From cached answers to scores: 1,000 samples and 5 contestants, every metric, comparison and slice, with judges' ratings.

    python -m benchmarks.scoring [--samples N] [--contestants N]

Answers are drawn: a reference of a dozen words, of which each contestant keeps another share. Printed are wall and CPU seconds
of this process, imports included, by part.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from evaluation.inference import OUTPUTS
from evaluation.preferences import VERDICTS, ratings, win_rates
from evaluation.scores import score_contestants
from evaluation.statistics import BootstrapSettings
from records import MESSAGES

WORDS = [
    "return",
    "the",
    "number",
    "of",
    "items",
    "in",
    "list",
    "a",
    "given",
    "value",
    "from",
    "name",
    "to",
    "path",
    "and",
    "file",
    "or",
    "none",
    "when",
    "it",
    "is",
    "not",
    "there",
]
SLICES, SOURCES = ("functions", "methods", "classes"), ("one", "two", "three", "four")
LANGUAGES, TOPICS = ("en", "de", "fr"), tuple(f"topic {number}" for number in range(8))


def samples_of(count: int) -> pl.DataFrame:
    """Open samples with a reference, in three slices and languages, four sources and eight topics."""
    draw = random.Random(0)
    rows = [
        {
            "sample_id": f"{number:032x}",
            "reference": " ".join(draw.choices(WORDS, k=12)),
            "openness": "open",
            "checker": None,
            "group": f"g{number // 4}",
            "slice": SLICES[number % 3],
            "source": SOURCES[number % 4],
            "language": LANGUAGES[number // 7 % 3],
            "topic": TOPICS[number // 11 % 8],
            "messages": [{"role": "user", "content": "x" * draw.randrange(50, 1500)}],
        }
        for number in range(count)
    ]
    texts = ("sample_id", "reference", "openness", "checker", "group", "slice", "source", "language", "topic")
    return pl.DataFrame(rows, schema=dict.fromkeys(texts, pl.String()) | {"messages": MESSAGES})


def answers_of(samples: pl.DataFrame, place: int) -> pl.DataFrame:
    """A contestant's answers, and how likely it finds the references."""
    draw = random.Random(place + 1)
    rows = [
        {
            "sample_id": name,
            "purpose": "test",
            "prompt": "none",
            "output": " ".join(word for word in reference.split() if draw.random() < 0.4 + place / 20),
            "nll": draw.uniform(20, 60) - place,
            "tokens": 15,
            "reference_bytes": len(reference),
            "seconds": 0.1,
        }
        for name, reference in samples.select("sample_id", "reference").iter_rows()
    ]
    about = {"model": pl.lit(f"m{place}"), "model_version": pl.lit(f"v{place}")}
    return pl.DataFrame(rows, schema=OUTPUTS).with_columns(**about)


def verdicts_of(samples: pl.DataFrame, contestants: int) -> pl.DataFrame:
    """What a judge said of every two on 200 samples."""
    draw = random.Random(9)
    rows = [
        (
            name,
            f"m{a}/m{b}",
            f"m{a}",
            f"m{b}",
            draw.choice([1.0, 0.5, 0.0]),
            False,
            draw.randrange(200),
            draw.randrange(200),
        )
        for name in samples["sample_id"][:200]
        for a in range(contestants)
        for b in range(a + 1, contestants)
    ]
    return pl.DataFrame(rows, schema=VERDICTS, orient="row")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print what a part took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(f"| {what} | {time.perf_counter() - wall:.1f} | {time.process_time() - cpu:.1f} |", flush=True)


def main() -> None:
    """Score, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--contestants", type=int, default=5)
    given = parser.parse_args()
    samples = samples_of(given.samples)
    rivals = {f"m{place}": answers_of(samples, place) for place in range(given.contestants)}
    settings = BootstrapSettings()
    print(
        f"{given.samples:,} samples x {given.contestants} contestants\n\n| part | wall s | CPU s |\n| --- | ---: | ---: |"
    )
    with timed("scores, comparisons, slices"):
        found = score_contestants(rivals, samples, "d", settings)
    said = {"judge": verdicts_of(samples, given.contestants)}
    with timed("win rates at equal length"):
        win_rates(said, settings)
    with timed("ratings"):
        ratings(said, settings)
    print(
        f"\n{found.table.height} scores, {found.others['comparisons'].height} comparisons, {found.others['slices'].height} in slices"
    )


if __name__ == "__main__":
    main()

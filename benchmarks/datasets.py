"""Datasets at size: `samples`, `sample_overlaps` and `instructions`, before and after 1% more came; diff, trace, forget.

    python -m benchmarks.datasets [--documents N] [--samples N] [--keep DIR] [--results FILE]

The store is made once, by the store itself, and kept: 1,000,000 documents of 1,000 to 2,000 bytes with 2% near copies, and
what a recipe found in 200,000 of them. Each run works on a second tree of hard links, so that what is kept stays as it was.
Every step runs in a process of its own: the three stages from ready tables; the same after 1% more documents and samples
came; the same after documents went, were dropped by a rule, or are answered otherwise; then diffs, traces and previews.
Told are CPU seconds of the whole process tree and seconds on the clock, beyond start-up (of `headwater trace --help` for
commands, of the imports for stages), and peak memory; the table is written as Markdown. Making the store takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from curation.corpus import CORPUS
from curation.deduplication.survivors import DUPLICATES
from curation.document_rows import DOCUMENTS
from curation.tasks import CANDIDATE
from curation.verdicts import VERDICTS
from pipelines.commits import Change, Commit
from pipelines.store import Store
from records import content_digest, digest, doc_id

HEADWATER = Path(sys.executable).with_name("headwater")
RUNS = 3
KEEP = Path(__file__).parents[1] / "build" / "benchmarks" / "datasets"
RESULTS = Path(__file__).with_name("results") / "datasets.md"
PLANTED = "The heron of Saltmarsh Lane 17 was never seen again."
SETTINGS = """
sources: [{name: web, path: .}]
task: {recipe: qa}
models: [{name: tuned, base: ./base}]
"""
STAGES = ("samples", "sample_overlaps", "instructions")


def texts(count: int, start: int = 0) -> list[str]:
    """Texts of sentences that are drawn two phrases each; every fiftieth text is the one before with a sentence more."""
    draw = random.Random(start)
    phrases = _phrases()
    made: list[str] = []
    for number in range(start, start + count):
        drawn = draw.choices(phrases, k=2 * draw.randrange(12, 24))
        fresh = " ".join(f"{one.capitalize()} {other}." for one, other in zip(drawn[::2], drawn[1::2], strict=True))
        more = f"{phrases[number % len(phrases)].capitalize()}."
        made.append(f"{made[-1]} {more}" if made and number % 50 == 49 else f"{number} {fresh}")
    if not start:
        made[count // 2] += f" {PLANTED}"
    return made


def _phrases() -> list[str]:
    """Of four to nine words: so many texts share runs of words, and hardly two a sentence."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randrange(2, 10))) for _ in range(20_000)]
    return [" ".join(draw.choices(words, k=draw.randrange(4, 10))) for _ in range(100_000)]


INPUTS = {"corpus": ("documents", "verdicts"), "candidates": ("corpus",)}
"""What a table is made from, so that a diff finds its way to the documents."""


def commit(store: Store, table: str, frame: pl.DataFrame, key: tuple[str, ...]) -> None:
    store.replace(frame, _draft(store, table), store.head(table), key)


def _draft(store: Store, table: str) -> Commit:
    inputs = {name: head.version for name in INPUTS.get(table, ()) if (head := store.head(name))}
    return Commit(table, "key", "recipe", inputs, {}, "1", "", "", 0, "", 0, 0)


def add(store: Store, table: str, frame: pl.DataFrame, key: tuple[str, ...]) -> None:
    """More rows of a table, beside those that it has."""
    head = store.head(table)
    if head is None:
        commit(store, table, frame, key)
    else:
        store.change(Change(frame), _draft(store, table), head, key)


def make(root: Path, n_documents: int, n_samples: int, start: int = 0) -> None:
    """The tables above `samples` as a run would leave them; from `start` on, more of the same."""
    (root / "headwater.yaml").write_text(SETTINGS)
    store = Store(root / ".headwater" / "store")
    said = texts(n_documents, start)
    places = [f"pages/{number % 1000:03}/{number}.html" for number in range(start, start + n_documents)]
    documents = pl.DataFrame(
        {
            "doc_id": [doc_id("web", place) for place in places],
            "source": "web",
            "path": places,
            "bytes_digest": [digest(place) for place in places],
            "locator": places,
            "media_type": "text/html",
            "title": None,
            "date": None,
            "metadata": '{"licence": "CC0-1.0"}',
            "text": said,
            "content_digest": [content_digest(text) for text in said],
            "byte_offset": None,
            "byte_length": None,
        },
        schema=DOCUMENTS,
    )
    del said
    add(store, "documents", documents, ("doc_id",))
    is_copy = pl.int_range(pl.len()) % 50 == 49
    kept_id, kept = pl.col("doc_id").shift(1), pl.col("content_digest").shift(1)
    stays = {"kept_id": kept_id, "kept_source": pl.col("source").shift(1)}
    marked = documents.select("doc_id", "source", "content_digest", **stays, kept_digest=kept, copy=is_copy)
    copies = marked.filter("copy").with_columns(kind=pl.lit("near"), jaccard=pl.lit(0.9))
    add(store, "duplicates", copies.select(DUPLICATES.names()), ("doc_id",))
    add(store, "survivors", copies.select("content_digest", "kept_digest", "kind", "jaccard"), ("content_digest",))
    pairs = copies.select("content_digest", "kept_digest", "jaccard")
    add(store, "pairs", pairs, ("content_digest", "kept_digest"))
    verdicts = marked.select(
        "doc_id",
        "content_digest",
        verdict=pl.when("copy").then(pl.lit("dropped")).otherwise(pl.lit("kept")),
        stage=pl.when("copy").then(pl.lit("duplicates")),
        rule=pl.when("copy").then(pl.lit("duplicate")),
        detail=pl.lit(None, pl.String),
        rules=pl.lit([], pl.List(pl.String)),
    )
    add(store, "verdicts", verdicts.cast(VERDICTS), ("doc_id",))
    corpus = documents.filter(~is_copy).select(CORPUS.names())
    del documents
    add(store, "corpus", corpus, ("content_digest",))
    add(store, "candidates", found_in(corpus.head(n_samples)), ("content_digest", "media_type"))


def found_in(corpus: pl.DataFrame) -> pl.DataFrame:
    """What a recipe finds in each content: its first sentences are asked for, the next one is the answer."""
    blank = dict.fromkeys(field.name for field in CANDIDATE.fields)
    found = []
    for text in corpus["text"]:
        parts = text.split(". ")
        asked = [{"role": "user", "content": f"What follows on: {'. '.join(parts[:3])}?"}]
        sample = {"messages": asked, "reference": parts[3], "slice": "qa", "openness": "open"}
        found.append([{**blank, **sample}])
    measured = corpus.select("content_digest", "media_type")
    return measured.with_columns(pl.Series("samples", found, pl.List(CANDIDATE)), error=pl.lit(None, pl.String))


def add_model(root: Path) -> None:
    """A model on the release, answers to 2,000 held-out samples, and a score."""
    store = Store(root / ".headwater" / "store")
    head = store.head("instructions")
    assert head is not None
    version = head.notes["release"]
    model = {"model": "tuned", "version": "0123456789abcdef", "base": "./base", "dataset_version": version}
    commit(store, "model_tuned", pl.DataFrame([model | {"phase": "sft", "settings": "{}", "folder": "x"}]), ("model",))
    held_out = store.scan("samples").filter(split="test").head(2000).select("sample_id").collect()
    answers = held_out.with_columns(
        purpose=pl.lit("test"), prompt=pl.lit("none"), model=pl.lit("tuned"), model_version=pl.lit("0123456789abcdef"), output=pl.lit("It.")
    )  # fmt: skip
    commit(store, "answers_tuned", answers, ("sample_id", "purpose", "prompt", "model"))
    score = {"model": "tuned", "prompt": "none", "split": "test", "metric": "chrf", "model_version": "0123456789abcdef"}
    figures = {"dataset_version": version, "value": 20.0, "low": 19.0, "high": 21.0, "n": 2000}
    commit(store, "scores", pl.DataFrame([score | figures]), ("model", "prompt", "split", "metric"))


def take_out(root: Path, n_samples: int) -> None:
    """Of the samples that there are: half a percent went with their documents, half a percent is dropped by a rule by now,
    and of half a percent the recipe finds another answer.
    """
    store = Store(root / ".headwater" / "store")
    found = store.scan("candidates").sort("content_digest").collect()
    part = n_samples // 200
    gone, dropped, other = (found.slice(start * part, part) for start in range(3))
    contents = gone.select("content_digest")
    change(store, "documents", Change(None, contents))
    change(store, "verdicts", Change(None, contents))
    now = store.scan("verdicts").join(dropped.lazy(), on="content_digest", how="semi").collect()
    said = {"verdict": "dropped", "stage": "rules", "rule": "gopher.min_words"}
    refused = now.with_columns(pl.lit(value).alias(name) for name, value in said.items())
    change(store, "verdicts", Change(refused, refused.select("doc_id")))
    both = pl.concat([gone, dropped]).select("content_digest")
    change(store, "corpus", Change(None, both))
    answered = pl.element().struct.with_fields(reference=pl.lit("Another answer by far."))
    changed = other.with_columns(pl.col("samples").list.eval(answered))
    keys = pl.concat([both, other.select("content_digest")])
    change(store, "candidates", Change(changed, keys))


def change(store: Store, table: str, rows: Change) -> None:
    head = store.head(table)
    assert head is not None
    keys = {"documents": ("doc_id",), "verdicts": ("doc_id",), "corpus": ("content_digest",)}
    store.change(rows, _draft(store, table), head, keys.get(table, ("content_digest", "media_type")))


def run_stages(root: Path) -> Iterator[tuple[str, float, float]]:
    """Bring the stages up to date in this process: each with its CPU seconds and those on the clock."""
    from assets import STAGES as ALL
    from pipelines.engine import run_node
    from pipelines.graph import build_graph
    from pipelines.stages import Observation
    from pipelines.workspace import Workspace

    workspace = Workspace(root)
    graph = build_graph(ALL, workspace.config)
    seen: dict[str, Observation] = {}
    for name in STAGES:
        begun, before = time.monotonic(), time.process_time()
        ran = run_node(graph.node_of(name), graph, workspace, seen)
        assert ran.computed and not ran.commits[name].faults, ran.commits[name].faults
        yield name, time.process_time() - before, time.monotonic() - begun


def peak(whose: int) -> int:
    return round(resource.getrusage(whose).ru_maxrss / 1024)


def seconds(*words: str) -> tuple[float, float]:
    """The least of some runs of a command: CPU seconds of its processes, and seconds on the clock."""
    wall, cpu = [], []
    for _ in range(RUNS):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run([HEADWATER, *words], capture_output=True, text=True, check=False, input="n\n")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert "Traceback" not in done.stderr and done.returncode in {0, 1}, done.stderr
        wall.append(time.monotonic() - begun)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(cpu), min(wall)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--keep", type=Path, default=KEEP, help="where the store lies, or is to lie")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the table is written")
    parser.add_argument("--step", choices=[*STEPS, "all"], default="all")
    asked = parser.parse_args()
    if asked.step != "all":
        STEPS[asked.step](asked.keep, asked.documents, asked.samples)
        return
    size = ("--documents", str(asked.documents), "--samples", str(asked.samples))
    kept, root = (asked.keep / f"{name}-{asked.documents}-{asked.samples}" for name in ("store", "run"))
    if not (kept / MADE).exists():
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        _step("make", kept, size)
        (kept / MADE).touch()
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(kept, root, copy_function=os.link)
    rows = [row for step in list(STEPS)[1:] for row in _step(step, root, size)]
    shutil.rmtree(root)
    page = HEAD.format(
        documents=asked.documents, samples=asked.samples, more=asked.documents // 100, fresh=asked.samples // 100
    )
    lines = (f"| {row['what']} | {row['cpu']:.1f} | {row['wall']:.1f} | {row['peak']:,} |" for row in rows)
    asked.results.write_text(page + "\n".join(lines) + "\n", encoding="utf-8")
    print(asked.results.read_text(encoding="utf-8"))


MADE = "made"
"""Stands in a store that is whole."""
HEAD = """# Datasets at a million documents

On a store of {documents:,} documents (1,000 to 2,000 bytes each, 2% near copies) and what a recipe found in {samples:,} of
them; 1% more is {more:,} documents and {fresh:,} samples. Stages are run from ready tables, each group in a process of its
own, beyond the imports; commands beyond start-up, which is the last row. CPU seconds are those of all threads and child
processes, on two cores; of commands the least of three runs. Peak memory is that of the process so far.
To reach were 60 seconds for `instructions` and 5 after 1% more, a second for a trace, 10 for a preview and for a diff, and 4 GB.
Again: `make bench-datasets`, which makes the store where it is not there yet.

| step | CPU seconds | seconds on the clock | peak MiB |
| --- | ---: | ---: | ---: |
"""


def _step(step: str, root: Path, size: tuple[str, ...]) -> list[dict[str, Any]]:
    """A process each, so that the memory which one took is not counted as that of the next; the rows that it told."""
    words = [sys.executable, "-m", "benchmarks.datasets", "--step", step, "--keep", str(root), *size]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        print(row, file=sys.stderr, flush=True)
    return rows


def _make(root: Path, documents: int, samples: int) -> None:
    make(root, documents, samples)


def _build(root: Path, documents: int, samples: int) -> None:
    _stages(root, "{} of all samples")
    add_model(root)


def _grow(root: Path, documents: int, samples: int) -> None:
    make(root, documents // 100, samples // 100, documents)


def _build_again(root: Path, documents: int, samples: int) -> None:
    _stages(root, "{} after 1% more came")


def _take_out(root: Path, documents: int, samples: int) -> None:
    take_out(root, samples)


def _build_less(root: Path, documents: int, samples: int) -> None:
    _stages(root, "{} after 1% went and 0.5% are answered otherwise")


def _stages(root: Path, said: str) -> None:
    for name, cpu, wall in run_stages(root):
        told(said.format(f"`{name}`"), cpu, wall, peak(resource.RUSAGE_SELF))


def _commands(root: Path, documents: int, samples: int) -> None:
    store = Store(root / ".headwater" / "store")
    drawn = store.scan("samples").select("sample_id", "doc_id", "locator").collect().sample(1, seed=1).row(0)
    place, folder = drawn[2], f"{drawn[2].rsplit('/', 1)[0]}/*"
    first, *_, last = reversed([commit.notes["release"] for commit in store.history("instructions")])
    why = ("--reason", "why")
    asked = {
        "`diff` of the last two releases": ("diff", "instructions"),
        "`diff` of the first and the last": ("diff", "instructions", first, last),
        "`trace` of a sample": ("trace", drawn[0]),
        "`trace` of a document by its id": ("trace", drawn[1]),
        "`trace` of a document by its place": ("trace", place),
        "`trace` of a model, to its sources": ("trace", "tuned"),
        "`trace` of a score": ("trace", "tuned/chrf"),
        "`forget` of a document, as far as the question": ("forget", drawn[1], *why),
        f"`forget --locator`, {documents // 1000:,} documents": ("forget", "--locator", folder, *why),
        "`forget --contains`, all texts read": ("forget", "--contains", PLANTED, *why),
        "`forget --source`, all documents and samples": ("forget", "--source", "web", *why),
    }
    start = seconds("trace", "--help")
    for what, words in asked.items():
        cpu, wall = seconds(*words, "-w", str(root))
        told(what, max(cpu - start[0], 0), max(wall - start[1], 0), peak(resource.RUSAGE_CHILDREN))
    told("start-up: `headwater trace --help`", *start, peak(resource.RUSAGE_CHILDREN))


def told(what: str, cpu: float, wall: float, most: int) -> None:
    print(json.dumps({"what": what, "cpu": cpu, "wall": wall, "peak": most}), flush=True)


STEPS = {
    "make": _make,
    "build": _build,
    "grow": _grow,
    "build-again": _build_again,
    "take-out": _take_out,
    "build-less": _build_less,
    "commands": _commands,
}

if __name__ == "__main__":
    main()

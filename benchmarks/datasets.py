"""Datasets at size: building and diffing `instructions`, `headwater trace` and the preview of `headwater forget`.

    python -m benchmarks.datasets [--documents N] [--samples N] [--keep DIR]

The store is made first, by the store itself: 1,000,000 documents of 1,000 to 2,000 bytes with 2% near copies, and what a
recipe found in 200,000 of them. Then each step runs in a process of its own: the stages `samples` (splits and the search for
leaks), `sample_overlaps` and `instructions` from ready tables; the same after 1% more documents and samples came; the diff of
the two versions; traces and previews. Printed are seconds beyond start-up (of `headwater trace --help` for commands, of the
imports for stages), CPU seconds of the process, and peak memory, as a table in Markdown. Making the store takes minutes and
3 GB of memory.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from curation.corpus import CORPUS
from curation.document_rows import DOCUMENTS
from curation.tasks import CANDIDATE
from curation.verdicts import VERDICTS
from pipelines.commits import Change, Commit
from pipelines.store import Store
from records import content_digest, digest, doc_id

HEADWATER = Path(sys.executable).with_name("headwater")
RUNS = 5
PLANTED = "The heron of Saltmarsh Lane 17 was never seen again."
SETTINGS = """
sources: [{name: web, path: .}]
task: {recipe: qa}
models: [{name: tuned, base: ./base}]
"""
STAGES = ("samples", "sample_overlaps", "instructions")


def texts(count: int, start: int = 0) -> list[str]:
    """Texts of drawn sentences; every fiftieth is the one before with a sentence more."""
    draw = random.Random(start)
    sentences = _sentences()
    made: list[str] = []
    for number in range(start, start + count):
        fresh = " ".join(draw.choices(sentences, k=draw.randrange(12, 24)))
        made.append(f"{made[-1]} {sentences[number % 50_000]}" if made and number % 50 == 49 else f"{number} {fresh}")
    if not start:
        made[count // 2] += f" {PLANTED}"
    return made


def _sentences() -> list[str]:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randrange(2, 10))) for _ in range(20_000)]
    return [" ".join(draw.choices(words, k=draw.randrange(8, 20))).capitalize() + "." for _ in range(50_000)]


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
    marked = documents.select("doc_id", "content_digest", kept_id=kept_id, kept_digest=kept, copy=is_copy)
    copies = marked.filter("copy").with_columns(kind=pl.lit("near"), jaccard=pl.lit(0.9))
    add(store, "duplicates", copies.select("doc_id", "kept_id", "kind", "jaccard"), ("doc_id",))
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


def run_stages(root: Path) -> Iterator[tuple[str, float, float, int]]:
    """Bring the stages up to date in this process: each with wall and CPU seconds, and peak MiB so far."""
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
        yield name, time.monotonic() - begun, time.process_time() - before, peak(resource.RUSAGE_SELF)


def peak(whose: int) -> int:
    return round(resource.getrusage(whose).ru_maxrss / 1024)


def seconds(*words: str) -> tuple[float, float]:
    """The medians of five runs of a command: wall seconds, and CPU seconds of its processes."""
    wall, cpu = [], []
    for _ in range(RUNS):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([HEADWATER, *words], capture_output=True, text=True, check=False, input="n\n")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        wall.append(time.monotonic() - begun)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(wall), statistics.median(cpu)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--keep", type=Path, help="where the store lies, or is to lie; a temporary folder otherwise")
    parser.add_argument("--step", choices=[*STEPS, "all"], default="all")
    asked = parser.parse_args()
    if asked.step != "all":
        STEPS[asked.step](asked.keep, asked.documents, asked.samples)
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = asked.keep or Path(scratch)
        root.mkdir(exist_ok=True)
        print("| step | seconds | CPU seconds | peak MiB |\n| --- | ---: | ---: | ---: |", flush=True)
        for step in STEPS:
            # a process each, so that the memory which one took is not counted as that of the next
            words = [
                "--step",
                step,
                "--keep",
                str(root),
                "--documents",
                str(asked.documents),
                "--samples",
                str(asked.samples),
            ]
            subprocess.run([sys.executable, "-m", "benchmarks.datasets", *words], check=True)


def _make(root: Path, documents: int, samples: int) -> None:
    if not (root / ".headwater").exists():
        make(root, documents, samples)


def _build(root: Path, documents: int, samples: int) -> None:
    for name, wall, cpu, most in run_stages(root):
        told(f"`{name}` of {samples:,} samples, from ready tables", wall, cpu, most)
    add_model(root)


def _grow(root: Path, documents: int, samples: int) -> None:
    make(root, documents // 100, samples // 100, documents)


def _build_again(root: Path, documents: int, samples: int) -> None:
    for name, wall, cpu, most in run_stages(root):
        told(f"`{name}` after 1% more came", wall, cpu, most)


def _commands(root: Path, documents: int, samples: int) -> None:
    store = Store(root / ".headwater" / "store")
    drawn = store.scan("samples").select("sample_id", "doc_id", "locator").collect().sample(1, seed=1).row(0)
    start = seconds("trace", "--help")
    place = drawn[2]
    asked = {
        "diff of two versions": ("diff", "instructions"),
        "trace of a sample": ("trace", drawn[0]),
        "trace of a document": ("trace", drawn[1]),
        "trace of a place": ("trace", place),
        "trace of a model": ("trace", "tuned"),
        "trace of a score": ("trace", "tuned/chrf"),
        "preview of forgetting a document": ("forget", drawn[1], "--reason", "why"),
        "preview of forgetting a glob (1,000 documents)": (
            "forget",
            "--locator",
            f"{place.rsplit('/', 1)[0]}/*",
            "--reason",
            "why",
        ),
        "preview of forgetting a text": ("forget", "--contains", PLANTED, "--reason", "why"),
        "preview of forgetting a source (all)": ("forget", "--source", "web", "--reason", "why"),
    }
    told("start-up (`headwater trace --help`)", *start, peak(resource.RUSAGE_CHILDREN))
    for what, words in asked.items():
        wall, cpu = seconds(*words, "-w", str(root))
        told(f"{what}, beyond start-up", wall - start[0], cpu - start[1], peak(resource.RUSAGE_CHILDREN))


def told(what: str, wall: float, cpu: float, most: int) -> None:
    print(f"| {what} | {wall:.2f} | {cpu:.2f} | {most:,} |", flush=True)


STEPS = {"make": _make, "build": _build, "grow": _grow, "build-again": _build_again, "commands": _commands}

if __name__ == "__main__":
    main()

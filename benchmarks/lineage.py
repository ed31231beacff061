"""`headwater trace` and the preview of `headwater forget` on a store that is made for it: 1,000,000 documents.

    python -m benchmarks.lineage [--documents N] [--samples N] [--keep DIR]

The tables are written by the store itself, with texts of 1,000 to 2,000 bytes, 2% near copies, and one release, model and set
of scores on all samples. Printed are seconds beyond start-up (the time of `headwater --help`), the median of five runs, and
the peak memory. Making the store takes minutes and 3 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from curation.corpus import CORPUS
from curation.reading import DOCUMENTS
from curation.releases import instructions, release_name, row_hashes, write_release
from curation.verdicts import VERDICTS
from pipelines.store import Commit, Store
from records import content_digest, digest, doc_id, sample_id

HEADWATER = Path(sys.executable).with_name("headwater")
RUNS = 5
PLANTED = "The heron of Saltmarsh Lane 17 was never seen again."
SETTINGS = """
sources: [{name: web, path: .}]
task: {recipe: qa}
models: [{name: tuned, base: ./base}]
"""


def texts(count: int) -> list[str]:
    """Texts of drawn sentences; every fiftieth is the one before with a sentence more."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=draw.randrange(2, 10))) for _ in range(20_000)]
    sentences = [" ".join(draw.choices(words, k=draw.randrange(8, 20))).capitalize() + "." for _ in range(50_000)]
    made: list[str] = []
    for number in range(count):
        fresh = " ".join(draw.choices(sentences, k=draw.randrange(12, 24)))
        made.append(f"{made[-1]} {sentences[number % 50_000]}" if number % 50 == 49 else f"{number} {fresh}")
    made[count // 2] += f" {PLANTED}"
    return made


def commit(store: Store, table: str, frame: pl.DataFrame, key: tuple[str, ...], **notes: str) -> None:
    draft = Commit(table, "key", "recipe", {}, {}, "1", "", "", 0, "", 0, 0, notes=notes)
    store.replace(frame, draft, store.head(table), key)


def make(root: Path, n_documents: int, n_samples: int) -> None:
    """A workspace whose store is as a run would leave it."""
    (root / "headwater.yaml").write_text(SETTINGS)
    store = Store(root / ".headwater" / "store")
    said = texts(n_documents)
    places = [f"pages/{number % 1000:03}/{number}.html" for number in range(n_documents)]
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
            "metadata": None,
            "text": said,
            "content_digest": [content_digest(text) for text in said],
            "byte_offset": None,
            "byte_length": None,
        },
        schema=DOCUMENTS,
    )
    del said
    commit(store, "documents", documents, ("doc_id",))
    is_copy = pl.int_range(pl.len()) % 50 == 49
    kept_id, kept = pl.col("doc_id").shift(1), pl.col("content_digest").shift(1)
    marked = documents.select("doc_id", "content_digest", kept_id=kept_id, kept_digest=kept, copy=is_copy)
    copies = marked.filter("copy").with_columns(kind=pl.lit("near"), jaccard=pl.lit(0.9))
    commit(store, "duplicates", copies.select("doc_id", "kept_id", "kind", "jaccard"), ("doc_id",))
    commit(store, "survivors", copies.select("content_digest", "kept_digest", "kind", "jaccard"), ("content_digest",))
    pairs = copies.select("content_digest", "kept_digest", "jaccard")
    commit(store, "pairs", pairs, ("content_digest", "kept_digest"))
    verdicts = marked.select(
        "doc_id",
        "content_digest",
        verdict=pl.when("copy").then(pl.lit("dropped")).otherwise(pl.lit("kept")),
        stage=pl.when("copy").then(pl.lit("duplicates")),
        rule=pl.when("copy").then(pl.lit("duplicate")),
        detail=pl.lit(None, pl.String),
        rules=pl.lit([], pl.List(pl.String)),
    )
    commit(store, "verdicts", verdicts.cast(VERDICTS), ("doc_id",))
    corpus = documents.filter(~is_copy).select(CORPUS.names())
    commit(store, "corpus", corpus, ("content_digest",))
    make_samples(root, store, corpus.head(n_samples).drop("text"))


def make_samples(root: Path, store: Store, corpus: pl.DataFrame) -> None:
    """Samples of the first documents of the corpus, a release, a model on it, answers and scores."""
    prompts = [[{"role": "user", "content": f"What does {place} say?"}] for place in corpus["locator"]]
    samples = corpus.select("doc_id", "source", "locator").with_columns(
        pl.Series("sample_id", [sample_id("qa", messages) for messages in prompts]),
        pl.Series("messages", prompts),
        reference=pl.format("It says what {} says.", "doc_id"),
        slice=pl.lit("qa"),
        openness=pl.lit("open"),
        line=pl.lit(None, pl.Int64),
        name=pl.lit(None, pl.String),
        split=pl.when(pl.int_range(pl.len()) % 10 == 0).then(pl.lit("test")).otherwise(pl.lit("train")),
    )
    commit(store, "samples", samples, ("sample_id",))
    rows = instructions(samples)
    version = release_name(row_hashes(rows))[:16]
    folder = store.root / "releases" / "instructions" / version
    folder.parent.mkdir(parents=True)
    write_release(rows, folder, "instructions", {})
    model = {"model": "tuned", "version": "0123456789abcdef", "base": "./base", "dataset_version": version}
    commit(store, "model_tuned", pl.DataFrame([model | {"phase": "sft", "settings": "{}", "folder": "x"}]), ("model",))
    answers = rows.filter(split="test").head(2000).select("sample_id", purpose=pl.lit("test"), prompt=pl.lit("none"))
    answers = answers.with_columns(
        model=pl.lit("tuned"), model_version=pl.lit("0123456789abcdef"), output=pl.lit("It.")
    )
    commit(store, "answers_tuned", answers, ("sample_id", "purpose", "prompt", "model"))
    score = {"model": "tuned", "prompt": "none", "split": "test", "metric": "chrf", "model_version": "0123456789abcdef"}
    figures = {"dataset_version": version, "value": 20.0, "low": 19.0, "high": 21.0, "n": 2000}
    commit(store, "scores", pl.DataFrame([score | figures]), ("model", "prompt", "split", "metric"))


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
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.report:
        report(asked.report)
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = asked.keep or Path(scratch)
        root.mkdir(exist_ok=True)
        if not (root / ".headwater").exists():
            make(root, asked.documents, asked.samples)
        # a process of its own, so that the memory which the making took is not counted as that of the commands
        subprocess.run([sys.executable, "-m", "benchmarks.lineage", "--report", str(root)], check=True)


def report(root: Path) -> None:
    store = Store(root / ".headwater" / "store")
    drawn = store.scan("samples").select("sample_id", "doc_id", "locator").collect().sample(1, seed=1).row(0)
    start = seconds("trace", "--help")
    print(f"start-up: {start[0]:.2f} s, {start[1]:.2f} CPU s")
    asked = {
        "a sample": drawn[0],
        "a document": drawn[1],
        "a place": drawn[2],
        "a model": "tuned",
        "a score": "tuned/chrf",
    }
    for what, name in asked.items():
        wall, cpu = seconds("trace", name, "-w", str(root))
        print(f"trace of {what}: {wall - start[0]:.2f} s, {cpu - start[1]:.2f} CPU s beyond start-up")
    place = drawn[2]
    requests = {
        "a document": [drawn[1]],
        "a glob (1,000 documents)": ["--locator", f"{place.rsplit('/', 1)[0]}/*"],
        "a text": ["--contains", PLANTED],
        "a source (all)": ["--source", "web"],
    }
    for what, words in requests.items():
        wall, cpu = seconds("forget", *words, "--reason", "why", "-w", str(root))
        print(f"preview of forgetting {what}: {wall - start[0]:.2f} s, {cpu - start[1]:.2f} CPU s beyond start-up")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"peak_memory_mib": round(peak)}))


if __name__ == "__main__":
    main()

"""Headwater's deduplication beside its peers: on the same corpus, in the same run, each in a process of its own.

    python -m benchmarks.deduplication --sizes 20000 --peers rensa gaoya daft

Prints a Markdown table, and writes it to `benchmarks/results`. What each is told stands in its file under `tools`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.deduplication.corpus import Corpus, corpus
from benchmarks.deduplication.judge import EDGES, Answer, Judgement, judge
from benchmarks.deduplication.truth import truth
from benchmarks.measuring import Cost, measure
from benchmarks.peers import CACHE, Peer, environment

ROOT = Path(__file__).parent.parent.parent
EMPTY = 10
PEERS = (
    Peer("rensa", ("rensa==0.5.0", "pyarrow==24.0.0", "numpy==2.3.5")),
    Peer("gaoya", ("gaoya==0.2.2", "pyarrow==24.0.0", "numpy==2.3.5")),
    Peer("daft", ("daft==0.7.26", "polars==1.35.2", "numpy==2.3.5", "scipy==1.16.3")),
    Peer("datatrove", ("datatrove[io,processing]==0.10.1", "spacy==3.8.18")),
    Peer("text-dedup", ("text-dedup==0.4.0",)),
)
COLUMNS = "CPU s | wall s | beyond empty s | docs / core s | MB / core s | peak MB | bytes / doc beyond empty | removed"
SHARES = "recall at 0.8 | removals ≥ 0.8 | ≥ 0.7 | named kept one ≥ 0.8"


def run(name: str, given: Corpus) -> tuple[Cost, Answer]:
    """Run one contestant on a corpus, in a fresh folder."""
    peer = next((peer for peer in PEERS if peer.name == name), None)
    python = environment(peer) if peer else Path(sys.executable)
    tool = Path(__file__).parent / "tools" / f"{name.replace('-', '_')}_run.py"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        around = {"HF_HUB_OFFLINE": "1", "HF_HOME": folder, "PYTHONPATH": "" if peer else str(ROOT)}
        cost = measure([python, tool, given.path, place / "answer.npz"], place / "log", around, place)
        with np.load(place / "answer.npz") as held:
            return cost, Answer(held["removed"], held["kept"])


def row(name: str, given: Corpus, cost: Cost, empty: Cost, found: Judgement) -> str:
    """A line of the table."""
    beyond = (cost.peak - empty.peak) / given.documents
    megabytes = given.text_bytes / 1e6
    costs = f"{cost.cpu:.2f} | {cost.wall:.2f} | {cost.cpu - empty.cpu:.2f} | {given.documents / cost.cpu:,.0f}"
    rates = f"{megabytes / cost.cpu:.1f} | {cost.peak / 1e6:,.0f} | {beyond:,.0f} | {found.removed:,}"
    shares = (found.recall, found.precision_80, found.precision_70, found.named_80)
    bins = (found.recall_by_bin[f"{edge:.2f}"] for edge in EDGES)
    return f"| {name} | {costs} | {rates} | {' | '.join(f'{share:.4f}' for share in (*shares, *bins))} |"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--peers", nargs="*", default=[peer.name for peer in PEERS])
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    cache = CACHE / "deduplication"
    names = ["headwater", *told.peers]
    bins = " | ".join(f"recall {edge:.2f}" for edge in EDGES)
    run("headwater", corpus(EMPTY, told.seed, cache))  # compiles, once for ever
    empty = {name: run(name, corpus(EMPTY, told.seed, cache))[0] for name in names}
    for size in told.sizes:
        given = corpus(size, told.seed, cache)
        pairs = truth(given.path)
        print(
            f"\n{size:,} documents, {given.text_bytes / 1e6:.1f} MB of text, {len(pairs.at_least(0.8)):,} pairs ≥ 0.8\n"
        )
        lines = [f"| tool | {COLUMNS} | {SHARES} | {bins} |", "| --- " * (13 + len(EDGES)) + "|"]
        print("\n".join(lines), flush=True)
        for name in names:
            cost, answer = run(name, given)
            lines.append(row(name, given, cost, empty[name], judge(given.documents, pairs, answer)))
            print(lines[-1], flush=True)
        target = ROOT / "benchmarks" / "results" / f"deduplication-{size}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

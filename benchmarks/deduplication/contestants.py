"""Who finds duplicates beside whom, and a run of one of them: each in a process, and but for Headwater an environment, of its own."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.deduplication.corpus import Corpus
from benchmarks.deduplication.judge import Answer
from benchmarks.measuring import Cost, measure
from benchmarks.peers import Peer, environment

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results"
TOOLS = Path(__file__).parent / "tools"
OURS = "headwater"
EMPTY = 10
"""The documents of a run that is taken for empty."""
PEERS = (
    Peer("daft", ("daft==0.7.26", "polars==1.35.2", "numpy==2.3.5", "scipy==1.16.3")),
    Peer("rensa", ("rensa==0.5.0", "pyarrow==24.0.0", "numpy==2.3.5")),
    Peer("gaoya", ("gaoya==0.2.2", "pyarrow==24.0.0", "numpy==2.3.5")),
    Peer("text-dedup", ("text-dedup==0.4.0",)),
    Peer("datatrove", ("datatrove[io,processing]==0.10.1", "spacy==3.8.18")),
)


def run(name: str, given: Corpus) -> tuple[Cost, Answer]:
    """Run one contestant on a corpus, in a fresh folder."""
    peer = next((peer for peer in PEERS if peer.name == name), None)
    python = environment(peer) if peer else Path(sys.executable)
    tool = TOOLS / f"{name.replace('-', '_')}_run.py"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        around = {"HF_HUB_OFFLINE": "1", "HF_HOME": folder, "PYTHONPATH": "" if peer else str(ROOT)}
        around["OPENBLAS_NUM_THREADS"] = "1"  # nobody multiplies matrices, and idle threads spin
        cost = measure([python, tool, given.path, place / "answer.npz"], place / "log", around, place)
        with np.load(place / "answer.npz") as held:
            return cost, Answer(held["removed"], held["kept"])

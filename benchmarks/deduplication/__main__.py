"""Headwater's deduplication beside its peers: on the same corpus, in the same run, each in a process of its own.

    python -m benchmarks.deduplication --sizes 20000 --peers rensa gaoya daft

Prints Markdown tables, and writes them to `benchmarks/results`, one for each size, and one of what grows from size to
size; and a picture of CPU seconds by size. What new documents cost is measured apart (`additions`). What each is told stands in its file under `tools`.
The speed of a machine moves by a fifth from minute to minute. So tools and sizes take turns, several rounds of them, short runs
more often, and medians count, whoever's they are; tools that take minutes run once, when the others are done.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import pyarrow.parquet as pq

from benchmarks.deduplication.contestants import EMPTY, OURS, PEERS, RESULTS, run
from benchmarks.deduplication.corpus import Corpus, corpus
from benchmarks.deduplication.judge import EDGES, Judgement, judge
from benchmarks.deduplication.picture import cpu_by_size
from benchmarks.deduplication.truth import truth
from benchmarks.measuring import Cost
from benchmarks.peers import CACHE

ROUNDS = 5
SHORT_SECONDS = 2  # of all cores together: what takes less is repeated in its round until it took as long
SLOW = ("text-dedup", "datatrove")
SIZES = (20_000, 100_000, 400_000)
COLUMNS = "CPU s | wall s | beyond empty s | docs / core s | MB / core s | peak MB | bytes / doc beyond empty and batch | removed"
SHARES = "recall at 0.8 | removals ≥ 0.8 | ≥ 0.7 | named kept one ≥ 0.8"
NOTES = f"""
Each tool stands in a process of its own. Tools and sizes took turns, {ROUNDS} rounds of them, runs under {SHORT_SECONDS} CPU seconds more than once in
each, and these are medians; {" and ".join(SLOW)} ran once, when the others were done.
Headwater's goes from texts to duplicates in one call, which keeps words on disk where the stages of a workspace read the
texts of candidates again. daft has 20 bands of 6, Headwater 18 of 7. No tool starts threads for matrices
(OPENBLAS_NUM_THREADS=1); Headwater's scripts look for no garbage while they import, which saves them up to 0.1 CPU s.
What one hundredth of new documents costs: [deduplication-additions.md](deduplication-additions.md).
"""

Costs = dict[str, dict[int, Cost]]


@dataclass
class Contestant:
    """What was measured of one: by size (`EMPTY`, too) what each run cost, and by size how its answer was judged; and at which
    size it failed, and how, if it did."""

    runs: dict[int, list[Cost]] = field(default_factory=dict)
    judged: dict[int, Judgement] = field(default_factory=dict)
    failure: str = ""

    def cost(self, size: int) -> Cost:
        """What a run costs by the medians of all."""
        walls, seconds, peaks = zip(*((run.wall, run.cpu, run.peak) for run in self.runs[size]), strict=True)
        return Cost(median(walls), median(seconds), int(median(peaks)))


def batch_bytes(given: Corpus) -> int:
    """The bytes of text of the largest row group, which all contestants but daft and datatrove read at a time."""
    described = pq.read_metadata(given.path)
    text = described.schema.names.index("text")
    return max(
        int(described.row_group(i).column(text).total_uncompressed_size) for i in range(described.num_row_groups)
    )


def row(name: str, given: Corpus, cost: Cost, empty: Cost, found: Judgement) -> str:
    """A line of the table."""
    beyond = (cost.peak - empty.peak - batch_bytes(given)) / given.documents
    megabytes = given.text_bytes / 1e6
    costs = f"{cost.cpu:.2f} | {cost.wall:.2f} | {cost.cpu - empty.cpu:.2f} | {given.documents / cost.cpu:,.0f}"
    rates = f"{megabytes / cost.cpu:.1f} | {cost.peak / 1e6:,.0f} | {beyond:,.0f} | {found.removed:,}"
    shares = (found.recall, found.precision_80, found.precision_70, found.named_80)
    bins = (f"{found.recall_by_bin[f'{edge:.2f}'].share:.4f}" for edge in EDGES)
    return f"| {name} | {costs} | {rates} | {' | '.join((*map(str, shares), *bins))} |"


def table(given: Corpus, rows: Sequence[str]) -> str:
    """The table of one size."""
    bins = " | ".join(f"recall {edge:.2f}" for edge in EDGES)
    n_pairs = len(truth(given.path).at_least(0.8))
    head = f"{given.documents:,} documents, {given.text_bytes / 1e6:.1f} MB of text, {n_pairs:,} pairs ≥ 0.8."
    return "\n".join(
        [head, "", f"| tool | {COLUMNS} | {SHARES} | {bins} |", "| --- " * (13 + len(EDGES)) + "|", *rows, ""]
    )


def growth(costs: Costs, empty: Mapping[str, Cost]) -> list[str]:
    """How CPU seconds grow with the corpus, beyond those of an empty run, and their ratio to the fastest peer's."""
    sizes = sorted(costs[OURS])
    lines = ["| tool | " + " | ".join(f"µs / doc at {size:,}" for size in sizes) + " | last : first |"]
    lines.append("| --- " * (2 + len(sizes)) + "|")
    for name, measured in costs.items():
        each = [1e6 * (measured[size].cpu - empty[name].cpu) / size for size in sizes if size in measured]
        if len(each) == len(sizes):
            told = " | ".join(f"{cost:.2f}" for cost in each)
            lines.append(f"| {name} | {told} | {each[-1] / each[0]:.2f} |")
    for size in sizes:
        peers = {name: measured[size].cpu for name, measured in costs.items() if name != OURS and size in measured}
        if peers:
            best = min(peers, key=peers.__getitem__)
            share = costs[OURS][size].cpu / peers[best]
            lines.append(f"\nAt {size:,} documents Headwater takes {share:.2f} of the CPU seconds of {best}.")
    return lines


def write(found: Mapping[str, Contestant], given: Sequence[Corpus], notes: Sequence[str]) -> list[str]:
    """Write all files, with what is known so far; the table of each size, and the lines that hold for all."""
    tables = []
    for own in given:
        known = [(name, each) for name, each in found.items() if own.documents in each.judged]
        rows = [
            row(name, own, each.cost(own.documents), each.cost(EMPTY), each.judged[own.documents])
            for name, each in known
        ]
        if rows:
            tables.append(table(own, rows))
            (RESULTS / f"deduplication-{own.documents}.md").write_text(tables[-1])
    costs = {name: {size: each.cost(size) for size in each.judged} for name, each in found.items() if each.judged}
    empty = {name: each.cost(EMPTY) for name, each in found.items() if each.judged}
    failures = [each.failure for each in found.values() if each.failure]
    lines = [*(growth(costs, empty) if OURS in costs else []), *failures, *notes]
    told = "\n".join(lines) + "\n\n![CPU seconds by size](deduplication.svg)\n" + NOTES
    (RESULTS / "deduplication.md").write_text(told)
    (RESULTS / "deduplication.svg").write_bytes(cpu_by_size(costs))
    return [*tables, *lines]


def take_turn(name: str, given: Sequence[Corpus], found: Contestant) -> Iterator[str]:
    """Run a contestant on all corpora, the least first, and say what each took; where it fails, leave the larger ones."""
    for own in given:
        size = own.documents
        try:
            runs = [run(name, own)]
            while sum(cost.cpu for cost, _ in runs) < SHORT_SECONDS and name not in SLOW:
                runs.append(run(name, own))
        except RuntimeError as error:
            found.failure = f"\n{name} did not end at {size:,} documents: {str(error).splitlines()[-1]}"
            return
        found.runs[size] = [*found.runs.get(size, []), *(cost for cost, _ in runs)]
        if size not in found.judged and size != EMPTY:
            found.judged[size] = judge(size, truth(own.path), runs[0][1])
        yield f"{size:,} {name}: " + ", ".join(f"{cost.cpu:.2f}" for cost, _ in runs)


def main() -> None:
    """Measure, print and write: all files after each run, for the slowest take long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--peers", nargs="*", default=[peer.name for peer in PEERS])
    parser.add_argument("--most", nargs="*", default=[], metavar="PEER=SIZE", help="the largest size asked of a peer")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    smallest, *given = (corpus(size, told.seed, CACHE / "deduplication") for size in (EMPTY, *told.sizes))
    names, most = [OURS, *told.peers], {name: int(size) for name, size in (each.split("=") for each in told.most)}
    for own in given:
        truth(own.path)  # known before anybody is measured
    for own in (smallest, given[0]):
        run(OURS, own)  # compiles, once for ever
    notes = [
        f"\n{name} was not asked for more than {size:,} documents."
        for name, size in most.items()
        if size < max(told.sizes)
    ]
    found = {name: Contestant() for name in names}
    quick, slow = ([name for name in names if (name in SLOW) == is_slow] for is_slow in (False, True))
    for name in [*ROUNDS * quick, *slow]:
        asked = [own for own in given if own.documents <= most.get(name, own.documents)]
        for line in () if found[name].failure else take_turn(name, [smallest, *asked], found[name]):
            print(line, flush=True)
            if found[name].judged:
                write(found, given, notes)
    print("", *write(found, given, notes), sep="\n")


if __name__ == "__main__":
    main()

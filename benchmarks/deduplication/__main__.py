"""Headwater's deduplication beside its peers: on the same corpus, in the same run, each in a process of its own.

    python -m benchmarks.deduplication --sizes 20000 --peers rensa gaoya daft

Prints Markdown tables, and writes them to `benchmarks/results`, one for each size, and one of what grows from size to
size; and a picture of CPU seconds by size. What new documents cost is measured apart (`additions`). What each is told stands in its file under `tools`.
A run of a few seconds is repeated, and the cheapest counts, whoever's it is: what else a machine does only adds to it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import pyarrow.parquet as pq

from benchmarks.deduplication.contestants import EMPTY, OURS, PEERS, RESULTS, run
from benchmarks.deduplication.corpus import Corpus, corpus
from benchmarks.deduplication.judge import EDGES, Answer, Judgement, judge
from benchmarks.deduplication.picture import cpu_by_size
from benchmarks.deduplication.truth import truth
from benchmarks.measuring import Cost
from benchmarks.peers import CACHE

TIMES = 3
SHORT_SECONDS = 15  # of all cores together: what takes longer runs once
SIZES = (20_000, 100_000, 400_000)
COLUMNS = "CPU s | wall s | beyond empty s | docs / core s | MB / core s | peak MB | bytes / doc beyond empty and batch | removed"
SHARES = "recall at 0.8 | removals ≥ 0.8 | ≥ 0.7 | named kept one ≥ 0.8"
NOTES = f"""
Each tool stands in a process of its own. Runs under {SHORT_SECONDS} CPU seconds are repeated, {TIMES} times at least and until they took as
long together, and the cheapest counts, whoever's it is.
Headwater's goes from texts to duplicates in one call, which keeps words on disk where the stages of a workspace read the
texts of candidates again. daft has 20 bands of 6, Headwater 18 of 7. No tool starts threads for matrices
(OPENBLAS_NUM_THREADS=1); Headwater's scripts look for no garbage while they import, which saves them up to 0.1 CPU s.
What one hundredth of new documents costs: [deduplication-additions.md](deduplication-additions.md).
"""

Costs = dict[str, dict[int, Cost]]


class Found(NamedTuple):
    """What was measured: by tool, an empty run and a run of each size; by size and tool, a line of the table; what failed."""

    empty: dict[str, Cost]
    costs: Costs
    rows: dict[int, dict[str, str]]
    failures: list[str]


def cheapest(attempt: Callable[[Corpus], tuple[Cost, Answer]], given: Corpus) -> tuple[Cost, Answer]:
    """The run that took the least CPU seconds, of several where they are short."""
    attempts = [attempt(given)]
    while attempts[0][0].cpu < SHORT_SECONDS and (len(attempts) < TIMES or _spent(attempts) < SHORT_SECONDS):
        attempts.append(attempt(given))
    return min(attempts, key=lambda each: each[0].cpu)


def _spent(attempts: Sequence[tuple[Cost, Answer]]) -> float:
    return sum(cost.cpu for cost, _ in attempts)


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


def write(found: Found, given: Sequence[Corpus], names: Sequence[str]) -> list[str]:
    """Write all files, with what is known so far; the lines that hold for all sizes."""
    for own in given:
        rows = [found.rows[own.documents][name] for name in names if name in found.rows[own.documents]]
        if rows:
            (RESULTS / f"deduplication-{own.documents}.md").write_text(table(own, rows))
    costs = {name: found.costs[name] for name in names if found.costs.get(name)}
    lines = [*(growth(costs, found.empty) if OURS in costs else []), *found.failures]
    told = "\n".join(lines) + "\n\n![CPU seconds by size](deduplication.svg)\n" + NOTES
    (RESULTS / "deduplication.md").write_text(told)
    (RESULTS / "deduplication.svg").write_bytes(cpu_by_size(costs))
    return lines


def contest(name: str, smallest: Corpus, given: Sequence[Corpus], found: Found) -> Iterator[None]:
    """Run one contestant on all corpora, one after the other; where it fails, say so, and leave the larger ones."""
    attempt = partial(run, name)
    found.empty[name], found.costs[name] = cheapest(attempt, smallest)[0], {}
    for own in given:
        try:
            cost, answer = cheapest(attempt, own)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1]
            found.failures.append(f"\n{name} did not end at {own.documents:,} documents: {reason}")
            return
        found.costs[name][own.documents] = cost
        line = row(name, own, cost, found.empty[name], judge(own.documents, truth(own.path), answer))
        found.rows[own.documents][name] = line
        print(f"{own.documents:,}: {line}", flush=True)
        yield


def main() -> None:
    """Measure, print and write: tool by tool, the quickest first, and all files after each run, for the slowest take long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--peers", nargs="*", default=[peer.name for peer in PEERS])
    parser.add_argument("--most", nargs="*", default=[], metavar="PEER=SIZE", help="the largest size asked of a peer")
    parser.add_argument("--seed", type=int, default=0)
    told = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    smallest, *given = (corpus(size, told.seed, CACHE / "deduplication") for size in (EMPTY, *told.sizes))
    found = Found({}, {}, {size: {} for size in told.sizes}, [])
    names, most = [OURS, *told.peers], {name: int(size) for name, size in (each.split("=") for each in told.most)}
    for own in (smallest, given[0]):
        run(OURS, own)  # compiles, once for ever
    for name in names:
        asked = [own for own in given if own.documents <= most.get(name, own.documents)]
        for _ in contest(name, smallest, asked, found):
            write(found, given, names)
        if len(asked) < len(given):
            found.failures.append(f"\n{name} was not asked for more than {most[name]:,} documents.")
        lines = write(found, given, names)
    print("", *lines, sep="\n")


if __name__ == "__main__":
    main()

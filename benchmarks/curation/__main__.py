"""Measuring and deciding, beside datatrove and dolma: seconds, and whether the decisions are the same.

    python -m benchmarks.curation

Prints Markdown, and writes it to `benchmarks/results/curation.md`. Seconds are those of all cores, of the process tree;
those of the same command on ten documents (imports, mostly) are taken off. datatrove's decisions on all documents are
kept in the cache, for they are no measurement and take minutes.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow as pa

from benchmarks.curation.agreement import FILTERS, Difference, differences
from benchmarks.curation.corpus import DOCUMENTS, documents, size_of
from benchmarks.curation.languages import LANGUAGES, PIECE, pieces
from benchmarks.measuring import Cost, measure
from benchmarks.peers import CACHE, Peer, environment

ROOT = Path(__file__).parent.parent.parent
TOOLS = Path(__file__).parent / "tools"
DATATROVE = Peer("datatrove", ("datatrove[io,processing]==0.10.1", "spacy==3.8.18"))
DOLMA = Peer(
    "dolma",
    (
        *("dolma==1.2.1", "boto3==1.28.17", "aiobotocore==2.5.4", "botocore==1.31.17", "fsspec==2023.6.0"),
        *("s3fs==2023.6.0", "tokenizers==0.19.1", "huggingface-hub==0.24.7", "numpy==1.26.4", "urllib3==1.26.20"),
        *("pyarrow==24.0.0", "setuptools==80.9.0"),
    ),
)
FEW, SOME, EMPTY = 300, 2_000, 10
VERDICTS = 1_000_000
OF_LANGUAGE = 400


class Report:
    """The lines, printed as they come."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *lines: str) -> None:
        """More lines."""
        self.lines += lines
        print(*lines, sep="\n", flush=True)


def run(tool: str, peer: Peer | None, place: Path, given: Path, *words: str) -> Cost:
    """Run a tool on a file; its answer is `answer.parquet` in the folder."""
    python = environment(peer) if peer else sys.executable
    around = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [python, TOOLS / f"{tool}_run.py", given, place / "answer.parquet", *words]
    return measure(command, place / f"{tool}.log", around, place)


def beyond(tool: str, peer: Peer | None, place: Path, many: int, cache: Path, *words: str) -> float:
    """CPU seconds on so many documents, beyond those on ten."""
    empty = run(tool, peer, place, documents(EMPTY, cache), *words).cpu
    return max(run(tool, peer, place, documents(many, cache), *words).cpu - empty, 0.01)


def speed(report: Report, place: Path, cache: Path) -> None:
    """Signals and rules, beside the peers'."""
    chain = "Gopher quality, Gopher repetition, C4 and FineWeb"
    contestants = [
        ("headwater: all signals, all rules", "headwater", None, DOCUMENTS, ()),
        (f"datatrove: {chain}, its own words (spaCy)", "datatrove", DATATROVE, FEW, ("spacy", "chain")),
        ("datatrove: the same, words between spaces", "datatrove", DATATROVE, FEW, ("space", "chain")),
        *((f"dolma: {tagger}", "dolma", DOLMA, FEW, (tagger,)) for tagger in ("gopher_v1", "c4_v1", "repetitions_v1")),
    ]
    report.say("| what | documents | MB | CPU s | MB / core s | headwater is |", "| --- " * 6 + "|")
    ours = 0.0
    for what, tool, peer, many, options in contestants:
        megabytes = size_of(documents(many, cache)) / 1e6
        seconds = beyond(tool, peer, place, many, cache, *options)
        ours = ours or megabytes / seconds
        ratio = f"{ours * seconds / megabytes:,.0f} × as fast" if peer else ""
        report.say(f"| {what} | {many:,} | {megabytes:.1f} | {seconds:.1f} | {megabytes / seconds:,.2f} | {ratio} |")


def agreement(report: Report, place: Path, cache: Path, words: str, many: int) -> None:
    """Whether datatrove decides as Headwater does, document by document and filter by filter."""
    kept = cache / f"datatrove-{words}-{many}.parquet"
    given = documents(many, cache)
    run("headwater", None, place, given)
    ours = (place / "answer.parquet").rename(place / "ours.parquet")
    if not kept.exists():
        run("datatrove", DATATROVE, place, given, words, "each")
        (place / "answer.parquet").rename(kept)
    total, found = differences(ours, kept)
    other = len({each.doc_id for each in found})
    said = {"same": "the same words", "spacy": "datatrove's own words"}[words]
    report.say(
        f"\nWith {said}: on {total - other:,} of {total:,} documents every filter says the same, with its reason."
    )
    counts = Counter(each.filter for each in found)
    report.say("Different: " + ", ".join(f"{name} {counts[name]:,}" for name in FILTERS) + ".")
    if words == "same" and found:
        for line in explained(place, cache, ours, given, found):
            report.say(line)
    else:
        named = Counter((each.theirs or "kept", each.ours or "kept") for each in found).most_common(6)
        report.say("", "| theirs | ours | documents |", "| --- | --- | --- |")
        report.say(*(f"| {theirs} | {mine} | {count} |" for (theirs, mine), count in named))


def explained(place: Path, cache: Path, ours: Path, given: Path, found: list[Difference]) -> list[str]:
    """The differences by what ends them: one amendment of datatrove's code, alone."""
    few = place / "differing.parquet"
    pl.read_parquet(given).filter(pl.col("content_digest").is_in([each.doc_id for each in found])).write_parquet(few)
    run("datatrove", DATATROVE, place, few, "same", "amended")
    _, again = differences(ours, place / "answer.parquet")
    causes = Counter((each.filter, each.ended_by[0] if each.ended_by else "no one amendment alone") for each in again)
    lines = ["", "| filter | what would end the difference | documents |", "| --- | --- | --- |"]
    lines += [f"| {name} | {cause} | {count} |" for (name, cause), count in sorted(causes.items())]
    left = [each for each in again if not each.ended_by]
    return lines + [
        f"\n{each.doc_id}: {each.filter}, {each.theirs or 'kept'}, ours {each.ours or 'kept'}" for each in left
    ]


def languages(report: Report, place: Path, cache: Path) -> None:
    """How often the language is right, and how fast."""
    from curation.language import LanguageSettings, language

    report.say("\n| pieces of | languages | pieces | right | least right | MB / core s |", "| --- " * 6 + "|")
    for length in (PIECE, 60, 30):
        known = [(code, text) for code in LANGUAGES for _, text in pieces(code, OF_LANGUAGE, length, 0, cache)]
        texts = [text for _, text in known]
        table = pa.table({"content_digest": [str(number) for number in range(len(texts))], "text": texts})
        told = language(table.to_batches()[0], LanguageSettings())["language"].to_pylist()
        frame = pl.DataFrame(
            {"code": [code for code, _ in known], "right": [a == b for (a, _), b in zip(known, told, strict=True)]}
        )
        shares = frame.group_by("code").agg(pl.col("right").mean()).sort("right").head(3)
        least = ", ".join(f"{code} {share:.3f}" for code, share in shares.iter_rows())
        given = place / "pieces.parquet"
        pl.DataFrame(pl.from_arrow(table)).write_parquet(given)
        empty = run("language", None, place, documents(EMPTY, cache)).cpu
        rate = size_of(given) / 1e6 / max(run("language", None, place, given).cpu - empty, 0.01)
        counted = f"{len(LANGUAGES)} | {len(texts):,} | {frame['right'].mean():.4f} | {least}"
        report.say(f"| {length} characters | {counted} | {rate:.1f} |")
    megabytes = size_of(documents(DOCUMENTS, cache)) / 1e6
    seconds = beyond("language", None, place, DOCUMENTS, cache)
    report.say(f"| whole pages ({megabytes:.0f} MB) | | {DOCUMENTS:,} | | | {megabytes / seconds:.1f} |")


def verdicts(report: Report, place: Path, cache: Path) -> None:
    """A changed threshold on a million documents."""
    from curation.quality import QualitySettings, quality

    texts = pl.read_parquet(documents(SOME, cache)).to_arrow().combine_chunks().to_batches()[0]
    signals = pl.DataFrame(pl.from_arrow(quality(texts, QualitySettings())))
    times = -(-VERDICTS // signals.height)
    many = pl.concat([signals] * times).head(VERDICTS)
    many = many.with_columns(content_digest=pl.int_range(pl.len()).cast(pl.String).str.zfill(32))
    few, given = place / "few.parquet", place / "many.parquet"
    many.head(EMPTY).write_parquet(few)
    many.write_parquet(given)
    empty, cost = (run("verdicts", None, place, each) for each in (few, given))
    report.say(
        f"\nA changed threshold, {VERDICTS:,} documents, {len(signals.columns) - 1} signals: {cost.wall - empty.wall:.1f} s "
        f"on the clock and {cost.cpu - empty.cpu:.1f} CPU s beyond start-up, {cost.peak / 1e6:,.0f} MB."
    )


def main() -> None:
    """Measure, print and write."""
    cache, report = CACHE / "curation", Report()
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        place = Path(folder)
        speed(report, place, cache)
        verdicts(report, place, cache)
        languages(report, place, cache)
        agreement(report, place, cache, "same", SOME)
        agreement(report, place, cache, "spacy", FEW)
    (ROOT / "benchmarks" / "results" / "curation.md").write_text("\n".join(report.lines) + "\n")


if __name__ == "__main__":
    main()

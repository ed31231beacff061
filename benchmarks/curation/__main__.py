"""Measuring and deciding, beside datatrove and dolma: seconds, and whether the decisions are the same.

    python -m benchmarks.curation                      all sections, written to benchmarks/results/curation.md
    python -m benchmarks.curation speed privacy        these sections, printed only

Sections: speed, agreement, verdicts, languages, decontamination, privacy. The documents are Debian's documentation, which
is downloaded (`apt-get`), as are translated manuals and catalogues; the mail comes from npm; the peers live in environments
of their own. All lies in `build/benchmarks`, which git ignores: 4 GB, and half an hour to make. After that all sections
take some eight minutes on two cores. Seconds are those of all cores, of the process tree; those of the same command on ten
documents (imports, mostly) are taken off, and of three runs the least counts, for ours as for the peers.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.curation.agreement import FILTERS, Difference, differences
from benchmarks.curation.corpus import DOCUMENTS, FEW, SOME, documents, size_of
from benchmarks.curation.decontamination import decontamination
from benchmarks.curation.languages import LANGUAGES, PIECE, pieces
from benchmarks.curation.privacy import privacy
from benchmarks.curation.running import EMPTY, ROOT, Report, beyond, least, run, share_of, start_up
from benchmarks.peers import CACHE, Peer

DATATROVE = Peer("datatrove", ("datatrove[io,processing]==0.10.1", "spacy==3.8.18"))
DOLMA = Peer(
    "dolma",
    (
        *("dolma==1.2.1", "boto3==1.28.17", "aiobotocore==2.5.4", "botocore==1.31.17", "fsspec==2023.6.0"),
        *("s3fs==2023.6.0", "tokenizers==0.19.1", "huggingface-hub==0.24.7", "numpy==1.26.4", "urllib3==1.26.20"),
        *("pyarrow==24.0.0", "setuptools==80.9.0"),
    ),
)
DECIDED = (100_000, 1_000_000)
SHORT = 500
"""Characters of a text where it is the number of texts that matters."""
OF_LANGUAGE = 400
RESULTS = ROOT / "benchmarks" / "results"


def speed(report: Report, place: Path, cache: Path) -> None:
    """Signals and rules, beside the peers'."""
    chain = "Gopher quality, Gopher repetition, C4 and FineWeb"
    contestants = [
        ("headwater: all signals, all rules", "headwater", None, DOCUMENTS, ()),
        (f"datatrove: {chain}, its own words (spaCy)", "datatrove", DATATROVE, FEW, ("spacy", "chain")),
        ("datatrove: the same, words between spaces", "datatrove", DATATROVE, FEW, ("space", "chain")),
        *((f"dolma: {tagger}", "dolma", DOLMA, SOME, (tagger,)) for tagger in ("gopher_v1", "c4_v1")),
        ("dolma: repetitions_v1", "dolma", DOLMA, FEW, ("repetitions_v1",)),
    ]
    report.table("what", "documents", "MB", "CPU s", "MB / core s", "headwater is")
    ours = 0.0
    for what, tool, peer, many, options in contestants:
        megabytes = size_of(documents(many, cache)) / 1e6
        seconds = beyond(tool, peer, place, many, cache, *options)
        ours = ours or megabytes / seconds
        ratio = f"{ours * seconds / megabytes:,.0f} × as fast" if peer else ""
        report.say(f"| {what} | {many:,} | {megabytes:.1f} | {seconds:.1f} | {megabytes / seconds:,.2f} | {ratio} |")


def agreement(report: Report, place: Path, cache: Path) -> None:
    """Whether datatrove decides as Headwater does, document by document and filter by filter."""
    given, ours = documents(DOCUMENTS, cache), place / "ours.parquet"
    run("headwater", None, place, given)
    (place / "answer.parquet").rename(ours)
    total, found = _compared(report, place, ours, given, "same", "the same words")
    explained = _explained(place, ours, given, found)
    causes = Counter((each.filter, _cause(each)) for each in explained)
    report.table("filter", "what would end the difference", "documents")
    for (name, cause), count in sorted(causes.items()):
        report.row(name, cause, count)
    _list_all(explained, total)
    _, found = _compared(report, place, ours, documents(FEW, cache), "spacy", "datatrove's own words (spaCy)")
    named = Counter((each.theirs or "kept", each.ours or "kept") for each in found)
    report.table("theirs", "ours", "documents")
    for (theirs, mine), count in named.most_common():
        report.row(theirs, mine, count)
    report.say("", SPACY)


SPACY = (
    "Its own tokenizer parts punctuation from words and counts it: more and shorter words, fewer with a letter, and runs of "
    "words that begin and end elsewhere; it parts sentences too. What is left are differences of the kinds above."
)


def _compared(
    report: Report, place: Path, ours: Path, given: Path, words: str, said: str
) -> tuple[int, list[Difference]]:
    run("datatrove", DATATROVE, place, given, words, "each")
    total, found = differences(ours, place / "answer.parquet")
    other = len({each.doc_id for each in found})
    counts = Counter(each.filter for each in found)
    report.say(
        "", f"With {said}: on {total - other:,} of {total:,} documents every filter says the same, with its reason."
    )
    report.say("Different: " + ", ".join(f"{name} {counts[name]:,}" for name in FILTERS) + ".")
    return total, found


def _explained(place: Path, ours: Path, given: Path, found: list[Difference]) -> list[Difference]:
    """The differences, with the amendments of datatrove's code that would end each alone, or all of them together."""
    few = place / "differing.parquet"
    pl.read_parquet(given).filter(pl.col("content_digest").is_in([each.doc_id for each in found])).write_parquet(few)
    run("datatrove", DATATROVE, place, few, "same", "amended")
    return differences(ours, place / "answer.parquet")[1]


def _cause(each: Difference) -> str:
    return each.ended_by[0] if each.ended_by else "not explained"


def _list_all(explained: list[Difference], total: int) -> None:
    lines = [
        f"# Every document of {total:,} on which datatrove decides otherwise, with the same words",
        "",
        "Written by `python -m benchmarks.curation`. A document is named by the first 32 digits of its text's SHA-256.",
        "",
        "| document | filter | datatrove | Headwater | what in its code would end the difference |",
        "| --- " * 5 + "|",
    ]
    lines += [
        f"| {each.doc_id} | {each.filter} | {each.theirs or 'kept'} | {each.ours or 'kept'} | {_cause(each)} |"
        for each in sorted(explained, key=lambda each: (each.filter, _cause(each), each.doc_id))
    ]
    (RESULTS / "curation-differences.md").write_text("\n".join(lines) + "\n")


def languages(report: Report, place: Path, cache: Path) -> None:
    """How often the language is right, and how fast."""
    from curation.language import LanguageSettings, language

    report.table("pieces of", "languages", "pieces", "right", "least right", "MB / core s")
    for length in (PIECE, 60, 30):
        known = [(code, text) for code in LANGUAGES for _, text in pieces(code, OF_LANGUAGE, length, 0, cache)]
        texts = [text for _, text in known]
        table = pa.table({"content_digest": [str(number) for number in range(len(texts))], "text": texts})
        told = language(table.to_batches()[0], LanguageSettings())["language"].to_pylist()
        frame = pl.DataFrame(
            {"code": [code for code, _ in known], "right": [a == b for (a, _), b in zip(known, told, strict=True)]}
        )
        shares = frame.group_by("code").agg(pl.col("right").mean()).sort("right").head(3)
        worst = ", ".join(f"{code} {share:.3f}" for code, share in shares.iter_rows())
        given = place / "pieces.parquet"
        pl.DataFrame(pl.from_arrow(table)).write_parquet(given)
        empty = start_up("language", None, place, documents(EMPTY, cache))
        rate = size_of(given) / 1e6 / max(least("language", None, place, given) - empty, 0.01)
        counted = f"{len(LANGUAGES)} | {len(texts):,} | {share_of(frame['right']):.4f} | {worst}"
        report.say(f"| {length} characters | {counted} | {rate:.1f} |")
    megabytes = size_of(documents(DOCUMENTS, cache)) / 1e6
    seconds = beyond("language", None, place, DOCUMENTS, cache)
    report.say(f"| whole pages ({megabytes:.0f} MB) | | {DOCUMENTS:,} | | | {megabytes / seconds:.1f} |")


def verdicts(report: Report, place: Path, cache: Path) -> None:
    """A changed threshold on many documents, and the signals of as many short texts: seconds, and memory."""
    from curation.quality import QualitySettings, quality

    pages = pl.read_parquet(documents(SOME, cache))
    texts = pages.to_arrow().combine_chunks().to_batches()[0]
    signals = pl.DataFrame(pl.from_arrow(quality(texts, QualitySettings())))
    short = pages.with_columns(pl.col("text").str.slice(0, SHORT))
    report.table("what", "documents", "s on the clock", "CPU s", "MB beyond an empty run")
    for what, tool, rows in (
        ("verdicts under a changed threshold", "verdicts", signals),
        (f"signals of quality, of texts of {SHORT} characters", "measuring", short),
    ):
        empty = run(tool, None, place, _repeated(rows, EMPTY, place))
        for many in DECIDED:
            cost = run(tool, None, place, _repeated(rows, many, place))
            seconds = f"{cost.wall - empty.wall:.1f} | {cost.cpu - empty.cpu:.1f}"
            report.say(f"| {what} | {many:,} | {seconds} | {(cost.peak - empty.peak) / 1e6:,.0f} |")
    report.say(
        "",
        f"{len(signals.columns) - 1} signals; seconds are beyond start-up. Rows are written as they are made, and committed. "
        "For verdicts no signal is computed again: the tool reads no text. Memory is that of all processes at the worst moment.",
    )


def _repeated(rows: pl.DataFrame, many: int, place: Path) -> Path:
    """A file of so many rows: the same ones over and over, each time by other names."""
    target = place / "repeated.parquet"
    with pq.ParquetWriter(target, rows.to_arrow().schema) as writer:
        for start in range(0, many, rows.height):
            names = pl.int_range(start, start + rows.height, eager=True).cast(pl.String).str.zfill(32)
            piece = rows.with_columns(names.alias("content_digest")).head(many - start)
            writer.write_table(piece.to_arrow())
    return target


SECTIONS: dict[str, tuple[str, Callable[[Report, Path, Path], None]]] = {
    "speed": ("Signals and rules", speed),
    "agreement": ("The same decisions", agreement),
    "verdicts": ("A changed threshold, and memory", verdicts),
    "languages": ("Languages", languages),
    "decontamination": ("Evaluation items", decontamination),
    "privacy": ("Personal data", privacy),
}


def main() -> None:
    """Measure and print; write, section by section, when all of them run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"all, if none is named: {', '.join(SECTIONS)}")
    chosen = parser.parse_args().sections or list(SECTIONS)
    if strange := sorted(set(chosen) - set(SECTIONS)):
        parser.error(f"there is no section {strange[0]!r}; there are {', '.join(SECTIONS)}")
    cache, report = CACHE / "curation", Report()
    cache.mkdir(parents=True, exist_ok=True)
    report.say(
        "# Measuring and deciding",
        "",
        f"Repeat with `make bench-curation`. Python {platform.python_version()}, {_processor()}.",
    )
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        for name in chosen:
            title, section = SECTIONS[name]
            report.say("", f"## {title}")
            section(report, Path(folder), cache)
            if set(chosen) == set(SECTIONS):
                (RESULTS / "curation.md").write_text("\n".join(report.lines) + "\n")


def _processor() -> str:
    named = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return f"{len(named)} × {named[0]}" if named else platform.machine()


if __name__ == "__main__":
    main()

"""Evaluation items in documents: how many planted ones are found, how many clean documents are dropped, and how fast.

Items are passages of 13 to 60 words of running text from a book that the documents have nothing to do with (`anarchism`, an
FAQ of two million words), so many that they hold a million runs of 13 words. Copies of them are planted in documents in the ways that leaks come: as they stand, in capitals, with other
punctuation, with other white space, and with two words replaced. A document counts as dropped where more than half of one
item stands in it, which is the rule's default.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from benchmarks.curation.corpus import DOCUMENTS, documents, pages_of, size_of
from benchmarks.curation.running import EMPTY, Report, least, run, share_of
from curation.decontamination.index import item_name, words_of
from curation.decontamination.rules import ContaminationRules

PACKAGES = ("anarchism",)
RUNS = 1_000_000
RUN = 13
LONGEST = 60
LEAST_PROSE = 0.9
"""Of a passage's words, those that are words of English by their form; the others are numbers, names and code."""
_PROSE = re.compile(r"[\"'(“‘]?(?:[aAI]|[A-Za-z][a-z]+(?:['’-][a-z]+)*)[.,;:!?)”’\"']*")
PLANTED = 2_000
"""Documents with an item in them, of each way."""


def _as_it_stands(words: list[str], draw: random.Random) -> str:
    return " ".join(words)


def _in_capitals(words: list[str], draw: random.Random) -> str:
    return " ".join(words).upper()


def _punctuated(words: list[str], draw: random.Random) -> str:
    bare = [re.sub(r"[^\w]+$|^[^\w]+", "", word) or word for word in words]
    return " ".join(word + draw.choice(("", "", "", ",", ";", "!", " –", "”")) for word in bare)


def _spaced(words: list[str], draw: random.Random) -> str:
    return "".join(word + draw.choice((" ", "  ", "\n", "\n\n", "\t", "\u00a0")) for word in words)


def _replaced(words: list[str], draw: random.Random) -> str:
    changed = list(words)
    for place in draw.sample(range(len(words)), 2):
        changed[place] = draw.choice(("zebra", "quartz", "walnut", "saffron"))
    return " ".join(changed)


WAYS: dict[str, Callable[[list[str], random.Random], str]] = {
    "as it stands": _as_it_stands,
    "in capitals": _in_capitals,
    "with other punctuation": _punctuated,
    "with other white space": _spaced,
    "with two words replaced": _replaced,
}


def decontamination(report: Report, place: Path, cache: Path) -> None:
    """What is found of what was planted, what is dropped of what is clean, and megabytes a core second."""
    passages = _passages(cache)
    items = _items(passages)
    items.write_parquet(place / "items.parquet")
    clean = pl.read_parquet(documents(DOCUMENTS, cache))
    report.say(
        f"\nAgainst {len(passages):,} evaluation items with {RUNS:,} runs of {RUN} words, in {DOCUMENTS:,} documents:"
    )
    report.table("planted", "documents", "found")
    for way, said in WAYS.items():
        shares = _shares(place, _planted(clean, passages, said), "planted")
        report.row(f"an item {way}", PLANTED, f"{share_of(shares['own'] > ContaminationRules().max_share):.4f}")
    shares = _shares(place, clean.with_columns(item=pl.lit("")), "clean")
    dropped = (shares["share"] > ContaminationRules().max_share).sum()
    report.row("nothing", clean.height, f"{dropped / clean.height:.4f} dropped")
    clean.head(EMPTY).with_columns(item=pl.lit("")).write_parquet(place / "few.parquet")
    few, whole = (
        least("decontamination", None, place, place / f"{name}.parquet", place / "items.parquet")
        for name in ("few", "clean")
    )
    megabytes = size_of(place / "clean.parquet") / 1e6
    report.say(f"\n{megabytes:.0f} MB at {megabytes / max(whole - few, 0.01):.1f} MB a core second.")


def _passages(cache: Path) -> list[list[str]]:
    """The passages, which are kept, for making them takes a minute."""
    target = cache / "passages.parquet"
    if not target.exists():
        draft = target.with_suffix(".draft")
        pl.DataFrame({"words": list(_drawn(cache))}).write_parquet(draft)
        draft.rename(target)
    return pl.read_parquet(target)["words"].to_list()


def _drawn(cache: Path) -> Iterator[list[str]]:
    """Passages of as many words as the draw says, no two alike, until there are enough runs of words."""
    draw, runs, seen = random.Random(0), 0, set[str]()
    for text in pages_of(PACKAGES, cache):
        words = text.split()
        at = 0
        while at + LONGEST < len(words):
            passage = words[at : at + draw.randint(RUN, LONGEST)]
            at += len(passage)
            said = re.sub(r"\W+", " ", " ".join(passage)).strip().lower()
            if sum(_PROSE.fullmatch(word) is not None for word in passage) < LEAST_PROSE * len(passage) or said in seen:
                continue
            seen.add(said)
            yield passage
            runs += len(passage) - RUN + 1
            if runs >= RUNS:
                return
    raise RuntimeError(f"{', '.join(PACKAGES)} hold {runs:,} runs of words, and not {RUNS:,}")


def _items(passages: list[list[str]]) -> pl.DataFrame:
    words = words_of(pl.Series([" ".join(passage) for passage in passages]))
    names = [item_name(own) for own in words]
    return pl.DataFrame({"set": "bench", "item": names, "words": words}).unique("item")


def _planted(
    clean: pl.DataFrame, passages: list[list[str]], way: Callable[[list[str], random.Random], str]
) -> pl.DataFrame:
    """Documents with an item each, at the end of a line."""
    draw = random.Random(1)
    texts, names = clean["text"].sample(PLANTED, seed=2).to_list(), []
    chosen = draw.sample(passages, PLANTED)
    for number, passage in enumerate(chosen):
        lines = texts[number].split("\n")
        lines.insert(draw.randint(0, len(lines)), way(passage, draw))
        texts[number] = "\n".join(lines)
    names = [item_name(own) for own in words_of(pl.Series([" ".join(passage) for passage in chosen]))]
    digests = [f"{number:032x}" for number in range(PLANTED)]
    return pl.DataFrame({"content_digest": digests, "text": texts, "item": names})


def _shares(place: Path, texts: pl.DataFrame, name: str) -> pl.DataFrame:
    """Of each text the largest share of any item, and `own`, that of the one planted in it."""
    texts.write_parquet(place / f"{name}.parquet", row_group_size=2_000)
    run("decontamination", None, place, place / f"{name}.parquet", place / "items.parquet")
    found = pl.read_parquet(place / "answer.parquet").join(
        texts.select("content_digest", planted="item"), on="content_digest"
    )
    of_own = pl.col("matches").list.eval(pl.element().struct.field("item"))
    shares = pl.col("matches").list.eval(pl.element().struct.field("share"))
    own = found.select("content_digest", "planted", named=of_own, shares=shares).explode(
        "named", "shares", empty_as_null=True
    )
    best = own.filter(pl.col("named") == pl.col("planted")).group_by("content_digest").agg(own=pl.col("shares").max())
    return found.join(best, on="content_digest", how="left").with_columns(pl.col("own").fill_null(0.0))

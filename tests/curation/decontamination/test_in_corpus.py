"""Held-out samples in the corpus: an update looks at what changed, and gives what is found when all is looked at."""

from __future__ import annotations

import random
from typing import NamedTuple

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

import curation.decontamination.in_corpus as in_corpus
from curation.decontamination import MatchSettings, find_in_corpus, update_in_corpus
from curation.tasks.candidates import CANDIDATE
from records import MESSAGES

DRAW = random.Random(0)
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("amo", "elu", "ito", "ora") for c in ("", "n", "sk", "lia")]
SENTENCES = [" ".join(DRAW.choices(WORDS, k=14)) for _ in range(4)]
PLACES = [tuple(DRAW.sample(range(4), k=1 + number % 2)) for number in range(12)]
"""The sentences of each sample: each stands in so many that it is form where most are held out, and none where few are."""
CONTENTS = [(0,), (1,), (2,), (3,), (0, 1), (2, 3)]
SPLITS = st.lists(st.sampled_from(["train", "test", "validation", None]), min_size=12, max_size=12)
OWN = st.lists(st.sampled_from([None, set(), set(), {0}, {1}, {2}]), min_size=6, max_size=6)
WORLDS = st.lists(st.tuples(SPLITS, OWN), min_size=2, max_size=4).map(
    lambda worlds: [
        (
            {number: (split, PLACES[number]) for number, split in enumerate(splits) if split},
            {content: of for content, of in zip(CONTENTS, own, strict=True) if of is not None},
        )
        for splits, own in worlds
    ]
)


class Moving(NamedTuple):
    now: pl.LazyFrame
    came: pl.LazyFrame
    went: pl.LazyFrame


def said(places: tuple[int, ...]) -> str:
    return ". ".join(SENTENCES[place] for place in places)


def tables(
    samples: dict[int, tuple[str, tuple[int, ...]]], contents: dict[tuple[int, ...], set[int]]
) -> list[pl.DataFrame]:
    """The corpus, the samples and the candidates."""
    turns = {name: [{"role": "user", "content": f"{name} {said(places)}"}] for name, (_, places) in samples.items()}
    names = [str(content) for content in contents]
    corpus = {"content_digest": names, "text": [f"{said(content)} {said(content)[::-1]}" for content in contents]}
    rows = [(str(name), split, turns[name], "so") for name, (split, _) in samples.items()]
    schema = {"sample_id": pl.String, "split": pl.String, "messages": MESSAGES, "reference": pl.String}
    blank = dict.fromkeys(field.name for field in CANDIDATE.fields)
    found = [[{**blank, "messages": turns[name]} for name in sorted(of) if name in turns] for of in contents.values()]
    candidates = pl.DataFrame(
        {"content_digest": names, "samples": found}, schema={"content_digest": pl.String, "samples": pl.List(CANDIDATE)}
    )
    return [
        pl.DataFrame(corpus, schema=dict.fromkeys(corpus, pl.String)),
        pl.DataFrame(rows, schema=schema, orient="row"),
        candidates.with_columns(media_type=pl.lit("text/plain")),
    ]


def moved(before: pl.DataFrame, now: pl.DataFrame) -> Moving:
    texts = [frame.select(pl.struct(pl.all()).struct.json_encode()).to_series() for frame in (before, now)]
    came, went = now.filter(~texts[1].is_in(texts[0].implode())), before.filter(~texts[0].is_in(texts[1].implode()))
    return Moving(now.lazy(), came.lazy(), went.lazy())


@settings(deadline=None, max_examples=30)
@given(WORLDS)
def test_any_updates_give_what_is_found_at_once(worlds) -> None:
    before, rows = tables({}, {}), None
    for world in worlds:
        now = tables(*world)
        moving = [moved(*both) for both in zip(before, now, strict=True)]
        came, went = update_in_corpus(None if rows is None else rows.lazy(), *moving, MatchSettings())
        rows = came if rows is None else pl.concat([rows.join(went, on=went.columns, how="anti"), came])
        whole = find_in_corpus(*(table.lazy() for table in now), MatchSettings())
        assert rows.sort(in_corpus.KEYS).equals(whole)
        before = now


def test_contents_that_stay_are_not_read_again_while_the_held_out_samples_do(monkeypatch) -> None:
    samples = {0: ("test", (0, 1)), 1: ("train", (2,))}
    first = tables(samples, {(0, 1, 2): set(), (3,): {0}})
    now = tables(samples | {2: ("train", (3,))}, {(0, 1, 2): set(), (3,): {0}, (1, 0): set()})
    rows = find_in_corpus(*(table.lazy() for table in first), MatchSettings())
    looked_at: list[str] = []
    parts_of = in_corpus.parts_of

    def seen(table: pl.LazyFrame, count: int):
        looked_at.extend(table.collect()["content_digest"])
        return parts_of(table, count)

    monkeypatch.setattr(in_corpus, "parts_of", seen)
    moving = [moved(*both) for both in zip(first, now, strict=True)]
    came, went = update_in_corpus(rows.lazy(), *moving, MatchSettings())
    assert looked_at == ["(1, 0)"] and went.is_empty()
    assert came.select("content_digest", "held_out_id").rows() == [("(1, 0)", "0")]

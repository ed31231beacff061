"""The corpus as a release: near contents and held-out samples pull a content to their side, and a leak would be seen."""

from __future__ import annotations

import random

import polars as pl
import pytest

import curation.pretraining
from curation.mixture import MixtureSettings
from curation.pretraining import PretrainingSettings, pretraining
from curation.releases import PRETRAINING
from curation.tasks import CANDIDATE
from records import MESSAGES, content_digest

HALVES = PretrainingSettings(test=0.3, validation=0.3)


def corpus(texts: list[str], sources: list[str] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "content_digest": [content_digest(text) for text in texts],
            "text": texts,
            "source": sources or ["web"] * len(texts),
            "media_type": ["text/plain"] * len(texts),
        }
    )


def prose(seed: int, words: int = 60) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghij", k=6)) for _ in range(words)]


def test_near_contents_are_on_one_side_and_the_order_of_the_rows_is_nothing() -> None:
    texts = [
        " ".join(words) for seed in range(40) for words in (prose(seed), [*prose(seed)[:50], *prose(seed + 1000, 8)])
    ]
    found = pretraining(corpus(texts), HALVES)
    assert found.table.columns == list(PRETRAINING) and found.checks == {"no_leak": ""}
    split = dict(found.table.select("text", "split").iter_rows())
    assert all(split[texts[at]] == split[texts[at + 1]] for at in range(0, len(texts), 2))
    assert set(split.values()) == {"train", "validation", "test"}
    assert found.notes["moved to the side of a near-duplicate or a held-out sample"] > 0
    assert pretraining(corpus(texts[::-1]), HALVES).table.equals(found.table)


def test_a_leak_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        " ".join(words) for seed in range(12) for words in (prose(seed), [*prose(seed)[:50], *prose(seed + 1000, 8)])
    ]

    def alone(contents: pl.DataFrame, settings: object) -> pl.DataFrame:
        return contents.select("content_digest", group="content_digest")

    monkeypatch.setattr(curation.pretraining, "near_duplicate_groups", alone)
    found = pretraining(corpus(texts), HALVES)
    assert found.notes["leaks"] and "held-out contents are near (Jaccard 0.5 or more)" in found.checks["no_leak"]


def test_a_content_in_which_a_held_out_sample_stands_is_held_out() -> None:
    texts = [" ".join(prose(seed)) for seed in range(30)]
    rows = corpus(texts)
    asked = [[{"role": "user", "content": f"question {at}"}] for at in range(30)]
    blank = dict.fromkeys(field.name for field in CANDIDATE.fields)
    candidates = pl.DataFrame(
        {
            "content_digest": rows["content_digest"],
            "samples": [
                [{**blank, "messages": turns}, {**blank, "messages": None, "dropped": "too long"}] for turns in asked
            ],
        },
        schema={"content_digest": pl.String, "samples": pl.List(CANDIDATE)},
    )
    splits = ["test" if at < 15 else "train" for at in range(30)]
    samples = pl.DataFrame({"messages": asked, "split": splits}, schema={"messages": MESSAGES, "split": pl.String})
    settings = PretrainingSettings(test=0, validation=0)
    found = dict(pretraining(rows, settings, samples, candidates).table.select("text", "split").iter_rows())
    assert [found[text] for text in texts] == splits
    assert set(pretraining(rows, settings).table["split"]) == {"train"}


def test_a_mixture_weighs_sources_and_the_books_balance() -> None:
    texts = [" ".join(prose(seed)) for seed in range(40)]
    rows = corpus(texts, ["web"] * 30 + ["notes"] * 10)
    even = PretrainingSettings(
        test=0, validation=0, mixture=MixtureSettings(weights={"web": 1, "notes": 1}, max_copies=2)
    )
    found = pretraining(rows, even)
    told = {row["part"]: row for row in found.others["mix"].to_dicts()}
    assert told["notes"]["copies"] == 2 and told["web"]["share"] == pytest.approx(0.5, abs=0.05)
    assert found.kept is not None and found.kept + sum(found.dropped.values()) == 40
    with pytest.raises(ValueError, match=r"mixture\.by"):
        PretrainingSettings(mixture=MixtureSettings(by="slice"))

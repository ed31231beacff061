"""Evaluation items in documents: found however they are set, not found where they are not, and in the books."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from curation.decontamination import (
    DecontaminationSettings,
    EvaluationSet,
    MatchSettings,
    contaminated,
    contamination,
    cuts,
    read_evaluation_sets,
)
from curation.decontamination.index import item_name, words_of
from curation.inventory import Source, root_of, take_inventory
from pipelines.settings import Config

ITEM = "The quick brown fox jumps over the lazy dog while seven wizards mix potions for the queen"
SHORT = "Which planet is the largest in our solar system?"
WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("amo", "elu", "ito", "ora", "unde", "ysta")]


def items_of(texts: list[str], name: str = "exam") -> pl.DataFrame:
    words = words_of(pl.Series(texts, dtype=pl.String))
    rows = {"set": [name] * len(texts), "item": [item_name(own) for own in words], "words": words}
    return pl.DataFrame(rows).unique("item")


def measured(texts: list[str], items: pl.DataFrame) -> list[dict]:
    batch = pa.RecordBatch.from_pydict(
        {"content_digest": [f"{n:032x}" for n in range(len(texts))], "text": pa.array(texts, pa.large_string())}
    )
    answer = contamination(batch, items, MatchSettings())
    assert answer.column("content_digest").to_pylist() == batch.column("content_digest").to_pylist()
    return answer.to_pylist()


def marked(text: str, row: dict) -> list[str]:
    return [text.encode()[span["start"] : span["end"]].decode() for span in row["spans"]]


@pytest.mark.parametrize(
    "said",
    [
        ITEM,
        ITEM.upper(),
        ITEM.replace(" ", "\n   "),
        ITEM.replace("dog", "dog,").replace("fox", "“fox”") + "!",
        "7. " + ITEM,
        ITEM.replace("quick", "slow").replace("wizards", "witches"),
        ITEM.replace("brown", "bro\u00adwn").replace("queen", "que\u0301en"),
    ],
)
def test_an_item_is_found_however_it_is_set(said: str) -> None:
    text = f"It was written: {said} And nothing more."
    (row,) = measured([text], items_of([ITEM, SHORT]))
    assert row["share"] > 0.8
    (span,) = marked(text, row)
    assert span in text and len(span) > 0.9 * len(said) - 5


def test_short_items_must_be_there_whole() -> None:
    texts = [f"say (a) {SHORT.lower()} yes", SHORT.replace("largest", "biggest"), "a planet is the largest"]
    assert [row["share"] for row in measured(texts, items_of([SHORT, "too short"]))] == [1.0, 0.0, 0.0]


def test_planted_items_are_found_and_clean_texts_are_not() -> None:
    draw = random.Random(0)
    own = [" ".join(draw.choices(WORDS, k=draw.randint(13, 40))) for _ in range(200)]
    clean = [" ".join(draw.choices(WORDS, k=400)) for _ in range(300)]
    planted = []
    for item in own:
        words = item.split()
        for place in draw.sample(range(len(words)), 2):
            words[place] = "replaced"
        planted.append(" ".join([*draw.choices(WORDS, k=200), *words, *draw.choices(WORDS, k=200)]))
    rows = measured([*planted, *clean], items_of(own))
    assert sum(row["share"] > 0.5 for row in rows[: len(own)]) >= 0.99 * len(own)
    assert not any(row["share"] > 0.5 for row in rows[len(own) :])


def test_an_instruction_before_every_item_is_no_item() -> None:
    form = "Please read the following question with care and then answer it in one sentence: "
    own = [form + f"what does number {n} say to {n + 1} about the {WORDS[n]} of {WORDS[-n]}" for n in range(1, 20)]
    rows = measured([form + "where do swallows go when the winter comes", own[3]], items_of(own))
    assert rows[0]["share"] <= 0.5 < rows[1]["share"]


def test_batches_and_long_texts_change_nothing() -> None:
    filler = " ".join(WORDS) + " "
    texts = ["", " ", "word " * 200_000, filler * 2000 + ITEM + " " + filler * 1000, "a\0b", "字" * 50, ITEM]
    together = measured(texts, items_of([ITEM]))
    alone = [measured([text], items_of([ITEM]))[0] for text in texts]
    assert [{**row, "content_digest": ""} for row in together] == [{**row, "content_digest": ""} for row in alone]
    assert [row["share"] for row in together] == [0, 0, 0, 1, 0, 0, 1]
    assert marked(texts[3], together[3]) == [ITEM]


def test_a_null_text_is_an_error() -> None:
    nulls = pa.RecordBatch.from_pydict({"content_digest": ["a"], "text": pa.array([None], pa.large_string())})
    with pytest.raises(ValueError, match="1 contents have no text"):
        contamination(nulls, items_of([ITEM]), MatchSettings())


def test_spans_in_json_leave_json() -> None:
    text = json.dumps(
        [{"content": "Say:\n" + ITEM[:44], "role": "user"}, {"content": ITEM[44:]}], separators=(",", ":")
    )
    (row,) = measured([text], items_of([ITEM]))
    assert row["share"] == 1.0 and len(row["spans"]) == 2
    left = text.encode()
    for span in reversed(row["spans"]):
        left = left[: span["start"]] + left[span["end"] :]
    assert json.loads(left)[0] == {"content": "Say:\n", "role": "user"}


def test_limits_decide_and_only_then_are_spans_cut() -> None:
    rows = pl.DataFrame(measured([ITEM, "nothing", ITEM[: len(ITEM) // 2 + 2]], items_of([ITEM])))
    settings = DecontaminationSettings(max_share=0.9)
    assert rows.select(contaminated(settings)).to_series().to_list() == [True, False, False]
    assert cuts(rows.lazy(), settings).collect()["spans"].list.len().to_list() == [1, 0, 0]


def test_items_are_read_from_files_with_books(tmp_path: Path) -> None:
    rows = [{"q": ITEM, "n": 3}, {"q": ITEM.upper(), "n": 4}, {"q": SHORT, "choices": {"text": ["one", "two"]}}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    pl.DataFrame({"q": ["From a Parquet file: " + ITEM]}).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.csv").write_text('q,n\n"Of a table, ' + ITEM + '",1\n')
    (tmp_path / "d.bin").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    entry = EvaluationSet("exam", str(tmp_path), columns=("q", "choices.text"))
    files = Source(entry.name, entry.path)
    outcome = read_evaluation_sets(
        {"exam": take_inventory(files, tmp_path)}, {"exam": root_of(files, tmp_path)}, [entry]
    )
    places = outcome.table.sort("locator", "column").select("locator", "column").rows()
    assert places == [
        ("a.jsonl#L1", "q"),
        ("a.jsonl#L3", "choices.text"),
        ("a.jsonl#L3", "q"),
        ("b.parquet#row=1", "q"),
        ("c.csv#row=1", "q"),
    ]
    assert outcome.dropped == {"copy of another item": 1}
    assert outcome.failed == {"malformed JSON": 1, "no rows in image/png": 1}
    wrong = EvaluationSet("exam", str(tmp_path), columns=("question",))
    with pytest.raises(ValueError, match="no text in column 'question'; its files have"):
        read_evaluation_sets({"exam": take_inventory(files, tmp_path)}, {"exam": tmp_path}, [wrong])


def test_named_sets_bring_their_rule() -> None:
    base = {"sources": [{"name": "a", "path": "."}]}
    named = base | {"evaluation_sets": [{"name": "exam", "path": "exam"}]}
    assert Config.model_validate(base).rules == ()
    assert Config.model_validate(named).rules[-1].contamination is not None
    assert Config.model_validate(named | {"decontamination": {"documents": "cut"}}).rules == ()
    with pytest.raises(ValueError, match="needs `evaluation_sets`"):
        Config.model_validate(base | {"rules": ["contamination"]})

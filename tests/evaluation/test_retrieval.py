"""Passages: found by rare words, put before the question, and never the question's own answer."""

import math
import subprocess
import sys

import polars as pl
import pytest

from evaluation.retrieval import Bm25, document_passages, sample_passages, top, with_context
from tests.evaluation.tables import samples


def test_scores_are_those_of_the_formula():
    texts = ["red fox", "red red dog here", "a blue bird sings"]
    found = Bm25(texts).scores("Red")
    idf, mean = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5)), 10 / 3
    for place, (times, length) in enumerate([(1, 2), (2, 4)]):
        assert found[place] == pytest.approx(idf * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / mean)))
    assert found[2] == 0 and top(found, 5) == [1, 0], "what has no word in common is no passage"
    assert top(Bm25([]).scores("red"), 3) == []


def test_a_rare_word_finds_its_text():
    texts = [f"the boat number {number} goes down the river" for number in range(50)]
    texts[31] += " with a heron"
    assert top(Bm25(texts).scores("where does the heron go?"), 1) == [31]


def test_scores_are_the_same_to_the_last_bit_in_every_process():
    """Texts that differ by a rounding would stand in another order before the question, which would be asked again."""
    code = (
        "from evaluation.retrieval import Bm25\n"
        "texts = [' '.join(f'w{word}' for word in range(place + 1)) for place in range(61)]\n"
        "print(Bm25(texts).scores(' '.join(f'w{place}' for place in range(61))).tobytes().hex())"
    )
    runs = (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True)
        for seed in ("0", "1", "2")
    )
    assert len({run.stdout for run in runs}) == 1


def test_passages_are_of_training_alone():
    rows = samples(*({"sample_id": f"s{n}", "reference": f"answer {n}"} for n in range(3)))
    rows = rows.with_columns(split=pl.Series(["train", "test", "validation"]), doc_id=pl.Series(["d0", "d1", "d2"]))
    assert sample_passages(rows).rows() == [("s0", "What is 0?\nanswer 0")]
    corpus = pl.LazyFrame(
        {
            "doc_id": ["d0", "d1", "d2", "d3"],
            "content_digest": list("abcd"),
            "text": ["one two three", "no", "no", "four"],
        }
    )
    found = document_passages(corpus, rows, 2)
    assert sorted(found["text"]) == ["four", "one two", "three"] and found["passage_id"].is_unique().all()


def test_passages_stand_before_what_is_asked():
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    assert with_context(chat, ["one", "two"])[-1] == {"role": "user", "content": "[1] one\n\n[2] two\n\nWhy?"}
    assert with_context(chat, []) == chat

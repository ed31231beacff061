"""Every row is used, left out and counted, or refused by name; only the answer is trained on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from transformers import AutoTokenizer

from tests.training.conftest import PAIRS, release, table
from training.examples import DatasetError, Row, choose, read_rows, shuffled, stop_tokens, subset, tokenize


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    return AutoTokenizer.from_pretrained(base)


def row(question: str, answer: str) -> Row:
    return Row(*next(table([(question, answer)]).iter_rows()))


def stops(tokenizer: Any) -> frozenset[int]:
    return frozenset([tokenizer.eos_token_id])


def test_the_prompt_is_what_inference_asks_and_the_completion_ends_the_turn(tokenizer: Any):
    asked = row("What is this?", "A test.")
    example = tokenize(asked, tokenizer, stops(tokenizer))
    rendered = tokenizer.apply_chat_template(list(asked.prompt), add_generation_prompt=True, return_dict=False)
    assert list(example.prompt) == rendered
    assert tokenizer.decode(example.completion) == "A test.<|im_end|>"


def test_a_template_without_an_end_of_turn_gets_one(tokenizer: Any, base: Path):
    plain = AutoTokenizer.from_pretrained(base)
    plain.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    example = tokenize(row("Q", "A"), plain, stops(plain))
    assert tokenizer.decode(example.completion) == "A\n<|im_end|>"


def test_an_answer_that_spells_the_end_of_turn_is_not_cut_there(tokenizer: Any):
    example = tokenize(row("Q", "one<|im_end|>two"), tokenizer, stops(tokenizer))
    assert tokenizer.decode(example.completion) == "one<|im_end|>two<|im_end|>"


def test_a_template_that_renders_the_prompt_differently_is_refused(base: Path):
    other = AutoTokenizer.from_pretrained(base)
    other.chat_template = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(DatasetError, match="prefix"):
        tokenize(row("Q", "A"), other, stops(other))


@pytest.mark.parametrize(("question", "answer"), [("Q", "")])
def test_a_row_without_labels_is_refused_by_name(tokenizer: Any, question: str, answer: str):
    bad = row(question, answer)
    with pytest.raises(DatasetError, match=bad.sample_id):
        tokenize(bad, tokenizer, stops(tokenizer))


def test_the_model_says_what_ends_a_turn(tokenizer: Any):
    class Two:
        eos_token_id = [7, 9]  # noqa: RUF012

    class None_:
        eos_token_id = None

    assert stop_tokens(tokenizer, Two) == {7, 9, tokenizer.eos_token_id}
    assert stop_tokens(tokenizer, None_) == {tokenizer.eos_token_id}


def test_the_order_is_of_seed_and_sample_id_alone(tmp_path: Path):
    train = table(PAIRS)
    one = read_rows(release(tmp_path / "one", train), "train")
    other = read_rows(release(tmp_path / "other", train.reverse(), parts=3), "train")
    assert one == other
    orders = []
    for rows, seed in ((one, 0), (other[::-1], 0), (one, 1)):
        endless = shuffled(rows, seed)
        orders.append([next(endless).sample_id for _ in range(2 * len(rows))])
    assert orders[0] == orders[1] != orders[2]
    laps = orders[0][: len(one)], orders[0][len(one) :]
    assert laps[0] != laps[1] and sorted(laps[0]) == sorted(laps[1])


def test_a_new_row_moves_no_other(tmp_path: Path):
    few = read_rows(release(tmp_path / "few", table(PAIRS[:20])), "train")
    more = read_rows(release(tmp_path / "more", table(PAIRS[:21])), "train")
    order = shuffled(more, 0)
    kept = [next(order) for _ in more]
    endless = shuffled(few, 0)
    assert [row for row in kept if row in few] == [next(endless) for _ in few]


def test_a_row_that_a_mixture_takes_twice_is_there_twice_and_moves_no_other(tmp_path: Path):
    train = table(PAIRS[:20])
    once = read_rows(release(tmp_path / "once", train), "train")
    twice = read_rows(release(tmp_path / "twice", pl.concat([train, train[3:4]])), "train")
    order = shuffled(twice, 0)
    lap = [next(order) for _ in twice]
    assert Counter(row.sample_id for row in lap)[train["sample_id"][3]] == 2 and len(lap) == 21
    alone = shuffled(once, 0)
    last = max(place for place, row in enumerate(lap) if row.sample_id == train["sample_id"][3])
    first = min(place for place, row in enumerate(lap) if row.sample_id == train["sample_id"][3])
    expected = [next(alone) for _ in once]
    assert expected in ([row for place, row in enumerate(lap) if place != gone] for gone in (first, last))


def test_a_release_that_is_none_is_refused(tmp_path: Path):
    train = table(PAIRS)
    other = train[:1].with_columns(completion=train[1:2]["completion"])
    with pytest.raises(DatasetError, match="with more than one text"):
        read_rows(release(tmp_path / "twice", pl.concat([train, other])), "train")
    with pytest.raises(DatasetError, match="no column completion"):
        read_rows(release(tmp_path / "half", train.drop("completion")), "train")
    assert read_rows(tmp_path / "nothing", "train") == []


def chosen(tokenizer: Any, rows: list[Row], count: int, max_length: int, overlong: Any = "drop"):
    return choose(
        rows,
        count,
        tokenizer=tokenizer,
        stops=stops(tokenizer),
        seed=0,
        max_length=max_length,
        overlong=overlong,
    )


def test_the_books_balance(tokenizer: Any):
    rows = [Row(*values) for values in table([*PAIRS, ("long " * 200, "Yes.")]).iter_rows()]
    for count in (1, 10, 41, 100):
        choice = chosen(tokenizer, rows, count, 128)
        assert len(choice.examples) == count
        assert choice.rows == 41 == choice.used + choice.overlong + choice.unused
    assert (choice.used, choice.overlong, choice.unused) == (40, 1, 0)
    uses = Counter(example.sample_id for example in choice.examples)
    assert set(uses.values()) == {2, 3}
    assert chosen(tokenizer, [], 0, 128).examples == ()


def test_a_long_completion_loses_its_end_and_is_counted(tokenizer: Any):
    long = row("Q", "many words " * 60)
    choice = chosen(tokenizer, [long], 1, 64, "truncate")
    (example,) = choice.examples
    assert example.length == 64 and choice.truncated == 1
    assert example.completion + (0,) * example.cut != example.completion
    whole = tokenize(long, tokenizer, stops(tokenizer))
    assert example.length + example.cut == whole.length
    assert whole.completion[: len(example.completion)] == example.completion


def test_a_row_whose_labels_would_all_be_masked_is_refused(tokenizer: Any):
    long = row("long " * 200, "Yes.")
    with pytest.raises(DatasetError, match=rf"{long.sample_id}.*every label would be masked.*max_length"):
        chosen(tokenizer, [long], 1, 128, "truncate")
    with pytest.raises(DatasetError, match="none of 1 rows fits"):
        chosen(tokenizer, [long], 1, 128, "drop")


def test_a_smaller_part_is_a_part_of_the_larger_ones():
    rows = [Row(f"s{number:03}", [], []) for number in range(100)]
    parts = [
        [row.sample_id for row in subset(rows, count, share, 0)]
        for count, share in ((8, 1.0), (0, 0.1), (32, 1.0), (0, 1.0))
    ]
    assert [len(part) for part in parts] == [8, 10, 32, 100] and all(part == sorted(part) for part in parts)
    assert set(parts[0]) <= set(parts[1]) <= set(parts[2])
    assert subset(rows, 32, 0.1, 0) == subset(rows, 0, 0.1, 0) and subset(rows, 8, 1.0, 1) != subset(rows, 8, 1.0, 0)
    with pytest.raises(DatasetError, match="share: 0"):
        subset(rows, 0, 0, 0)

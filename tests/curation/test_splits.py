"""Splits: no near-duplicate straddles, what comes later moves nothing without a reason, and a leak would be seen."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.deduplication import GroupSettings
from curation.deduplication.shingles import shingle_sets
from curation.splits import SPLITS, SplitSettings, assign_splits, moves, side, sides, straddling
from curation.tasks import SAMPLES
from curation.tasks.docstrings import RETURN_QUESTION
from records import sample_id

HALVES = SplitSettings(test=0.3, validation=0.3)


def samples(rows: list[tuple[str, str]], **others: list[object]) -> pl.DataFrame:
    """Samples from (group, prompt), one row per prompt."""
    messages = [[{"role": "user", "content": prompt}] for _, prompt in rows]
    columns: dict[str, list[object]] = {
        "sample_id": [sample_id("t", turns) for turns in messages],
        "group": [group for group, _ in rows],
        "groups": [[group] for group, _ in rows],
        "messages": list(messages),
        **others,
    }
    blank: list[object] = [None] * len(rows)
    frame = pl.DataFrame({name: columns.get(name, blank) for name in SAMPLES}, schema=SAMPLES)
    return frame.unique("sample_id", keep="first", maintain_order=True)


def split_of(frame: pl.DataFrame, settings: SplitSettings = HALVES) -> dict[str, str]:
    return dict(assign_splits(frame, settings).table.select("sample_id", "split").iter_rows())


def groups_on(split: str, count: int = 1) -> list[str]:
    """The first group names whose own side this is."""
    names = (f"g{number}" for number in itertools.count())
    return list(itertools.islice((name for name in names if side(name, HALVES) == split), count))


# Prompts of few words, so that many are near to one another, and groups of all three sides.
_PROMPTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=8).map(" ".join)
_ROWS = st.lists(st.tuples(st.sampled_from([f"g{n}" for n in range(8)]), _PROMPTS), max_size=14)


@given(_ROWS)
@settings(max_examples=60, deadline=None)
def test_no_true_near_duplicate_pair_straddles(rows: list[tuple[str, str]]) -> None:
    frame = assign_splits(samples(rows), HALVES).table
    sets = shingle_sets(
        pa.array([turns[0]["content"] for turns in frame["messages"].to_list()], pa.large_string()),
        GroupSettings().signature,
    )
    parts = [sets.hashes[start : start + size] for start, size in zip(sets.starts, sets.sizes, strict=True)]
    for i, j in itertools.combinations(range(frame.height), 2):
        if frame["split"][i] != frame["split"][j]:
            common = len(np.intersect1d(parts[i], parts[j]))
            # 160 bands of 4 rows find a pair at 0.5 but for 3 in 100,000, and one at 0.55 but for 2 in 10 million
            assert common < 0.55 * (len(parts[i]) + len(parts[j]) - common)
    assert straddling(frame).is_empty()


@given(_ROWS, _ROWS)
@settings(max_examples=60, deadline=None)
def test_more_samples_move_a_sample_only_to_a_more_protected_side(
    rows: list[tuple[str, str]], more: list[tuple[str, str]]
) -> None:
    before, after = split_of(samples(rows)), split_of(samples(rows + more))
    assert all(SPLITS.index(after[name]) <= SPLITS.index(split) for name, split in before.items())


@given(
    st.permutations([(f"g{n}", f"wholly different words {n} {n * 7} {n * 13}") for n in range(9)]), st.integers(0, 9)
)
@settings(max_examples=30, deadline=None)
def test_without_near_duplicates_each_sample_has_its_groups_side(rows: list[tuple[str, str]], kept: int) -> None:
    frame = samples(rows[:kept])
    expected = {row["sample_id"]: side(row["group"], HALVES) for row in frame.to_dicts()}
    assert split_of(frame) == expected


@given(_ROWS, st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_no_order_matters(rows: list[tuple[str, str]], seed: int) -> None:
    frame = samples(rows)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    assert assign_splits(frame, HALVES).table.equals(assign_splits(shuffled, HALVES).table)


def test_a_near_duplicate_follows_the_most_protected_and_its_group_stays() -> None:
    (test,), (validation,), (train,) = groups_on("test"), groups_on("validation"), groups_on("train")
    shared = "read the whole file and give back its lines in order"
    other = "an altogether unlike prompt about the weather in spring"
    frame = samples([(test, shared), (validation, shared + " now"), (train, shared + " again"), (train, other)])
    outcome = assign_splits(frame, HALVES)
    splits = dict(zip(frame["sample_id"], map(split_of(frame).get, frame["sample_id"]), strict=True))
    assert list(splits.values()) == ["test", "test", "test", "train"]
    assert outcome.notes["moved to the side of a near-duplicate"] == 2
    assert outcome.notes["largest near-duplicate cluster"] == 3
    assert outcome.notes["samples by split"] == {"train": 1, "validation": 0, "test": 3}
    assert outcome.notes["empty splits"].startswith("validation: ")


def test_a_question_that_stands_in_several_groups_has_the_most_protected_side() -> None:
    (test,), (train,) = groups_on("test"), groups_on("train")
    frame = samples([(train, "one prompt")], groups=[[train, test]])
    assert set(split_of(frame).values()) == {"test"}


def test_two_samples_of_one_function_are_never_apart() -> None:
    (test,), (train,) = groups_on("test"), groups_on("train")
    frame = samples(
        [(test, "def f(x) -> int: return 1"), (train, RETURN_QUESTION + "something unlike it"), (train, "def g(): 2")],
        doc_id=["d", "d", "d"],
        line=[3, 3, 9],
        name=["f", "f", "g"],
    )
    splits = split_of(frame)
    assert [splits[name] for name in frame["sample_id"]] == ["test", "test", "train"]


def test_the_words_of_a_slice_and_of_the_system_tie_nothing() -> None:
    (test,), (train,) = groups_on("test"), groups_on("train")
    asked = samples([(test, RETURN_QUESTION + "def f(): 1"), (train, RETURN_QUESTION + "class of wind")])
    assert set(split_of(asked).values()) == {"test", "train"}
    system = {"role": "system", "content": "You are a helpful assistant who answers with care, in full sentences."}
    turns = [[system, {"role": "user", "content": text}] for text in ("who are you", "where is that")]
    chats = samples([(test, "a"), (train, "b")], messages=turns)
    assert set(split_of(chats).values()) == {"test", "train"}


def test_a_leak_is_seen() -> None:
    text = "open the file at this path and read every line of it into a list of words"
    frame = samples([("a", text), ("b", text + " again"), ("c", "something else is asked here, and nothing like it")])
    leaky = frame.with_columns(split=pl.Series(["train", "test", "test"]))
    (row,) = straddling(leaky).to_dicts()
    assert (row["held_out_id"], row["other_id"]) == (frame["sample_id"][1], frame["sample_id"][0])
    assert (row["held_out_split"], row["other_split"]) == ("test", "train")
    assert 0.8 <= row["jaccard"] < 1
    assert straddling(leaky, threshold=0.99).is_empty()
    assert straddling(frame.with_columns(split=pl.lit("test"))).is_empty()


def test_a_leak_is_seen_from_the_similarity_on_at_which_groups_are_tied() -> None:
    words = [f"w{number}" for number in range(24)]
    near, far = [*words[:18], *"uvxyz"], [*words[:12], *"abcdefghijk"]
    frame = samples([("a", " ".join(words)), ("b", " ".join(near)), ("c", " ".join(far))])
    leaky = frame.with_columns(split=pl.Series(["train", "test", "test"]))
    (row,) = straddling(leaky).to_dicts()
    assert row["held_out_id"] == frame["sample_id"][1] and 0.5 <= row["jaccard"] < 0.6
    assert straddling(leaky, threshold=0.3).height == 2


def test_what_moved_is_counted_and_what_came_is_not() -> None:
    def sides(*rows: tuple[str, str]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=["sample_id", "split"], orient="row")

    before = sides(("a", "train"), ("b", "train"), ("c", "test"), ("d", "validation"), ("gone", "train"))
    after = sides(("a", "test"), ("b", "test"), ("c", "train"), ("d", "validation"), ("new", "test"))
    assert moves(before, after) == {"train → test": 2, "test → train": 1}
    assert moves(after, after) == {}


def test_equal_texts_without_words_are_a_leak_too() -> None:
    frame = samples([("a", "!!!"), ("b", "!!! ")]).with_columns(split=pl.Series(["train", "validation"]))
    assert straddling(frame)["jaccard"].to_list() == [1.0]


def test_shares_are_about_what_they_say_and_seeds_differ() -> None:
    names = pl.Series([f"package{number}" for number in range(4000)])
    drawn = [SPLITS[rank] for rank in sides(names, SplitSettings())]
    assert abs(drawn.count("test") / 4000 - 0.1) < 0.02
    assert abs(drawn.count("validation") / 4000 - 0.05) < 0.02
    assert drawn != [SPLITS[rank] for rank in sides(names, SplitSettings(seed=1))]


def test_a_side_never_changes_between_versions() -> None:
    names = ("json", "numpy", "dagster", "fontTools")
    assert [side(name, SplitSettings()) for name in names] == ["train", "train", "validation", "test"]


def test_no_samples_are_no_trouble() -> None:
    outcome = assign_splits(samples([]), SplitSettings())
    assert outcome.table.height == 0
    assert outcome.table.columns == [*SAMPLES, "split"]
    assert straddling(outcome.table).is_empty()


@pytest.mark.parametrize(
    "shares", [{"test": -0.1}, {"test": 0.6, "validation": 0.4}, {"threshold": 0.0}, {"threshold": 0.6}]
)
def test_shares_that_cannot_be_meant_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"test|threshold"):
        SplitSettings(**shares)  # type: ignore[arg-type]

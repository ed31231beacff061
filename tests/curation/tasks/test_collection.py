"""From candidates to samples: names, first places, groups, and books that add up."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.tasks import SAMPLES, TaskSettings, collect_samples, extract_samples
from curation.tasks.collection import TEST_CODE, group_of
from records import sample_id
from tests.curation.tasks.building import CHAT, as_json, collected, contents, corpus, evidence

DOCSTRINGS = TaskSettings("docstrings")
ONE = 'def one(x):\n    """Give back the number one."""\n    return 1\n'
OTHER = 'def one(x):\n    """Say that one is one."""\n    return 1\n'
TWO = "def two(x) -> int:\n    return 2\n"


def test_a_sample_is_named_by_task_and_prompt() -> None:
    table = collected({("lib", "pack/a.py"): ONE}, TaskSettings("docstrings", name="mine")).table
    assert table.schema == SAMPLES
    (row,) = table.to_dicts()
    assert row["sample_id"] == sample_id("mine", row["messages"])
    assert (row["task"], row["group"], row["groups"], row["locator"]) == ("mine", "pack", ["pack"], "pack/a.py")


def test_of_copies_the_first_place_stays() -> None:
    files = {("b", "z.py"): ONE, ("a", "m/z.py"): OTHER, ("a", "m/y.py"): ONE + "\nx = 1\n"}
    outcome = collected(files, DOCSTRINGS, sources=("b", "a"))
    assert outcome.table.select("source", "locator", "groups").rows() == [("b", "z.py", ["m", "z"])]
    assert outcome.dropped == {"copy of another sample": 2}
    unnamed = collected(files, DOCSTRINGS)
    assert unnamed.table.select("source", "locator").rows() == [("a", "m/y.py")]


def test_two_equal_functions_of_one_file_are_one_sample_at_the_first_line() -> None:
    table = collected({("a", "m.py"): "x = 1\n" + ONE + OTHER}, DOCSTRINGS).table
    assert table.select("line", "reference").rows() == [(2, "Give back the number one.")]


@pytest.mark.parametrize(
    ("locator", "is_test"),
    [
        ("numpy/tests/data.py", True),
        ("test/support.py", True),
        ("idlelib/idle_test/mock.py", True),
        ("pack/test_a.py", True),
        ("pack/a_test.py", True),
        ("conftest.py", True),
        ("pack/contest/latest.py", False),
        ("pack/testing.py", False),
        ("numpy/testing/utils.py", False),
    ],
)
def test_test_code_is_no_sample(locator: str, is_test: bool) -> None:
    outcome = collected({("a", locator): ONE}, DOCSTRINGS)
    assert outcome.dropped == ({"test code": 1} if is_test else {})
    assert pl.Series([locator]).str.contains(TEST_CODE).to_list() == [is_test]


def test_test_folders_matter_to_code_alone() -> None:
    text = "one two three four five six seven eight nine ten " * 3
    assert collected({("a", "tests/a.txt"): text}, TaskSettings("completion"), "text/plain").table.height == 1


@pytest.mark.parametrize(
    ("depth", "locator", "group"),
    [
        (1, "numpy/linalg/norm.py", "numpy"),
        (1, "argparse.py", "argparse"),
        (2, "numpy/linalg/norm.py", "numpy/linalg"),
        (9, "numpy/linalg/norm.py", "numpy/linalg/norm"),
        (1, "my.pack/a.py", "my.pack"),
        (1, "rows.jsonl#L12", "rows"),
        (1, ".hidden", ".hidden"),
        (0, "numpy/linalg/norm.py", "digest"),
    ],
)
def test_a_group_is_a_function_of_the_place(depth: int, locator: str, group: str) -> None:
    frame = pl.DataFrame({"locator": [locator], "content_digest": ["digest"]})
    assert frame.select(group_of(depth).alias("group"))["group"].to_list() == [group]


def test_a_user_is_a_group_over_all_conversations() -> None:
    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    other = [{"role": "user", "content": "bye"}]
    files = {("c", "a#L1"): as_json({"messages": turns, "user": "ann"}), ("c", "a#L2"): as_json(other)}
    table = collected(files, TaskSettings("chat"), CHAT).table
    digest = corpus(files, CHAT).filter(locator="a#L2")["content_digest"].item()
    assert dict(table.select("locator", "group").iter_rows()) == {"a#L1": "ann", "a#L2": digest}


def test_failed_contents_are_counted_by_reason() -> None:
    outcome = collected({("a", "a.py"): "print 1", ("a", "b.py"): "def f(:", ("a", "c.py"): TWO}, DOCSTRINGS)
    assert outcome.failed == {"not Python 3": 2}
    assert outcome.table["slice"].sort().to_list() == ["return_annotation", "undocumented"]


def test_evidence_of_contents_that_are_gone_is_passed_over() -> None:
    table = corpus({("a", "a.py"): ONE, ("a", "b.py"): TWO})
    outcome = collect_samples(table.filter(locator="a.py"), evidence(table, DOCSTRINGS), DOCSTRINGS)
    assert outcome.table["locator"].to_list() == ["a.py"]


def test_an_empty_corpus_has_no_samples() -> None:
    outcome = collected({}, DOCSTRINGS)
    assert outcome.table.schema == SAMPLES
    assert (outcome.table.height, outcome.dropped, outcome.failed) == (0, {}, {})


_FUNCTIONS = st.sampled_from([ONE, OTHER, TWO, "def three(x):\n    pass\n", "def _four(x):\n    return 4\n"])
_FILES = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["p/a.py", "p/tests/a.py", "q.py", "q/b.py"])),
    st.lists(_FUNCTIONS, min_size=1, max_size=4).map("".join) | st.just("print 1"),
)


@given(_FILES, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_books_add_up_and_no_order_matters(files: dict[tuple[str, str], str], random: object) -> None:
    table = corpus(files).unique("content_digest", keep="first", maintain_order=True)
    facts = evidence(table, DOCSTRINGS)
    outcome = collect_samples(table, facts, DOCSTRINGS, ("b", "a"))
    found = facts["samples"].list.len().sum() + facts["error"].count()
    assert outcome.table.height + sum(outcome.dropped.values()) + sum(outcome.failed.values()) == found
    assert outcome.table["sample_id"].is_unique().all()
    seed = random.randint(0, 9)  # type: ignore[attr-defined]
    shuffled = collect_samples(
        table.sample(fraction=1, shuffle=True, seed=seed),
        facts.sample(fraction=1, shuffle=True, seed=seed + 1),
        DOCSTRINGS,
        ("b", "a"),
    )
    assert shuffled.table.equals(outcome.table)


@given(st.lists(_FUNCTIONS | st.just("print 1") | st.just(""), max_size=6), st.integers(0, 6))
def test_extraction_does_not_depend_on_batches(texts: list[str], cut: int) -> None:
    whole = extract_samples(contents(texts), DOCSTRINGS).to_pylist()
    parts = [extract_samples(contents(part), DOCSTRINGS).to_pylist() for part in (texts[:cut], texts[cut:])]
    assert parts[0] + parts[1] == whole
    assert [row["content_digest"] for row in whole] == contents(texts)["content_digest"].to_pylist()

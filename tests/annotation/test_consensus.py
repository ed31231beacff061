"""The consensus finds truth and carelessness that were planted, and depends on nothing else."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import annotation.consensus as consensus_module
from annotation.consensus import dawid_skene

PEOPLE = {"careful": 0.95, "fair": 0.8, "also fair": 0.8, "careless": 0.4}
VALUES = ("a", "b", "tie")

votes = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from(list(PEOPLE)), st.sampled_from(VALUES)),
    max_size=40,
    unique_by=lambda vote: vote[:2],
)


def frame(rows: list[tuple[int, str, str]]) -> pl.DataFrame:
    named = [(f"task {task}", annotator, value) for task, annotator, value in rows]
    return pl.DataFrame(
        named, schema={"task_digest": pl.String, "annotator": pl.String, "value": pl.String}, orient="row"
    )


def planted(tasks: int) -> tuple[pl.DataFrame, list[str]]:
    """Answers of people who are right as often as `PEOPLE` says, and the truth."""
    rng = np.random.default_rng(7)
    truth = [VALUES[number] for number in rng.integers(3, size=tasks)]
    rows = []
    for task, right in enumerate(truth):
        for person, share in PEOPLE.items():
            others = [value for value in VALUES if value != right]
            rows.append((task, person, right if rng.random() < share else others[rng.integers(2)]))
    return frame(rows), truth


def test_planted_truth_and_planted_accuracies_are_recovered() -> None:
    answers, truth = planted(400)
    consensus, accuracies = dawid_skene(answers)
    right = dict(zip((f"task {number}" for number in range(400)), truth, strict=True))
    found = dict(consensus.select("task_digest", "value").iter_rows())
    share = sum(found[task] == value for task, value in right.items()) / 400
    assert share > 0.94
    for person, accuracy in accuracies.iter_rows():
        assert accuracy == pytest.approx(PEOPLE[person], abs=0.06)
    certain = consensus.filter(pl.col("confidence") > 0.9)
    hits = sum(found[task] == right[task] for task in certain["task_digest"]) / certain.height
    assert hits > 0.95


def test_a_careful_annotator_outweighs_two_careless_ones() -> None:
    rows = [(task, person, "a") for task in range(30) for person in ("one", "two", "three")]
    rows += [(task, "noise", VALUES[task % 3]) for task in range(30)]
    rows += [(task, "more noise", VALUES[(task + 1) % 3]) for task in range(30)]
    rows += [(99, "one", "a"), (99, "noise", "b"), (99, "more noise", "b")]
    consensus, _ = dawid_skene(frame(rows))
    assert consensus.filter(task_digest="task 99")["value"][0] == "a"


def test_one_answer_is_believed_but_not_certain() -> None:
    consensus, _ = dawid_skene(frame([(0, "ann", "a"), (1, "ann", "b")]))
    assert consensus["value"].to_list() == ["a", "b"]
    assert all(0.5 < confidence < 0.95 for confidence in consensus["confidence"])


@given(votes, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_order_of_answers_means_nothing(rows: list[tuple[int, str, str]], shuffler: object) -> None:
    mixed = list(rows)
    shuffler.shuffle(mixed)  # type: ignore[attr-defined]
    first, second = dawid_skene(frame(rows)), dawid_skene(frame(mixed))
    assert first[0].equals(second[0]) and first[1].equals(second[1])
    assert first[0].height == len({task for task, _, _ in rows})
    assert first[0]["confidence"].is_between(0, 1).all()


@given(votes)
@settings(max_examples=60)
def test_unanimous_tasks_keep_their_value(rows: list[tuple[int, str, str]]) -> None:
    same = [(task, person, VALUES[task % 3]) for task, person, _ in rows]
    consensus, _ = dawid_skene(frame(same))
    assert all(
        value == VALUES[int(task.split()[1]) % 3] for task, value in consensus.select("task_digest", "value").rows()
    )


def test_published_estimates_are_found_when_nothing_is_supposed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five anaesthetists on the fitness of 45 patients; the first saw each three times (Dawid and Skene 1979, tables 1 and 2)."""
    monkeypatch.setattr(consensus_module, "PRIOR_ANSWERS", 1e-6)
    rows = [
        (patient, f"observer {observer}", said)
        for patient, line in enumerate(ANAESTHETISTS.split("\n"))
        for observer, cell in enumerate(line.split(), 1)
        for said in cell
    ]
    answers = frame(rows)
    assert (len({patient for patient, _, _ in rows}), answers.height) == (45, 45 * 7)
    consensus, _ = dawid_skene(answers)
    assert dict(consensus["value"].value_counts().iter_rows()) == {"1": 18, "2": 19, "3": 5, "4": 3}
    numbers = [consensus_module._numbered(answers[name])[1] for name in ("task_digest", "annotator", "value")]
    truth, errors = consensus_module._estimate(*numbers, (45, 5, 4))
    assert truth.mean(axis=0) == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    published = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert np.abs(errors[0] - np.array(published)).max() < 0.006


ANAESTHETISTS = """111 1 1 1 1
333 4 3 3 4
112 2 1 2 2
222 3 1 2 1
222 3 2 2 2
222 3 3 2 2
122 2 1 1 1
333 3 4 3 3
222 2 2 2 3
232 2 2 2 3
444 4 4 4 4
222 3 3 4 3
111 1 1 1 1
222 3 2 1 2
121 1 1 1 1
111 2 1 1 1
111 1 1 1 1
111 1 1 1 1
222 2 2 2 1
222 1 3 2 2
222 2 2 2 2
222 2 2 2 1
222 3 2 2 2
221 2 2 2 2
111 1 1 1 1
111 1 1 1 1
232 2 2 2 2
111 1 1 1 1
111 1 1 1 1
112 1 1 2 1
111 1 1 1 1
333 3 2 3 3
111 1 1 1 1
222 2 2 2 2
222 3 2 3 2
433 4 3 4 3
221 2 2 3 2
232 3 2 3 3
333 3 4 3 2
111 1 1 1 1
111 1 1 1 1
121 2 1 1 1
232 2 2 2 2
121 1 1 1 1
222 2 2 2 2"""

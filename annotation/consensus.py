"""What several annotators mean together: the estimate of Dawid and Skene (1979), with its confidence.

A majority counts a careless annotator like a careful one. Here each annotator has a table of errors (what was said when
something else was true), and truth and errors are estimated in turn until neither moves (expectation maximisation, section 3
of the paper). With few answers per person the tables would be certain of anything, so each annotator begins as one who
was right in `PRIOR_ACCURACY` of `PRIOR_ANSWERS` answers to each value. Computed here because the library crowd-kit brings
scikit-learn, nltk and transformers for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PRIOR_ANSWERS = 4.0
PRIOR_ACCURACY = 0.75
MAX_ROUNDS = 500
TOLERANCE = 1e-9

CONSENSUS = {"task_digest": pl.String, "value": pl.String, "confidence": pl.Float64, "people": pl.Int64}
"""One row per task: the most probable value, its probability, and how many annotators judged."""

ACCURACIES = {"annotator": pl.String, "accuracy": pl.Float64}
"""One row per annotator: the estimated share of right answers."""


def dawid_skene(answers: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tables `CONSENSUS` and `ACCURACIES` of answers (task_digest, annotator, value): one per annotator and task."""
    if answers.is_empty():
        return pl.DataFrame(schema=CONSENSUS), pl.DataFrame(schema=ACCURACIES)
    ordered = answers.sort("task_digest", "annotator")
    tasks, task = _numbered(ordered["task_digest"])
    people, person = _numbered(ordered["annotator"])
    values, value = _numbered(ordered["value"])
    truth, errors = _estimate(task, person, value, (len(tasks), len(people), len(values)))
    best = truth.argmax(axis=1)
    consensus = {
        "task_digest": tasks,
        "value": [values[number] for number in best],
        "confidence": truth.max(axis=1).round(9),
        "people": np.bincount(task),
    }
    right = np.einsum("kk,jkk->j", np.diag(truth.mean(axis=0)), errors)
    accuracies = {"annotator": people, "accuracy": right.round(9)}
    return pl.DataFrame(consensus, schema=CONSENSUS), pl.DataFrame(accuracies, schema=ACCURACIES)


def _numbered(names: pl.Series) -> tuple[list[str], Integers]:
    distinct = sorted(names.unique())
    return distinct, names.replace_strict(distinct, list(range(len(distinct))), return_dtype=pl.Int64).to_numpy()


def _estimate(task: Integers, person: Integers, value: Integers, shape: tuple[int, int, int]) -> tuple[Floats, Floats]:
    """(tasks, values) the probability of each value, and (people, true value, said value) each person's errors."""
    n_tasks, n_people, n_values = shape
    truth = np.zeros((n_tasks, n_values))
    np.add.at(truth, (task, value), 1.0)
    truth /= truth.sum(axis=1, keepdims=True)
    for _ in range(MAX_ROUNDS):
        errors = np.tile(_prior(n_values), (n_people, 1, 1))
        np.add.at(errors.transpose(0, 2, 1), (person, value), truth[task])
        errors /= errors.sum(axis=2, keepdims=True)
        share = (truth.sum(axis=0) + 1) / (n_tasks + n_values)
        logs = np.tile(np.log(share), (n_tasks, 1))
        np.add.at(logs, task, np.log(errors[person, :, value]))
        logs -= logs.max(axis=1, keepdims=True)
        before, truth = truth, np.exp(logs)
        truth /= truth.sum(axis=1, keepdims=True)
        if np.abs(truth - before).max() < TOLERANCE:
            break
    return truth, errors


def _prior(n_values: int) -> Floats:
    """(true value, said value): the answers that every annotator is held to have given before the first."""
    if n_values == 1:
        return np.full((1, 1), PRIOR_ANSWERS)
    wrong = (1 - PRIOR_ACCURACY) / (n_values - 1)
    return PRIOR_ANSWERS * (np.full((n_values, n_values), wrong) + np.eye(n_values) * (PRIOR_ACCURACY - wrong))

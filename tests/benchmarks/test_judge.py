import numpy as np
import pytest

from benchmarks.deduplication.judge import Answer, Pairs, judge
from benchmarks.deduplication.truth import shared, similar_pairs

TRUTH = Pairs(np.array([[0, 1], [2, 3], [4, 5], [6, 7]], np.int32), np.array([0.9, 0.82, 0.75, 1.0]))


def answer(removed, kept):
    return Answer(np.array(removed, np.int64), np.array(kept, np.int64))


def test_recall_counts_pairs_that_are_not_both_kept():
    found = judge(9, TRUTH, answer([1, 7], [0, 6]))
    assert found.recall == pytest.approx(2 / 3)
    assert (found.recall_by_bin["0.90"], found.recall_by_bin["0.80"], found.recall_by_bin["1.00"]) == (1, 0, 1)
    assert (found.precision_80, found.named_80) == (1, 1)


def test_a_removal_without_a_kept_twin_is_a_wrong_one():
    found = judge(9, TRUTH, answer([1, 5, 6, 7, 8], [0, 4, -1, -1, 0]))
    assert found.precision_80 == pytest.approx(1 / 5)  # 6 and 7 are alike, but neither stays
    assert found.precision_70 == pytest.approx(2 / 5)
    assert found.named_80 == pytest.approx(1 / 3)


@pytest.mark.long
def test_the_truth_is_that_of_all_pairs():
    draw = np.random.default_rng(1)
    sets = [np.unique(draw.integers(0, 12, 9)).astype(np.uint64) << np.uint64(58) for _ in range(60)]
    found = similar_pairs(shared(list(sets), np.array([len(own) for own in sets], np.int64)), 0.6)
    wanted = {
        (a, b): len(np.intersect1d(sets[a], sets[b])) / len(np.union1d(sets[a], sets[b]))
        for a in range(60)
        for b in range(a + 1, 60)
    }
    wanted = {pair: similar for pair, similar in wanted.items() if similar >= 0.6}
    assert dict(zip(map(tuple, found.documents.tolist()), found.jaccard.tolist(), strict=True)) == pytest.approx(wanted)
    assert wanted

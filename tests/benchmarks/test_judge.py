import numpy as np
import polars as pl
import pytest

from benchmarks.deduplication.__main__ import row
from benchmarks.deduplication.corpus import Corpus
from benchmarks.deduplication.judge import EDGES, Answer, Judgement, Pairs, Share, judge
from benchmarks.deduplication.truth import shared, similar_pairs
from benchmarks.measuring import Cost

TRUTH = Pairs(np.array([[0, 1], [2, 3], [4, 5], [6, 7]], np.int32), np.array([0.9, 0.82, 0.75, 1.0]))


def answer(removed, kept):
    return Answer(np.array(removed, np.int64), np.array(kept, np.int64))


def test_recall_counts_pairs_that_are_not_both_kept():
    found = judge(9, TRUTH, answer([1, 7], [0, 6]))
    assert found.recall == (2, 3)
    assert [found.recall_by_bin[edge] for edge in ("0.90", "0.80", "1.00")] == [(1, 1), (0, 1), (1, 1)]
    assert (found.precision_80, found.named_80) == ((2, 2), (2, 2))


def test_a_removal_without_a_kept_twin_is_a_wrong_one():
    found = judge(9, TRUTH, answer([1, 5, 6, 7, 8], [0, 4, -1, -1, 0]))
    assert found.precision_80 == (1, 5)  # 6 and 7 are alike, but neither stays
    assert found.precision_70 == (2, 5)
    assert found.named_80 == (1, 3)


def test_a_line_of_the_table_tells_two_wrong_removals_of_many(tmp_path):
    found = Judgement(45_513, Share(0, 0), {f"{edge:.2f}": Share(1, 2) for edge in EDGES}, *[Share(45_511, 45_513)] * 3)
    cost = Cost(wall=1.0, cpu=1.0, peak=1)
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "corpus.parquet")
    line = row("a tool", Corpus(tmp_path / "corpus.parquet", 1, 1), cost, cost, found)
    assert line.count(" 1.0000 (45,511 of 45,513) ") == 3 and " nan (0 of 0) " in line and line.count(" 0.5000 ") == 9


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

"""Other thresholds tried: what is told is what a run under them would do."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.gopher import GopherRules
from curation.quality import SIGNALS
from curation.rule_sets import Rules, RuleSet
from curation.verdicts import decide
from curation.whatif import changed, compare

GOPHER = (RuleSet(gopher=GopherRules()),)
PASSING = {"mean_word_length": 5.0, "alpha_word_share": 1.0, "stop_words": 8}
WORDS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 120)), max_size=20)


def limits(rules: Rules) -> GopherRules:
    (only,) = (one.gopher for one in rules if one.gopher is not None)
    return only


def tables(rows: list[tuple[str, int]]) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, pl.DataFrame]]:
    """Documents, duplicates and evidence of documents with a source and a number of words; every fifth is a copy."""
    names = [f"{number:032x}" for number in range(len(rows))]
    documents = pl.DataFrame(
        {"doc_id": names, "content_digest": names, "source": [source for source, _ in rows], "locator": names},
        schema=dict.fromkeys(("doc_id", "content_digest", "source", "locator"), pl.String),
    )
    copies = [{"doc_id": name, "kept_id": names[0], "kind": "near", "jaccard": 0.9} for name in names[1::5]]
    duplicates = pl.DataFrame(
        copies, schema={"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float32}
    )
    counts = [words for _, words in rows]
    signals = dict.fromkeys(SIGNALS, 0) | PASSING
    quality = pl.DataFrame({"content_digest": names}, schema={"content_digest": pl.String}).with_columns(
        **{name: pl.lit(value) for name, value in signals.items()}
    )
    quality = quality.with_columns(
        **{
            name: pl.Series(values, dtype=pl.Int64)
            for name, values in {
                "n_words": counts,
                "n_plain_words": counts,
                "n_chars": [5 * words for words in counts],
            }.items()
        }
    )
    return documents, duplicates, {"quality": quality}


@settings(deadline=None, max_examples=40)
@given(WORDS, st.integers(1, 120), st.integers(1, 120), st.integers(1, 25))
def test_what_is_told_is_what_a_run_would_do(rows, now, then, block_rows):
    documents, duplicates, evidence = tables(rows)
    rules = [(RuleSet(gopher=GopherRules(min_words=words)),) for words in (now, then)]
    found = compare(documents, duplicates, evidence, *rules, examples=len(rows), block_rows=block_rows)
    few = compare(documents, duplicates, evidence, *rules, examples=2)
    assert few.sources.equals(found.sources)
    assert few.moved.rows() == sorted(
        row for comes in (True, False) for row in found.moved.filter(comes=comes).head(2).rows()
    )
    kept = [set(decide(documents, duplicates, evidence, each).table.filter(verdict="kept")["doc_id"]) for each in rules]
    assert set(found.moved.filter(comes=True)["doc_id"]) == kept[1] - kept[0]
    assert set(found.moved.filter(comes=False)["doc_id"]) == kept[0] - kept[1]
    words = {f"{number:032x}": words for number, (_, words) in enumerate(rows)}
    for row in found.sources.iter_rows(named=True):
        own = {f"{number:032x}" for number, (source, _) in enumerate(rows) if source == row["source"]}
        assert (row["kept_now"], row["kept_then"]) == (len(own & kept[0]), len(own & kept[1]))
        come, go = own & (kept[1] - kept[0]), own & (kept[0] - kept[1])
        assert (row["comes_documents"], row["goes_documents"]) == (len(come), len(go))
        assert row["comes_words"] == sum(words[name] for name in come)
        assert row["goes_tokens"] == sum(5 * words[name] for name in go) // 4
    assert found.moved["rule"].null_count() == 0


def test_changes_are_made_to_what_is_named():
    assert limits(changed(GOPHER, ["gopher.min_words=30"])) == GopherRules(min_words=30)
    assert limits(changed((), ["gopher.min_words=30", "gopher.max_words=40"])) == GopherRules(
        min_words=30, max_words=40
    )
    assert changed(GOPHER, ["c4"])[1].c4 is not None
    assert changed(GOPHER, ["gopher"]) == GOPHER
    assert changed(GOPHER, ["gopher=none"]) == ()
    german = RuleSet(gopher=GopherRules(), languages=("de",))
    both = changed((*GOPHER, german), ["gopher.min_words=7"])
    assert [one.gopher and one.gopher.min_words for one in both] == [7, 7]
    assert both[1].languages == ("de",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("gophr.min_words=3", "there is no rule set 'gophr'; there are gopher"),
        ("gopher.min_wrds=3", "gopher has no threshold 'min_wrds'; it has min_words"),
        ("gopher.min_words=few", "gopher.min_words=few: "),
        ("gopher.min_words=[", "is no value"),
        ("gopher.min_words", "gopher.min_words: "),
        ("gopher=3", "say which threshold"),
        ("", "there is no rule set ''"),
    ],
)
def test_a_change_that_cannot_be_says_what_there_is(change, said):
    with pytest.raises(ValueError) as told:
        changed(GOPHER, [change])
    assert said in str(told.value)


def test_evidence_that_is_missing_is_named():
    documents, duplicates, evidence = tables([("a", 3)])
    with pytest.raises(ValueError, match=r"contamination.max_share decides on contamination, which is not measured"):
        compare(documents, duplicates, evidence, (), changed((), ["contamination"]))

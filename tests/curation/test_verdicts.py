"""Verdicts: the first rule that decides and all that fail, against a plain reading of the same evidence."""

from __future__ import annotations

import dataclasses

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from curation.c4 import C4Rules
from curation.gopher import GopherRules
from curation.quality import SIGNALS, QualitySettings, quality
from curation.verdicts import VERDICTS, Rules, RuleSet, decide

GOPHER, C4 = RuleSet(gopher=GopherRules()), RuleSet(c4=C4Rules())
PROSE = "The old mill by the river had been closed for years, and nobody knew who held the key to it.\n"
TEXTS = {
    "prose": "\n".join(f"{number}. {PROSE}" for number in range(8)),
    "short": "Just a few words of text.",
    "code": "\n".join(f"value_{n} = {{'key_{n}': {n}}}" for n in range(60)),
    "blank": " \n\t",
    "list": "\n".join(f"- entry number {n} of the list and that" for n in range(30)),
}


class Config(BaseModel):
    """As the workspace's settings hold it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rules: Rules = Rules()


def evidence(names: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Documents d0, d1, … with these contents, and the quality of the contents."""
    documents = pl.DataFrame(
        {"doc_id": [f"d{n}" for n in range(len(names))], "content_digest": names},
        schema={"doc_id": pl.String, "content_digest": pl.String},
    )
    contents = pa.RecordBatch.from_pydict({"content_digest": list(TEXTS), "text": list(TEXTS.values())})
    return documents, pl.DataFrame(pl.from_arrow(quality(contents, QualitySettings())))


def duplicates(**kept: str) -> pl.DataFrame:
    rows = [(doc_id, kept_id, "near", 0.875) for doc_id, kept_id in kept.items()]
    return pl.DataFrame(
        rows, schema={"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float64}, orient="row"
    )


def verdict_of(outcome, doc_id: str) -> dict:
    return outcome.table.row(by_predicate=pl.col("doc_id") == doc_id, named=True)


def test_without_rules_only_empty_and_duplicate_documents_go():
    documents, signals = evidence(["prose", "short", "blank", "code"])
    outcome = decide(documents, duplicates(d3="d0"), signals, Rules())
    assert outcome.table.schema == VERDICTS
    assert outcome.table.select("doc_id", "verdict", "stage", "rule").rows() == [
        ("d0", "kept", None, None),
        ("d1", "kept", None, None),
        ("d2", "dropped", "documents", "empty"),
        ("d3", "dropped", "duplicates", "duplicate"),
    ]
    assert verdict_of(outcome, "d3")["detail"] == "near copy, jaccard 0.875, of d0"
    assert verdict_of(outcome, "d0")["detail"] is None
    assert (outcome.kept, outcome.dropped, outcome.failed) == (2, {"duplicate": 1, "empty": 1}, {})


def test_the_first_rule_decides_and_all_that_fail_are_named():
    documents, signals = evidence(["short", "prose", "code"])
    outcome = decide(documents, duplicates(), signals, Rules((GOPHER, C4)))
    short = verdict_of(outcome, "d0")
    assert (short["verdict"], short["stage"], short["rule"]) == ("dropped", "quality", "gopher.min_words")
    assert short["detail"] == "n_words 6 < 50"
    assert short["rules"] == ["gopher.min_words", "gopher.min_stop_words", "c4.min_sentences"]
    assert verdict_of(outcome, "d1")["verdict"] == "kept"
    assert verdict_of(outcome, "d1")["rules"] == []
    assert "c4.max_curly_brackets" in verdict_of(outcome, "d2")["rules"]
    assert outcome.notes["documents that fail each rule"]["c4.min_sentences"] == 2


def test_the_order_of_rule_sets_is_the_order_of_deciding():
    documents, signals = evidence(["short"])
    assert verdict_of(decide(documents, duplicates(), signals, Rules((C4, GOPHER))), "d0")["rule"] == "c4.min_sentences"
    assert verdict_of(decide(documents, duplicates(d0="d9"), signals, Rules((C4,))), "d0")["rules"] == [
        "duplicate",
        "c4.min_sentences",
    ]


def test_thresholds_of_one_s_own_and_their_bounds():
    documents, signals = evidence(["short"])
    six = RuleSet(gopher=GopherRules(min_words=6, min_stop_words=0))
    seven = RuleSet(gopher=GopherRules(min_words=7, min_stop_words=0))
    assert verdict_of(decide(documents, duplicates(), signals, Rules((six,))), "d0")["verdict"] == "kept"
    assert verdict_of(decide(documents, duplicates(), signals, Rules((seven,))), "d0")["detail"] == "n_words 6 < 7"


def test_shares_are_shown_with_their_threshold():
    documents, signals = evidence(["list"])
    table = decide(documents, duplicates(), signals, Rules((RuleSet(gopher=GopherRules(min_words=1)),))).table
    assert table["detail"].to_list() == ["bullet_line_share 1 > 0.9"]


def test_what_could_not_be_measured_has_failed():
    documents, signals = evidence(["prose", "short", "unknown", "blank"])
    signals = signals.with_columns(
        error=pl.when(pl.col("content_digest") == "short").then(pl.lit("ValueError: too odd"))
    )
    outcome = decide(documents, duplicates(d1="d0"), signals, Rules((GOPHER,)))
    assert outcome.failed == {"quality": 2}
    assert verdict_of(outcome, "d1")["verdict"] == "failed"
    assert (verdict_of(outcome, "d1")["detail"], verdict_of(outcome, "d1")["rule"]) == ("ValueError: too odd", None)
    assert verdict_of(outcome, "d2")["detail"] == "this content was not measured"
    assert verdict_of(outcome, "d3")["rule"] == "empty"


def test_no_documents():
    documents, signals = evidence([])
    outcome = decide(documents.lazy(), duplicates().lazy(), signals.lazy(), Rules((GOPHER,)))
    assert outcome.table.schema == VERDICTS
    assert (outcome.table.height, outcome.kept, outcome.dropped) == (0, 0, {})


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*TEXTS, "unknown"]), max_size=12),
    st.permutations([GOPHER, C4]),
    st.integers(0, 2),
    st.sets(st.integers(0, 11)),
)
def test_every_document_has_one_verdict_and_the_books_balance(names, sets, many, copies):
    documents, signals = evidence(names)
    rules = [rule for one in sets[:many] for rule in one.rules]
    copied = {f"d{n}" for n in copies if n < len(names)}
    outcome = decide(documents, duplicates(**dict.fromkeys(copied, "dx")), signals, Rules(tuple(sets[:many])))
    assert outcome.table["doc_id"].to_list() == documents["doc_id"].to_list()
    assert outcome.kept + sum(outcome.dropped.values()) + sum(outcome.failed.values()) == len(names)
    values = {row["content_digest"]: row for row in signals.to_dicts()}
    for row in outcome.table.to_dicts():
        if row["content_digest"] == "unknown":
            assert row["verdict"] == "failed"
            continue
        seen = values[row["content_digest"]]
        failing = ["empty"] * (seen["n_words"] == 0) + ["duplicate"] * (row["doc_id"] in copied)
        failing += [
            rule.name
            for rule in rules
            if (rule.least is not None and seen[rule.signal] < rule.least)
            or (rule.most is not None and seen[rule.signal] > rule.most)
        ]
        assert row["rules"] == failing
        assert row["rule"] == (failing[0] if failing else None)
        assert row["verdict"] == ("dropped" if failing else "kept")
        assert (row["detail"] is None) == (not failing)
        decided = next((rule for rule in rules if rule.name == row["rule"]), None)
        if decided:
            signal, value, sign, bound = row["detail"].split()
            assert (signal, float(value)) == (decided.signal, round(seen[decided.signal], 4))
            assert (sign, float(bound)) == (("<", decided.least) if decided.most is None else (">", decided.most))


@pytest.mark.parametrize("rule_set", [GOPHER, C4])
def test_every_rule_asks_for_a_signal_that_is_measured_and_has_its_own_setting(rule_set):
    chosen = rule_set.gopher or rule_set.c4
    assert {rule.signal for rule in rule_set.rules} <= set(SIGNALS)
    assert {rule.name.partition(".")[2] for rule in rule_set.rules} == {
        field.name for field in dataclasses.fields(chosen)
    }
    for rule in rule_set.rules:
        assert (rule.least is None) != (rule.most is None)
        assert (rule.least if rule.most is None else rule.most) == getattr(chosen, rule.name.partition(".")[2])


def test_what_headwater_yaml_may_say():
    assert Config.model_validate({}).rules == Rules()
    assert Config.model_validate({"rules": []}).rules == Rules()
    assert Config.model_validate({"rules": ["c4", "gopher"]}).rules == Rules((C4, GOPHER))
    assert Config.model_validate({"rules": [{"gopher": None}]}).rules == Rules((GOPHER,))
    own = Config.model_validate({"rules": [{"gopher": {"min_words": 30}}]}).rules
    assert own == Rules((RuleSet(gopher=GopherRules(min_words=30)),))
    assert Config.model_validate({"rules": own}).rules == own


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["goffer"], "no rule set 'goffer'"),
        ([{"goffer": {}}], "no rule set 'goffer'"),
        ([{"gopher": {"min_word": 30}}], "min_word"),
        ([{"gopher": {"min_words": "many"}}], "min_words"),
        ([{"gopher": {}, "c4": {}}], "names one set"),
        ([{}], "names one set"),
        ([3], "sets"),
        ("gopher", "rules"),
    ],
)
def test_a_wrong_entry_is_named(wrong, said):
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"rules": wrong})
    assert said in str(caught.value)


def test_a_wrong_threshold_is_named_by_its_path():
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"rules": ["c4", {"gopher": {"min_words": "many"}}]})
    assert [entry["loc"] for entry in caught.value.errors()] == [("rules", "sets", 1, "gopher", "min_words")]

"""Verdicts: the first rule that decides and all that fail, against a plain reading of the same evidence."""

from __future__ import annotations

import dataclasses
import operator

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from curation.c4 import C4Rules
from curation.gopher import GopherRules
from curation.quality import SIGNALS, QualitySettings, quality
from curation.rule_sets import SETS, Rules, RuleSet, evidence_of, rules_of
from curation.rules import EMPTY
from curation.verdicts import VERDICTS, decide, failing_rules

FAILS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
ANY_RUNS = {f"max_top_{n}gram_characters": 1.0 for n in (2, 3, 4)}
GOPHER, C4 = RuleSet(gopher=GopherRules()), RuleSet(c4=C4Rules())
PROSE = """The old mill by the river had been closed for years, and nobody knew who held the key to it.
Children told each other that a miller's ghost still turned its wheel on stormy evenings.
In spring, when water rose over both banks, planks would come loose and drift down to the bridge.
My grandmother collected some of them, dried them behind her stove, and built a bench.
We have sat on that bench with visitors from four countries.
One of those guests bought the building last autumn, after a long talk with the council.
Now there is light in three windows, and bread can be smelt from far away.
Whether the ghost minds, no one has been able to say."""
TEXTS = {
    "prose": PROSE,
    "short": "Just a few words of text.",
    "code": "\n".join(f"value_{n} = {{'key_{n}': {n}}}  # and so on." for n in range(60)),
    "blank": " \n\t",
    "list": "\n".join(f"- entry number {n} of the list and that" for n in range(30)),
}


class Config(BaseModel):
    """As the workspace's settings hold it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rules: Rules = ()


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
    outcome = decide(documents, duplicates(d3="d0"), {"quality": signals}, ())
    assert outcome.table.schema == VERDICTS
    assert outcome.table.select("doc_id", "verdict", "stage", "rule").rows() == [
        ("d0", "kept", None, None),
        ("d1", "kept", None, None),
        ("d2", "dropped", "quality", "empty"),
        ("d3", "dropped", "duplicates", "duplicate"),
    ]
    assert verdict_of(outcome, "d3")["detail"] == "near copy, jaccard 0.875, of d0"
    assert verdict_of(outcome, "d0")["detail"] is None
    assert (outcome.kept, outcome.dropped, outcome.failed) == (2, {"duplicate": 1, "empty": 1}, {})


@pytest.mark.parametrize("jaccard, told", [(1.0, "1.0"), (0.99996, "0.9999"), (6 / 7, "0.8571"), (0.875, "0.875")])
def test_a_copy_that_is_not_the_same_never_has_a_jaccard_of_one(jaccard: float, told: str):
    documents, signals = evidence(["prose", "code"])
    copies = duplicates(d1="d0").with_columns(jaccard=jaccard)
    said = verdict_of(decide(documents, copies, {"quality": signals}, ()), "d1")["detail"]
    assert said == f"near copy, jaccard {told}, of d0"


def test_the_first_rule_decides_and_all_that_fail_are_named():
    documents, signals = evidence(["short", "prose", "code"])
    outcome = decide(documents, duplicates(), {"quality": signals}, (GOPHER, C4))
    short = verdict_of(outcome, "d0")
    assert (short["verdict"], short["stage"], short["rule"]) == ("dropped", "quality", "gopher.min_words")
    assert short["detail"] == "n_plain_words 6 < 50"
    top = [f"gopher.max_top_{n}gram_characters" for n in (2, 3, 4)]
    assert short["rules"] == ["gopher.min_words", "gopher.min_stop_words", *top, "c4.min_sentences"]
    assert verdict_of(outcome, "d1")["verdict"] == "kept"
    assert verdict_of(outcome, "d1")["rules"] == []
    assert "c4.max_curly_brackets" in verdict_of(outcome, "d2")["rules"]
    assert outcome.notes["documents that fail each rule"]["c4.min_sentences"] == 1


def test_the_order_of_rule_sets_is_the_order_of_deciding():
    documents, signals = evidence(["short"])
    assert (
        verdict_of(decide(documents, duplicates(), {"quality": signals}, (C4, GOPHER)), "d0")["rule"]
        == "c4.min_sentences"
    )
    assert verdict_of(decide(documents, duplicates(d0="d9"), {"quality": signals}, (C4,)), "d0")["rules"] == [
        "duplicate",
        "c4.min_sentences",
    ]


def test_thresholds_of_one_s_own_and_their_bounds():
    documents, signals = evidence(["short"])
    six = RuleSet(gopher=GopherRules(min_words=6, min_stop_words=0, **ANY_RUNS))
    seven = RuleSet(gopher=GopherRules(min_words=7, min_stop_words=0, **ANY_RUNS))
    assert verdict_of(decide(documents, duplicates(), {"quality": signals}, (six,)), "d0")["verdict"] == "kept"
    assert (
        verdict_of(decide(documents, duplicates(), {"quality": signals}, (seven,)), "d0")["detail"]
        == "n_plain_words 6 < 7"
    )


def test_shares_are_shown_with_their_threshold():
    documents, signals = evidence(["list"])
    table = decide(documents, duplicates(), {"quality": signals}, (RuleSet(gopher=GopherRules(min_words=1)),)).table
    assert table["detail"].to_list() == ["bullet_line_share 1 > 0.9"]


def test_what_could_not_be_measured_has_failed():
    documents, signals = evidence(["prose", "short", "unknown", "blank"])
    signals = signals.with_columns(
        error=pl.when(pl.col("content_digest") == "short").then(pl.lit("ValueError: too odd"))
    )
    outcome = decide(documents, duplicates(d1="d0"), {"quality": signals}, (GOPHER,))
    assert outcome.failed == {"quality": 2}
    assert verdict_of(outcome, "d1")["verdict"] == "failed"
    assert (verdict_of(outcome, "d1")["detail"], verdict_of(outcome, "d1")["rule"]) == ("ValueError: too odd", None)
    assert verdict_of(outcome, "d2")["detail"] == "this content was not measured"
    assert verdict_of(outcome, "d3")["rule"] == "empty"


def test_no_documents():
    documents, signals = evidence([])
    outcome = decide(documents.lazy(), duplicates().lazy(), {"quality": signals.lazy()}, (GOPHER,))
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
    outcome = decide(documents, duplicates(**dict.fromkeys(copied, "dx")), {"quality": signals}, tuple(sets[:many]))
    assert outcome.table["doc_id"].to_list() == documents["doc_id"].to_list()
    assert outcome.kept + sum(outcome.dropped.values()) + sum(outcome.failed.values()) == len(names)
    values = {row["content_digest"]: row for row in signals.to_dicts()}
    for row in outcome.table.to_dicts():
        if row["content_digest"] == "unknown":
            assert row["verdict"] == "failed"
            continue
        seen = values[row["content_digest"]]
        failing = ["empty"] * (seen["n_words"] == 0) + ["duplicate"] * (row["doc_id"] in copied)
        failing += [rule.name for rule in rules if FAILS[rule.comparison](seen[rule.column], rule.threshold)]
        assert row["rules"] == failing
        assert row["rule"] == (failing[0] if failing else None)
        assert row["verdict"] == ("dropped" if failing else "kept")
        assert (row["detail"] is None) == (not failing)
        decided = next((rule for rule in rules if rule.name == row["rule"]), None)
        if decided:
            column, value, sign, bound = row["detail"].split()
            assert (column, sign, float(bound)) == (decided.column, decided.comparison, decided.threshold)
            assert float(value) == pytest.approx(seen[decided.column], rel=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_every_rule_asks_for_a_signal_that_is_measured_and_has_its_own_setting(name):
    (rule_set,) = Config.model_validate({"rules": [name]}).rules
    assert {rule.column for rule in rule_set.rules if rule.evidence == "quality"} <= set(SIGNALS)
    thresholds = {
        field.name: getattr(rule_set.thresholds, field.name) for field in dataclasses.fields(rule_set.thresholds)
    }
    assert {rule.name: rule.threshold for rule in rule_set.rules} == {
        f"{name}.{key}": at for key, at in thresholds.items() if at not in (None, ())
    }


LANGUAGES = pl.DataFrame({"content_digest": ["short", "prose", "list"], "language": ["de", "en", None]})


def test_a_rule_set_may_be_for_some_languages_and_for_all_but_some():
    documents, signals = evidence(["short", "prose", "list"])
    tables = {"quality": signals, "language": LANGUAGES}
    strict = GopherRules(min_words=100_000, max_words=10**9)

    def dropped(**languages):
        table = decide(documents, duplicates(), tables, (RuleSet(gopher=strict, **languages),)).table
        return table.filter(pl.col("rule") == "gopher.min_words")["content_digest"].to_list()

    assert dropped() == ["short", "prose", "list"]
    assert dropped(languages=("de", "fr")) == ["short"]
    assert dropped(except_languages=("de",)) == ["prose", "list"], "a language that is not known is none of those"


def test_one_rule_with_a_threshold_per_language_is_named_once():
    documents, signals = evidence(["short"])
    sets = (
        RuleSet(gopher=GopherRules(min_words=7, min_stop_words=0, **ANY_RUNS), languages=("de",)),
        RuleSet(gopher=GopherRules(min_words=9, min_stop_words=0, **ANY_RUNS), except_languages=("en",)),
    )
    row = verdict_of(decide(documents, duplicates(), {"quality": signals, "language": LANGUAGES}, sets), "d0")
    assert (row["rules"], row["detail"]) == (["gopher.min_words"], "n_plain_words 6 < 7")


def test_evidence_that_no_rule_needs_is_not_looked_at():
    documents, signals = evidence(["short"])
    failed = LANGUAGES.with_columns(error=pl.lit("ValueError: no"))
    assert decide(documents, duplicates(), {"quality": signals, "language": failed}, (C4,)).failed == {}
    german = (RuleSet(c4=C4Rules(), languages=("de",)),)
    assert decide(documents, duplicates(), {"quality": signals, "language": failed}, german).failed == {"language": 1}
    with pytest.raises(ValueError, match=r"the rule c4\.min_sentences decides on language, which is not measured here"):
        decide(documents, duplicates(), {"quality": signals, "language": None}, german)


def test_rules_are_data_and_name_the_evidence_they_need():
    assert rules_of(()) == (EMPTY,)
    assert evidence_of(rules_of((C4,))) == {"quality": ("n_words", "clean_sentences", "lorem_ipsums", "curly_brackets")}
    assert set(evidence_of(rules_of((RuleSet(c4=C4Rules(), languages=("de",)),)))) == {"quality", "language"}


def test_more_rules_than_a_number_has_bits():
    documents, signals = evidence(["short", "prose"])
    sets = (*[RuleSet(gopher=GopherRules(min_words=0, **ANY_RUNS))] * 10, RuleSet(c4=C4Rules(min_sentences=7)))
    outcome = decide(documents, duplicates(), {"quality": signals}, sets)
    assert verdict_of(outcome, "d0")["rules"] == ["gopher.min_stop_words", "c4.min_sentences"]
    assert verdict_of(outcome, "d1")["verdict"] == "kept"


def test_what_headwater_yaml_may_say():
    assert Config.model_validate({}).rules == ()
    assert Config.model_validate({"rules": []}).rules == ()
    assert Config.model_validate({"rules": ["c4", "gopher"]}).rules == (C4, GOPHER)
    assert Config.model_validate({"rules": [{"gopher": None}]}).rules == (GOPHER,)
    own = Config.model_validate({"rules": [{"gopher": {"min_words": 30}}]}).rules
    assert own == (RuleSet(gopher=GopherRules(min_words=30)),)
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
        ([{"gopher": {}, "languages": ["en"], "except_languages": ["de"]}], "not both"),
        ([3], "rules.0"),
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
    assert [entry["loc"] for entry in caught.value.errors()] == [("rules", 1, "gopher", "min_words")]


def test_failing_rules_are_counted_for_each_content_as_the_verdicts_name_them():
    documents, signals = evidence(list(TEXTS))
    rules = (GOPHER, C4)
    judged = decide(documents, duplicates(), {"quality": signals}, rules).table
    named = dict(judged.select("content_digest", pl.col("rules").list.len()).iter_rows())
    found = failing({"quality": signals}, rules)
    assert found == named and min(found.values()) == 0 < max(found.values())
    broken = signals.with_columns(error=pl.when(pl.col("content_digest") == "code").then(pl.lit("raised: boom")))
    assert failing({"quality": broken}, rules) == {**named, "code": None}
    with pytest.raises(ValueError, match="decides on quality, which is not measured here"):
        failing({}, rules)


def failing(tables: dict[str, pl.DataFrame], rules: Rules, rows: int = 100) -> dict[str, int]:
    return dict(pl.concat(failing_rules(tables, rules, rows)).iter_rows())


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from([*TEXTS, "unknown"]), max_size=30),
    st.sets(st.integers(0, 29)),
    st.sets(st.sampled_from([*TEXTS]), max_size=3),
    st.integers(1, 40),
)
def test_the_size_of_blocks_does_not_show(names, copies, broken, rows):
    """Tables larger than a block are parted on disk; many documents may have one content, and a table may have none."""
    documents, signals = evidence(names)
    signals = signals.with_columns(error=pl.when(pl.col("content_digest").is_in(broken)).then(pl.lit("raised: boom")))
    copied = duplicates(**{f"d{n}": "dx" for n in copies if n < len(names)})
    tables = {"quality": signals, "language": LANGUAGES}
    rules = (GOPHER, RuleSet(c4=C4Rules(), except_languages=("de",)))
    whole = decide(documents, copied, tables, rules)
    parted = decide(documents.lazy(), copied.lazy(), tables, rules, rows)
    assert parted.table.equals(whole.table)
    assert dataclasses.replace(parted, table=whole.table) == whole
    assert failing(tables, rules, rows) == failing(tables, rules)

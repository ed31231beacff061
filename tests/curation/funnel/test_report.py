"""The figures of the funnel against the tables they are counted from, whatever these hold."""

from __future__ import annotations

from collections import Counter
from importlib import import_module

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.funnel import FunnelSettings, Report, faults, funnel, report
from curation.funnel.copies import Copies, copies
from curation.funnel.examples import examples
from curation.funnel.overlaps import Overlaps
from curation.funnel.page import curation_page
from curation.funnel.signals import signals
from curation.rules import Rule
from tests.curation.funnel.tables import FAILED, ORDER, Content, Tables, contents, made

EXAMPLES = FunnelSettings(examples=2, characters=4)


def told(tables: Tables, options: FunnelSettings = EXAMPLES) -> Report:
    return report(*tables.all(), tables.evidence, tables.rules, ORDER, options)


def counted(table: pl.DataFrame, **where: object) -> Counter[object]:
    """Documents by source, of the rows that match."""
    rows = table.filter(**where).group_by("source").agg(pl.col("documents").sum())
    return Counter(dict(rows.iter_rows()))


@given(contents(), FAILED)
@settings(max_examples=60, deadline=None)
def test_what_is_told_is_what_the_tables_hold(found: list[Content], failed: list[tuple[str, str]]) -> None:
    tables = made(found, failed)
    whole = told(tables)
    books_are_those_of(tables, whole.table, found, failed)
    overlaps_are_those_of(tables, whole.overlaps)
    copies_are_those_of(tables, whole.copies)


def books_are_those_of(
    tables: Tables, table: pl.DataFrame, found: list[Content], failed: list[tuple[str, str]]
) -> None:
    """They balance for each source and step, and hold what the tables do."""
    assert faults(table, tables.corpus.height) == ""
    places = dict(tables.documents.select("doc_id", "source").iter_rows())
    read = Counter(places.values())
    unread = Counter(source for source, _ in failed)
    assert counted(table, step="reading", fate="in") == read + unread
    assert counted(table, step="reading", fate="kept") == +read
    assert counted(table, fate="kept", step="corpus") == Counter(tables.corpus["source"])
    of_rules = Counter(
        (places[row["doc_id"]], row["rule"]) for row in tables.verdicts.iter_rows(named=True) if row["rule"]
    )
    rows = table.filter((pl.col("fate") == "dropped") & (pl.col("step") != "corpus"))
    assert Counter({(row["source"], row["reason"]): row["documents"] for row in rows.iter_rows(named=True)}) == of_rules
    poison = sum(len(content.places) for content in found if not content.is_measured)
    assert sum(counted(table, step="measuring", fate="failed").values()) == poison
    for (_, _), own in table.filter(pl.col("fate").is_in(["in", "kept"])).group_by("source", "fate"):
        assert own.sort("place")["documents"].is_sorted(descending=True), "no step adds a document"


def overlaps_are_those_of(tables: Tables, overlaps: Overlaps) -> None:
    """They are those of the lists of failing rules."""
    lists = [set(rules) for rules in tables.verdicts["rules"].to_list() if rules]
    names = {name for rules in lists for name in rules}
    assert dict(overlaps.fails) == {name: sum(name in rules for rules in lists) for name in names}
    assert dict(overlaps.alone) == {name: count for name in names if (count := lists.count({name}))}
    assert dict(overlaps.together) == {
        (one, other): both
        for one in names
        for other in names - {one}
        if (both := sum({one, other} <= rules for rules in lists))
    }


def copies_are_those_of(tables: Tables, found: Copies) -> None:
    """Copies between sources are all that were removed for another."""
    places = dict(tables.documents.select("doc_id", "source").iter_rows())
    pairs = Counter(
        (places[one], places[kept]) for one, kept in tables.duplicates.select("doc_id", "kept_id").iter_rows()
    )
    assert dict(found.between) == dict(pairs)
    assert Counter(dict(found.documents)) == Counter(places.values())
    sizes = [group.removed for group in found.largest]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) <= EXAMPLES.examples


BLOCKS = ("copies", "examples", "overlaps", "report", "steps")


@given(contents(), FAILED, st.randoms(use_true_random=False), st.integers(1, 7))
@settings(max_examples=20, deadline=None)
def test_the_page_is_the_same_in_any_order_of_rows_and_any_size_of_blocks(
    found: list[Content], failed: list[tuple[str, str]], random: object, rows: int
) -> None:
    tables = made(found, failed)
    page = curation_page(told(tables))
    mixed = [frame.sample(fraction=1, shuffle=True, seed=random.randint(0, 99)) for frame in tables.all()]  # type: ignore[attr-defined]
    evidence = {name: frame.reverse() for name, frame in tables.evidence.items()}
    with pytest.MonkeyPatch.context() as patch:
        for module in BLOCKS:
            patch.setattr(import_module(f"curation.funnel.{module}"), "BLOCK_ROWS", rows)
        assert curation_page(report(*mixed, evidence, tables.rules, ORDER, EXAMPLES)) == page


def test_a_document_that_no_table_knows_is_missed_and_so_is_a_row_too_many() -> None:
    tables = made([Content(f"text {at}", ("web",), 60, 0.0) for at in range(3)], [])
    short = tables.verdicts.head(2)
    rows = funnel(tables.documents, tables.failures, short, tables.corpus, tables.evidence, tables.rules, ORDER)
    assert "1 documents of web are in no book at corpus" in faults(rows, 2)
    whole = funnel(*tables.all()[:2], tables.verdicts, tables.corpus, tables.evidence, tables.rules, ORDER)
    assert faults(whole, 3) == "" and "3 documents should stand in the corpus, which has 4" in faults(whole, 4)


def test_what_people_took_back_is_dropped_and_has_not_failed() -> None:
    found = told(made([], [("web", "taken back"), ("web", "malformed PDF"), ("mail", "taken back")]))
    assert counted(found.table, step="reading", fate="dropped", reason="taken back") == {"web": 1, "mail": 1}
    assert counted(found.table, step="reading", fate="failed") == {"web": 1} and faults(found.table, 0) == ""
    assert "<b>taken back</b> 2" in curation_page(found)


def test_why_a_kept_document_is_not_in_the_corpus() -> None:
    cut = [Content("gone", ("web",), 60, 0.0, cut="all"), Content("poison", ("mail",), 60, 0.0, cut="unknown")]
    table = told(made(cut, [])).table
    assert counted(table, step="corpus", fate="failed", reason="spans not measured") == {"mail": 1}
    assert counted(table, step="corpus", fate="dropped") == {"web": 1}


VALUES = st.lists(st.one_of(st.none(), st.floats(), st.floats(0, 1), st.integers(0, 10**6).map(float)), max_size=40)


@given(VALUES, st.sampled_from(["<", "<=", ">", ">="]), st.floats(-100, 10**6))
@settings(max_examples=150, deadline=None)
def test_every_finite_value_is_in_one_bin_and_those_that_fail_are_counted_as_failing(
    values: list[float | None], comparison: str, limit: float
) -> None:
    rule = Rule("own.limit", "own", "value", comparison, limit)  # type: ignore[arg-type]
    (signal,) = signals({"own": pl.DataFrame({"value": values}, schema={"value": pl.Float64})}, [rule])
    finite = [value for value in values if value is not None and abs(value) < float("inf")]
    fails = {"<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__}[comparison]
    assert signal.bins is not None and signal.without == values.count(None)
    assert signal.bins.failing.sum() == sum(fails(value, limit) for value in finite)
    assert (signal.bins.passing + signal.bins.failing).sum() == len(finite)


def test_a_signal_of_names_is_counted_by_name() -> None:
    rule = Rule("language.allowed", "language", "language", "not in", ("en",))
    (signal,) = signals({"language": pl.DataFrame({"language": ["de", "en", "en", None]})}, [rule])
    assert signal.names == {"en": 2, "de": 1} and signal.without == 1
    (other,) = signals({"language": pl.DataFrame({"content_digest": ["a"], "language": ["de"], "error": [None]})}, [])
    assert other.column == "language" and other.names == {"de": 1}, "also where no rule looks at it"


def test_examples_are_random_by_seed_and_stay_while_others_come() -> None:
    def drawn(count: int, seed: int) -> list[str]:
        tables = made([Content(f"text {at}", ("web",), 3, 0.0) for at in range(count)], [])
        found = examples(
            tables.documents, tables.verdicts, tables.duplicates, tables.evidence, tables.rules, 10, 99, seed
        )
        return [example.place for example in found["gopher.min_words"]]

    assert len(set(drawn(300, 0))) == 10 and drawn(300, 0) != drawn(300, 1)
    ranks = [int(place.removeprefix("web:").removesuffix(".txt")) for seed in range(30) for place in drawn(100, seed)]
    assert 35 < sum(ranks) / len(ranks) < 64, "from all over"
    stayed = [place for place in drawn(300, 0) if place in drawn(301, 0)]
    assert len(stayed) >= 9


def test_an_example_says_what_was_found_and_who_decided() -> None:
    longs = Content("a" * 30, ("web",), 3, 0.9)
    found = told(made([longs, Content("b", ("mail", "web"), 60, 0.0)], [("web", "malformed PDF")]))
    (short,) = found.examples["gopher.min_words"]
    assert (short.place, short.found, short.text, short.characters) == ("web:0.txt", "n_plain_words 3", "aaaa", 30)
    (repeats,) = found.examples["gopher.max_duplicate_lines"]
    assert repeats.decided == "gopher.min_words" and repeats.found == "duplicate_line_share 0.9"
    (copy,) = found.examples["duplicate"]
    assert copy.place == "mail:1.txt" and copy.found == "exact copy (Jaccard 1) of web:1.txt"
    assert found.unread == {"malformed PDF": [("web:web-0", "mend web-0")]}
    assert not told(made([longs], []), FunnelSettings(examples=0)).examples


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="no negative number"):
        FunnelSettings(examples=-1)


def test_the_text_with_the_most_copies_is_shown_as_text() -> None:
    page = curation_page(told(made([Content("<b>many</b>", ("web", "mail"), 60, 0.0)], [])))
    assert "The 1 texts with the most copies" in page and "stays for 1 others" in page
    assert "&lt;b&gt;" in page and "<b>many" not in page
    assert "1 of the 1 documents of mail are removed for one of web" in page


def test_of_a_large_group_the_least_similar_are_shown_and_all_with_their_personal_data_masked() -> None:
    found = [Content(f"text {at}", ("web",), 60, 0.0) for at in range(5)]
    tables = made(found, [])
    kept, *others = tables.documents["doc_id"]
    near = {
        "doc_id": others,
        "source": "web",
        "kept_id": [kept] * 4,
        "kept_source": "web",
        "kind": ["near"] * 4,
        "jaccard": [0.9, 0.81, 0.95, 0.85],
    }
    (group,) = copies(tables.documents, pl.DataFrame(near), None, ORDER, 10, 99).largest
    assert (group.removed, group.near, group.least, group.kept.text) == (4, 4, 0.81, "text 0")
    assert [(sample.text, sample.jaccard) for sample in group.samples] == [("text 2", 0.81), ("text 4", 0.85)]
    unknown = pl.DataFrame(schema={"content_digest": pl.String, "spans": tables.evidence["marks"].schema["spans"]})
    (hidden,) = copies(tables.documents, pl.DataFrame(near), unknown, ORDER, 10, 99).largest
    assert [member.text for member in (hidden.kept, *hidden.samples)] == ["", "", ""]

"""The report on a release: every row is counted by every fact, and what the rows say is text."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.mixture import MIX
from curation.release_facts import UNKNOWN, card_facts, facts, gaps, with_places
from curation.release_kinds import SPLITS
from curation.release_markdown import release_markdown
from curation.release_page import AGREEMENT, STEPS, ReleaseReport, release_page
from curation.releases import INSTRUCTIONS, PREFERENCES, PRETRAINING
from records import MESSAGES
from tests.test_pages import Seen

TEXT = pl.String()
EVIL = "<script>document.title = 'taken'</script><img src='http://127.0.0.1:9/x'>"


def turns(*said: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": each} for each in said]


def release(rows: list[tuple[str, str, str]], said: str = "ask") -> pl.DataFrame:
    """Instructions of sample_id, slice and split."""
    told = [(name, turns(said, "more"), f"answer {said}", part, "open", split) for name, part, split in rows]
    schema = {name: MESSAGES if name == "messages" else TEXT for name in INSTRUCTIONS}
    return pl.DataFrame(told, schema=schema, orient="row")


ROWS = st.dictionaries(
    st.integers(0, 30).map(lambda number: f"{number:032x}"),
    st.tuples(st.sampled_from(["qa", "chat"]), st.sampled_from(SPLITS)),
    min_size=1,
)


@given(ROWS, st.integers(0, 2), st.booleans())
@settings(max_examples=30, deadline=None)
def test_each_fact_counts_each_row_once(rows: dict[str, tuple[str, str]], modulus: int, is_known: bool) -> None:
    found = release([(name, *row) for name, row in rows.items()])
    names = [name for name in rows if int(name, 16) % 3 != modulus]
    samples = pl.DataFrame({"sample_id": names, "doc_id": names}, schema={"sample_id": TEXT, "doc_id": TEXT})
    documents = samples.select("doc_id", content_digest="doc_id", media_type=pl.lit("text/plain"))
    tables = {
        "samples": samples.with_columns(source=pl.lit("web"), locator=pl.lit("a.txt")),
        "documents": documents.with_columns(metadata=pl.lit('{"licence": "CC0-1.0"}')),
    }
    placed = with_places(found, tables if is_known else {})
    told = facts(placed)
    for (_, split), own in told.group_by("fact", "split"):
        assert own["rows"].sum() == found.filter(split=split).height
    licences = dict(told.filter(fact="licence").group_by("name").agg(pl.col("rows").sum()).iter_rows())
    known = len(names) if is_known else 0
    assert licences == {name: count for name, count in (("CC0-1.0", known), (UNKNOWN, len(rows) - known)) if count}
    assert set(placed["prompt_characters"]) == {7} and set(placed["answer_characters"]) == {10}
    said = gaps(placed, SPLITS)
    missing = {split for split in SPLITS if f"no rows in {split}" in said}
    assert missing == set(SPLITS) - {split for _, split in rows.values()}
    assert "the language of" in " ".join(said)
    page = release_page(ReleaseReport("instructions", "a" * 16, placed))
    assert f"{len(rows):,}" in page and "answer ask" in page


def test_text_of_the_rows_is_text_on_the_page() -> None:
    changes = pl.DataFrame({"change": ["added"], "reason": ["its document came"], "rows": [1]})
    placed = with_places(release([("0" * 32, EVIL, "train")], EVIL), {})
    page = release_page(ReleaseReport("instructions", "b" * 16, placed, "a" * 16, changes, ["rules is other"]))
    seen = Seen(page)
    assert not {"script", "img", "iframe", "object", "link"} & set(seen.tags)
    assert seen.words.count(EVIL) >= 3 and "its document came" in seen.words and "rules is other" in seen.words


def test_pairs_show_what_was_chosen_and_what_was_not() -> None:
    row = ("0" * 32, turns("ask"), turns("good answer"), turns("worse"), "qa", "t", "one", "two", "train")
    nested = ("prompt", "chosen", "rejected")
    schema = {name: MESSAGES if name in nested else TEXT for name in PREFERENCES}
    placed = with_places(pl.DataFrame([row], schema=schema, orient="row"), {})
    assert placed["answer_characters"].to_list() == [11]
    words = Seen(release_page(ReleaseReport("preferences", "a" * 16, placed))).words
    assert "chosengood answer" in words and "rejectedworse" in words


def test_markdown_has_the_figures_of_the_page_and_text_of_the_rows_is_no_markup() -> None:
    fenced = "a\n```\n# no heading <b>\n````"
    placed = with_places(release([("0" * 32, "a|b", "train"), ("1" * 32, "qa", "test")], fenced), {})
    steps = pl.DataFrame([("samples", "samples", 5, 3, 2, 0, "too long 2")], schema=STEPS, orient="row")
    agreement = pl.DataFrame([("answers", "preference", 9, 4, 0.61, 0.4, 0.8)], schema=AGREEMENT, orient="row")
    mix = pl.DataFrame([("web", 4, 40, 0.5, 0.25, 2, 20, 0.5)], schema=MIX, orient="row")
    changes = pl.DataFrame({"change": ["added"], "reason": ["its document came"], "rows": [1]})
    report = ReleaseReport(
        "instructions", "b" * 16, placed, "a" * 16, changes, ["rules is other"], None, steps, agreement, mix
    )
    text, words = release_markdown(report), Seen(release_page(report)).words
    for figure in (
        "0.61 (0.40 to 0.80)",
        "2 of 4",
        "50.0%",
        "too long 2",
        "its document came",
        "fewer than 30 test rows",
    ):
        assert figure in text and figure in words, figure
    assert "`````text\na\n```\n# no heading <b>\n````\n`````" in text and "a\\|b" in text
    assert "# Instructions bbbbbbbbbbbbbbbb" in text and f"Since {'a' * 16}" in text


def test_contents_are_reported_too() -> None:
    told = [(f"{at:032x}", f"{EVIL} {at}", "text/plain", "train") for at in range(3)]
    rows = pl.DataFrame(told, schema=dict.fromkeys(PRETRAINING, TEXT), orient="row")
    corpus = rows.select("content_digest", doc_id="content_digest", source=pl.lit("web"), locator=pl.lit("a.txt"))
    documents = corpus.select("doc_id", "content_digest", media_type=pl.lit("text/html"), metadata=pl.lit(None, TEXT))
    placed = with_places(rows, {"corpus": corpus, "documents": documents}, "pretraining")
    assert set(placed["source"]) == {"web"} and set(placed["media_type"]) == {"text/html"}
    report = ReleaseReport("pretraining", "a" * 16, placed)
    assert "web:a.txt" in release_markdown(report) and f"{EVIL} 0" in Seen(release_page(report)).words
    assert card_facts(placed) == {"sources": "web", "rows of unknown licence": "3 of 3"}

"""The report on a release: every row is counted by every fact, and what the rows say is text."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.release_facts import UNKNOWN, facts, gaps, with_places
from curation.release_page import ReleaseReport, release_page
from curation.releases import INSTRUCTIONS, PREFERENCES, SPLITS
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

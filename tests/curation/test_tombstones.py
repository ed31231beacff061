"""Tombstones know the text and its near copies again, reveal nothing, and lose no file from the books."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document_rows import DOCUMENTS, FAILURES
from curation.reading import failed_files
from curation.tombstones import FILE, TOMBSTONES, Piece, Refusing, obey, outdated, refused, tombstones_of
from records import content_digest, doc_id

KEY, OTHER_KEY = "a" * 64, "b" * 64


def prose(seed: int, words: int = 400) -> str:
    draw = random.Random(seed)
    known = ["".join(draw.choices("abcdefghij", k=6)) for _ in range(2000)]
    return " ".join(draw.choices(known, k=words))


def frame(*texts: str) -> pl.DataFrame:
    return pl.DataFrame({"content_digest": [content_digest(text) for text in texts], "text": list(texts)})


def stones(*texts: str, exact: bool = False, key: str = KEY) -> pl.DataFrame:
    return tombstones_of(key, "content", [content_digest(text) for text in texts], "why", [] if exact else list(texts))


@pytest.mark.parametrize("words", [6, 40, 400, 5000])
def test_near_copies_are_refused_and_others_are_not(words: int) -> None:
    text = prose(1, words)
    near = f"Once more:\n{text}  " if words > 30 else f"{text}\n"
    half = " ".join(text.split()[: words // 2]) + " " + prose(2, words // 2)
    found = refused(frame(near, half, prose(3, words), text), stones(text), KEY)
    assert set(found["content_digest"]) == {content_digest(near), content_digest(text)}
    assert set(found["reason"]) == {"why"}
    only = refused(frame(near, half, text), stones(text, exact=True), KEY)
    assert only["content_digest"].to_list() == [content_digest(text)]


def test_texts_without_words_are_near_to_nothing() -> None:
    assert stones("", "…!")["sketch"].null_count() == 2
    assert refused(frame("", "?!"), stones("…!"), KEY).is_empty()


def test_sketches_of_other_hashes_are_counted_and_never_compared_with() -> None:
    text = prose(1)
    made = stones(text, prose(2), "…!")
    older = made.with_columns(
        hashing=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("an earlier way")).otherwise("hashing")
    )
    before = made.with_columns(hashing=pl.lit(None, pl.String))
    near = frame(f"Once more: {text}", text, f"Once more: {prose(2)}")
    assert [outdated(table) for table in (made, older, before)] == [0, 1, 2]
    assert refused(near, made, KEY)["content_digest"].n_unique() == 3
    assert set(refused(near, older, KEY)["content_digest"]) == set(near["content_digest"][1:])
    assert refused(near, before, KEY)["content_digest"].to_list() == [content_digest(text)]


def test_the_table_says_nothing_without_the_key() -> None:
    text = prose(1)
    made, again = stones(text), stones(text, key=OTHER_KEY)
    assert refused(frame(text), made, OTHER_KEY).is_empty()
    assert not set(made["sketch"][0]) & set(again["sketch"][0]) and made["tombstone"][0] != again["tombstone"][0]
    assert content_digest(text) not in str(made.to_dicts())


def documents(files: dict[str, list[str]]) -> pl.DataFrame:
    """Each file's records as documents; a file of one is its own place."""
    rows = []
    for path, texts in files.items():
        for number, text in enumerate(texts):
            place = f"{path}#L{number}" if len(texts) > 1 else path
            row = {"doc_id": doc_id("web", place), "source": "web", "path": path, "bytes_digest": f"of {path}"}
            rows.append(row | {"locator": place, "text": text, "content_digest": content_digest(text)})
    return pl.DataFrame(rows, schema=pl.Schema(DOCUMENTS))


def whole(frame: pl.DataFrame) -> pl.DataFrame:
    """Writes nothing, and gives what would be written."""
    return frame


def rows(piece: Piece) -> pl.DataFrame:
    return documents({}) if piece.written is None else piece.written


FILES = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.sampled_from("uvwxyz"), min_size=1, max_size=4), max_size=4
)


@settings(max_examples=60)
@given(FILES, st.sets(st.sampled_from("uvwxyz")), st.sets(st.sampled_from("uvwxyz")), st.sets(st.sampled_from("abcd")))
def test_any_order_of_files_and_requests_gives_the_same_and_every_file_is_in_the_books(
    files: dict[str, list[str]], first: set[str], second: set[str], late: set[str]
) -> None:
    everything = documents(files)
    nothing = everything.head(0).select(FILE)
    some, all_stones = stones(*sorted(first), exact=True), stones(*sorted(first | second), exact=True)
    is_late = pl.col("path").is_in(sorted(late))

    at_once = Refusing(whole, all_stones, KEY)(everything)
    accounted = obey(None, [at_once], nothing, all_stones, KEY)

    early = Refusing(whole, some, KEY)(everything.filter(~is_late))
    one = obey(None, [early], nothing, some, KEY)
    later = Refusing(whole, all_stones, KEY)(everything.filter(is_late))
    two = obey(rows(early).lazy(), [later], nothing, all_stones, KEY)
    standing = pl.concat([rows(early).join(two.gone, on="doc_id", how="anti"), rows(later)])
    failures = pl.concat([one.failures, two.failures])

    assert set(standing["doc_id"]) == set(rows(at_once)["doc_id"])
    assert sorted(failures.rows()) == sorted(accounted.failures.rows())
    assert one.taken + two.taken == accounted.taken
    assert failures.is_empty() or failures.select("source", "locator").is_unique().all()
    assert dict(failures.schema) == dict(FAILURES)
    kept = standing["path"].n_unique()
    assert kept + sum(failed_files(failures).values()) == len(files)
    assert not set(standing["text"]) & (first | second)


def test_what_goes_with_its_file_is_not_counted_as_taken_back() -> None:
    standing = documents({"a": ["u"], "b": ["v", "w"]})
    obeyed = obey(standing.lazy(), [], standing.filter(path="a").select(FILE), stones("u", "v", exact=True), KEY)
    assert obeyed.failures["locator"].to_list() == ["b#L0"]
    assert set(obeyed.gone["doc_id"]) == {doc_id("web", "a"), doc_id("web", "b#L0")}


def test_the_schema_of_no_tombstones() -> None:
    assert stones().schema == TOMBSTONES

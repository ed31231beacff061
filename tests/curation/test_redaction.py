"""Cutting and placeholders: nothing marked stays, nothing else goes, and a number says nothing but who is who."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import records
from curation.redaction import PLACEHOLDER, rewrite, rewritten
from curation.spans import SPANS

TEXTS = st.text(alphabet=st.sampled_from("ab é字😀\n_1>"), max_size=30)
ENDS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=6)


def bytes_of(text: str, spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans of characters as spans of bytes."""
    return sorted((len(text[:start].encode()), len(text[:end].encode()), kind) for start, end, kind in spans)


def spans_in(text: str, ends: list[tuple[int, int]], kind: str) -> list[tuple[int, int, str]]:
    within = [(start, min(start + length, len(text)), kind) for start, length in ends if start < len(text)]
    return [span for span in within if span[0] < span[1]]


def of(text: str, *marked: tuple[str, str]) -> list[tuple[int, int, str]]:
    """Where each word stands, first to last, as spans of its kind."""
    found = []
    for word, kind in marked:
        at = text.find(word)
        while at >= 0:
            found.append((at, at + len(word), kind))
            at = text.find(word, at + 1)
    return bytes_of(text, found)


@given(TEXTS, ENDS, ENDS)
def test_what_is_not_marked_stays_in_order_and_nothing_marked_does(text, cut, personal):
    cuts, marks = spans_in(text, cut, "notice"), spans_in(text, personal, "email")
    new = rewrite(text, bytes_of(text, cuts), bytes_of(text, marks))
    taken = {place for start, end, _ in cuts + marks for place in range(start, end)}
    kept = "".join(letter for place, letter in enumerate(text) if place not in taken)
    assert PLACEHOLDER.sub("", new) == kept
    assert rewrite(text, bytes_of(text, cuts), []) == "".join(
        letter for place, letter in enumerate(text) if not any(start <= place < end for start, end, _ in cuts)
    )


def test_the_same_entity_has_the_same_placeholder_in_one_document_only():
    text = "Ann@x.org wrote to bob@x.org; bob@x.org to ann@X.org."
    marks = of(text, ("Ann@x.org", "email"), ("bob@x.org", "email"), ("ann@X.org", "email"))
    assert rewrite(text, [], marks) == "<EMAIL_1> wrote to <EMAIL_2>; <EMAIL_2> to <EMAIL_1>."
    other = "bob@x.org"
    assert rewrite(other, [], of(other, (other, "email"))) == "<EMAIL_1>"


def test_groups_may_be_set_apart_in_any_way_and_kinds_count_alone():
    text = "030 1234567, 030-1234567, 10.1.2.3, 10.12.3.1, 10.12.31"
    marks = of(text, ("030 1234567", "phone"), ("030-1234567", "phone"), ("10.1.2.3", "ip"), ("10.12.3.1", "ip"))
    assert rewrite(text, [], marks) == "<PHONE_1>, <PHONE_1>, <IP_1>, <IP_2>, 10.12.31"


def test_secrets_that_differ_in_case_are_two():
    assert rewrite("aB ab", [], of("aB ab", ("aB", "secret"), ("ab", "secret"))) == "<SECRET_1> <SECRET_2>"


def test_a_number_that_the_text_has_already_is_not_given_again():
    text = "<EMAIL_3> and <NATIONAL_ID_1> and x@y.org"
    assert rewrite(text, [], of(text, ("x@y.org", "email"))).endswith("<EMAIL_4>")


def test_numbers_follow_the_text_and_skip_what_is_cut():
    text = "one@x.org two@x.org"
    cut = of(text, ("one@x.org ", "notice"))
    assert rewrite(text, cut, of(text, ("one@x.org", "email"), ("two@x.org", "email"))) == "<EMAIL_1>"


@pytest.mark.parametrize("cut", [(0, 5), (5, 11), (3, 6)])
def test_no_part_of_an_address_stays_because_another_part_was_cut(cut):
    text = "ab@example.org!"
    assert rewrite(text, [(*cut, "notice")], [(0, 14, "email")]) == "<EMAIL_1>!"


def test_spans_of_another_text_are_refused():
    with pytest.raises(ValueError, match="measure it again"):
        rewrite("short", [(0, 9, "notice")], [])


def test_only_contents_with_spans_are_written_anew():
    texts = {"marked": "mail a@b.org", "plain": "nothing", "failed": "x"}
    contents = pl.DataFrame({"content_digest": list(texts), "text": list(texts.values())})
    spans = [[{"start": 5, "end": 12, "kind": "email"}], [], None]
    evidence = pl.DataFrame({"content_digest": list(texts), "spans": pl.Series(spans, dtype=SPANS)})
    new = "mail <EMAIL_1>"
    assert rewritten(contents, [], evidence).rows() == [("marked", new, records.content_digest(new))]
    assert rewritten(contents, [], None).is_empty()

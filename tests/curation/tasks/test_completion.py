"""The completion recipe: pieces that cover a text in order, within their limits, and cut between words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curation.tasks import TaskSettings
from curation.tasks.completion import pieces
from tests.curation.tasks.building import CHAT, RECORD, extracted

WORDS = st.text("abc é\u2003\n\t.", max_size=200) | st.text(max_size=60)


def test_a_short_text_is_one_piece_cut_between_words() -> None:
    settings = TaskSettings("completion", max_chars=30, reference_chars=30)
    (sample,) = extracted("one two three four five six seven eight", settings, "text/plain")
    assert sample["messages"] == [{"role": "user", "content": "one two three four"}]
    assert sample["reference"] == "five six seven eight"
    assert sample["slice"] == "completion"


def test_pieces_are_whole_paragraphs_and_know_their_line() -> None:
    paragraph = "alpha beta gamma delta epsilon zeta eta theta."
    text = f"{paragraph}\n\n{paragraph}\n \n{paragraph}\n"
    settings = TaskSettings("completion", max_chars=60, reference_chars=40)
    samples = extracted(text, settings, "text/plain")
    assert [sample["line"] for sample in samples] == [1, 5]
    assert [piece for _, piece in pieces(text, 100)] == [f"{paragraph}\n\n{paragraph}", paragraph]


def test_what_is_too_short_is_counted() -> None:
    (sample,) = extracted("Contents", TaskSettings("completion"), "text/plain")
    assert sample["dropped"] == "piece too short to cut"


def test_conversations_and_empty_texts_have_no_pieces() -> None:
    settings = TaskSettings("completion")
    assert extracted("[]", settings, CHAT) == extracted("{}", settings, RECORD) == []
    assert extracted(" \n\n", settings, "text/plain") == []


@given(WORDS, st.integers(1, 40))
def test_pieces_cover_the_text_in_order(text: str, size: int) -> None:
    found = list(pieces(text, size))
    assert all(0 < len(piece) <= size and text[start : start + len(piece)] == piece for start, piece in found)
    ends = [start + len(piece) for start, piece in found]
    begins = [start for start, _ in found]
    assert all(end <= begin for end, begin in zip(ends, begins[1:], strict=False))
    gaps = [text[left:right] for left, right in zip([0, *ends], [*begins, len(text)], strict=True)]
    assert not "".join(gaps).strip()


@given(WORDS, st.integers(5, 60), st.integers(5, 40))
def test_samples_keep_to_their_limits(text: str, prompt: int, reference: int) -> None:
    settings = TaskSettings("completion", max_chars=prompt, reference_chars=reference)
    for sample in extracted(text, settings, "text/plain"):
        if sample["dropped"] is None:
            assert 0 < len(sample["messages"][0]["content"]) <= prompt
            assert 0 < len(sample["reference"]) <= reference
            assert sample["reference"] in text
            assert sample["messages"][0]["content"] in text

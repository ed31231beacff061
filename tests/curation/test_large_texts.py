"""One text of a hundred megabytes, and one word a million times, in every measure."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curation.decontamination import MatchSettings, contamination
from curation.language import LanguageSettings, language
from curation.lines import lines
from curation.privacy import FindSettings, personal_data
from curation.quality import QualitySettings, quality
from curation.refinedweb import RefinedWebLines
from tests.curation.decontamination.test_contamination import ITEM, items_of
from tests.curation.language.sentences import SENTENCES

SIZE = 100_000_000
TIMES = 1_000_000
LINE = SENTENCES["en"]
LINES = SIZE // (len(LINE) + 8) + 1
WORDS = LINES * (len(LINE.split()) + 1) + len(ITEM.split()) + 1


@pytest.fixture(scope="module")
def large() -> pa.RecordBatch:
    """Lines of one sentence each, all different, an evaluation item and an address at the end."""
    end = f"{ITEM}\nann.lee@example.org\n"
    return batch("".join(f"{number:06} {LINE}\n" for number in range(LINES)) + end)


def batch(text: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"content_digest": ["a"], "text": pa.array([text], pa.large_string())})


def size_of(contents: pa.RecordBatch) -> int:
    return len(contents.column("text")[0].as_buffer())


def test_quality_of_a_hundred_megabytes(large):
    (row,) = quality(large, QualitySettings()).to_pylist()
    assert size_of(large) > SIZE
    assert (row["n_lines"], row["n_words"], row["n_chars"]) == (LINES + 2, WORDS, size_of(large))
    assert (row["duplicate_line_share"], row["clean_sentences"]) == (0, 2 * LINES)
    assert row["duplicate_10gram_char_share"] > 0.7


def test_language_of_a_hundred_megabytes(large):
    (row,) = language(large, LanguageSettings()).to_pylist()
    assert (row["language"], row["script"], row["script_share"]) == ("en", "Latin", 1)
    assert row["n_letters"] > 0.7 * SIZE


def test_lines_of_a_hundred_megabytes(large):
    (row,) = lines(large, RefinedWebLines()).to_pylist()
    assert row["n_words"] == WORDS
    assert [span["kind"] for span in row["spans"]] == ["refinedweb.one_word"]


def test_personal_data_in_a_hundred_megabytes(large):
    (row,) = personal_data(large, FindSettings()).to_pylist()
    assert (row["entities"], row["emails"]) == (1, 1)
    assert row["spans"][0]["end"] == size_of(large) - 1


def test_an_evaluation_item_in_a_hundred_megabytes(large):
    (row,) = contamination(large, items_of([ITEM]), MatchSettings()).to_pylist()
    (span,) = row["spans"]
    assert (row["share"], span["end"] - span["start"]) == (1, len(ITEM))


@pytest.mark.parametrize("piece", ["word ", "x", "слово ", "字", "ไทย", "\n", "e\u0301"])
def test_one_piece_a_million_times(piece):
    text = batch(piece * TIMES)
    (row,) = quality(text, QualitySettings()).to_pylist()
    assert row["n_chars"] == len(piece) * TIMES
    (counted,) = lines(text, RefinedWebLines()).to_pylist()
    assert counted["n_words"] == row["n_words"]
    (told,) = language(text, LanguageSettings()).to_pylist()
    assert (told["language"] == "und") == (piece == "\n")
    (found,) = personal_data(text, FindSettings()).to_pylist()
    (held,) = contamination(text, items_of([ITEM]), MatchSettings()).to_pylist()
    assert (found["entities"], held["share"], held["spans"]) == (0, 0, [])

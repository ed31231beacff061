"""Lines to cut, against a slow reading of the papers' words, on any Unicode; and what was cut is cut once."""

from __future__ import annotations

import json
import unicodedata

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.corpus import build_corpus
from curation.lines import LINES, LineSettings, line_cuts, lines
from curation.redaction import rewrite
from curation.refinedweb import ANYWHERE, COUNTERS, ENDS, STARTS, RefinedWebLines
from records import content_digest, doc_id
from tests.curation.plain_words import piece_length, words_of

PAPER = RefinedWebLines()
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def measured(*texts: str, wanted: RefinedWebLines = PAPER) -> list[dict]:
    batch = pa.RecordBatch.from_pydict({"content_digest": [content_digest(t) for t in texts], "text": list(texts)})
    found = pl.DataFrame(pl.from_arrow(lines(batch, wanted)))
    assert found.cast(LINES).schema == LINES
    assert found["content_digest"].to_list() == batch.column("content_digest").to_pylist()
    return found.to_dicts()


def spans(row: dict, paper: str = "") -> list[tuple[int, int, str]]:
    return [(span["start"], span["end"], span["kind"]) for span in row["spans"] if span["kind"].startswith(paper)]


def left(text: str, paper: str = "") -> str:
    (row,) = measured(text)
    return rewrite(text, spans(row, paper), [])


def kinds(text: str) -> list[str]:
    return [span["kind"] for span in measured(text)[0]["spans"]]


# The slow reading.


def is_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")


def parted(a: str, b: str) -> bool:
    return not (a and b and is_word(a) and is_word(b)) or any(char and piece_length(char) for char in (a, b))


def fold(text: str) -> str:
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def discarded(line: str) -> str | None:
    solid = [char for char in line if not char.isspace()]
    if sum(char.isupper() for char in solid) > len(solid) / 2:
        return "uppercase"
    if any(char.isdecimal() for char in solid) and all(char.isdecimal() or char in ".,:/-+%" for char in solid):
        return "numbers"
    return "one_word" if sum(any(map(is_word, word)) for word in words_of(line)) == 1 else None


def is_counter(line: str) -> bool:
    """Every word is a number or a noun of counters, and there is one of each."""
    numbers = nouns = 0
    at = 0
    while at < len(line):
        if not is_word(line[at]):
            at += 1
            continue
        number, end = line[at].isdecimal(), at
        while end < len(line) and (is_word(line[end]) or (number and line[end] in ".,:/-+%")):
            end += 1
        said = fold(line[at:end])
        others = [char for char in said if not char.isdecimal() and char not in ".,:/-+%"]
        if number and (not others or (len(others) == 1 and said[-1] in "km")):
            numbers += 1
        elif said in COUNTERS:
            nouns += 1
        else:
            return False
        at = end
    return bool(numbers and nouns)


def spelt(line: str, at: int, pattern: str) -> int:
    """Where the pattern ends that stands at this place as whole words; 0 if it does not."""
    for char in pattern:
        if char == " ":
            rest = line[at:].lstrip()
            if len(rest) == len(line) - at:
                return 0
            at = len(line) - len(rest)
        elif at < len(line) and fold(line[at]) == char:
            at += 1
        else:
            return 0
    return at if parted(line[at - 1], line[at : at + 1]) else 0


def match(line: str) -> tuple[int, int] | None:
    for at, char in enumerate(line):
        if not is_word(char) or not parted(line[at - 1] if at else "", char):
            continue
        for pattern in STARTS:
            if (end := spelt(line, at, pattern)) and not any(map(is_word, line[:at])):
                return 0, len(line) - len(line[end:].lstrip())
        for pattern in ENDS:
            if (end := spelt(line, at, pattern)) and not any(map(is_word, line[end:])):
                return len(line[:at].rstrip()), len(line)
        for pattern in ANYWHERE:
            if end := spelt(line, at, pattern):
                return at, end
    return None


def corrected(line: str) -> tuple[str, str | None]:
    """What RefinedWeb leaves of a line, and by which rule it takes the line whole."""
    said = line.strip()
    if kind := discarded(said):
        return "", kind
    if len(words_of(said)) > 10 or len(said) > 1000:
        return line, None
    before, after = line[: line.index(said)], line[line.index(said) + len(said) :]
    while True:
        if is_counter(said):
            return "", "counter"
        found = match(said)
        if found is None:
            return before + said + after, None
        said = said[: found[0]] + said[found[1] :]
        if not any(map(is_word, said)):
            return "", "pattern"
        if kind := discarded(said.strip()):
            return "", kind


def plainly(text: str) -> dict:
    """What the papers leave of a text, and the shares of words in the lines that they touch."""
    out: dict[str, list[str]] = {"refinedweb": [], "c4": []}
    words = {"all": 0, "refinedweb": 0, "c4": 0}
    for line in text.splitlines(keepends=True):
        body = line if line.strip() else ""
        words["all"] += len(words_of(line))
        rest = corrected(line)[0] if body else line
        small = "".join(char.lower() if char.isascii() else char for char in line)
        speaks = "javascript" in small or any(said in small for said in POLICIES)
        words["refinedweb"] += len(words_of(line)) * (rest != line)
        words["c4"] += len(words_of(line)) * speaks
        out["refinedweb"].append(rest)
        out["c4"].append("" if speaks else line)
    shares = {paper: words[paper] / max(words["all"], 1) for paper in out}
    return {"left": {paper: "".join(found) for paper, found in out.items()}, "shares": shares, "words": words["all"]}


SAID = st.sampled_from(
    [
        *(
            *STARTS,
            *ENDS,
            *ANYWHERE,
            *COUNTERS,
            *POLICIES,
            "JavaScript",
            "3",
            "1.2k",
            "12/05",
            "read",
            "more",
            "sign",
            "in",
        ),
        *(
            "the",
            "harbour",
            "WALL",
            "Ζ",
            "字",
            "字字字",
            "ไทยไทย",
            "»",
            "|",
            "…",
            "-",
            "e\u0301",
            "İ",
            "ſ",
            "½",
            "\u0301",
        ),
    ]
)
BREAKS = st.sampled_from(["\n", "\r\n", "\r", "\u2028", "\x85", "\n\n", "\x1c", "\x0b"])
GLUE = st.sampled_from([" ", "  ", "\t", "", "\u00a0", "-", "\u200b"])
CASE = st.sampled_from([str, str.upper, str.title])
PIECES = st.tuples(SAID, GLUE, CASE).map(lambda said: said[2](said[0]) + said[1])
PAGE = st.lists(st.one_of(PIECES, PIECES, PIECES, BREAKS, st.text(max_size=4)), max_size=24).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.one_of(PAGE, st.text(max_size=60)))
@example("a read more\u0301")
@example("Sign in read more Read  more")
@example("sign read more in")
@example("use add to cart cookies now")
@example("{}")
def test_what_is_cut_is_what_the_papers_say_and_cutting_again_changes_nothing(text: str) -> None:
    (row,) = measured(text)
    expected = plainly(text)
    assert row["n_words"] == expected["words"]
    for paper in ("refinedweb", "c4"):
        assert row[f"{paper}_share"] == expected["shares"][paper]
        assert left(text, paper) == expected["left"][paper]
        again = expected["left"][paper]
        assert left(again, paper) == again
    both = left(text)
    assert left(both) == both
    assert spans(row, "refinedweb") == sorted(spans(row, "refinedweb"))


@settings(max_examples=60, deadline=None)
@given(st.lists(PAGE, max_size=6))
def test_a_text_is_measured_alike_in_any_batch(texts: list[str]) -> None:
    assert measured(*texts) == [row for text in texts for row in measured(text)]


@pytest.mark.parametrize(
    ("line", "rest", "kind"),
    [
        ("THE HARBOUR NEWS of today\n", "", "refinedweb.uppercase"),
        ("12/05/2021 10:45\n", "", "refinedweb.numbers"),
        ("٣٤٥\n", "", "refinedweb.numbers"),
        ("3 likes\n", "", "refinedweb.counter"),
        ("1.2K Views · 12 Comments\n", "", "refinedweb.counter"),
        ("- Home\n", "", "refinedweb.one_word"),
        ("Sign in to leave a comment\n", "to leave a comment\n", "refinedweb.pattern"),
        ("The council met on Tuesday. Read more »\r\n", "The council met on Tuesday.\r\n", "refinedweb.pattern"),
        ("You have 3 items in cart for now\n", "You have 3  for now\n", "refinedweb.pattern"),
        ("We use cookies!\n", "", "refinedweb.pattern"),
        ("Please enable JavaScript to see the page in full\n", "", "c4.javascript"),
        ("Read our Privacy Policy and the rest of the page too\n", "", "c4.policy"),
    ],
)
def test_a_line_of_each_kind(line: str, rest: str, kind: str) -> None:
    text = "The walls of the harbour came down the river.\n"
    assert kind in kinds(text + line + text)
    assert left(text + line + text) == text + rest + text


@pytest.mark.parametrize(
    "line",
    [
        "The harbour was dug by hand.",
        "Designing indoors is hard to read more often than one thinks, as was said there.",
        "Он купил три книги вчера.",
        "我们昨天在港口看见了三条大船。",
        "ท่าเรือถูกขุดด้วยมือและหินก็ล่องมาตามแม่น้ำ",
        "कल हमने तीन जहाज़ देखे।",
        "رأينا ثلاث سفن في الميناء أمس",
        "* * *",
        "",
        "x = 3 + 4",
    ],
)
def test_running_text_of_any_script_stays(line: str) -> None:
    assert kinds(line) == [], line


def test_ones_own_patterns_in_ones_own_language() -> None:
    german = RefinedWebLines(
        starts=("anmelden",), ends=("mehr lesen",), anywhere=("im warenkorb",), counters=("Aufrufe",)
    )
    text = "Der Rat tagte gestern. MEHR LESEN …\n17 aufrufe\n"
    (row,) = measured(text, wanted=german)
    assert rewrite(text, spans(row), []) == "Der Rat tagte gestern.\n"
    with pytest.raises(ValueError, match=r"ends: 'mehr…' should begin and end with a letter or a digit"):
        RefinedWebLines(ends=("mehr…",))


def test_records_and_chats_have_no_lines_of_a_page() -> None:
    chat = json.dumps([{"role": "user", "content": "Which JavaScript engine?"}], separators=(",", ":"))
    (row,) = measured(chat)
    assert row["spans"] == [] and row["n_words"] > 0


def test_a_null_text_is_an_error() -> None:
    nulls = pa.RecordBatch.from_pydict({"content_digest": ["a"], "text": pa.array([None], pa.large_string())})
    with pytest.raises(ValueError, match="1 contents have no text"):
        lines(nulls, RefinedWebLines())


def test_long_and_odd_texts_are_measured_like_others() -> None:
    texts = ["", " \n", "\0", "word " * 200_000, "x" * 3_000_000, "A\n" * 100_000, "read more " * 5, "字" * 100_000]
    rows = measured(*texts)
    assert [len(row["spans"]) for row in rows] == [0, 0, 0, 0, 1, 100_000, 1, 0]
    with pytest.raises(ValueError, match="1 contents have no text"):
        lines(pa.RecordBatch.from_pydict({"content_digest": ["a"], "text": pa.array([None], pa.string())}), PAPER)


def test_the_corpus_is_cut_by_the_papers_that_are_named() -> None:
    texts = [
        "The council met. Read more\nPlease enable JavaScript to read on here\nIt rained.",
        "Home\n",
        "Unmeasured text.",
    ]
    documents = pl.DataFrame(
        {
            "doc_id": [doc_id("s", str(n)) for n in range(3)],
            "source": "s",
            "locator": ["0", "1", "2"],
            "media_type": "text/html",
            "title": pl.Series([None] * 3, dtype=pl.String),
            "text": texts,
            "content_digest": [content_digest(text) for text in texts],
        }
    )
    verdicts = documents.select("doc_id", "content_digest", verdict=pl.lit("kept"))
    batch = pa.RecordBatch.from_pydict({"content_digest": documents["content_digest"].to_list(), "text": texts})
    found = pl.DataFrame(pl.from_arrow(lines(batch, PAPER)))
    is_last = pl.col("content_digest") == documents["content_digest"][2]
    found = found.with_columns(
        spans=pl.when(~is_last).then("spans"), error=pl.when(is_last).then(pl.lit("raised: boom"))
    )

    def built(*cut: str) -> tuple[list[str], dict, dict]:
        said = LineSettings(cut=cut)
        outcome = build_corpus(documents, verdicts, ["s"], [line_cuts(found.lazy(), said)])
        return sorted(outcome.table["text"]), dict(outcome.dropped), dict(outcome.failed)

    failed = {"spans not measured": 1}
    assert built("c4") == (["Home\n", "The council met. Read more\nIt rained."], {}, failed)
    whole = ["The council met.\nPlease enable JavaScript to read on here\nIt rained."]
    nothing = {"nothing left after cutting": 1}
    text, *books = built("refinedweb")
    assert (text, *books) == ([whole[0].replace("enable JavaScript", "")], nothing, failed)
    assert built("refinedweb", "c4") == (["The council met.\nIt rained."], nothing, failed)

"""Small random tables of curation, as its own functions make them."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from hypothesis import strategies as st

from curation.corpus import build_corpus
from curation.deduplication.survivors import DUPLICATES
from curation.gopher import GopherRules
from curation.quality import SIGNALS
from curation.reading import DOCUMENTS, FAILURES
from curation.rule_sets import RuleSet, rules_of
from curation.rules import Rule
from curation.spans import SPANS
from curation.verdicts import decide
from records import content_digest, doc_id

ORDER = ("web", "notes", "mail")
RULES = (RuleSet(gopher=GopherRules()),)
PASSING = {"mean_word_length": 5.0, "alpha_word_share": 1.0, "stop_words": 8}


@dataclass(frozen=True)
class Tables:
    """The tables that the report reads."""

    documents: pl.DataFrame
    failures: pl.DataFrame
    duplicates: pl.DataFrame
    verdicts: pl.DataFrame
    corpus: pl.DataFrame
    evidence: dict[str, pl.DataFrame]
    rules: tuple[Rule, ...]

    def all(self) -> tuple[pl.DataFrame, ...]:
        """In the order of `report`'s parameters."""
        return self.documents, self.failures, self.duplicates, self.verdicts, self.corpus


@dataclass(frozen=True)
class Content:
    """A content that stands in some sources: what was measured, whose near copy it is, and what is marked to be cut."""

    text: str
    places: tuple[str, ...]
    words: int
    repeated: float
    is_measured: bool = True
    is_copy: bool = False
    cut: str = "nothing"


def made(contents: list[Content], failed: list[tuple[str, str]]) -> Tables:
    """The tables of these contents, and of places that could not be read with their errors."""
    documents = pl.DataFrame(
        [row for at, content in enumerate(contents) for row in _documents(at, content)], schema=DOCUMENTS, orient="row"
    )
    unread = [(f"{source}-{at}", source, error) for at, (source, error) in enumerate(failed)]
    failures = pl.DataFrame(
        [("documents", source, name, "0", name, error, f"mend {name}") for name, source, error in unread],
        schema=FAILURES,
        orient="row",
    )
    evidence = {"quality": _quality(contents), "marks": _marks(contents)}
    duplicates = _duplicates(contents, documents)
    verdicts = decide(documents, duplicates, {"quality": evidence["quality"]}, RULES).table
    corpus = build_corpus(documents, verdicts, ORDER, [evidence["marks"].lazy()]).table
    return Tables(documents, failures, duplicates, verdicts, corpus, evidence, rules_of(RULES))


def _documents(at: int, content: Content) -> list[tuple[str | None, ...]]:
    rows: list[tuple[str | None, ...]] = []
    for source in content.places:
        locator = f"{at}.txt"
        name = content_digest(content.text)
        rows.append((doc_id(source, locator), source, locator, "0", locator, "text/plain", None, None, None, content.text, name, None, None))  # fmt: skip
    return rows


def _quality(contents: list[Content]) -> pl.DataFrame:
    rows = []
    for content in contents:
        known = {name: PASSING.get(name, 0) for name in SIGNALS} | {"n_chars": len(content.text)}
        known |= {"n_words": content.words, "n_plain_words": content.words, "duplicate_line_share": content.repeated}
        if not content.is_measured:
            known = dict.fromkeys(known)
        error = None if content.is_measured else "ValueError: it is poison"
        rows.append({"content_digest": content_digest(content.text), **known, "error": error})
    floats = {name: pl.Float64() for name in SIGNALS if name.endswith(("share", "length", "ratio"))}
    schema = {
        "content_digest": pl.String(),
        **{name: floats.get(name, pl.Int64()) for name in SIGNALS},
        "error": pl.String(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _marks(contents: list[Content]) -> pl.DataFrame:
    rows = []
    for content in contents:
        whole = {"start": 0, "end": len(content.text.encode()), "kind": "all"}
        spans = {"nothing": [], "all": [whole], "unknown": None}[content.cut]
        rows.append((content_digest(content.text), spans))
    return pl.DataFrame(rows, schema={"content_digest": pl.String, "spans": SPANS}, orient="row")


def _duplicates(contents: list[Content], documents: pl.DataFrame) -> pl.DataFrame:
    """All places but the first are exact copies; near copies are so of the first content that is none, if there is one."""
    firsts = [
        (doc_id(source := min(content.places, key=ORDER.index), f"{at}.txt"), source)
        for at, content in enumerate(contents)
        if not content.is_copy
    ]
    rows = []
    for at, content in enumerate(contents):
        places = sorted(content.places, key=ORDER.index)
        own = [(doc_id(source, f"{at}.txt"), source) for source in places]
        kept = firsts[0] if content.is_copy and firsts else own[0]
        near = [(*own[0], *kept, "near", 0.9)] if kept != own[0] and content.is_copy else []
        rows += [*near, *((*other, *kept, "exact", 1.0) for other in own[1:])]
    return pl.DataFrame(rows, schema=DUPLICATES, orient="row")


@st.composite
def contents(draw: st.DrawFn) -> list[Content]:
    """Up to twelve contents, each at one to three places."""
    found = []
    for at in range(draw(st.integers(0, 12))):
        places = draw(st.lists(st.sampled_from(ORDER), min_size=1, max_size=3, unique=True))
        words = draw(st.sampled_from([0, 3, 60, 200_000]))
        repeated = draw(st.sampled_from([0.0, 0.9]))
        is_measured = draw(st.integers(0, 7)) > 0
        cut = draw(st.sampled_from(["nothing", "nothing", "all", "unknown"]))
        found.append(Content(f"text {at}", tuple(places), words, repeated, is_measured, draw(st.booleans()), cut))
    return found


FAILED = st.lists(st.tuples(st.sampled_from(ORDER), st.sampled_from(["malformed PDF", "too large"])), max_size=5)

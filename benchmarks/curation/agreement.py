"""Do two programs decide alike: for each filter, on each document, verdict and reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

FILTERS = ("gopher quality", "gopher repetition", "c4", "fineweb")
_GOPHER = {
    "gopher_short_doc": "min_words",
    "gopher_long_doc": "max_words",
    "gopher_below_avg_threshold": "min_mean_word_length",
    "gopher_above_avg_threshold": "max_mean_word_length",
    "gopher_too_many_hashes": "max_symbol_word_ratio",
    "gopher_too_many_ellipsis": "max_symbol_word_ratio",
    "gopher_too_many_bullets": "max_bullet_lines",
    "gopher_too_many_end_ellipsis": "max_ellipsis_lines",
    "gopher_below_alpha_threshold": "min_alpha_words",
    "gopher_enough_stop_words": "min_stop_words",
}
_REPETITION = {
    "dup_para_frac": "max_duplicate_paragraphs",
    "dup_para_char_frac": "max_duplicate_paragraph_characters",
    "dup_line_frac": "max_duplicate_lines",
    "dup_line_char_frac": "max_duplicate_line_characters",
    **{f"top_{n}_gram": f"max_top_{n}gram_characters" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"max_duplicate_{n}gram_characters" for n in range(5, 11)},
}
RULES = (
    {theirs: f"gopher.{ours}" for theirs, ours in _GOPHER.items()},
    {theirs: f"gopher.{ours}" for theirs, ours in _REPETITION.items()},
    {
        "lorem_ipsum": "c4.max_lorem_ipsums",
        "curly_bracket": "c4.max_curly_brackets",
        "too_few_sentences": "c4.min_sentences",
    },
    {
        "line_punct_ratio": "fineweb.min_terminal_lines",
        "short_line_ratio": "fineweb.max_short_lines",
        "char_dup_ratio": "fineweb.max_repeated_line_characters",
        "list_ratio": "fineweb.max_line_feeds_per_word",
    },
)
"""datatrove's reasons, filter by filter, and the rules that say the same."""


class Difference(NamedTuple):
    """A document on which a filter and a rule set differ, and which amendments of the filter alone end that."""

    doc_id: str
    filter: str
    theirs: str
    ours: str
    ended_by: tuple[str, ...]


def differences(ours: Path, theirs: Path) -> tuple[int, list[Difference]]:
    """How many documents there are, and all differences on them."""
    rows = pl.read_parquet(ours).join(pl.read_parquet(theirs), on="doc_id", validate="1:1").sort("doc_id")
    found = []
    for row in rows.iter_rows(named=True):
        for place, name in enumerate(FILTERS):
            mine = [rule for rule in RULES[place].values() if rule in row["rules"]]
            said = row["reasons"][place]
            if not alike(said, mine, place):
                ended = [each["amendment"] for each in row["amended"] if alike(each["reasons"][place], mine, place)]
                found.append(Difference(row["doc_id"], name, said, mine[0] if mine else "", tuple(ended)))
    return rows.height, found


def alike(reason: str, rules: Sequence[str], place: int) -> bool:
    """Whether datatrove's reason is the first rule that fails, or both keep.

    C4's filter stops at the first line that decides, so that of brackets and filler it names the one that came sooner.
    """
    if not reason or not rules:
        return not reason and not rules
    rule = RULES[place].get(reason)
    if FILTERS[place] == "c4":
        return rule in rules if rule != "c4.min_sentences" else list(rules) == [rule]
    return rule == rules[0]

"""A changelog says each release once, the newest on top."""

from __future__ import annotations

import polars as pl

from curation.changelog import entry, with_entry

COUNTS = pl.DataFrame(
    {"change": ["added", "removed"], "reason": ["its document came", "dropped by empty"], "rows": [1200, 3]}
)


def test_an_entry_says_what_came_what_left_and_why() -> None:
    said = entry("b" * 16, {"train": 1000, "test": 34}, "a" * 16, COUNTS, ["rules is other in headwater.yaml"])
    assert said.splitlines() == [
        f"## {'b' * 16} after {'a' * 16}",
        "",
        "1,034 rows: 1,000 train · 34 test.",
        "",
        "- 1,200 came: its document came",
        "- 3 left: dropped by empty",
        "- rules is other in headwater.yaml",
    ]


def test_the_newest_is_on_top_and_said_once() -> None:
    first, second = entry("a", {"train": 1}, None, COUNTS), entry("b", {"train": 2}, "a", COUNTS)
    back = entry("a", {"train": 1}, "b", COUNTS)
    text = with_entry("", "instructions", first)
    assert text == with_entry(text, "instructions", first) and "The first release." in text
    text = with_entry(with_entry(text, "instructions", second), "instructions", second)
    text = with_entry(text, "instructions", back)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# Changes of instructions", "## a after b", "## b after a", "## a"]

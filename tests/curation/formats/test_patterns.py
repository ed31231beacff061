"""Patterns find the same with every Python that Headwater runs on."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
POSSESSIVE = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+")


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python 3.11.2 goes on behind where the last try failed: `(?:a[0-9]++b)*+` finds all of `a1ba2`."""
    assert POSSESSIVE.search("(?:a[0-9]++b)*+") and POSSESSIVE.search("(?:a){1,2}+")
    sources = [
        file for file in ROOT.rglob("*.py") if file.relative_to(ROOT).parts[0] not in {".venv", "build", "tests"}
    ]
    assert len(sources) > 300
    assert not [str(file) for file in sources if POSSESSIVE.search(file.read_text())]

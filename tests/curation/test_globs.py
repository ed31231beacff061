"""Which files patterns mean: against pathlib's own globbing on a real tree, and the cases it does not decide."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.globs import Globs

TREE = ("a.py", "a.txt", "docs/a.py", "docs/deep/b.md", "docs/deep/er/c.py", "src/x[1].py", "src/d.PY")


@pytest.mark.parametrize(
    "pattern", ["**/*", "*.py", "**/*.py", "docs/**/*.py", "docs/*", "**/deep/*", "src/?.PY", "[ab].*", "[!a]*/*"]
)
def test_agrees_with_pathlib(tmp_path, pattern):
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    expected = {str(path.relative_to(tmp_path)) for path in tmp_path.glob(pattern) if path.is_file()}
    assert {name for name in TREE if Globs((pattern,)).includes(name)} == expected


def test_double_star_at_the_end_means_all_beneath():
    globs = Globs(("docs/**",))
    assert globs.includes("docs/deep/er/c.py")
    assert not globs.includes("docs2/a.py")


def test_exclude_wins_and_prunes_folders():
    globs = Globs(("**/*",), ("**/tests/**", "build", "*.log"))
    assert not globs.includes("src/tests/a.py")
    assert globs.excludes_folder("src/tests")
    assert globs.excludes_folder("build")
    assert not globs.excludes_folder("src")
    assert globs.includes("src/a.log")
    assert not globs.includes("a.log")


def test_brackets_are_literal_where_they_are_no_choice():
    assert Globs(("src/x[[]1].py",)).includes("src/x[1].py")
    assert Globs(("a[b",)).includes("a[b")
    assert Globs(("a+(b).py",)).includes("a+(b).py")


def test_a_choice_never_crosses_folders():
    assert not Globs(("a[!b]c",)).includes("a/c")


CHOICES = st.tuples(st.sampled_from(["[", "[!", "[^"]), st.text("abc-]!^[&|~\\", min_size=1, max_size=5)).map(
    lambda parts: "".join((*parts, "]"))
)


@given(
    st.lists(st.one_of(CHOICES, st.sampled_from(["*", "?", "a", "b"])), max_size=3).map("".join),
    st.text("abc-]!^&|~", max_size=3),
)
def test_within_one_name_a_pattern_means_what_it_means_to_the_shell(pattern, name):
    shell = re.compile(fnmatch.translate(pattern.replace("[^", "[!")))
    if "**" not in pattern:
        assert Globs((pattern,)).includes(name) == (shell.match(name) is not None)


def test_a_range_that_holds_nothing_and_signs_that_mean_something_to_regular_expressions():
    assert not Globs(("[b-a]",)).includes("a")
    assert Globs(("[!b-a]",)).includes("a")
    assert Globs(("[a&&b]",)).includes("&")
    assert Globs(("[\\d]",)).includes("\\")

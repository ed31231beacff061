"""Settings that cannot be meant are refused with the key and the mend."""

from __future__ import annotations

import pytest

from curation.tasks import TaskSettings


@pytest.mark.parametrize("recipe", ["docstring", "", "package.module", "a:b:c", "1:f", "../x:f"])
def test_an_unknown_recipe_is_refused(recipe: str) -> None:
    with pytest.raises(ValueError, match=r"task\.recipe: .* package\.module:function"):
        TaskSettings(recipe)


@pytest.mark.parametrize("name", ["max_chars", "reference_chars"])
def test_limits_must_leave_something(name: str) -> None:
    with pytest.raises(ValueError, match=rf"task\.{name}: 0 is too small"):
        TaskSettings("chat", **{name: 0})  # type: ignore[arg-type]


def test_defaults_follow_the_recipe() -> None:
    assert (TaskSettings("docstrings").prompt_chars, TaskSettings("docstrings").depth) == (600, 1)
    assert (TaskSettings("qa").prompt_chars, TaskSettings("qa").depth) == (4000, 0)
    assert (TaskSettings("qa", max_chars=9).prompt_chars, TaskSettings("docstrings", group_depth=0).depth) == (9, 0)
    assert (TaskSettings("qa").task, TaskSettings("qa", name="faq").task) == ("qa", "faq")

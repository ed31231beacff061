"""A recipe of one's own: what it may give, and what is said when it gives something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.tasks import TaskSettings, extract_samples
from tests.curation.tasks.building import contents, error_of, extracted

RECIPE = """
def lines(text, media_type):
    for number, line in enumerate(text.splitlines(), 1):
        question, _, answer = line.partition(" = ")
        yield {"prompt": question, "reference": answer or None, "line": number, "name": media_type, "group": "g"}

def chats(text, media_type):
    return [{"messages": [{"role": "user", "content": text}], "slice": "s", "openness": "closed", "checker": "exact"}]

def bad(text, media_type):
    return [{"prompt": "fine"}, eval(text)]

count = 3
"""


@pytest.fixture(autouse=True)
def _recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_recipe.py").write_text(RECIPE)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_function_of_the_workspace_makes_samples() -> None:
    first, second = extracted("1 + 1 = 2\n2 + 2", TaskSettings("own_recipe:lines", checker="exact"), "text/plain")
    assert first["messages"] == [{"role": "user", "content": "1 + 1"}]
    assert (first["reference"], first["line"], first["name"], first["group"]) == ("2", 1, "text/plain", "g")
    assert (first["slice"], first["openness"], first["checker"]) == ("own", "closed", "exact")
    assert (second["reference"], second["openness"], second["checker"]) == (None, "open", None)


def test_a_sample_may_say_itself_how_it_is_checked() -> None:
    (sample,) = extracted("2 + 2", TaskSettings("own_recipe:chats"), "text/plain")
    assert (sample["slice"], sample["openness"], sample["checker"]) == ("s", "closed", "exact")


def test_the_prompt_limit_holds_for_it_too() -> None:
    (sample,) = extracted("x" * 50, TaskSettings("own_recipe:chats", max_chars=49), "text/plain")
    assert sample["dropped"] == "too long"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"prompt": "a", "answer": "b"}, "has no field 'answer'"),
        ({}, "needs either messages or prompt"),
        ({"prompt": "a", "messages": []}, "needs either messages or prompt"),
        ({"prompt": 3}, "has a prompt that is no text"),
        ({"prompt": "a", "line": "3"}, "has a line that is no whole number"),
        ({"prompt": "a", "openness": "closed"}, "closed with one"),
        ({"prompt": "a", "openness": "ajar"}, "must be open without a checker"),
    ],
)
def test_a_bad_sample_is_named(row: dict, complaint: str) -> None:
    message = error_of(repr(row), TaskSettings("own_recipe:bad"), "text/plain")
    assert message.startswith("own_recipe:bad gave a bad sample: number 2 ")
    assert complaint in message


def test_what_the_function_raises_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        extract_samples(contents(["1 / 0"]), TaskSettings("own_recipe:bad"))


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        ("no_such_module:f", "no module 'no_such_module'"),
        ("own_recipe:missing", "own_recipe has no function 'missing'"),
        ("own_recipe:count", "own_recipe has no function 'count'"),
    ],
)
def test_a_recipe_that_is_not_there_is_named_even_without_contents(recipe: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"task.recipe: {complaint}"):
        extract_samples(contents([]), TaskSettings(recipe))

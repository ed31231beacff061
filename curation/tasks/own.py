"""A recipe of one's own: a function of the workspace, `function(text: str, media_type: str) -> Iterable[dict]`.

Each dict is one sample: `messages` (a list of `{role, content}`) or `prompt` (a text), and as it likes `reference`,
`slice`, `openness`, `checker`, `line`, `name`, `group`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from curation.tasks.candidates import Candidate, UnreadableContent, checked, user
from curation.tasks.json_contents import messages_of
from curation.tasks.settings import TaskSettings
from records import CHECKERS, digest

Function = Callable[[str, str], Iterable[Mapping[str, object]]]
FIELDS = ("messages", "prompt", "reference", "slice", "openness", "checker", "line", "name", "group")


def load(recipe: str) -> Function:
    """The function that `package.module:function` names. Raises ValueError that says what is missing."""
    module_name, _, name = recipe.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"task.recipe: no module {error.name!r}; {module_name} must stand in the workspace folder or be installed"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"task.recipe: {module_name} has no function {name!r}")
    return cast(Function, function)


def recipe_version(recipe: str) -> str:
    """The version of a recipe: of one's own, the digest of its module's source; a built-in one is known by its name.

    Raises ValueError when the module is not there. What that module imports does not count.
    """
    module_name, own, _ = recipe.partition(":")
    if not own:
        return digest("recipe", recipe)
    try:
        found = importlib.util.find_spec(module_name)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        raise ValueError(
            f"task.recipe: no module {module_name!r}; it must stand in the workspace folder or be installed"
        )
    return digest("recipe", recipe, Path(found.origin).read_bytes())


def find(text: str, media_type: str, settings: TaskSettings) -> Iterator[Candidate]:
    """The function's candidates. Raises UnreadableContent for a dict of another shape, and whatever it raises."""
    for position, row in enumerate(load(settings.recipe)(text, media_type), 1):
        candidate = _candidate(row, f"{settings.recipe} gave a bad sample: number {position}")
        yield candidate if "openness" in row or "checker" in row else checked(candidate, settings.checker)


def _candidate(row: Mapping[str, object], place: str) -> Candidate:
    unknown = [key for key in row if key not in FIELDS]
    if unknown or ("messages" in row) == ("prompt" in row):
        complaint = f"has no field {unknown[0]!r}" if unknown else "needs either messages or prompt"
        raise UnreadableContent(f"{place} {complaint}; its fields are {', '.join(FIELDS)}")
    line, checker = row.get("line"), _text(row, "checker", place)
    if line is not None and not isinstance(line, int):
        raise UnreadableContent(f"{place} has a line that is no whole number")
    return Candidate(
        _text(row, "slice", place) or "own",
        messages_of(row["messages"]) if "messages" in row else user(_text(row, "prompt", place) or ""),
        _text(row, "reference", place),
        _openness(row, checker, place),
        checker,
        line,
        _text(row, "name", place),
        _text(row, "group", place),
    )


def _openness(row: Mapping[str, object], checker: str | None, place: str) -> str:
    openness = _text(row, "openness", place) or ("open" if checker is None else "closed")
    if openness not in ("open", "closed") or (openness == "closed") != (checker is not None):
        raise UnreadableContent(f"{place} must be open without a checker, or closed with one")
    if checker is not None and checker not in CHECKERS:
        raise UnreadableContent(f"{place} names the checker {checker!r}; there are {', '.join(CHECKERS)}")
    return openness


def _text(row: Mapping[str, object], field: str, place: str) -> str | None:
    value = row.get(field)
    if value is not None and not isinstance(value, str):
        raise UnreadableContent(f"{place} has a {field} that is no text")
    return value

"""Reading `headwater.yaml`, and saying in the words of the file what is wrong with it."""

from __future__ import annotations

from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from pydantic import ValidationError

from pipelines.settings import Config, SettingsError


def load_config(path: Path) -> Config:
    """Read and check a `headwater.yaml`.

    Raises SettingsError with the file, the path of the key and what is wrong with it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except ValueError as error:  # bytes that are no UTF-8
        raise SettingsError(f"{path}: not valid YAML: {error}") from error
    return _checked(path, text)


@lru_cache(maxsize=8)
def _checked(path: Path, text: str) -> Config:
    """The settings that a file's text says: a run asks for them some forty times, and they are the same each time."""
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, but for repeated keys
    except (yaml.YAMLError, ValueError) as error:  # a date that is none
        raise SettingsError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: should hold keys such as `sources:`; `headwater init DIR` writes a commented one")
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        found = error.errors()
        deeper = {entry["loc"][:depth] for entry in found for depth in range(len(entry["loc"]))}
        lines = [
            f"  {': '.join(filter(None, [_key(entry['loc']), _say(entry)]))}"
            for entry in found
            if entry["loc"] not in deeper
        ]
        raise SettingsError("\n".join([f"{path}:", *lines])) from error


def _key(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _say(entry: Any) -> str:
    if entry["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"there is no such setting{_meant(entry['loc'])}docs/settings.md lists them"
    if entry["type"] in _SAID:
        return _SAID[entry["type"]]
    message = str(entry["msg"]).removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _meant(location: tuple[int | str, ...]) -> str:
    """Which setting was meant by one that is not there: of that name elsewhere, or the likest name, here if there is one."""
    *above, name = (str(part) for part in location if isinstance(part, str))
    here, elsewhere = {path[-1] for path in _paths() if [*path[:-1]] == above}, {path[-1] for path in _paths()}
    if name in elsewhere:
        places = sorted(".".join(path) for path in _paths() if path[-1] == name)
        return f" here; did you mean {' or '.join(places)}? " if len(places) <= PLACES else " here; "
    for names in (here, elsewhere):
        if meant := get_close_matches(name, sorted(names), n=1):
            return f"; did you mean {meant[0]}? "
    return "; "


PLACES = 3
"""A name that stands at more is not told by them."""


@cache
def _paths() -> frozenset[tuple[str, ...]]:
    """All settings by the names of the parts that they stand in; an entry of a list stands in the list."""
    waiting: list[tuple[tuple[str, ...], Any]] = [
        ((name,), info.annotation) for name, info in Config.model_fields.items()
    ]
    found = {path for path, _ in waiting}
    while waiting:
        path, kind = waiting.pop()
        waiting += [(path, given) for given in get_args(kind)]
        if isinstance(kind, type) and is_dataclass(kind):
            inner = [((*path, name), hint) for name, hint in get_type_hints(kind).items()]
            found |= {place for place, _ in inner}
            waiting += inner
    return frozenset(found)


_SAID = {
    "missing": "is needed, and is not there",
    "too_short": "should have at least one entry",
    "tuple_type": "should be a list",
    "dataclass_type": "should be keys, each with its value",
}
"""What is said in the words of YAML instead of Python's."""


class _Loader(yaml.SafeLoader):
    """YAML in which a key that is there twice is an error; by itself the first of the two would be lost in silence."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} is there twice: remove one", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)

"""Reading `headwater.yaml`, and saying in the words of the file what is wrong with it."""

from __future__ import annotations

from dataclasses import is_dataclass
from difflib import get_close_matches
from functools import cache
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
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader, but for repeated keys
    except (yaml.YAMLError, ValueError) as error:  # a date that is none, bytes that are no UTF-8
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
        meant = get_close_matches(str(entry["loc"][-1]), _names(), n=1)
        return f"there is no such setting; {f'did you mean {meant[0]}? ' if meant else ''}docs/settings.md lists them"
    if entry["type"] in _SAID:
        return _SAID[entry["type"]]
    message = str(entry["msg"]).removeprefix("Value error, ")
    return message[0].lower() + message[1:]


@cache
def _names() -> tuple[str, ...]:
    """The names of all settings, wherever they stand."""
    found, waiting = set(Config.model_fields), [info.annotation for info in Config.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if isinstance(kind, type) and is_dataclass(kind):
            hints = get_type_hints(kind)
            found |= set(hints)
            waiting += hints.values()
    return tuple(sorted(found))


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

"""The pages of README.md and docs/ against the code: what is named there exists, and what exists is named there."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic_core import PydanticUndefined

from assets import STAGES
from curation.tasks.settings import RECIPES
from pipelines.cli import app
from pipelines.settings import Config, canonical

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
MISSING = (dataclasses.MISSING, PydanticUndefined)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def sections(text: str, level: str) -> dict[str, str]:
    """The parts of a page by their headings of one level; each ends at the next heading of that level or above."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)[1:]
    above = re.compile(rf"^#{{1,{len(level) - 1}}} .*", re.MULTILINE | re.DOTALL)
    return {name.strip("`"): above.sub("", body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def commands() -> dict[str, Any]:
    """Every command by its full name."""

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        if not hasattr(command, "commands"):
            yield name, command
            return
        for below in command.commands.values():
            yield from walk(f"{name} {below.name}", below)

    return dict(walk("headwater", typer.main.get_command(app)))


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting: `sources[].path`; its default as YAML, or `required`; whether it can change a result."""

    path: str
    default: str
    runtime: bool


def settings() -> Iterator[Setting]:
    """All settings. A part that is a dataclass is one itself only where it may be absent, or is a list."""
    for name, info in Config.model_fields.items():
        yield from walk_settings(name, info.annotation, info.get_default(call_default_factory=True), runtime=False)


def walk_settings(path: str, kind: Any, default: Any, *, runtime: bool) -> Iterator[Setting]:
    arms = [arm for arm in typing.get_args(kind) if arm is not type(None)]
    part = next((arm for arm in arms if dataclasses.is_dataclass(arm)), None)
    if dataclasses.is_dataclass(kind):
        yield from walk_parts(path, kind, default)
        return
    yield Setting(path, shown(default), runtime)
    if part is not None:
        is_list = not isinstance(kind, types.UnionType) and typing.get_origin(kind) is not typing.Union
        yield from walk_parts(f"{path}[]" if is_list else path, part, None)


def walk_parts(path: str, kind: Any, given: Any) -> Iterator[Setting]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        default = field.default
        if dataclasses.is_dataclass(given):
            default = getattr(given, field.name)
        elif field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        runtime = bool(field.metadata.get("runtime"))
        yield from walk_settings(f"{path}.{field.name}", hints[field.name], default, runtime=runtime)


def shown(default: Any) -> str:
    """A default as one would write it; an entry that is nothing but defaults is `{}`."""
    if any(default is missing for missing in MISSING):
        return "required"
    if isinstance(default, tuple) and any(dataclasses.is_dataclass(entry) for entry in default):
        return json.dumps([{} for _ in default])
    return json.dumps(canonical(default), ensure_ascii=False)


def documented_settings() -> list[Setting]:
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| (.+?) \|$", page("settings.md"), flags=re.MULTILINE)
    return [Setting(path, default.strip("`"), meaning.startswith("(runtime)")) for path, default, meaning in rows]


def test_every_setting_stands_with_its_default_and_no_other_does():
    documented = documented_settings()
    assert {setting.path: setting for setting in documented} == {setting.path: setting for setting in settings()}
    assert len({setting.path for setting in documented}) == len(documented)


def test_every_command_and_option_is_documented_and_no_other():
    found = sections(page("commands.md"), "##")
    assert {name for name in found if name.startswith("headwater ")} == set(commands())
    for name, command in commands().items():
        documented = set(re.findall(r"^\| (.+?) \|", found[name], flags=re.MULTILINE)[2:])
        named = {cell for row in documented for cell in re.findall(r"`([^`]+)`", row)}
        flags = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts) if flag.startswith("-")}
        words = {each.metavar or each.name.upper() for each in command.params if each.param_type_name == "argument"}
        assert {cell.replace("\\|", "|") for cell in named} == (flags - {"--help"}) | words, name


def test_usage_lines_name_no_option_that_does_not_exist():
    for name, command in commands().items():
        flags = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
        usage = sections(page("commands.md"), "##")[name].split("```")[1]
        assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", usage)) <= flags, name


def test_every_table_stands_with_its_key_and_no_other_does():
    found = sections(page("tables.md"), "###")
    tables = {output.name: output for stage in STAGES for output in stage.outputs}
    assert set(found) == set(tables)
    for name, output in tables.items():
        assert set(output.primary_key) == set(re.findall(r"\*\*`(\w+)`\*\*", found[name])), name


def test_every_recipe_is_explained_to_those_who_choose_one():
    for recipe in RECIPES:
        assert f"| `{recipe}` |" in page("ml-engineers.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            found = (path.parent / file) if file else path
            assert found.is_file(), f"{path.name} links {target}"
            assert not anchor or anchor in anchors(found), f"{path.name} links {target}"


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_a_page_tells_to_type_exists(path):
    text = path.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    typed = set(re.findall(r"(?:^|`)make (?:[A-Z]+=\S+ )?([a-z][a-z-]*)", text, flags=re.MULTILINE))
    assert typed <= targets
    words = {name.split()[1] for name in commands()}
    assert set(re.findall(r"(?:^|`)headwater ([a-z]+)", text, flags=re.MULTILINE)) <= words


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_modules_that_a_page_names_exist(path):
    named = re.findall(
        r"`((?:pipelines|assets|curation|annotation|training|evaluation|benchmarks|tests)/[\w./-]*)`",
        path.read_text(encoding="utf-8"),
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_settings_in_examples_are_settings(path):
    known = {re.sub(r"\[\]", "", setting.path) for setting in settings()}
    known |= {".".join(name.split(".")[:length]) for name in known for length in range(1, name.count(".") + 1)}
    own = tuple(f"{setting.path}." for setting in settings() if setting.default == "{}")  # whose keys are anybody's
    for block in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL):
        content = yaml.safe_load(block)
        if not {"messages", "dataset_path"} & set(content):  # a prompt's own file, a task's own file
            assert {key for key in keys_of(content) if not key.startswith(own)} <= known, block


def keys_of(value: Any, above: str = "") -> Iterator[str]:
    """Paths of keys in an example; an entry of a list that is a bare name is no key."""
    for entry in value if isinstance(value, list) else [value]:
        for key, below in entry.items() if isinstance(entry, dict) else ():
            yield f"{above}{key}"
            yield from keys_of(below, f"{above}{key}.")


def test_the_keys_that_annotators_are_told_are_those_of_the_interface():
    xml = (ROOT / "annotation" / "configs" / "preference.xml").read_text(encoding="utf-8")
    choices = dict(re.findall(r'<Choice value="([^"]+)"[^>]*hotkey="(\w+)"', xml))
    assert choices
    told = {choice: key for key, choice in re.findall(r"^\| `(\w)` \| (.+?) \|", page("annotators.md"), re.MULTILINE)}
    assert told == choices


def test_the_measured_table_has_its_place():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count("<!-- what ran -->") == readme.count("<!-- /what ran -->") == 1

"""Task files, read so that they run no code and fetch nothing, before lm-evaluation-harness sees them.

A task file can run code in more ways than one would think: `!function`, metrics that the library `evaluate`
fetches as scripts, prompt libraries, and Jinja templates, which reach any attribute of Python's objects. All of these are
refused unless the settings trust the folder; templates then are still filled, in Jinja's sandbox (`program.py`). Data are
files within the folder, for only these are watched: a hub's dataset would be fetched, and may change under its name.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from evaluation.harness.errors import TaskError
from evaluation.harness.groups import Group, expanded, groups_of
from evaluation.harness.settings import HarnessSettings

BUILDERS = ("json", "csv", "parquet", "arrow", "text")
"""The readers of `datasets` that read local files and are no code of a repository."""
CODE = ("custom_dataset", "use_prompt")
"""Keys whose value names code."""
SWITCHES = ("unsafe_code", "hf_evaluate", "trust_remote_code")
"""Keys that allow code, where they are on."""
FUNCTION = "!function"
OFF = ("", "false", "no", "off", "null", "~")


def read_tasks(path: Path, settings: HarnessSettings) -> dict[str, dict[str, Any]]:
    """The configurations of the tasks at `path` (a folder or a file) by name, with what they include, and data files by their full paths.

    Files without a `task` (what others include) are passed over. Of a group that the settings name, its tasks are asked.

    Raises:
        TaskError: a file runs code and is not trusted, its data are not in the folder, or a task is there twice or not at all.
    """
    configs = _configs(path, settings)
    return _chosen(_tasks(configs), path, expanded(settings.tasks, configs))


def read_groups(path: Path, settings: HarnessSettings, tasks: Collection[str]) -> list[Group]:
    """The groups at `path` that are to be scored, and whose tasks are all among `tasks`.

    Raises:
        TaskError: as `read_tasks`, or a group has a member that is not there, or no mean.
    """
    return [group for group in groups_of(_configs(path, settings)) if set(group.tasks) <= set(tasks)]


def _configs(path: Path, settings: HarnessSettings) -> dict[Path, dict[str, Any]]:
    """All files at `path`, each with what it includes."""
    folder = path if path.is_dir() else path.parent
    files = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path]
    if not path.exists() or not files:
        raise TaskError(f"{path}: no task files there; name a folder with files that end in .yaml, or one such file")
    return {file: _read(file, folder.resolve(), settings.trust_code, ()) for file in files}


def _tasks(configs: Mapping[Path, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tasks among the files, by name."""
    found: dict[str, dict[str, Any]] = {}
    places: dict[str, Path] = {}
    for file, config in configs.items():
        name = config.get("task")
        if not isinstance(name, str) or "group" in config:
            continue
        if name in found:
            raise TaskError(f"{file}: the task {name!r} stands in {places[name]} too: rename one")
        if "class" in config:
            raise TaskError(f"{file}: `class`: a task that is a class of Python is not asked here: write it as YAML")
        _check_data(file, config)
        found[name], places[name] = config, file
    for file, config in configs.items():
        if (group := str(config["group"]) if "group" in config else "") in places:
            raise TaskError(f"{file}: the group {group!r} has a name that stands in {places[group]} too: rename one")
        places |= {group: file} if group else {}
    return found


def _chosen(found: dict[str, dict[str, Any]], path: Path, names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    if not found:
        raise TaskError(f"{path}: no file there says `task: NAME`")
    if missing := [name for name in names if name not in found]:
        raise TaskError(f"{path}: there is no task {missing[0]!r}; there are: {', '.join(sorted(found))}")
    return {name: found[name] for name in names or sorted(found)}


def _read(file: Path, folder: Path, trusted: bool, above: tuple[Path, ...]) -> dict[str, Any]:
    """One file with what it includes; its own keys win."""
    file = file.resolve()
    if file in above:
        raise TaskError(f"{file}: includes itself, by way of {above[-1].name}")
    if not file.is_relative_to(folder) or not file.is_file():
        raise TaskError(f"{above[-1] if above else folder}: `include` of {file}, which is no file within {folder}")
    config = _parsed(file, trusted)
    config = {**config, **_located(file, folder, config)}
    merged: dict[str, Any] = {}
    for name in _included(file, config.pop("include", ())):
        merged |= _read(file.parent / name, folder, trusted, (*above, file))
    return merged | config


def _included(file: Path, said: Any) -> list[str]:
    """The names that `include` gives."""
    names = [said] if isinstance(said, str) else said
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TaskError(f"{file}: include: {said!r}: name a file, or a list of files")
    return list(names)


def _parsed(file: Path, trusted: bool) -> dict[str, Any]:
    """A file's keys; functions that it names are loaded only if it is trusted."""

    class Loader(yaml.SafeLoader):
        """Safe, but for functions, which are refused before this where they are not trusted."""

    Loader.add_constructor(FUNCTION, lambda _, node: _function(file, str(node.value)))
    loader = Loader(file.read_text(encoding="utf-8"))
    try:
        node = loader.get_single_node()
        if not trusted:
            for line, said in _code(node, set()) if node is not None else ():
                raise TaskError(
                    f"{file}:{line}: {said} runs code, and code of task files is not run; read it, and if you trust it, set "
                    "trust_code: true in this entry of `harness`"
                )
        config = {} if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        raise TaskError(f"{file}: not valid YAML: {error}") from error
    finally:
        loader.dispose()
    if not isinstance(config, dict):
        raise TaskError(f"{file}: should hold keys such as `task:`")
    return config


def _code(node: yaml.Node, seen: set[int]) -> Iterator[tuple[int, str]]:
    """The line and the text of everything in a tree of YAML that would run code: keys are values too, and by way of an alias
    a node may hold itself."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if node.tag == FUNCTION:
        yield node.start_mark.line + 1, f"{FUNCTION} {node.value}"
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _code(each, seen)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            on = key.value in SWITCHES and str(value.value).lower() not in OFF
            if key.value in CODE or on:
                yield key.start_mark.line + 1, f"{key.value}: {value.value}"
            yield from _code(key, seen)
            yield from _code(value, seen)


def _function(file: Path, named: str) -> Any:
    """The function that `!function module.name` names: of a module beside the file."""
    module_name, _, name = named.rpartition(".")
    path = file.parent / (module_name.replace(".", "/") + ".py")
    if not path.is_file():
        raise TaskError(f"{file}: {FUNCTION} {named}: no module {path}")
    spec = importlib.util.spec_from_file_location(f"harness_task_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise TaskError(f"{file}: {FUNCTION} {named}: {path} has no {name}")
    return getattr(module, name)


def _located(file: Path, folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration that says where the data are, with full paths."""
    options = config.get("dataset_kwargs")
    if not isinstance(options, dict):
        return {}
    placed = {key: _placed(file, folder, options[key]) for key in ("data_files", "data_dir") if key in options}
    return {"dataset_kwargs": {key: value for key, value in options.items() if key != "trust_remote_code"} | placed}


def _placed(file: Path, folder: Path, said: Any) -> Any:
    if isinstance(said, dict):
        return {key: _placed(file, folder, each) for key, each in said.items()}
    if isinstance(said, list):
        return [_placed(file, folder, each) for each in said]
    path = (file.parent / str(said)).resolve()
    if "://" in str(said) or not path.is_relative_to(folder):
        raise TaskError(f"{file}: data {said!r} are not within {folder}, which alone is watched: put them there")
    is_pattern = any(sign in str(said) for sign in "*?[")
    if not is_pattern and not path.exists():
        raise TaskError(f"{file}: there are no data {path}")
    for each in folder.rglob("*") if is_pattern or path.is_dir() else ():
        if not each.resolve().is_relative_to(folder):
            raise TaskError(
                f"{file}: data {said!r}: {each} is a link out of {folder}: put the data there, or remove the link"
            )
    return str(path)


def _check_data(file: Path, config: Mapping[str, Any]) -> None:
    if callable(config.get("custom_dataset")):
        return
    options = config.get("dataset_kwargs") or {}
    if config.get("dataset_path") not in BUILDERS or not ({"data_files", "data_dir"} & set(options)):
        raise TaskError(
            f"{file}: dataset_path {config.get('dataset_path')!r} would be fetched, and nothing is; save its data in a file "
            "beside, and write `dataset_path: json` (or csv, parquet, arrow, text) with `dataset_kwargs: {data_files: {test: FILE}}`"
        )

"""The rule of direction: who may import whom, read from the sources.

The library packages can be called from a notebook, from Dagster or from a worker: the same function. So they know none
of Dagster, `assets`, `pipelines`, or each other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = ("curation", "annotation", "training", "evaluation")
HOUSE = {*LIBRARIES, "assets", "pipelines", "pages", "plots", "records", "tests", "benchmarks"}
MAY_IMPORT = {
    **{library: {library, "pages", "plots", "records"} for library in LIBRARIES},
    "records": set[str](),
    "plots": set[str](),
    "pages": {"plots"},
    "assets": {"assets", "pipelines", "pages", "plots", "records", *LIBRARIES},
    "pipelines": {"assets", "pipelines", "pages", "plots", "records", *LIBRARIES},
}
WITH_ASSETS = {"pipelines/commands/console.py", "pipelines/definitions.py"}
"""In `pipelines` only the definitions and the command line import `assets`."""
READING = (
    "cli",
    "commands/console",
    "commands/documents",
    "commands/releases",
    "commands/tables",
    "commands/workspaces",
    "running",
    "engine",
    "graph",
    "inputs",
    "release_differences",
    "release_lineage",
    "releases",
    "tags",
    "settings",
    "stages",
    "store",
    "summary",
    "tables",
    "workspace",
)
"""Modules of commands that only read: at their top they import neither Dagster nor torch."""


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """The modules that a file imports, by their full names, with those inside functions unless `top_only`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            yield node.module or ""


def sources(package: str) -> list[Path]:
    """The files of a package, or of a module at the root."""
    module = ROOT / f"{package}.py"
    return [module] if module.is_file() else sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_nobody_imports_against_the_direction(package: str) -> None:
    assert sources(package)
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imports(path)
        if name.split(".")[0] in HOUSE - MAY_IMPORT[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("package", [*LIBRARIES, "pages", "plots", "records"])
def test_the_libraries_know_nothing_of_dagster(package: str) -> None:
    wrong = [path for path in sources(package) for name in imports(path) if name.startswith("dagster")]
    assert wrong == []


def test_only_the_definitions_and_the_command_line_import_the_assets() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in sources("pipelines")
        for name in imports(path)
        if name.split(".")[0] == "assets"
    }
    assert found == WITH_ASSETS


def test_assets_import_no_dagster() -> None:
    assert [path for path in sources("assets") for name in imports(path) if name.startswith("dagster")] == []


@pytest.mark.parametrize("module", READING)
def test_what_only_reads_imports_dagster_and_torch_late(module: str) -> None:
    heavy = {"dagster", "dagster_pipes", "torch", "transformers", "datasets", "pipelines.definitions"}
    found = set(imports(ROOT / "pipelines" / f"{module}.py", top_only=True))
    assert {name for name in found if name in heavy or name.split(".")[0] in heavy} == set()

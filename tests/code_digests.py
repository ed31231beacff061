"""A digest of each stage's own code, so that nobody changes an answer and forgets the stage's code version.

    python -m tests.code_digests                          record new stages, and those whose code version was raised
    python -m tests.code_digests --same-answer            the code of others changed too, and gives the same answers
    python -m tests.code_digests --same-answer documents  the same for the named stages alone

A stage's own code is its function and all that this leads to by name, in its module and in the library packages. Comments,
docstrings, layout, and the stage's decorator are no code. What is recorded lies beside, in `code_digests.json`.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypedDict

from assets import STAGES
from pipelines.stages import Stage
from records import digest

ROOT = Path(__file__).parents[1]
RECORDED = Path(__file__).with_name("code_digests.json")
LIBRARIES = (
    "curation",
    "annotation",
    "training",
    "evaluation",
    "records",
    "pipelines.contestants",
    "pipelines.embedding",
    "pipelines.experiments",
    "pipelines.harness",
    "pipelines.judging",
)
"""Whose code makes answers. The machinery of `pipelines` does not, but for the modules that ask models."""
ALL = "*"


class Code(TypedDict):
    """What is recorded of a stage: its code version, and per module the digest of what it leads to there."""

    code_version: str
    code: dict[str, str]


class Module:
    """A parsed module: the statement that defines each name, and what each imported name stands for."""

    def __init__(self, tree: ast.Module) -> None:
        self.statements = {name: node for node in tree.body for name in defined(node)}
        self.imports = imported(tree.body)


def path_of(module: str) -> Path | None:
    """The file of one of our modules; None when there is none of that name."""
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def parsed(module: str) -> Module:
    """A module of ours."""
    path = path_of(module)
    assert path is not None, module
    return Module(ast.parse(path.read_text(encoding="utf-8")))


@cache
def is_library(module: str) -> bool:
    """Whether a module's code makes answers."""
    return any(module == name or module.startswith(f"{name}.") for name in LIBRARIES) and path_of(module) is not None


def defined(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def imported(nodes: Iterable[ast.AST]) -> dict[str, tuple[str, str]]:
    """What imports bind, functions aside: the name, its module, and its name there (`ALL` for the module itself)."""
    found: dict[str, tuple[str, str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: (alias.name, ALL) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found[alias.asname or alias.name] = (inner, ALL) if path_of(inner) else (node.module, alias.name)
        elif isinstance(node, ast.If | ast.Try):
            found |= imported(node.body)
    return found


def uses(node: ast.AST) -> Iterator[str]:
    """The dotted names that a tree reads, and the library modules that it names as text, as one names a program."""
    dotted = chain(node)
    if dotted is not None:
        yield dotted
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str) and "." in node.value and is_library(node.value):
            yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from uses(child)


def chain(node: ast.AST) -> str | None:
    """`a.b.c`, when that is what a node reads."""
    if isinstance(node, ast.Name):
        return node.id
    inner = chain(node.value) if isinstance(node, ast.Attribute) else None
    return None if inner is None or not isinstance(node, ast.Attribute) else f"{inner}.{node.attr}"


def own_names(statement: ast.stmt) -> set[str]:
    """The names that are a function's own: its parameters and variables."""
    if not isinstance(statement, ast.FunctionDef):
        return set()
    arguments = {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
    return arguments | {
        node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def leads_to(module: str, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """The definitions that a statement uses: each its module and its name there."""
    home, own = parsed(module), own_names(statement)
    imports = home.imports | imported(ast.walk(statement))
    for dotted in set(uses(without_decorators(statement) if module.startswith("assets.") else statement)):
        parts = dotted.split(".")
        prefix = next((p for n in range(len(parts), 0, -1) if (p := ".".join(parts[:n])) in imports), None)
        if is_library(dotted):
            yield dotted, ALL
        elif prefix is not None and parts[0] not in own:
            target, name = imports[prefix]
            rest = parts[prefix.count(".") + 1 :]
            yield target, rest[0] if name == ALL and rest else name
        elif parts[0] in home.statements and parts[0] not in own:
            yield module, parts[0]


@cache
def led(module: str, name: str) -> frozenset[tuple[str, str]]:
    """The definitions that one of ours uses; most stages come by the same ones."""
    return frozenset(leads_to(module, parsed(module).statements[name]))


@cache
def said(module: str, name: str) -> str:
    """A definition of ours as text."""
    return canonical(parsed(module).statements[name])


def without_decorators(statement: ast.stmt) -> ast.AST:
    """A function's parameters, result and body."""
    if not isinstance(statement, ast.FunctionDef):
        return statement
    parts = [statement.args, *([statement.returns] if statement.returns else []), *statement.body]
    return ast.Tuple(elts=parts, ctx=ast.Load())  # type: ignore[arg-type] - only walked


def reached(start: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """All definitions that some lead to, in library modules and in the modules that they begin in."""
    waiting, found = list(start), set[tuple[str, str]]()
    homes = {module for module, _ in waiting}
    while waiting:
        module, name = waiting.pop()
        if (module, name) in found or not (module in homes or is_library(module)):
            continue
        home = parsed(module)
        if name in home.statements:
            found.add((module, name))
            waiting += led(module, name)
        elif name in home.imports:
            waiting.append(home.imports[name])
        elif name == ALL:
            found.add((module, name))
            waiting += [(module, each) for each in home.statements]
        elif is_library(f"{module}.{name}"):
            waiting.append((f"{module}.{name}", ALL))
    return {(module, name) for module, name in found if name != ALL}


def canonical(node: object) -> str:
    """A tree as text, without docstrings: the same under every version of Python that parses it."""
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={text}"
            for name, value in ast.iter_fields(node)
            if (text := canonical(value)) not in {"[]", "None"}
        ]
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return f"[{', '.join(canonical(each) for each in node if not is_docstring(each))}]"
    return repr(node)


def is_docstring(node: object) -> bool:
    """Whether a statement is text that nobody reads while the program runs."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def code_of(stage: Stage) -> dict[str, str]:
    """Per module, the digest of what a stage leads to there."""
    home = stage.function.__module__
    names = [stage.function.__name__, *([stage.books.__name__] if stage.books else [])]
    parts: dict[str, dict[str, str]] = {}
    for module, name in reached((home, each) for each in names):
        own = module == home and name == names[0]
        statement = parsed(module).statements[name]
        parts.setdefault(module, {})[name] = canonical(without_decorators(statement)) if own else said(module, name)
    return {module: digest(json.dumps(of, sort_keys=True))[:16] for module, of in sorted(parts.items())}


def digests(stages: Sequence[Stage] = tuple(STAGES)) -> dict[str, Code]:
    """The code of each stage that computes, as it is now."""
    return {
        stage.name: Code(code_version=stage.code_version, code=code_of(stage))
        for stage in stages
        if stage.kind != "observable"
    }


def read() -> dict[str, Code]:
    """What is recorded."""
    recorded: dict[str, Code] = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.is_file() else {}
    return recorded


def forgotten(recorded: Mapping[str, Code], now: Mapping[str, Code]) -> dict[str, list[str]]:
    """The stages whose code changed though their code version did not, with the modules in which it did."""
    found = {}
    for name in now:
        before = recorded.get(name)
        if (
            before is not None
            and before["code_version"] == now[name]["code_version"]
            and before["code"] != now[name]["code"]
        ):
            either = {*before["code"], *now[name]["code"]}
            found[name] = sorted(each for each in either if before["code"].get(each) != now[name]["code"].get(each))
    return found


def message(open_: Mapping[str, Sequence[str]]) -> str:
    """What to do about stages whose code changed."""
    lines = [f"{name}: changed in {', '.join(modules)}" for name, modules in sorted(open_.items())]
    mend = "Raise their code_version and run `python -m tests.code_digests`; where every answer stays the same, with --same-answer."
    return "\n".join([*lines, mend])


def main(arguments: Sequence[str]) -> int:
    """Record; 1 when the code of a stage changed, and nobody said that it gives the same answers."""
    recorded, now = read(), digests()
    open_ = forgotten(recorded, now)
    if arguments[:1] == ["--same-answer"]:
        open_ = {name: modules for name, modules in open_.items() if arguments[1:] and name not in arguments[1:]}
    kept = {name: recorded[name] if name in open_ else now[name] for name in sorted(now)}
    RECORDED.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    if open_:
        print(message(open_))
    return 1 if open_ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

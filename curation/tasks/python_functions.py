"""Public functions of a Python source, cut out by offsets.

`ast.get_source_segment` splits the whole source again for each node, and `ast.unparse` loses comments and layout; both
are avoided. The source is parsed once, its lines are split once, and functions are slices of them. Parsing is nearly
all of the cost: about 5 MB/s on one core.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from curation.tasks.candidates import UnreadableContent

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = (ast.If, ast.Try, ast.With, ast.For, ast.While, ast.ExceptHandler, ast.TryStar)
_ACCESSORS = {"setter", "deleter", "getter", "overload"}


@dataclass(frozen=True, slots=True)
class Found:
    """A public function: its node, and its name with its classes (`Class.method`)."""

    node: Function
    name: str


def parse(text: str) -> tuple[ast.Module, list[bytes]]:
    """The syntax tree, and the lines (UTF-8, without their ends) that its positions refer to.

    Line ends are made one as the tokenizer does; a form feed ends no line. Raises UnreadableContent for what this
    version of Python cannot parse, Python 2 among it.
    """
    source = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            raise UnreadableContent(f"not Python 3: {error.msg} at line {error.lineno}") from error
        except (ValueError, RecursionError, MemoryError) as error:
            # CPython's parser says MemoryError at its own limit of nesting (6,000 levels).
            raise UnreadableContent(f"not Python 3: {type(error).__name__}, as for code nested too deeply") from error
    return tree, source.encode().split(b"\n")


def public_functions(tree: ast.Module) -> Iterator[Found]:
    """Functions and methods in the order of the source, also inside `if`, `try` and `with`.

    Left out: names with a leading underscore and all inside such classes, functions inside functions, tests (named
    `test…`, or in a class named `Test…` or derived from a `…TestCase`), overloads, and setters of properties.
    """
    yield from _walk(tree.body, "")


def _walk(body: Sequence[ast.AST], prefix: str) -> Iterator[Found]:
    for node in body:
        if isinstance(node, Function):
            if _is_public(node):
                yield Found(node, prefix + node.name)
        elif isinstance(node, ast.ClassDef):
            if not _is_hidden_class(node):
                yield from _walk(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, _BLOCKS):
            for part in ("body", "handlers", "orelse", "finalbody"):
                yield from _walk(getattr(node, part, ()), prefix)


def _is_public(node: Function) -> bool:
    if node.name.startswith(("_", "test_")) or node.name == "test":
        return False
    return not any(_last_name(decorator) in _ACCESSORS for decorator in node.decorator_list)


def _is_hidden_class(node: ast.ClassDef) -> bool:
    return node.name.startswith(("_", "Test")) or any(_last_name(base).endswith("TestCase") for base in node.bases)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def docstring_of(node: Function) -> ast.Constant | None:
    """The docstring's node, or None."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value
    return None


def is_trivial(node: Function) -> bool:
    """Whether the body says nothing: only the docstring, `pass`, `...` or `raise NotImplementedError`."""
    return all(_says_nothing(statement) for statement in node.body)


def _says_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise):
        return statement.exc is not None and _last_name(statement.exc) == "NotImplementedError"
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and (statement.value.value is ... or isinstance(statement.value.value, str))
    )


def source_of(node: Function, lines: Sequence[bytes], *, with_returns: bool = True) -> str | None:
    """The function's source, dedented, with its decorators, without its docstring and, if asked, its return annotation.

    None where the layout does not allow a clean cut: a docstring that shares a line with code, an annotation that does
    not stand between `->` and `:` on one line.
    """
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    kept = list(lines[first : node.end_lineno])
    docstring = docstring_of(node)
    if docstring is not None and not _cut_docstring(kept, docstring, first):
        return None
    if not with_returns and not _cut_returns(kept, node.returns, first):
        return None
    return _dedent(kept, node.col_offset).decode().rstrip()


def _cut_docstring(kept: list[bytes], docstring: ast.Constant, first: int) -> bool:
    start, end = docstring.lineno - 1 - first, (docstring.end_lineno or docstring.lineno) - 1 - first
    after = kept[end][docstring.end_col_offset :].strip()
    before = kept[start][: docstring.col_offset].strip() or kept[start - 1].endswith(b"\\")
    if before or (after and not after.startswith(b"#")):
        return False
    while end + 1 < len(kept) and not kept[end + 1].strip():
        end += 1
    del kept[start : end + 1]
    return True


def _cut_returns(kept: list[bytes], returns: ast.expr | None, first: int) -> bool:
    if returns is None or returns.end_lineno != returns.lineno:
        return False
    line = kept[returns.lineno - 1 - first]
    before, after = line[: returns.col_offset].rstrip(), line[returns.end_col_offset :]
    if not before.endswith(b"->") or not after.lstrip().startswith(b":"):
        return False
    kept[returns.lineno - 1 - first] = before[:-2].rstrip() + after.lstrip()
    return True


def _dedent(kept: Sequence[bytes], columns: int) -> bytes:
    """Without the function's own indentation; what stands further left, inside a string, stays as it is."""
    return b"\n".join(line[columns:] if not line[:columns].strip() else line for line in kept)

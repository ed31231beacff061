"""The task of the demo: write the missing docstrings of a code base.

Three slices. `docstring`: a documented function without its docstring, whose first line is the reference (PEP 257: a
summary on one line). `undocumented`: nobody knows the answer, so the model drafts and people decide.
`return_annotation`: closed-ended, predict the annotation that was removed, checked by exact match.
The first two prompts are code and nothing else: what is asked of a model stands in a prompt file, and a finetuned model
needs no words. The third is another question than its neighbours, so it carries its own.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence

from curation.tasks.candidates import Candidate, user
from curation.tasks.python_functions import Found, docstring_of, is_trivial, parse, public_functions, source_of
from curation.tasks.settings import TaskSettings

MEDIA_TYPES = ("text/x-python", "text/x-script.python", "application/x-python", "text/x-python-script")

RETURN_TYPES = ("None", "bool", "bytes", "dict", "float", "int", "list", "set", "str", "tuple")
"""The vocabulary of the closed slice; each but None may be optional, written `int | None`."""

RETURN_QUESTION = (
    "Which type does this function return? Answer with one of "
    + ", ".join(RETURN_TYPES)
    + ', or with one of these and " | None", and with nothing else.\n\n'
)
"""What precedes the code in a prompt of the slice `return_annotation`."""

_SENTENCE = re.compile(r"[\"'`*(\[]*[^\W\d_]")
_SIGNATURE = re.compile(r"[\w.]+\s*\([^)]*\)(\s*(->|=|:).*)?$")


def find(text: str, media_type: str, settings: TaskSettings) -> Iterator[Candidate]:
    """Candidates of a Python source, in its order; none of any other media type.

    Raises UnreadableContent where the source does not parse.
    """
    if media_type not in MEDIA_TYPES:
        return
    tree, lines = parse(text)
    for found in public_functions(tree):
        yield _described(found, lines)
        if not is_trivial(found.node) and return_type(found.node.returns) is not None:
            yield _typed(found, lines)


def _described(found: Found, lines: Sequence[bytes]) -> Candidate:
    docstring = docstring_of(found.node)
    kind = "undocumented" if docstring is None else "docstring"
    if is_trivial(found.node):
        return _dropped(found, kind, "trivial body")
    reference = None if docstring is None else summary(str(docstring.value))
    if reference == "":
        return _dropped(found, kind, "reference empty")
    if reference is not None and not is_sentence(reference):
        return _dropped(found, kind, "reference not a sentence")
    code = source_of(found.node, lines)
    if code is None:
        return _dropped(found, kind, "docstring not on lines of its own")
    return Candidate(kind, user(code), reference, line=found.node.lineno, name=found.name)


def _typed(found: Found, lines: Sequence[bytes]) -> Candidate:
    code = source_of(found.node, lines, with_returns=False)
    if code is None:
        return _dropped(found, "return_annotation", "annotation not on one line")
    return Candidate(
        "return_annotation",
        user(RETURN_QUESTION + code),
        return_type(found.node.returns),
        "closed",
        "exact",
        found.node.lineno,
        found.name,
    )


def _dropped(found: Found, kind: str, reason: str) -> Candidate:
    return Candidate(kind, line=found.node.lineno, name=found.name, dropped=reason)


def summary(docstring: str) -> str:
    """The first line of a docstring, stripped; empty when there is none."""
    return inspect.cleandoc(docstring).partition("\n")[0].strip()


def is_sentence(line: str) -> bool:
    """Whether a line reads as a sentence: three words or more, begun by a letter, and no signature like `f(x) -> y`."""
    return len(line.split()) >= 3 and _SENTENCE.match(line) is not None and _SIGNATURE.match(line) is None


def return_type(annotation: ast.expr | None) -> str | None:
    """A simple return annotation in its plain spelling (`Optional[int]` and `"int | None"` are `int | None`), or None.

    Simple are the names of `RETURN_TYPES`, alone or optional.
    """
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return return_type(ast.parse(annotation.value.strip(), mode="eval").body)
        except (SyntaxError, ValueError):
            return None
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        names = {_type_name(annotation.left), _type_name(annotation.right)}
        return _optional(names - {"None"}) if "None" in names else None
    if isinstance(annotation, ast.Subscript) and _is_optional(annotation.value):
        return _optional({_type_name(annotation.slice)} - {"None"})
    return _type_name(annotation)


def _type_name(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and node.value is None:
        return "None"
    return node.id if isinstance(node, ast.Name) and node.id in RETURN_TYPES else None


def _is_optional(node: ast.expr) -> bool:
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) == "Optional"


def _optional(names: set[str | None]) -> str | None:
    name = names.pop() if names else None
    return f"{name} | None" if name else None

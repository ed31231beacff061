"""The docstrings recipe: what is a sample, what it shows of the code, and that it never shows the answer."""

from __future__ import annotations

import ast
import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.tasks import TaskSettings
from curation.tasks.docstrings import RETURN_QUESTION, is_sentence, return_type
from tests.curation.tasks.building import error_of, extracted

SETTINGS = TaskSettings("docstrings", max_chars=100_000)


def found(source: str, settings: TaskSettings = SETTINGS) -> list[dict]:
    return extracted(textwrap.dedent(source), settings)


def test_a_documented_function_is_asked_without_its_docstring() -> None:
    (sample,) = found('''
        import os

        @cached
        def load(path):
            """Read the file at a path.

            More words.
            """

            # a comment stays
            return open(path)
    ''')
    assert sample["slice"] == "docstring"
    assert sample["reference"] == "Read the file at a path."
    code = "@cached\ndef load(path):\n    # a comment stays\n    return open(path)"
    assert sample["messages"] == [{"role": "user", "content": code}]
    assert (sample["line"], sample["name"]) == (5, "load")
    assert (sample["openness"], sample["checker"], sample["dropped"]) == ("open", None, None)


def test_an_undocumented_method_is_open_and_dedented() -> None:
    (sample,) = found("""
        class Stack:
            class Item:
                async def pop(self):
                    return await self.items.pop()
    """)
    assert sample["slice"] == "undocumented"
    assert sample["reference"] is None
    assert sample["name"] == "Stack.Item.pop"
    assert sample["messages"][0]["content"] == "async def pop(self):\n    return await self.items.pop()"


def test_a_simple_return_annotation_is_removed_and_asked_for() -> None:
    documented, typed = found('''
        def is_open(door: Door) -> bool:  # yes or no
            """Say whether the door is open."""
            return door.angle > 0
    ''')
    assert "-> bool" in documented["messages"][0]["content"]
    assert typed["slice"] == "return_annotation"
    assert typed["reference"] == "bool"
    assert (typed["openness"], typed["checker"]) == ("closed", "exact")
    code = "def is_open(door: Door):  # yes or no\n    return door.angle > 0"
    assert typed["messages"][0]["content"] == RETURN_QUESTION + code


@pytest.mark.parametrize(
    ("annotation", "reference"),
    [
        ("None", "None"),
        ("str", "str"),
        ("'bytes'", "bytes"),
        ("int | None", "int | None"),
        ("None | int", "int | None"),
        ("Optional[dict]", "dict | None"),
        ("typing.Optional['set']", None),
        ("'float | None'", "float | None"),
        ("list[int]", None),
        ("int | str", None),
        ("Path", None),
        ("None | None", None),
        ("Optional[None]", None),
        ("'not python'", None),
        ("object | None", None),
    ],
)
def test_the_vocabulary_of_return_types(annotation: str, reference: str | None) -> None:
    assert return_type(ast.parse(annotation, mode="eval").body) == reference


@pytest.mark.parametrize(
    "source",
    [
        "def _private():\n    return 1",
        "def __len__(self):\n    return 1",
        "class _Hidden:\n    def seen(self):\n        return 1",
        "def test_it():\n    return 1",
        "class TestIt:\n    def helper(self):\n        return 1",
        "class Checks(unittest.TestCase):\n    def setUp(self):\n        return 1",
        "@typing.overload\ndef f(x: int) -> int: return x",
        "class A:\n    @x.setter\n    def x(self, value):\n        self.y = value",
        "x = 1",
        "",
    ],
)
def test_what_is_no_public_function_is_no_candidate(source: str) -> None:
    assert extracted(source, SETTINGS) == []


def test_functions_inside_functions_are_left_to_their_parent() -> None:
    (sample,) = found("""
        def outer():
            def inner():
                return 1
            return inner
    """)
    assert sample["name"] == "outer"


def test_functions_under_conditions_are_found() -> None:
    source = """
        try:
            import fast
        except ImportError:
            def slow(): return 1
        else:
            if fast.ready:
                def quick(): return 2
    """
    assert [sample["name"] for sample in found(source)] == ["slow", "quick"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('"""Say a thing or two."""', "trivial body"),
        ('"""Say a thing or two."""\n    ...', "trivial body"),
        ("pass", "trivial body"),
        ("raise NotImplementedError('later') from None", "trivial body"),
        ('"""   """\n    return 1', "reference empty"),
        ('""":param x: a thing of some kind"""\n    return 1', "reference not a sentence"),
        ('"""Two words"""\n    return 1', "reference not a sentence"),
        ('"""find(a, b, c) -> int"""\n    return 1', "reference not a sentence"),
        ('"""Say a thing or two."""; return 1', "docstring not on lines of its own"),
    ],
)
def test_what_will_not_do_is_counted_with_its_reason_and_without_its_text(body: str, reason: str) -> None:
    (sample,) = extracted(f"def f(x):\n    {body}\n", SETTINGS)
    assert sample["dropped"] == reason
    assert sample["messages"] == []
    assert sample["reference"] is None
    assert sample["name"] == "f"


def test_a_stub_with_a_return_annotation_is_counted_once() -> None:
    (sample,) = extracted("def f(x) -> int: ...", SETTINGS)
    assert sample["dropped"] == "trivial body"


def test_an_annotation_over_several_lines_is_counted_as_dropped() -> None:
    _, typed = extracted("def f(x) -> (\n    int\n):\n    return x", SETTINGS)
    assert typed["dropped"] == "annotation not on one line"


def test_long_functions_are_dropped_not_cut() -> None:
    source = "def f(x):\n    return " + " + ".join(["x"] * 200)
    assert len(source) > 600
    (sample,) = extracted(source, TaskSettings("docstrings"))
    assert sample["dropped"] == "too long"
    (sample,) = extracted(source, TaskSettings("docstrings", max_chars=len(source)))
    assert sample["messages"][0]["content"] == source


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_marks_do_not_shift_the_cut(end: str) -> None:
    source = '\ufeff# größe\fpage\ndef f(x):\n    "Größe des Baumes in Metern."\n    return "größe", x\n'
    (sample,) = extracted(source.replace("\n", end), SETTINGS)
    assert sample["reference"] == "Größe des Baumes in Metern."
    assert sample["messages"][0]["content"] == 'def f(x):\n    return "größe", x'


def test_text_in_strings_keeps_its_own_indentation() -> None:
    source = "class A:\n    def f(self):\n        return '''\nleft\n        right'''\n"
    (sample,) = extracted(source, SETTINGS)
    assert sample["messages"][0]["content"] == "def f(self):\n    return '''\nleft\n    right'''"


@pytest.mark.parametrize(
    "source", ["print 'hello'\n", "def f(:\n", "x = 1\x00", "try:\n    pass\nexcept Error, e:\n    pass\n"]
)
def test_a_source_that_does_not_parse_says_why(source: str) -> None:
    assert error_of(source, SETTINGS).startswith("not Python 3: ")


def test_deep_nesting_fails_with_a_reason() -> None:
    assert error_of("x = " + "-" * 100_000 + "1", SETTINGS).startswith("not Python 3: ")


def test_other_media_types_give_no_candidates() -> None:
    assert extracted("def f(x):\n    return x", SETTINGS, "text/plain") == []


def test_invalid_escapes_warn_nobody(recwarn: pytest.WarningsRecorder) -> None:
    extracted("def f(x):\n    return '\\d'\n", SETTINGS)
    assert not recwarn.list


def test_every_sample_of_the_standard_library_is_one_function_that_hides_its_answer() -> None:
    seen = 0
    for path in sorted(Path(json.__file__).parent.parent.glob("[a-h]*.py")):
        for sample in extracted(path.read_text(encoding="utf-8"), SETTINGS):
            if sample["dropped"] is not None:
                continue
            seen += 1
            (node,) = ast.parse(sample["messages"][0]["content"].removeprefix(RETURN_QUESTION)).body
            assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            assert node.name == sample["name"].split(".")[-1]
            assert ast.get_docstring(node) is None
            assert sample["slice"] != "return_annotation" or node.returns is None
    assert seen > 500


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Return the sum of two numbers.", True),
        ("`x` is the answer", True),
        ("S.find(sub, start) -> int", False),
        (":return: the sum of numbers", False),
        ("--- a rule ---", False),
        ("f(x) is computed here", True),
        ("Größe des Baumes", True),
    ],
)
def test_sentences(line: str, expected: bool) -> None:
    assert is_sentence(line) is expected


_LINE = st.text(st.characters(codec="utf-8", exclude_characters='"\\\r\n\x00', exclude_categories=("Cs",)), max_size=12)


@given(
    st.lists(_LINE, min_size=1, max_size=5),
    st.integers(0, 3),
    st.lists(st.sampled_from(["", "    ", "# c"]), max_size=3),
)
def test_any_docstring_is_cut_out_whole(lines: list[str], depth: int, after: list[str]) -> None:
    body = ['"""Read it all aloud. ' + lines[0], *lines[1:], '"""', *after, "return 1"]
    source = "".join(f"{'    ' * level}class C{level}:\n" for level in range(depth)) + "    " * depth + "def f(x):\n"
    source += "".join(f"{'    ' * (depth + 1)}{line}\n" for line in body)
    (sample,) = extracted(source, SETTINGS)
    (node,) = ast.parse(sample["messages"][0]["content"]).body
    assert sample["reference"].startswith("Read it all aloud.")
    assert [type(statement) for statement in node.body] == [ast.Return]

"""What runs inside the sandbox, as a script of its own: an answer, then the tests that hold it to its word.

It reads everything from standard input before it runs any of it, and says one line for each step on what was standard
output, which the answer does not have. That the tests passed is said by a word that was drawn for this run, after the last of them:
an answer that leaves, prints or prints "passed" says nothing. Only the standard library is there.
"""

import ast
import json
import os
import resource
import sys
import types

READY, PASSED, FAILED, FAULT = "ready", "passed", "failed", "fault"


def _limit(limits: dict[str, int]) -> None:
    """Limits that nothing in this process can raise again."""
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, name), (most, most))


def _only_voice() -> int:
    """A private copy of standard output; the three standard streams lead nowhere afterwards."""
    own, nowhere = os.dup(1), os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    return own


def _fault_of(tests: str) -> str | None:
    """Why these are no tests; None when they are."""
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"the tests are no Python: {type(error).__name__}"
    return None if any(map(_holds_to, ast.walk(tree))) else "the tests assert nothing"


def _holds_to(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return isinstance(node, ast.Assert | ast.Raise) or name.lower().startswith("assert")


def _run(code: str, tests: str) -> None:
    """The answer as a module, then the tests in it, each function of these whose name begins with `test`, and each TestCase."""
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    exec(compile(code, "answer", "exec"), module.__dict__)  # noqa: S102 - what the sandbox is for
    before = dict(module.__dict__)
    exec(compile(tests, "tests", "exec"), module.__dict__)  # noqa: S102
    for name, value in list(module.__dict__.items()):
        if before.get(name) is value:
            continue
        if name.startswith("test") and callable(value):
            value()
        elif isinstance(value, type) and "TestCase" in [base.__name__ for base in value.__mro__[1:]]:
            _run_case(value)


def _run_case(case: type) -> None:
    import unittest

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    if not result.testsRun or not result.wasSuccessful():
        raise AssertionError(case.__name__)


def main() -> None:
    job = json.loads(sys.stdin.buffer.read())
    own = _only_voice()
    os.chdir("/tmp")  # noqa: S108 - the sandbox's own, in memory
    _limit(job["limits"])

    def say(*words: str) -> None:
        os.write(own, " ".join(words).encode() + b"\n")

    if fault := _fault_of(job["tests"]):
        say(FAULT, fault)
        os._exit(0)
    say(READY)
    try:
        _run(job["code"], job["tests"])
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer's
        say(FAILED, type(error).__name__)
        os._exit(0)
    say(PASSED, job["word"])
    os._exit(0)


if __name__ == "__main__":
    main()

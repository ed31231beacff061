"""Code that a model wrote is run and does no harm: each attack is real, and fails for its own reason."""

import os
import resource
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import seccomp, unit_tests
from evaluation.scores import score_contestants
from evaluation.selection import trial_metric
from evaluation.statistics import BootstrapSettings
from evaluation.unit_tests import SandboxError, UnitTestSettings, Verdict, check, code_of, run_unit_tests, runner
from tests.evaluation.tables import outputs, samples

SMALL = UnitTestSettings(memory=256)
SQUARE = "def square(x):\n    return x * x\n"
TESTS = "assert square(3) == 9\nassert square(-2) == 4"
RIGHT, WRONG = Verdict(True), Verdict(False)


def catches(attack: str, error: str) -> str:
    """Code that passes its tests only if the attack fails by this error."""
    body = "\n    ".join(attack.splitlines())
    return f"{SQUARE}try:\n    {body}\nexcept {error}:\n    pass\nelse:\n    square = None\n"


@pytest.mark.parametrize(
    ("answer", "tests", "verdict"),
    [
        (SQUARE, TESTS, RIGHT),
        (f"Here it is:\n```python\n{SQUARE}```\nIt squares.", TESTS, RIGHT),
        ("def square(x): return x + x", TESTS, WRONG),
        ("def square(x) return", TESTS, WRONG),
        ("I would rather not.", TESTS, WRONG),
        ("\x00 \ud800", TESTS, WRONG),
        (SQUARE, "def test_it():\n    assert square(2) == 4", RIGHT),
        (SQUARE, "def test_it():\n    assert square(2) == 5", WRONG),
        (
            SQUARE,
            "import unittest\nclass Squares(unittest.TestCase):\n    def test_it(self): self.assertEqual(square(2), 4)",
            RIGHT,
        ),
        (
            SQUARE,
            "import unittest\nclass Squares(unittest.TestCase):\n    def test_it(self): self.assertEqual(square(2), 5)",
            WRONG,
        ),
        (SQUARE, "assert (", Verdict(False, "the tests are no Python: SyntaxError")),
        (SQUARE, "square(2)", Verdict(False, "the tests assert nothing")),
    ],
)
def test_an_answer_is_held_to_its_tests(answer, tests, verdict):
    assert check(answer, tests, SMALL) == verdict


@pytest.mark.parametrize(
    "leaving",
    [
        "raise SystemExit(0)",
        "import os\nos._exit(0)",
        "import sys\nsys.exit()",
        "print('passed')\nraise SystemExit(0)",
        "import os\nos.write(1, b'ready\\npassed\\n')\nos._exit(0)",
        "import os\nfor place in range(3, 64):\n    try: os.write(place, b'passed\\n')\n    except OSError: pass\nos._exit(0)",
        f"{SQUARE}import os\nsquare = lambda x: os._exit(0)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_whoever_leaves_before_the_asserts_has_not_passed(leaving):
    assert check(leaving, TESTS, SMALL) == WRONG


@pytest.mark.parametrize(
    ("attack", "error"),
    [
        ("import socket\nsocket.socket()", "PermissionError"),
        ("import urllib.request\nurllib.request.urlopen('http://1.1.1.1', timeout=1)", "OSError"),
        ("import os\nos.fork()", "PermissionError"),
        ("import os\nwhile True: os.fork()", "PermissionError"),
        ("import subprocess\nsubprocess.run(['/bin/sh', '-c', 'true'])", "OSError"),
        ("import multiprocessing as m\nm.get_context('fork').Process(target=print).start()", "PermissionError"),
        ("open('/etc/passwd')", "FileNotFoundError"),
        ("open('/proc/1/environ')", "FileNotFoundError"),
        ("open('/written', 'w')", "OSError"),
        ("open('/usr/lib/written', 'w')", "OSError"),
        ("open(__import__('os').__file__, 'a')", "OSError"),
        ("bytearray(10 * 2**30)", "MemoryError"),
        ("kept = []\nwhile True: kept.append(bytearray(2**20))", "MemoryError"),
        (
            "for number in range(100):\n    with open(f'/tmp/{number}', 'wb') as file: file.write(bytes(2**22))",
            "OSError",
        ),
        ("import mmap\nkept = [mmap.mmap(-1, 2**28) for _ in range(40)]", "OSError"),
        ("import os\nos.memfd_create('kept')", "PermissionError"),
        (
            "import threading\nfor _ in range(1000): threading.Thread(target=threading.Event().wait).start()",
            "RuntimeError",
        ),
    ],
)
def test_what_an_answer_may_not_do_fails_for_it(attack, error):
    """The answer passes: it caught the very error that stopped it."""
    assert check(catches(attack, error), TESTS, SMALL) == RIGHT


def test_neither_credentials_nor_the_workspace_nor_the_environment_can_be_read(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_text("a key")
    (tmp_path / "credentials.json").write_text("a password")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", "a token")
    for path in (home / ".ssh" / "id_ed25519", tmp_path / "credentials.json", Path.home() / ".ssh", Path(__file__)):
        assert check(catches(f"import os\nos.stat({str(path)!r})", "FileNotFoundError"), TESTS, SMALL) == RIGHT
    names = "import os\nassert set(os.environ) <= {'PWD', 'LC_CTYPE'}, os.environ\nassert os.listdir('/tmp') == []\n"
    assert check(names + SQUARE, TESTS, SMALL) == RIGHT


def test_services_of_the_machine_cannot_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        attack = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)"
        assert check(catches(attack, "OSError"), TESTS, SMALL) == RIGHT
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
        "while True: print('x' * 10**6)",
        "import sys\nwhile True: sys.stderr.write('x' * 10**6)",
        "import os\nwhile True:\n  for place in range(3, 10):\n    try: os.write(place, b'x' * 10**6)\n    except OSError: pass",
    ],
)
def test_work_without_end_and_a_flood_of_output_end_and_are_wrong_answers(loop):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert check(loop, TESTS, replace(SMALL, cpu_seconds=1)) == WRONG
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "what it says is not kept"


def test_what_sleeps_is_a_failed_check_and_leaves_nothing_behind():
    marker = f"sleeps {os.getpid()}"
    sleeping = f"import threading\nthreading.Thread(target=threading.Event().wait).start()\nimport time\n'{marker}'\ntime.sleep(600)"
    verdict = check(sleeping, TESTS, replace(SMALL, patience=1))
    assert not verdict.passed and verdict.fault == "it waited for something, and was given up after 1 seconds"
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    assert "bwrap\n" not in [Path(f"/proc/{child}/comm").read_text() for child in children]


def test_a_sandbox_that_is_slow_to_begin_is_no_answer_that_waits(monkeypatch, tmp_path):
    """A machine that does other things: its delay is not counted against the answer."""
    real = shutil.which("bwrap")
    slow = tmp_path / "bwrap"
    slow.write_text(f'#!/bin/sh\nsleep 5.5\nexec {real} "$@"\n')
    slow.chmod(0o755)
    sandbox = (str(slow), *unit_tests._sandbox()[1:])
    monkeypatch.setattr(unit_tests, "_sandbox", lambda: sandbox)
    assert check(SQUARE, TESTS, replace(SMALL, patience=5)) == RIGHT


def test_many_at_a_time_give_what_each_gives_alone():
    pairs = [
        (SQUARE + f"# {number}", f"assert square({number}) == {number * number + number % 2}") for number in range(8)
    ]
    told: list[int] = []
    found = run_unit_tests([*pairs, *pairs], SMALL, lambda done, *_: told.append(done))
    assert found == [RIGHT if number % 2 == 0 else WRONG for number in range(8)] * 2
    assert told == list(range(1, 9)), "equal pairs are run once"
    assert threading.active_count() < 50


@given(st.text(max_size=200))
@settings(max_examples=10, deadline=None)
def test_any_text_can_be_run_and_is_no_right_answer(text):
    assert check(text, TESTS, SMALL) == WRONG


@given(st.text(alphabet=st.characters(exclude_characters="`\r"), max_size=80), st.sampled_from(["", "python", "py"]))
def test_the_code_of_an_answer_is_its_code_block_or_all_of_it(code, language):
    assert code_of(code) == code
    assert code_of(f"So:\n```{language}\n{code}```\nand\n```\nother\n```") == code


def test_without_the_sandbox_nothing_is_run_and_the_package_is_named(monkeypatch, tmp_path):
    unit_tests._sandbox.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        check(SQUARE, TESTS, SMALL)
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(SandboxError, match="No permissions to create new namespace"):
        check(SQUARE, TESTS, SMALL)
    monkeypatch.undo()
    unit_tests._sandbox.cache_clear()
    assert check(SQUARE, TESTS, SMALL) == RIGHT


def test_an_unknown_machine_is_an_error():
    assert len(seccomp.program("aarch64")) % 8 == 0
    with pytest.raises(ValueError, match="no filter of system calls is known for riscv64"):
        seccomp.program("riscv64")


def asked(**more: object) -> pl.DataFrame:
    about = {"openness": "closed", "checker": "unit_test", "reference": TESTS, "split": "test"}
    return samples(*({"sample_id": name, **about, **more} for name in ("one", "two", "three")))


def test_scores_count_passes_and_a_failed_check_is_none_of_them():
    good = outputs(*({"sample_id": name, "output": SQUARE, "purpose": "test"} for name in ("one", "two", "three")))
    bad = good.with_columns(
        output=pl.Series(["def square(x): return 9", "import time\ntime.sleep(600)", SQUARE], dtype=pl.String)
    )
    both = {name: rows.with_columns(model_version=pl.lit("v")) for name, rows in (("good", good), ("bad", bad))}
    quick = runner(replace(SMALL, patience=5))
    outcome = score_contestants(both, asked(), "d", BootstrapSettings(resamples=100, permutations=100), run_tests=quick)
    scored = outcome.table.select("model", "metric", "value", "n").rows()
    assert scored == [("good", "unit_test_pass", 1.0, 3), ("bad", "unit_test_pass", 0.5, 2)]
    assert outcome.failed == {"bad: it waited for something, and was given up after 5 seconds": 1} and outcome.kept == 2
    told = outcome.others["sample_scores"].filter(model="bad").drop_nulls("error")
    assert told["sample_id"].to_list() == ["two"] and told["value"].to_list() == [None]
    assert trial_metric(asked()) == "unit_test_pass"


def test_nothing_is_run_where_it_was_not_allowed():
    rows = {
        "m": outputs({"sample_id": "one", "output": SQUARE, "purpose": "test"}).with_columns(model_version=pl.lit("v"))
    }
    outcome = score_contestants(rows, asked(), "d", BootstrapSettings(resamples=100, permutations=100))
    assert outcome.table.is_empty() and outcome.failed == {"the reference is none for the checker unit_test": 1}
    assert "say" in (told := outcome.others["sample_scores"]["error"][0]) and "`unit_tests: on`" in told

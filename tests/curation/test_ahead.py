"""What is compiled ahead is what runs ask for, and who compiles it hurts nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import curation
from curation import ahead, compilation
from curation.ahead import MOST, versions
from curation.file_locks import FILE, alone
from curation.resource_limits import processors_there_are
from curation.trusted_folders import Folder
from tests.curation.kernel_versions import RECORDED

PACKAGE = Path(curation.__file__).parent
FOR_TESTS = {"curation.privacy.number_kernel.may_be_entity"}
"""What other kernels call, and Python in tests alone."""
HOLDS = """
import os
import sys
from pathlib import Path
from curation.file_locks import alone
from curation.trusted_folders import Folder
with alone([Folder(Path(sys.argv[1]), frozenset([os.geteuid()]))], "held") as is_alone:
    print(is_alone, flush=True)
    sys.stdin.read()
"""
FILLS = """
import numpy as np
from curation.deduplication.digest_index import fill_index
def fill():
    fill_index(np.zeros(2, np.uint64), np.full(16, -1, np.int32))
"""
CHILDREN = """
from pathlib import Path
def children():
    return Path("/proc/thread-self/children").read_text().split()
"""
HELPED = f"import sys\n{FILLS}{CHILDREN}fill()\nprint(*children(), flush=True)\nsys.stdin.read()\n"
FORKED = (
    f"import os\n{FILLS}{CHILDREN}pid = os.fork()\nif pid: os.waitpid(pid, 0)\nelse: fill(); print(len(children()))\n"
)
AGAIN = f"import sys\n{FILLS}fill()\nprint('curation.ahead' in sys.modules, 'numba' in sys.modules)\n"
ALL_ASKED = """
import sys
from tests.curation.kernel_versions import recorded
sys.stdout.write(recorded())
print("numba" in sys.modules, file=sys.stderr)
"""
COUNTED = f"import sys, subprocess\nfrom pathlib import Path\n{FILLS}{CHILDREN}{{}}\nfill()\nprint(len(children()))\n"
FAILS = """
from curation import ahead
def fails(module):
    raise RuntimeError("it is late")
ahead._helper = fails
"""
OUTDATED = """
import os
from curation import ahead
kept = ahead.versions()[0]
gone = [kept._replace(arrays=("9",)), kept._replace(name="gone"), kept._replace(module="curation.gone")]
ahead.versions = lambda: (kept, *gone)
ahead.help_with(os.getppid(), kept.module)
print(kept.is_kept, *[each.is_kept for each in gone])
"""
ALONE = f"import sys\nsys.executable = '/nowhere'\n{FILLS}fill()\nprint('filled')\n"


def begun(program: str, *words: str, **around: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    environment = {**os.environ, **around}
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], env=environment, stdin=pipe, stdout=pipe, text=True
    )


def ran(program: str, **around: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **around}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)


def said(program: str, **around: str) -> str:
    return ran(program, **around).stdout.strip()


def folder_of_ours(path: Path) -> Folder:
    return Folder(path, frozenset([os.geteuid()]))


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock in this folder."""
    with begun(HOLDS, str(tmp_path)) as process:
        assert process.stdout
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_a_lock_is_of_one_name_and_ends_with_the_process_that_holds_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with alone([folder_of_ours(tmp_path)], "held") as is_alone:
        assert not is_alone
    with alone([folder_of_ours(tmp_path)], "other") as is_alone:
        assert is_alone
    holder.kill()
    holder.wait()
    with alone([folder_of_ours(tmp_path)], "held") as is_alone:
        assert is_alone


def test_where_no_folder_takes_a_lock_nobody_is_alone(tmp_path: Path) -> None:
    first, second = folder_of_ours(tmp_path / "file"), folder_of_ours(tmp_path / "folder")
    first.path.touch()
    with alone([first], "held", patience=60) as is_alone:
        assert not is_alone
    with alone([first, second], "held") as is_alone:
        assert is_alone


def test_no_lock_is_taken_where_another_user_could_hold_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """Nobody waits for him."""
    tmp_path.chmod(0o757)
    with alone([folder_of_ours(tmp_path), folder_of_ours(tmp_path / "folder")], "held") as is_alone:
        assert is_alone
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / FILE)
    with alone([folder_of_ours(tmp_path / "pipe"), folder_of_ours(tmp_path / "folder")], "held") as is_alone:
        assert is_alone


def test_each_kernel_of_the_package_is_compiled_ahead() -> None:
    for file in PACKAGE.rglob("*.py"):
        if "\n@kernel\n" in file.read_text():
            import_module(".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts))
    functions = [each.py_func for each in compilation.kernels]
    names = {
        f"{each.__module__}.{each.__qualname__}" for each in functions if str(each.__module__).startswith("curation.")
    }
    assert names - FOR_TESTS == {f"{each.module}.{each.name}" for each in versions()}


def test_what_is_compiled_ahead_is_what_runs_ask_for() -> None:
    """Else record it anew: `python -m tests.curation.kernel_versions`."""
    assert said(ALL_ASKED).splitlines() == RECORDED.read_text().splitlines()


def test_a_helper_compiles_what_is_needed_later_and_ends_with_the_process_that_it_helps(tmp_path: Path) -> None:
    with begun(HELPED, NUMBA_CACHE_DIR=str(tmp_path)) as process:
        assert process.stdout
        helpers = [Path("/proc", pid) for pid in process.stdout.readline().split()]
        assert len(helpers) == min(MOST, processors_there_are() - 1)
        while helpers and not list(tmp_path.rglob("pair_kernels.*.elect-*.kernel")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    while any(is_running(helper) for helper in helpers):
        time.sleep(0.01)
    assert len(list(tmp_path.rglob("*.kernel"))) < len(versions())
    assert said(AGAIN, NUMBA_CACHE_DIR=str(tmp_path)) == "False False"


def is_running(process: Path) -> bool:
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_was_forked_has_no_helpers(tmp_path: Path) -> None:
    assert said(FORKED, NUMBA_CACHE_DIR=str(tmp_path)) == "0"


def test_where_nobody_can_help_a_process_compiles_for_itself_and_says_so(tmp_path: Path) -> None:
    done = ran(ALONE, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout == "filled\n"
    assert ("no other process compiles ahead" in done.stderr) == (processors_there_are() > 1)


@pytest.mark.parametrize(
    ("change", "is_helped"),
    [
        ("sys.path.append(Path('/a'))", True),
        ("sys.executable = None", False),
        ("from curation import ahead\nahead.__file__ = '/nowhere/ahead.py'", False),
    ],
    ids=["path", "no interpreter", "no record"],
)
def test_whatever_helpers_lack_a_process_works_on(tmp_path: Path, change: str, is_helped: bool) -> None:
    done = ran(COUNTED.format(change), NUMBA_CACHE_DIR=str(tmp_path))
    assert int(done.stdout) == (min(MOST, processors_there_are() - 1) if is_helped else 0)
    assert done.stderr == ""


def test_helpers_are_as_many_as_memory_and_processors_are_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    def wanted(memory: int, processors: int) -> int:
        monkeypatch.setattr(ahead, "memory_there_is", lambda: memory)
        monkeypatch.setattr("os.sched_getaffinity", lambda _: range(processors))
        return ahead._wanted()

    assert [wanted(memory, 16) for memory in (1 << 29, 1 << 30, 1 << 31, 1 << 32)] == [0, 0, 1, 3]
    assert [wanted(1 << 36, processors) for processors in (1, 2, 3, 4, 64)] == [0, 1, 2, 3, 3]


def test_what_goes_wrong_in_starting_helpers_is_told_and_not_raised(tmp_path: Path) -> None:
    done = ran(COUNTED.format(FAILS), NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout == "0\n"
    assert done.stderr.count("it is late") == (processors_there_are() > 1)


def test_nobody_is_started_who_could_take_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert said(COUNTED.format(""), NUMBA_CACHE_DIR=str(tmp_path / "file")) == "0"


def test_what_a_record_names_that_nobody_has_is_passed_over(tmp_path: Path) -> None:
    done = ran(OUTDATED, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout == "True False False False\n"
    assert done.stderr == ""


@pytest.mark.long
def test_what_was_compiled_ahead_is_all_that_anybody_needs(tmp_path: Path) -> None:
    helper = f"import os; from curation.ahead import help_with; help_with(os.getppid(), '{versions()[0].module}')"
    assert said(helper, NUMBA_CACHE_DIR=str(tmp_path)) == ""
    assert len(list(tmp_path.rglob("*.kernel"))) == len(versions())
    done = ran(ALL_ASKED, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stderr.splitlines()[-1] == "False"

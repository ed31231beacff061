"""Kernels give what Python gives for whatever arrays they are given, and what is kept of them is used when it fits, and only then."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.compilation import Kernel, kernel
from curation.kernel_arguments import Kind
from curation.machine_code import Code, Kept
from curation.trusted_folders import Folder, is_of_one

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@kernel
def weighed(values: Ints, out: Ints) -> int:
    """Write each number with its place into its weight; how many there are."""
    rows, columns = values.shape
    for i in range(rows):
        for j in range(columns):
            out[i, j] = values[i, j] * (1000 * i + j)
    return rows * columns


@kernel
def told(whole: int, unsigned: np.uint64, part: float, flag: bool) -> tuple[int, int, float, bool, float]:
    """All kinds of numbers, there and back."""
    return whole, unsigned + np.uint64(1), part / 2, not flag, np.float32(0.5)


@kernel
def quotient(numbers: Ints, at: int, by: int) -> int:
    """What may fail in two ways."""
    if at >= len(numbers):
        raise IndexError("no number", 7)
    return int(numbers[at] // by)


@kernel
def power(a: float, b: float) -> float:
    """What the mathematical library computes."""
    return a**b


@kernel
def of_two(numbers: Ints, at: int) -> int:
    """A kernel that calls another, which may fail."""
    return quotient(numbers, at, 2) + quotient(numbers, at + 1, 2)


@kernel
def waited(flag: Flags, beats: Ints) -> int:
    """Work until the flag is set, or for a minute."""
    rounds = 0
    while not flag[0] and rounds < 1 << 36:
        beats[rounds & 1] += 1
        rounds += 1
    return rounds


@kernel
def undeclared(numbers: npt.NDArray[Any], at: int) -> int:
    """What cannot be told from its declaration."""
    return int(numbers[at])


def views(count: int) -> st.SearchStrategy[Any]:
    steps = st.sampled_from([-2, -1, 1, 3])
    bounds = st.integers(0, count)
    return st.tuples(bounds, bounds, steps).map(lambda cut: slice(*cut))


@given(views(7), views(6), st.sampled_from("CF"), st.booleans(), st.booleans())
def test_arrays_are_read_and_written_where_they_stand(
    rows: slice, columns: slice, order: Any, transposed: bool, readonly: bool
) -> None:
    values = np.arange(42).reshape(7, 6).copy(order)
    values = (
        (values.T[columns, rows] if transposed else values[rows, columns]) + 0 if readonly else values[rows, columns]
    )
    values.flags.writeable = not readonly
    room = np.full((9, 16), -1)
    out = room[1 : 1 + values.shape[0], 2 : 2 + 2 * values.shape[1] : 2]
    expected = room.copy()
    i, j = np.indices(values.shape)
    expected[1 : 1 + values.shape[0], 2 : 2 + 2 * values.shape[1] : 2] = values * (1000 * i + j)
    assert weighed(values, out) == values.size
    np.testing.assert_array_equal(room, expected)


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, (1 << 64) - 2), st.floats(allow_nan=False), st.booleans())
def test_numbers_go_there_and_come_back(whole: int, unsigned: int, part: float, flag: bool) -> None:
    found = told(whole, np.uint64(unsigned), part, flag)
    assert found == (whole, unsigned + 1, part / 2, not flag, 0.5)
    assert list(map(type, found)) == [int, int, float, bool, float]
    assert told(np.int64(whole), unsigned, np.float64(part), np.bool_(flag)) == found
    assert told(flag=flag, part=part, unsigned=np.uint64(unsigned), whole=whole) == found


def test_one_version_serves_all_numbers_of_a_parameter() -> None:
    assert isinstance(told, Kernel)
    for whole in (1, np.int8(1), np.uint16(1), True):
        assert told(whole, np.uint8(1), np.float32(1), False)[:3] == (1, 2, 0.5)
    assert len(told.versions) == 1


def test_what_is_raised_inside_reaches_the_caller_with_its_place() -> None:
    numbers = np.arange(5)
    assert quotient(numbers, 4, 2) == 2
    with pytest.raises(ZeroDivisionError, match="by zero"):
        quotient(numbers, 4, 0)
    with pytest.raises(IndexError) as raised:
        quotient(numbers, 5, 1)
    assert raised.value.args == ("no number", 7)
    assert raised.value.__notes__[0].startswith(f"in quotient, {__file__}:")
    assert quotient(numbers, 4, -1) == -4
    assert of_two(numbers, 3) == 3
    with pytest.raises(IndexError, match="no number"):
        of_two(numbers, 4)


def test_an_array_is_held_while_it_is_worked_on_and_no_longer() -> None:
    numbers = np.arange(5)
    before = sys.getrefcount(numbers)
    for at in range(10):
        with suppress(IndexError):
            quotient(numbers, at, 1)
    assert sys.getrefcount(numbers) == before


def test_an_array_that_begins_anywhere_is_read_as_it_stands() -> None:
    skewed = np.frombuffer(b"x" + np.arange(5).tobytes(), np.int64, offset=1)
    assert not skewed.flags.aligned
    assert quotient(skewed, 4, 2) == 2


def test_an_array_that_is_read_only_is_not_written() -> None:
    out = np.zeros((1, 1), np.int64)
    out.flags.writeable = False
    with pytest.raises(Exception, match="Cannot modify readonly array"):
        weighed(np.ones((1, 1), np.int64), out)
    assert out[0, 0] == 0


def test_other_threads_go_on_while_one_works() -> None:
    flag = np.zeros(1, np.bool_)
    waited(np.ones(1, np.bool_), np.zeros(2, np.int64))
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(waited, flag, beats := np.zeros(2, np.int64))
        while not beats[0]:
            assert not working.done()
        flag[0] = True
    assert 0 < working.result() < 1 << 36


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.arange(5, dtype=np.int32), 0, 1), "quotient: `numbers` must be an array of int64, not an array of int32"),
        ((np.arange(5, dtype=">i8"), 0, 1), "quotient: `numbers` must be an array of int64, not an array of >i8"),
        (([1, 2], 0, 1), "quotient: `numbers` must be an array of int64, not a list"),
        ((np.ma.arange(5), 0, 1), "quotient: `numbers` must be an array of int64, not a MaskedArray"),
        ((None, 0, 1), "quotient: `numbers` must be an array of int64, not a NoneType"),
        ((np.arange(5), 0.5, 1), "quotient: `at` must be int64, not a float"),
        ((np.arange(5), np.arange(1), 1), "quotient: `at` must be int64, not an array of int64"),
        ((np.arange(5), True, None), "quotient: `by` must be int64, not a NoneType"),
        ((np.arange(5), 0), "quotient: missing a required argument: 'by'"),
        ((np.arange(5), 0, 1, 2), "quotient: too many positional arguments"),
    ],
    ids=["narrow", "swapped", "list", "masked", "nothing", "part", "array", "none", "too few", "too many"],
)
def test_an_argument_of_the_wrong_kind_is_named(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(TypeError) as raised:
        quotient(*arguments)
    assert str(raised.value) == said


def test_what_is_not_declared_is_named() -> None:
    with pytest.raises(TypeError, match=r"undeclared: `numbers` must be declared as a number .* or an array of some"):
        undeclared(np.arange(5), 0)


def test_a_number_that_has_no_place_in_64_bits_is_named() -> None:
    with pytest.raises(OverflowError, match=r"quotient: `by` is 9223372036854775808, which is no int64"):
        quotient(np.arange(5), 0, 1 << 63)
    with pytest.raises(OverflowError, match="told: `unsigned` is -1, which is no uint64"):
        told(0, -1, 0.0, False)


def test_threads_that_call_at_once_get_one_version() -> None:
    @kernel
    def total(values: Ints) -> int:
        found = 0
        for value in values:
            found += value
        return found

    together = Barrier(4)

    def called(n: int) -> int:
        together.wait()
        return total(np.full(100_000, n))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(called, range(4))) == [0, 100_000, 200_000, 300_000]
    assert isinstance(total, Kernel)
    assert len(total.versions) == 1


CALLED = "from curation.compilation import piece\n\n@piece\ndef step(x: int) -> int:\n    return {} * x\n"
CALLER = """
import sys
import numpy as np
import numpy.typing as npt
from curation.compilation import kernel
from called import step
from plain import MORE, ROW

@kernel
def total(values: npt.NDArray[np.int64]) -> int:
    found = 0
    for value in values:
        found += step(value) + MORE + ROW[0]
    return found

print(total(np.arange(5)), "numba" in sys.modules, flush=True)
"""
PLAIN = "import numpy as np\n\nMORE, ROW = {}, np.array([{}])\n"
FORKED = """
import os

if not os.fork():
    print(total(np.arange(5)), total(np.arange(10)[::2]), flush=True)
    os._exit(0)
assert os.wait()[1] == 0
"""
FULL = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # as on a full disk\n"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "called.py").write_text(CALLED.format(1))
    (tmp_path / "plain.py").write_text(PLAIN.format(0, 0))
    (tmp_path / "caller.py").write_text(CALLER)
    return tmp_path


def begun(folder: Path, **around: str) -> subprocess.Popen[str]:
    path = {"PYTHONPATH": os.pathsep.join([str(folder), str(Path.cwd())]), "XDG_CACHE_HOME": str(folder / "cache")}
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | path | around
    return subprocess.Popen([sys.executable, "-c", "import caller"], env=environment, stdout=subprocess.PIPE, text=True)


def said(folder: Path, **around: str) -> str:
    process = begun(folder, **around)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.strip()


def kept(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*caller.*.total-*"))


def test_what_is_kept_is_called_without_numba_until_the_machine_is_another(written: Path) -> None:
    assert [said(written), said(written)] == ["10 True", "10 False"]
    assert said(written, NUMBA_CPU_NAME="generic") == "10 True"  # as on another processor
    assert said(written) == "10 False"
    assert len(kept(written)) == 2


def test_what_is_kept_is_of_the_sources_as_they_are(written: Path) -> None:
    """Also where times tell nothing, and of values that another module has."""
    assert said(written) == "10 True"
    for file, text, expected in (
        ("called.py", CALLED.format(2), 20),
        ("plain.py", PLAIN.format(1, 0), 25),
        ("plain.py", PLAIN.format(1, 3), 40),
    ):
        before = (written / file).stat()
        (written / file).write_text(text)
        os.utime(written / file, ns=(before.st_atime_ns, before.st_mtime_ns))
        for bytecode in (written / "__pycache__").glob("*.pyc"):
            bytecode.unlink()
        assert said(written) == f"{expected} True"
        os.utime(written / file)
        assert said(written) == f"{expected} False"
    assert len(kept(written)) == 1


def test_what_is_kept_of_a_module_that_changed_or_is_gone_is_removed(written: Path) -> None:
    def names() -> set[str]:
        return {file.name.partition(".")[0] for file in written.rglob("*.kernel")}

    assert said(written) == "10 True"
    (first,) = kept(written)
    (written / "caller.py").write_text("\n" + CALLER)
    assert said(written) == "10 True"
    (second,) = kept(written)
    assert second.name != first.name
    (written / "caller.py").rename(written / "renamed.py")
    (written / "caller.py").write_text("import renamed")
    assert said(written) == "10 True"
    assert names() == {"caller", "renamed"}
    (written / "caller.py").unlink()
    (written / "called.py").write_text(CALLED.format(2))
    (written / "other.py").write_text("import renamed")
    assert subprocess.run(
        [sys.executable, "-c", "import other"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(written), str(Path.cwd())])},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.startswith("20")
    assert names() == {"renamed"}


def test_a_process_of_older_sources_removes_nothing(written: Path) -> None:
    newer = "from pathlib import Path\nPath(__file__).write_text('# newer')\nprint("
    (written / "caller.py").write_text(CALLER.replace("print(", newer))
    folder = written / "__pycache__"
    folder.mkdir()
    (folder / "caller.0123456789abcdef.total-9.0.kernel").touch()
    assert said(written) == "10 True"
    assert len(list(written.rglob("caller.*.kernel"))) == 2


def test_of_one_function_so_many_files_are_kept_at_most(code: tuple[Kept, tuple[Kind, ...], Code]) -> None:
    keeping, kinds, made = code
    for n in range(20):
        keeping.write((*kinds, *["int64"] * n), made)
    keeping.write(kinds, made)
    assert keeping.read(kinds) == made
    assert len(list(keeping.folders[0].path.glob("*.kernel"))) == 16


def test_of_processes_that_need_it_at_once_one_compiles_it_and_the_other_waits(written: Path) -> None:
    both = [begun(written), begun(written)]
    assert sorted(each.communicate()[0].strip() for each in both) == ["10 False", "10 True"]
    assert len(kept(written)) == 1
    assert said(written) == "10 False"


def test_where_the_source_is_read_only_the_users_own_folder_keeps_it(written: Path) -> None:
    """Root may write everywhere, so a file stands where the folder would."""
    (written / "__pycache__").write_text("")
    assert [said(written), said(written)] == ["10 True", "10 False"]
    assert [file.relative_to(written).parts[:2] for file in kept(written)] == [("cache", "headwater")]


def test_who_lets_a_group_write_loses_nothing(written: Path) -> None:
    """Debian's users have a group of their own each, and may let it write to what they make."""
    before = os.umask(0o002)
    try:
        (written / "__pycache__").mkdir()
        assert [said(written), said(written)] == ["10 True", "10 False"]
    finally:
        os.umask(before)
    is_beside = is_of_one(os.getegid(), os.geteuid())
    assert [file.relative_to(written).parts[0] for file in kept(written)] == ["__pycache__" if is_beside else "cache"]


def test_a_full_disk_costs_what_would_be_kept_and_nothing_is_left_on_it(written: Path) -> None:
    (written / "caller.py").write_text(FULL + CALLER)
    assert said(written, PYTHONDONTWRITEBYTECODE="1") == "10 True"
    assert [file for folder in ("__pycache__", "cache") for file in (written / folder).rglob("*.kernel*")] == []


def test_a_forked_process_calls_what_was_loaded_and_loads_more(written: Path) -> None:
    (written / "caller.py").write_text(CALLER + FORKED)
    assert said(written).split() == ["10", "True", "10", "20"]


@pytest.fixture
def code(tmp_path: Path) -> tuple[Kept, tuple[Kind, ...], Code]:
    """What is kept of a kernel, its kinds of arguments, and where a copy may be kept."""
    assert isinstance(quotient, Kernel)
    assert quotient(np.arange(5), 4, 2) == 2
    kinds = quotient.parameters.kinds((np.arange(5), 4, 2))
    assert quotient._place is not None
    found = quotient._place.read(kinds)
    assert found is not None
    owners = frozenset([os.geteuid()])
    folders = (Folder(tmp_path / "no folder", owners), Folder(tmp_path / "folder", owners))
    return quotient._place._replace(folders=folders), kinds, found


def test_a_damaged_file_is_none(code: tuple[Kept, tuple[Kind, ...], Code]) -> None:
    keeping, kinds, made = code
    keeping.write(kinds, made)
    assert keeping.read(kinds) == made
    (file,) = keeping.folders[0].path.iterdir()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[-200] ^= 1
    for damaged in (whole[: len(whole) // 2], b"", b"\n\n", b"7", bytes(flipped)):
        file.write_bytes(damaged)
        assert keeping.read(kinds) is None
    keeping.write(kinds, made)
    assert keeping.read(kinds) == made
    assert keeping._replace(made_from="").read(kinds) is None
    assert keeping.read(kinds[:1]) is None
    other = keeping._replace(function="other")
    other.write(kinds, made)
    (file.parent / other._file(kinds)).replace(file)
    assert keeping.read(kinds) is None


def test_what_another_user_could_have_written_is_not_run(code: tuple[Kept, tuple[Kind, ...], Code]) -> None:
    keeping, kinds, made = code
    before = os.umask(0)
    try:
        keeping.write(kinds, made)
    finally:
        os.umask(before)
    assert keeping.read(kinds) == made
    (file,) = keeping.folders[0].path.iterdir()
    for mode in (0o664, 0o646):
        file.chmod(mode)
        assert keeping.read(kinds) is None
    file.chmod(0o644)
    others = frozenset([os.geteuid() + 1])
    stranger = keeping._replace(folders=tuple(folder._replace(owners=others) for folder in keeping.folders))
    assert stranger.read(kinds) is None
    stranger.write(kinds, made)
    assert [each for folder in keeping.folders for each in folder.path.iterdir()] == [file]


def test_what_stands_in_the_place_of_a_file_is_neither_followed_nor_waited_for(
    code: tuple[Kept, tuple[Kind, ...], Code],
) -> None:
    keeping, kinds, made = code
    keeping.write(kinds, made)
    (file,) = keeping.folders[0].path.iterdir()
    chosen = file.parent.parent / "chosen"
    for stand in (lambda: file.symlink_to(chosen), lambda: os.mkfifo(file)):
        file.replace(chosen)
        stand()
        assert keeping.read(kinds) is None
        keeping.write(kinds, made)
        assert keeping.read(kinds) == made
        assert not file.is_symlink()


def test_from_a_folder_that_others_may_write_to_nothing_is_run_and_nothing_is_kept_there(
    code: tuple[Kept, tuple[Kind, ...], Code],
) -> None:
    keeping, kinds, made = code
    keeping.write(kinds, made)
    first, second = (folder.path for folder in keeping.folders)
    (file,) = first.iterdir()
    first.chmod(0o777)
    assert keeping.read(kinds) is None
    keeping.write(kinds, made)
    assert keeping.read(kinds) == made
    assert [[each.name for each in folder.iterdir()] for folder in (first, second)] == [[file.name]] * 2
    (second / file.name).unlink()
    first.chmod(0o755)
    assert keeping.read(kinds) == made


def test_where_no_folder_takes_it_nothing_is_kept(code: tuple[Kept, tuple[Kind, ...], Code]) -> None:
    keeping, kinds, made = code
    keeping.folders[0].path.write_text("")
    keeping.write(kinds, made)
    assert [file.parent for file in keeping.folders[1].path.iterdir()] == [keeping.folders[1].path]
    assert keeping.read(kinds) == made
    nowhere = keeping._replace(folders=keeping.folders[:1])
    nowhere.write(kinds, made)
    assert nowhere.read(kinds) is None


def test_what_calls_more_than_every_process_has_goes_through_numba() -> None:
    assert isinstance(power, Kernel)
    assert power(2.0, 0.5) == math.sqrt(2)
    ((kinds, _),) = power.versions.items()
    assert power._place is not None
    assert power._place.read(kinds) == Code(b"")


WITHOUT_NUMBA = """
import sys
import pyarrow as pa
from curation.deduplication import DeduplicationSettings, find_duplicates_in

words = [f"word{n}" for n in range(90)]
texts = [" ".join(words), " ".join(words[1:]), "Another é text."]
names = [f"{n:032x}" for n in range(3)]
columns = {"doc_id": names, "source": ["s"] * 3, "locator": names, "content_digest": names, "text": texts}
found = find_duplicates_in([pa.RecordBatch.from_pydict(columns)], DeduplicationSettings(), ["s"])
print(found.table.height, "numba" in sys.modules)
"""


def test_deduplication_needs_no_numba_once_it_is_compiled() -> None:
    """Also where a kernel can reach functions that emit LLVM's code by Numba's means."""
    said = [
        subprocess.run([sys.executable, "-c", WITHOUT_NUMBA], capture_output=True, text=True, check=True) for _ in "ab"
    ]
    assert said[-1].stdout == "1 False\n"

"""Machine code that is kept in files, and called by its address with what LLVM alone needs: 0.02 s instead of Numba's 0.3.

A file's name says of which function it is, of which text of its module, for which kinds of arguments, on which processor and
by which versions. It begins with a digest of that, of the sources it was made from, and of itself; so one that is damaged, or
of other sources, is none, and neither is one that another user could have written (`curation.trusted_folders`). Whoever writes
one removes those that are of a module as it is no more; a process that reads one of them has it open, or makes its own.

The code takes the tuple of all arguments as the interpreter has it, for the arrays in it, and then the numbers; what it returns
or raises it leaves in a row of 64-bit places (`curation.compiler`).
"""

from __future__ import annotations

import ctypes
import hashlib
import marshal
import os
import pickle
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cache
from glob import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm
import numpy as np
from llvmlite.binding import orcjit

from curation.kernel_arguments import Kind
from curation.trusted_folders import Folder

ENTRY = "curation_entry"
"""The name of the function that is called."""
_MOST, _DAY = 16, 86_400
"""So many files are kept of a function at most; what was begun so many seconds ago is done, or never will be."""
_BEGUN = ".kernel-"
_RAISED = 1
"""The status of a function that raised an exception (Numba's RETCODE_USEREXC)."""
_READ: dict[str, Callable[[int], Any]] = {
    "int": int,
    "uint": lambda place: place % (1 << 64),
    "float": lambda place: struct.unpack("d", struct.pack("q", place))[0],
    "bool": bool,
}
_NUMBERS = {"boolean": ctypes.c_int64, "int64": ctypes.c_int64, "uint64": ctypes.c_uint64, "float64": ctypes.c_double}


class Code(NamedTuple):
    """An object file, empty where the function can be called through Numba alone, and the kinds of what it returns: of one
    number, of `several`, or of none."""

    emitted: bytes
    returns: tuple[str, ...] = ()
    several: bool = False


_digests: dict[str, str | None] = {}


def digest_of(file: str) -> str | None:
    """The digest of a file as it stood when this was first asked, on its import: what changes later is of the next process."""
    if file not in _digests:
        _digests[file] = _digest_now(file)
    return _digests[file]


def _digest_now(file: str) -> str | None:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:  # a function that was typed in has none
        return None


@cache
def _machine() -> str:
    """What all code depends on besides its source: processor, versions, and what Numba was told of compiling."""
    told = {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
    for name in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"):
        told.pop(name, None)
    numba = find_spec("numba")
    assert numba and numba.origin
    versions = (
        llvmlite.__version__,
        llvm.llvm_version_info,
        np.__version__,
        sys.implementation.cache_tag,
        sys.abiflags,
    )
    processor = (llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return repr(
        (versions, digest_of(str(Path(numba.origin).with_name("_version.py"))), processor, sorted(told.items()))
    )


def folders_of(file: str) -> tuple[Folder, ...]:
    """Where the code of a source's functions may be kept: in the first of them that takes it."""
    owners = _owners(file)
    return tuple([Folder(path, owners) for path in _places(file)])


def _places(file: str) -> tuple[Path, ...]:
    folder = Path(file).resolve().parent
    own = f"{folder.name}_{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}"
    if told := os.environ.get("NUMBA_CACHE_DIR"):
        return (Path(told, own),)
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return (folder / "__pycache__",)
    return folder / "__pycache__", caches / "headwater" / own


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # another process removed it
        return 0.0


def _newest(files: Iterable[Path]) -> list[Path]:
    return sorted(files, key=_changed, reverse=True)


def _owners(file: str) -> frozenset[int]:
    """Who may have written what is run: this user, root, and whoever owns the source, which is run too."""
    users = {0, os.geteuid()}
    with suppress(OSError):
        users.add(Path(file).stat().st_uid)
    return frozenset(users)


class Kept(NamedTuple):
    """Where the machine code of a function is kept, the file and the digest of its module, and what it is made from."""

    folders: tuple[Folder, ...]
    source: Path
    digest: str
    function: str
    made_from: str

    @property
    def _module(self) -> str:
        return f"{self.source.stem}.{self.digest[:16]}."

    @property
    def _name(self) -> str:
        return f"{self._module}{self.function}."

    def _file(self, kinds: Sequence[Kind]) -> str:
        digest = hashlib.sha256(f"{_machine()} {tuple(kinds)}".encode()).hexdigest()
        return f"{self._name}{digest[:32]}.kernel"

    def _digest(self, file: str, body: bytes) -> bytes:
        return hashlib.sha256(f"{file} {self.made_from} ".encode() + body).hexdigest().encode()

    def read(self, kinds: Sequence[Kind]) -> Code | None:
        """The code for these kinds of arguments, if it is kept."""
        name = self._file(kinds)
        return next(filter(None, (self._code(folder, name) for folder in self.folders)), None)

    def alone(self, kinds: Sequence[Kind], patience: float) -> AbstractContextManager[bool]:
        """Within this block no other process compiles for these kinds; see `curation.file_locks.alone`."""
        from curation.file_locks import alone  # which is of use where something is compiled

        return alone(self.folders, self._file(kinds), patience)

    def _code(self, folder: Folder, name: str) -> Code | None:
        try:
            with os.fdopen(folder.file(name), "rb") as opened:
                digest, _, body = opened.read().partition(b"\n")
        except OSError:
            return None
        return Code(*marshal.loads(body)) if digest == self._digest(name, body) else None  # noqa: S302

    def write(self, kinds: Sequence[Kind], code: Code) -> None:
        """Keep code in the first folder that takes it, as a whole file or none; where none does it is not kept."""
        name, body = self._file(kinds), marshal.dumps(tuple(code))
        whole = self._digest(name, body) + b"\n" + body
        folder = next((folder for folder in self.folders if _is_written(folder, name, whole)), None)
        for file in self._outdated(folder.path) if folder and self._is_current() else ():
            with suppress(OSError):  # another process removed it
                file.unlink()

    def _is_current(self) -> bool:
        """Whether the module still is what this process imported; else what seems outdated may be newer."""
        return _digest_now(str(self.source)) == self.digest

    def _outdated(self, folder: Path) -> Iterator[Path]:
        """Code of this module as it is no more, and of modules that are gone; of this function all but the newest, for
        versions and processors come and go; and what a process that was killed had begun."""
        for file in folder.glob("*.kernel"):
            stem = file.name.partition(".")[0]
            if (stem == self.source.stem and not file.name.startswith(self._module)) or not self.source.with_name(
                f"{stem}.py"
            ).exists():
                yield file
        yield from _newest(folder.glob(f"{escape(self._name)}*.kernel"))[_MOST:]
        yield from (file for file in folder.glob(f"{_BEGUN}*") if _changed(file) < time.time() - _DAY)


def _is_written(folder: Folder, name: str, whole: bytes) -> bool:
    """Whether a folder takes a file; what was begun there and did not become whole is removed."""
    begun = f"{_BEGUN}{os.urandom(8).hex()}"
    with suppress(OSError):  # read-only, full, or others may write to it
        folder.make()
        with folder.opened() as within:
            try:
                with os.fdopen(folder.file(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as out:
                    out.write(whole)
                    os.fchmod(out.fileno(), 0o644)
                os.replace(begun, name, src_dir_fd=within, dst_dir_fd=within)
                return True
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(begun, dir_fd=within)
    return False


def kept(function: Any, files: Iterable[str], values: str) -> Kept | None:
    """Where the code of a function is kept; None where it has no file, or depends on what surrounds it.

    `files` are those that it is made from, and `values` what it takes from elsewhere.
    """
    ours = (__file__, str(Path(__file__).with_name("compiler.py")))  # they agree on how code is called
    digests = [digest_of(file) for file in (*files, *ours)]
    if sys.platform != "linux" or function.__closure__ or None in digests:
        return None
    file = function.__code__.co_filename
    digest, name = digest_of(file) or "", f"{function.__qualname__}-{function.__code__.co_firstlineno}"
    return Kept(folders_of(file), Path(file), digest, name, f"{digests} {values}")


@cache
def _jit() -> orcjit.LLJIT:
    """What loads code: one for all, since an engine for each costs a millisecond."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return orcjit.create_lljit_compiler(target.create_target_machine(jit=True))


_loaded: list[orcjit.ResourceTracker] = []
"""What holds the code that was loaded, for as long as the process lives."""


def _address(emitted: bytes) -> int:
    library = orcjit.JITLibraryBuilder().add_object_img(emitted).add_current_process().export_symbol(ENTRY)
    _loaded.append(library.link(_jit(), f"kernel {len(_loaded)}"))
    return int(_loaded[-1][ENTRY])


def _error(name: str, status: int, pickled: int, size: int) -> BaseException:
    """What a function raised: its class, its arguments, and where that was. Who raises it must not name it: its traceback
    would hold itself, and with it all arguments."""
    if status != _RAISED or not size:
        return SystemError(f"{name} ended with status {status}, which says nothing")
    error, arguments, place = pickle.loads(ctypes.string_at(pickled, size))  # noqa: S301 (it is part of the code)
    found: BaseException = error(*(arguments or ()))
    if place:
        found.add_note("in {}, {}:{}".format(*place))
    return found


def loaded(
    code: Code, name: str, kinds: Sequence[Kind], numbers: Sequence[tuple[int, Callable[[Any], Any]]]
) -> Callable[[tuple[Any, ...]], Any]:
    """A function of all arguments that calls the code; `numbers` makes those that are no arrays what a call is given."""
    count, reads = len(code.returns), [_READ[kind] for kind in code.returns]
    row = ctypes.c_int64 * (count + 2)
    places = ctypes.POINTER(ctypes.c_int64)
    taken: list[Any] = [_NUMBERS[kind] for kind in kinds if isinstance(kind, str)]
    entry = ctypes.CFUNCTYPE(ctypes.c_int32, places, ctypes.py_object, *taken)(_address(code.emitted))

    def call(given: tuple[Any, ...]) -> Any:
        left = row()
        if status := entry(left, given, *[number(given[at]) for at, number in numbers]):
            raise _error(name, status, *left[count:])
        if code.several:
            return tuple([read(place) for read, place in zip(reads, left, strict=False)])
        return reads[0](left[0]) if reads else None

    return call

"""Machine code that is kept in files, and called by its address with what LLVM alone needs: 0.02 s instead of Numba's 0.3.

A file says what it was made from, for which kinds of arguments, on which processor and by which versions; one that does not
fit, was cut short or damaged is none. The code in it takes the tuple of all arguments as the interpreter has it, for the
arrays in it, and then the numbers; what it returns or raises it leaves in a row of 64-bit places (`curation.compiler`).
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from glob import escape
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from curation.kernel_arguments import Kind

ENTRY = "curation_entry"
"""The name of the function that is called."""
_RAISED = 1
"""The status of a function that raised an exception (Numba's RETCODE_USEREXC)."""
_RESULTS = {"int": ctypes.c_int64, "uint": ctypes.c_uint64, "float": ctypes.c_double, "bool": ctypes.c_int64}
_NUMBERS = {"boolean": ctypes.c_int64, "int64": ctypes.c_int64, "uint64": ctypes.c_uint64, "float64": ctypes.c_double}

Stamp = tuple[str, int, int]


class Code(NamedTuple):
    """Object files, none where the function can be called through Numba alone, and the kinds of what it returns: of one
    number, of `several`, or of none."""

    objects: tuple[bytes, ...]
    returns: tuple[str, ...] = ()
    several: bool = False


_stamps: dict[str, Stamp | None] = {}


def stamp(file: str) -> Stamp | None:
    """Note how a file stands now, when it is imported; what changes later is of the next process."""
    try:
        seen = Path(file).stat()
    except OSError:  # a function that was typed in has none
        _stamps[file] = None
    else:
        _stamps[file] = file, seen.st_mtime_ns, seen.st_size
    return _stamps[file]


@cache
def _numba_stamp() -> Stamp | None:
    """Numba's version without its import."""
    found = find_spec("numba")
    return stamp(str(Path(found.origin).with_name("_version.py"))) if found and found.origin else None


@cache
def _machine() -> str:
    """What all code depends on besides its source: processor, versions, and what Numba was told of compiling."""
    told = {name: value for name, value in os.environ.items() if name.startswith("NUMBA_")}
    for name in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS"):
        told.pop(name, None)
    versions = (llvmlite.__version__, llvm.llvm_version_info, np.__version__, sys.implementation.cache_tag)
    processor = (llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return repr((versions, _numba_stamp(), processor, sorted(told.items())))


def _folders(file: str) -> Iterable[Path]:
    folder = Path(file).resolve().parent
    own = f"{folder.name}_{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}"
    if told := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(told, own)]
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return [folder / "__pycache__"]
    return [folder / "__pycache__", caches / "headwater" / own]


class Kept(NamedTuple):
    """Where the machine code of a function is kept, and what it is made from."""

    folders: tuple[Path, ...]
    name: str
    made_from: tuple[Stamp, ...]

    def _file(self, kinds: Sequence[Kind]) -> str:
        digest = hashlib.sha256(f"{_machine()} {tuple(kinds)}".encode()).hexdigest()
        return f"{self.name}.{digest[:20]}.kernel"

    def read(self, kinds: Sequence[Kind]) -> Code | None:
        """The code for these kinds of arguments, if it is kept."""
        return next(filter(None, (self._code(folder / self._file(kinds)) for folder in self.folders)), None)

    def has_any(self) -> bool:
        """Whether code for any arguments is kept."""
        found = (file for folder in self.folders for file in folder.glob(f"{escape(self.name)}.*.kernel"))
        return any(self._code(file) is not None for file in found)

    def _code(self, file: Path) -> Code | None:
        try:
            digest, _, rest = file.read_bytes().partition(b"\n")
        except OSError:
            return None
        if hashlib.sha256(rest).hexdigest().encode() != digest:
            return None
        head, _, body = rest.partition(b"\n")
        said = json.loads(head)
        if said["made_from"] != [list(each) for each in self.made_from]:
            return None
        ends = said["ends"]
        objects = tuple(body[begin:end] for begin, end in zip([0, *ends], ends, strict=False))
        return Code(objects, tuple(said["returns"]), said["several"])

    def write(self, kinds: Sequence[Kind], code: Code) -> None:
        """Keep code in the first folder that takes it, as a whole file or none; where none does it is not kept."""
        ends = [sum(map(len, code.objects[: n + 1])) for n in range(len(code.objects))]
        head = {"made_from": self.made_from, "ends": ends, "returns": code.returns, "several": code.several}
        rest = json.dumps(head).encode() + b"\n" + b"".join(code.objects)
        whole = hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest
        for folder in self.folders:
            if _written(folder, self._file(kinds), whole):
                return


def _written(folder: Path, name: str, whole: bytes) -> bool:
    begun = folder / f".{name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        begun.write_bytes(whole)
        begun.replace(folder / name)
    except OSError:  # read-only, full, or not ours
        with suppress(OSError):
            begun.unlink()
        return False
    return True


def kept(function: Callable[..., Any], files: Iterable[str]) -> Kept | None:
    """Where the code of a function is kept; None where it has no file, or depends on what surrounds it."""
    assert isinstance(function, FunctionType)
    ours = (__file__, str(Path(__file__).with_name("compiler.py")))  # they agree on how code is called
    made_from = [_stamps[file] if file in _stamps else stamp(file) for file in (*files, *ours)]
    if sys.platform != "linux" or function.__closure__ or None in made_from:
        return None
    code = function.__code__
    name = f"{Path(code.co_filename).stem}.{function.__qualname__}-{code.co_firstlineno}"
    return Kept(tuple(_folders(code.co_filename)), name, tuple(each for each in made_from if each is not None))


def _target(**options: Any) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True, **options)


def emitted_object(module: str) -> bytes:
    """The object file of a module of LLVM's code, for this processor."""
    features = llvm.get_host_cpu_features().flatten()
    target = _target(cpu=llvm.get_host_cpu_name(), features=features, opt=2, codemodel="jitdefault")
    return bytes(target.emit_object(llvm.parse_assembly(module)))


_engines: list[Any] = []
"""What holds the code that was loaded, for as long as the process lives."""


def _address(objects: Iterable[bytes]) -> int:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    for each in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(each))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(ENTRY))


def _raise(name: str, status: int, left: Any) -> None:
    """Raise what a function raised: its class, its arguments, and where that was."""
    if status != _RAISED or not left.size:
        raise SystemError(f"{name} ended with status {status}, which says nothing")
    error, arguments, place = pickle.loads(ctypes.string_at(left.raised, left.size))  # noqa: S301 (it is part of the code)
    raised = error(*(arguments or ()))
    if place:
        raised.add_note("in {}, {}:{}".format(*place))
    raise raised


def _reader(code: Code) -> Callable[[Any], Any]:
    """What makes of the places that a call left what it returns."""
    each = [attrgetter(f"at{at}") for at in range(len(code.returns))]
    made = [bool if kind == "bool" else None for kind in code.returns]
    readers = [
        (lambda left, read=read: bool(read(left))) if make else read for read, make in zip(each, made, strict=True)
    ]
    if code.several:
        return lambda left: tuple(read(left) for read in readers)
    return readers[0] if readers else lambda left: None


def loaded(
    code: Code, name: str, kinds: Sequence[Kind], numbers: Sequence[Callable[[Any], Any] | None]
) -> Callable[[tuple[Any, ...]], Any]:
    """A function of all arguments that calls the code; `numbers` makes those that are no arrays what a call is given."""
    returned = [(f"at{at}", _RESULTS[kind]) for at, kind in enumerate(code.returns)]
    fields = [*returned, ("raised", ctypes.c_void_p), ("size", ctypes.c_int64)]
    places = type("Places", (ctypes.Structure,), {"_fields_": fields})
    taken: list[Any] = [_NUMBERS[kind] for kind in kinds if isinstance(kind, str)]
    prototype = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(places), ctypes.py_object, *taken)
    entry, read = prototype(_address(code.objects)), _reader(code)
    plain = [(at, number) for at, number in enumerate(numbers) if number is not None]

    def call(given: tuple[Any, ...]) -> Any:
        left = places()
        if status := entry(left, given, *[number(given[at]) for at, number in plain]):
            _raise(name, status, left)
        return read(left)

    return call

"""What the tests of workers have processes do."""

from __future__ import annotations

import os
import signal
import sys

from curation.compiling import Compiling, tell


def halve(number: int) -> float:
    """A task that ends well, or in one of the ways that tasks end."""
    match number:
        case -1:
            os.kill(os.getpid(), signal.SIGSEGV)
        case -2:
            sys.exit(3)
        case -3:
            raise KeyError("a mistake")
        case -4:
            raise ConnectionError("cut")
        case -5:
            return float(len(bytes(1 << 30)))
        case -6:
            return float(len(b"x" * (400 << 20)))
        case -7:
            os.kill(os.getpid(), signal.SIGKILL)
    print("secret words")
    return number / 2


def ready_after_compiling() -> None:
    """Readies itself as what compiles a loop does."""
    tell(Compiling("loop", 0, 2))
    tell(Compiling("", 1, 2, 1.5))

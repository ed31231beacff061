"""How much memory a program takes: its peak, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

_TELL = """
import re
print(re.search("VmHWM:\\\\s+(\\\\d+) kB", open("/proc/self/status").read())[1])
"""


def peak_of(program: str, *words: object) -> int:
    """The largest resident size, in bytes, of a Python program at its end; the kernel's mark, which begins at its start."""
    ended = subprocess.run(
        [sys.executable, "-c", program + _TELL, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert not ended.returncode, ended.stderr
    return int(ended.stdout.split()[-1]) << 10


def growth(program: str, documents: int, *words: object) -> float:
    """Bytes of memory that a document more costs, by the peaks of so many and of four times as many.

    The program is told the number of documents, then the words.
    """
    less, more = (peak_of(program, count, *words) for count in (documents, 4 * documents))
    return (more - less) / (3 * documents)

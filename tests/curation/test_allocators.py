"""What nobody uses goes back to the machine, from wherever Arrow took it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
from curation.allocators import give_back, share_with_arrow

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

numbers = pa.array(np.arange(1 << 20))
numbers.take(numbers)
before = resident()
if "before" in sys.argv:
    share_with_arrow()
held = [numbers.take(numbers) for _ in range(20)]
if "after" in sys.argv:
    share_with_arrow()
assert resident() - before > 150e6
pool = pa.default_memory_pool().backend_name
del held
give_back()
assert pa.default_memory_pool().backend_name == pool
print(resident() - before)
"""


@pytest.mark.parametrize("shared", ["before", "after", "never"])
def test_what_arrow_held_goes_back_whichever_allocator_it_came_from(shared: str) -> None:
    """Columns of 160 MB, made before or after Arrow was told to take memory from the C library."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM, shared], env={"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    assert int(ran.stdout) < 40e6


THREADS = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from curation.allocators import give_back, keep_for_the_next

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def held():
    return [np.ones(1 << 20) for _ in range(3)]

keep_for_the_next()
with ThreadPoolExecutor(1) as thread:
    thread.submit(held).result()
    before = resident()
    for _ in range(20):
        thread.submit(held).result()
    give_back()
    print(before - resident())
"""


def test_what_a_thread_held_goes_back_too() -> None:
    """24 MB, which a store of the thread's own would keep, for it ends with them."""
    ran = subprocess.run([sys.executable, "-c", THREADS], env={"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    assert int(ran.stdout) > 20e6

import sys

import pytest

from benchmarks.measuring import measure

# one process burns time in a grandchild whose parent has ended, and another holds memory at the same time
ORPHAN = """
import os, sys, time
def burn(seconds):
    while time.process_time() < seconds: pass
held = bytearray(os.urandom(1)) * 60_000_000
ended, at_work = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        burn(0.3)
    os._exit(0)
os.wait()
os.close(at_work)
os.read(ended, 1)  # until the grandchild has closed it by its end
"""


def test_the_cost_of_a_program_holds_that_of_workers_whose_parent_is_gone(tmp_path):
    cost = measure([sys.executable, "-c", ORPHAN], tmp_path / "log")
    assert cost.cpu >= 0.3
    assert cost.wall >= 0.3
    assert cost.peak > 110e6  # the resident pages of the parent, and again those of the forked process


def test_a_worker_that_would_live_on_is_ended_and_counted(tmp_path):
    program = "import os, time\nif os.fork() == 0:\n    time.sleep(60)\n"
    assert measure([sys.executable, "-c", program], tmp_path / "log").wall < 30


def test_a_program_that_fails_is_named_with_its_last_words(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)status 3.*out of cheese"):
        measure([sys.executable, "-c", "print('out of cheese'); raise SystemExit(3)"], tmp_path / "log")

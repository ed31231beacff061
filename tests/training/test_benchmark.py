"""The GPU benchmark runs where there is no GPU as far as it can, and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def benchmark(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment})


def test_without_a_gpu_it_says_what_to_do():
    done = benchmark(CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "nothing was measured" in done.stderr and "--tiny" in done.stderr
    assert done.stdout == ""


@pytest.mark.long
def test_every_contestant_that_runs_on_a_cpu_is_in_the_table():
    done = benchmark("--tiny", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    for contestant in ("headwater", "trl, defaults", "trl, no checkpointing"):
        assert f"| {contestant} | " in done.stdout

"""Debian's packages as raw data for benchmarks: documentation of free software, the same for everybody who fetches it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def fetched(package: str, folder: Path) -> Path:
    """The package's file, as the machine's Debian sources have it; raises RuntimeError where they do not."""
    folder.mkdir(parents=True, exist_ok=True)
    there = sorted(folder.glob(f"{package}_*.deb"))
    if not there:
        print(f"fetching {package}", flush=True)
        command = ["apt-get", "download", "--quiet", package]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        there = sorted(folder.glob(f"{package}_*.deb"))
        if ended.returncode or not there:
            raise RuntimeError(
                f"{package} could not be downloaded; run `apt-get update` on a Debian 12\n{ended.stderr}"
            )
    return there[-1]

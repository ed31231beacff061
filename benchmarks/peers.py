"""Peers in environments of their own, made on first use, so that no benchmark adds to what Headwater depends on.

    from benchmarks.peers import CACHE, Peer, environment
    python = environment(Peer("rensa", ("rensa==0.5.0", "pyarrow==26.0.1")))     # the path of its interpreter

Environments, like all that benchmarks download or make, lie in `build/benchmarks`, which git ignores and `make clean`
removes. What was installed, with all it depends on, is told by `installed(peer)`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parent.parent / "build" / "benchmarks"


@dataclass(frozen=True)
class Peer:
    """A peer's name, and the requirements (pinned) that its environment is made of."""

    name: str
    requirements: tuple[str, ...]


def environment(peer: Peer) -> Path:
    """The Python of a peer's environment; made anew when its requirements, or this Python, are no longer those."""
    folder = CACHE / "environments" / peer.name
    python, record = folder / "bin" / "python", folder / "made_of.json"
    made_of = json.dumps([sys.version, *peer.requirements])
    if record.exists() and record.read_text() == made_of:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{peer.name}: making an environment of {', '.join(peer.requirements)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *peer.requirements], check=True)
    record.write_text(made_of)
    return python


def installed(peer: Peer) -> list[str]:
    """All packages of a peer's environment, as `name==version`."""
    freeze = [str(environment(peer)), "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
    return subprocess.run(freeze, check=True, capture_output=True, text=True).stdout.split()

"""A workspace as a person has it: made by `headwater init`, its settings small, and run by the command in a process."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.commits import Commit
from pipelines.workspace import Workspace
from tests import forked_commands
from tests.forked_commands import environment

SMALL = {
    "steps": "3",
    "batch": "4",
    "max_length": "320",
    "prompt_samples": "4",
    "answered": "8",
    "weighed": "16",
    "closed": "8",
    "max_new_tokens": "8",
    "limit": "6",
    "budget": "12",
    "seed": "0",
    "test": "0.3",
    "validation": "0.2",
}
"""Figures of the templates, made small."""
WITHOUT_DAGSTER = "from tests.end_to_end.without_dagster import main; main()"


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str
    seconds: float


def headwater(
    *arguments: str | Path,
    folder: Path | None = None,
    command: Sequence[str] = (),
    program: str = "",
    seconds: float = 900,
) -> Said:
    """Run the command as a person does, in another folder than the project's; the text of another program so; or another
    command, from scratch."""
    begun, words = time.monotonic(), list(map(str, arguments))
    if command:
        done = forked_commands.from_scratch([*command, *words], folder or "/", environment(), seconds)
    else:
        done = forked_commands.run(words, folder or "/", environment(), seconds, program)
    return Said(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


def build(root: Path, *names: str) -> None:
    """Bring assets up to date, with all they depend on, in a process as `headwater run` does it, but without Dagster."""
    done = headwater(root, *names, program=WITHOUT_DAGSTER)
    assert done.code == 0, done.out + done.err


def edit(root: Path, change: Callable[[str], str]) -> None:
    """Edit headwater.yaml; the edit must change something."""
    path = root / "headwater.yaml"
    before = path.read_text()
    after = change(before)
    assert after != before, "the edit changes nothing"
    path.write_text(after)


def make_small(root: Path, base: Path) -> None:
    """Let the settings of a template be for seconds and a tiny base."""

    def smaller(text: str) -> str:
        for name, value in SMALL.items():
            text = re.sub(rf"(\b{name}: )[\w.]+", rf"\g<1>{value}", text)
        return re.sub(r"(?m)^( +base: )\S+", rf"\g<1>{base}", text)

    edit(root, smaller)


def heads(root: Path) -> dict[str, Commit]:
    """The newest commit of each table."""
    store = Workspace(root).store
    return {name: head for name in store.tables() if (head := store.head(name)) is not None}


def computed(before: dict[str, Commit], after: dict[str, Commit]) -> list[str]:
    """The tables that have a commit which they had not."""
    return sorted(name for name, head in after.items() if name not in before or before[name].number != head.number)


def versions(found: dict[str, Commit]) -> dict[str, str]:
    return {name: head.version for name, head in found.items()}

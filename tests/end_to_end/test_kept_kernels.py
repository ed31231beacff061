"""What was compiled once is called by every later process of a run without Numba, whose import is half a second of each."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.end_to_end.workspaces import headwater
from tests.forked_commands import HEADWATER

WATCH = """
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "numba.core":
            with open({seen!r}, "a") as out:
                print(*sys.argv, file=out)

sys.meta_path.insert(0, Watch())
"""
SETTINGS = """
sources:
  - {name: docs, path: data}
rules: [gopher, {refinedweb: {max_corrected_words: 0.9}}, {language: {allowed: [en]}}]
privacy: on
lines: {cut: [refinedweb, c4]}
evaluation_sets:
  - {name: held_out, path: exam}
decontamination: {documents: cut}
"""
PARAGRAPH = "The harbour was dug by hand, and the stones for its walls came down river {} on rafts of oak and of pine. "
PAGE = (
    "<html><head><title>{0}</title><meta name=date content=2021-03-04></head><body><h1>{0}</h1><p>{1}</p></body></html>"
)


def write_workspace(root: Path) -> Path:
    """Pages, letters to nobody, copies, and an exam."""
    for folder in ("data", "exam"):
        (root / folder).mkdir(parents=True)
    (root / "headwater.yaml").write_text(SETTINGS)
    for n in range(6):
        text = "".join(PARAGRAPH.format(f"{n}.{k % 3}") for k in range(12))
        (root / "data" / f"{n}.html").write_text(PAGE.format(f"River {n}", text))
        (root / "data" / f"{n}.txt").write_text(f"{text}\nCall +44 20 7946 095{n}.\n")
        (root / "exam" / f"{n}.txt").write_text("".join(PARAGRAPH.format(f"x{n}.{k}") for k in range(3)))
    return root


def imports_of(folder: Path, *command: str) -> list[str]:
    """The processes of a command that imported Numba."""
    (folder / "watch").mkdir(parents=True)
    (seen := folder / "seen").touch()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH.format(seen=str(seen)))
    done = headwater(command=("env", f"PYTHONPATH={folder / 'watch'}", *command))
    assert done.code == 0, done.out + done.err
    return seen.read_text().splitlines()


def imports_of_run(folder: Path) -> list[str]:
    """The processes of a run of a new workspace that imported Numba."""
    root = write_workspace(folder / "workspace")
    return imports_of(folder, str(HEADWATER), "run", "-w", str(root))


def test_a_second_run_imports_numba_nowhere(tmp_path: Path) -> None:
    assert imports_of(tmp_path / "watched", sys.executable, "-c", "import numba") == ["-c"]
    if imports_of_run(tmp_path / "first"):  # this machine had not compiled all
        assert imports_of_run(tmp_path / "second") == []

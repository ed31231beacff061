"""Tags: they move whole or not at all, also of several people at once and of one who is killed; nothing is forgotten."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.store import Store
from pipelines.tags import movements, remove_tag, set_tag, tags_of

MOVES = """
import sys
from pathlib import Path
from pipelines.store import Store
from pipelines.tags import set_tag
store, name, count = Store(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for number in range(count):
    set_tag(store, "instructions", name, f"{number:016x}")
    print(number, flush=True)
"""


def mover(root: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MOVES, str(root), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_a_tag_is_set_moved_and_removed_and_all_of_it_is_remembered(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert tags_of(store, "instructions") == {}
    assert set_tag(store, "instructions", "good", "1" * 16) is None
    assert set_tag(store, "instructions", "good", "1" * 16) == "1" * 16, "said twice it is one movement"
    assert set_tag(store, "instructions", "good", "2" * 16) == "1" * 16
    set_tag(store, "preferences", "good", "3" * 16)
    set_tag(store, "instructions", "v1.0", "1" * 16)
    assert tags_of(store, "instructions") == {"good": "2" * 16, "v1.0": "1" * 16}
    assert remove_tag(store, "instructions", "good") == "2" * 16
    assert tags_of(store, "instructions") == {"v1.0": "1" * 16} and tags_of(store, "preferences") == {"good": "3" * 16}
    set_tag(store, "instructions", "good", "1" * 16)
    told = movements(store, "instructions").filter(tag="good")
    assert told["version"].to_list() == ["1" * 16, "2" * 16, None, "1" * 16]
    assert told["at"].str.contains(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$").all()


@pytest.mark.parametrize("name", ["", "abcd", "0", "-x", "a b", "a/b", "ü", "x" * 65, "deadbeef"])
def test_a_name_that_could_be_a_version_or_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        set_tag(Store(tmp_path), "instructions", name, "1" * 16)


def test_what_is_not_there_cannot_be_removed(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="has no tag 'good'; there are: none"):
        remove_tag(Store(tmp_path), "instructions", "good")


def test_two_who_move_tags_at_once_lose_no_movement(tmp_path: Path) -> None:
    both = [mover(tmp_path, name, 6) for name in ("one", "two")]
    for process in both:
        process.communicate(timeout=300)
        assert process.returncode == 0
    store = Store(tmp_path)
    told = movements(store, "instructions")
    assert told["place"].to_list() == list(range(12))
    assert tags_of(store, "instructions") == {"one": f"{5:016x}", "two": f"{5:016x}"}


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.long)])
def test_one_who_is_killed_leaves_the_old_tag_or_the_new_one(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    store = Store(tmp_path)
    for _ in range(kills):
        process = mover(tmp_path, "good", 10_000)
        assert process.stdout is not None and process.stdout.readline()
        time.sleep(chance.random() * 0.3)
        process.kill()
        said = [0, *(int(line) for line in process.communicate()[0].split())]
        now = int(tags_of(store, "instructions")["good"], 16)
        assert now in (said[-1], said[-1] + 1), "what was said to be done is done, and what was not is whole"
        rows = movements(store, "instructions")
        assert rows["place"].to_list() == list(range(rows.height))
    assert set_tag(store, "instructions", "good", "f" * 16) is not None

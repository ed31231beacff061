import os
import subprocess
import sys
from pathlib import Path

import pytest

from curation.compilation import compiled, part


def test_where_machine_code_cannot_be_kept_a_function_still_runs():
    places = {}
    exec("def twice(x):\n    return 2 * x", places)  # has no file, and so no folder beside it for a cache
    assert compiled(places["twice"])(21) == 42


def test_a_part_works_within_compiled_functions_and_tells_others_what_it_is():
    @part
    def twice(x):
        return 2 * x

    assert compiled(lambda x: twice(x) + 1)(20) == 41
    with pytest.raises(TypeError, match="twice is part of compiled functions"):
        twice(20)


CALLED = "from curation.compilation import compiled\n\n@compiled\ndef step():\n    return {}\n"
CALLER = (
    "import numpy as np\nfrom curation.compilation import compiled\nfrom called import step\n\n"
    "@compiled\ndef twice():\n    return np.full(2, step()).sum()\n"
)


def test_kept_machine_code_is_made_anew_when_a_function_that_it_calls_changes(tmp_path):
    def answer():
        code = "import caller; print(caller.twice(), *caller.twice.made.stats.cache_hits.values())"
        around = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
        return subprocess.run(
            [sys.executable, "-c", code], env=around, capture_output=True, text=True, check=True
        ).stdout

    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "called.py").write_text(CALLED.format(1))
    assert [answer().split(), answer().split()] == [["2"], ["2", "1"]]
    (tmp_path / "called.py").write_text(CALLED.format(21))
    assert answer().split() == ["42"]


def test_kept_machine_code_that_names_a_type_which_is_no_more_is_made_anew(tmp_path):
    types = "from typing import NamedTuple\nclass {}(NamedTuple):\n    a: int\n"
    caller = (
        "import types_of\nfrom curation.compilation import compiled\n\n@compiled\ndef twice(pair):\n    return 2 * pair.a\n"
        "print(twice(types_of.{}(21)))"
    )
    for name in ("Old", "New"):
        (tmp_path / "types_of.py").write_text(types.format(name))
        (tmp_path / "caller.py").write_text(caller.format(name))
        around = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
        said = subprocess.run(
            [sys.executable, "-c", "import caller"], env=around, capture_output=True, text=True, check=True
        )
        assert said.stdout == "42\n"

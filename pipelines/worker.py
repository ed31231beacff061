"""The process in which a library program runs: it reads its job, runs it, and leaves the result beside it.

Started as `python -m pipelines.worker FOLDER`. What the program prints goes to FOLDER/log.txt. The library knows nothing
of any of this: it is called as `run(job, progress)`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from signal import SIGINT
from typing import Any

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes
from pydantic import TypeAdapter

from pipelines.whole_files import write_whole


def _write(path: Path, value: Any) -> None:
    write_whole(path, json.dumps(value, ensure_ascii=False))


def run(folder: Path) -> None:
    """Run the job in `folder/job.json` and write `folder/result.json`."""
    record = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    module = importlib.import_module(record["module"])
    job = TypeAdapter(getattr(module, record["job"])).validate_python(record["settings"])

    def progress(done: int, total: int | None = None, unit: str = "rows", beside: str = "") -> None:
        _write(folder / "progress.json", {"done": done, "total": total, "unit": unit, "beside": beside})

    _write(folder / "result.json", module.run(job, progress))


def main(folder: Path) -> int:
    """Run the job; 0, or 1 when it failed and the log says why, or 130 when a person ended it, which the run that waits tells."""
    with (folder / "log.txt").open("w", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        try:
            if DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ:
                with open_dagster_pipes():
                    run(folder)
            else:
                run(folder)
        except Exception as error:  # noqa: BLE001 - a process reports its failure by its exit code, error.json and its log
            traceback.print_exc()
            _write(folder / "error.json", {"error": f"{type(error).__name__}: {error}"})
            return 1
        except KeyboardInterrupt:
            return 128 + SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

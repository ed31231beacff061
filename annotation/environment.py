"""A virtual environment of its own for Label Studio, made once per machine and shared by all workspaces.

Label Studio pins a hundred and fifty packages, some of them old (pytz, redis, pillow), and would drag ours down; so it
lives in an environment of its own (about 1 GB, two minutes), named by the digest of its constraints and the Python
version. The environment is built beside its place and moved there by one rename, under a lock: a build that is killed
leaves nothing that looks finished, and two workspaces that start at once build one. Beside it lies a database with
Label Studio's tables, made once as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import records
from annotation.errors import LabelStudioError

CONSTRAINTS = "label-studio-constraints.txt"
"""A `pip freeze` of an environment that works, shipped with this package."""

MINIMUM_BYTES = 2 * 1024**3
"""Free disk space below which a build is not begun: the environment takes 1 GB, and pip unpacks beside it."""


PROGRAM = (
    "import sys; from socketserver import StreamRequestHandler; StreamRequestHandler.disable_nagle_algorithm = True; "
    "from label_studio.server import main; sys.exit(main())"
)
"""Label Studio's command line, without the script whose first line names the folder the environment was built in.

Its server sends the head of an answer and the body apart, and the body waited for the head to be acknowledged, which
the other side puts off by 40 ms: half the time of most requests.
"""

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
QUIET = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "DEBUG": "false",
    "LOG_LEVEL": "WARNING",
}
"""No calls home, no debugging."""


def cache_folder() -> Path:
    """Where environments are kept: `HEADWATER_CACHE`, or `headwater` in the user's cache folder."""
    if chosen := os.environ.get("HEADWATER_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "headwater"


def constraints() -> str:
    """The text of the constraints that Label Studio is installed by."""
    return resources.files("annotation").joinpath(CONSTRAINTS).read_text(encoding="utf-8")


def environment_folder() -> Path:
    """Where this version's environment is, or will be."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = records.digest("label-studio environment", constraints(), version)[:16]
    return cache_folder() / f"label-studio-{name}"


def ensure_environment(progress: records.Progress = records.silent) -> Path:
    """The Python interpreter of Label Studio's environment, which is made when it is not there.

    `progress` is told how many of the packages pip has in hand. Raises LabelStudioError when there is no room, or pip fails.
    """
    folder = environment_folder()
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(folder.with_suffix(".lock")):
            if not folder.exists():
                _build(folder, progress)
    return _python(folder)


def ensure_database(progress: records.Progress = records.silent) -> Path:
    """An SQLite database with Label Studio's tables and nothing in them, to be copied into each workspace.

    Its 300 migrations take a minute, once; a workspace's first start then takes as long as a later one.
    """
    python, database = ensure_environment(progress), environment_folder() / "empty.sqlite3"
    with exclusive(environment_folder().with_suffix(".lock")):
        if not database.exists():
            with tempfile.TemporaryDirectory(dir=database.parent) as data:
                _migrate(python, Path(data), progress)
                (Path(data) / "label_studio.sqlite3").rename(database)
    return database


def variables(told: dict[str, str]) -> dict[str, str]:
    """The environment Label Studio runs in: little of ours, no calls home, and `told` under its own prefix."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | {f"LABEL_STUDIO_{name}": value for name, value in (QUIET | told).items()}


@contextlib.contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Holds `lock` against other processes of this machine; waits for whoever has it. Death lets go of it."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _build(folder: Path, progress: records.Progress) -> None:
    """Builds in a temporary folder and renames it: scripts inside keep the old path, so only `python -m` is used."""
    _require_room(folder.parent)
    for remains in folder.parent.glob(f"{folder.name}.building-*"):
        shutil.rmtree(remains)
    building = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=folder.parent))
    try:
        _run_venv(building)
        _run_pip(building, folder.with_suffix(".log"), progress)
        building.chmod(0o755)
        building.rename(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _migrate(python: Path, data: Path, progress: records.Progress) -> None:
    """Any of its commands makes the tables first; `version` does nothing else."""
    log, told = (
        environment_folder().with_suffix(".log"),
        variables({"BASE_DATA_DIR": str(data)}) | {"DJANGO_DB": "sqlite"},
    )
    begun = time.monotonic()
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [str(python), "-c", PROGRAM, "version"],
            env=told,
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        while process.poll() is None:
            progress(int(time.monotonic() - begun), None, "seconds of making tables")
            time.sleep(0.25)
    if process.returncode:
        raise LabelStudioError(
            f"Label Studio could not make its tables (exit {process.returncode}); the last lines of {log} say why"
        )


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < MINIMUM_BYTES:
        raise LabelStudioError(
            f"Label Studio needs 2 GB for its environment in {folder}, where {free / 1024**3:.1f} GB are free: "
            "free some, or set HEADWATER_CACHE to a folder on another disk"
        )


def _run_venv(building: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "venv", str(building)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabelStudioError(
            f"Python could not make a virtual environment in {building.parent}: {done.stderr.strip() or done.stdout.strip()} "
            "(on Debian, the package python3-venv is needed)"
        )


def _run_pip(building: Path, log: Path, progress: records.Progress) -> None:
    """Installs Label Studio under the constraints; pip's output goes to `log`, its pace to `progress`."""
    pins = [line for line in constraints().splitlines() if "==" in line]
    requirement = next(pin for pin in pins if pin.startswith("label-studio=="))
    listing = building / CONSTRAINTS
    listing.write_text("\n".join(pins) + "\n", encoding="utf-8")
    command = [str(_python(building)), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--no-warn-script-location", "-c", str(listing), requirement]
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip,
    ):
        try:
            collected = 0
            for line in pip.stdout or ():
                output.write(line)
                collected += line.startswith("Collecting ")
                progress(min(collected, len(pins)), len(pins), "packages")
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise LabelStudioError(
            f"pip could not install {requirement} (exit {pip.returncode}); its output is in {log}. "
            "A package index must be reachable the first time"
        )

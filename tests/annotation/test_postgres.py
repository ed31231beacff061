"""Label Studio on PostgreSQL, by the settings: a real cluster of its own, with a password that no log and no argument shows."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotation import client as api
from annotation import server, sync
from annotation.credentials import credentials
from annotation.environment import ensure_environment
from annotation.errors import LabelStudioError
from annotation.labels import pull
from annotation.settings import LabelStudioSettings, PostgresSettings, ProjectSettings
from tests.annotation.building import answer, project_id, tasks, there

PASSWORD = "a secret of the database"
ASKS = """
import os, psycopg
told = {name: os.environ[f"POSTGRE_{name.upper()}"] for name in ("host", "port", "user", "password")}
print(psycopg.connect(dbname=os.environ["POSTGRE_NAME"], **told).info.server_version)
"""


def programs() -> Path:
    """Where the newest PostgreSQL of this machine has its programs; .ci/run installs one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL is missing: apt install postgresql"
    return found[-1].parent


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresSettings]:
    """A cluster in a folder of its own that takes no connection without the password; PostgreSQL refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="headwater-postgres-"))
    as_other = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    own = folder / "own"
    own.mkdir()
    shutil.copy(secret, own / "password")
    if as_other:
        user = pwd.getpwnam("postgres")
        folder.chmod(0o755)
        for path in (own, own / "password"):
            os.chown(path, user.pw_uid, user.pw_gid)
    data = own / "data"
    made = ["-D", data, "-U", "labels", "--pwfile", own / "password", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"]
    subprocess.run([programs() / "initdb", *made], check=True, capture_output=True, cwd=folder, **as_other)
    options = ["-D", data, "-h", "127.0.0.1", "-k", own, "-c", "fsync=off"]
    running, port = started(options, folder, as_other)
    try:
        yield PostgresSettings("127.0.0.1", port, "postgres", "labels", password_file=str(secret))
    finally:
        running.send_signal(signal.SIGINT)  # it ends connections that somebody left open
        running.wait(120)
        shutil.rmtree(folder)


def started(options: list[object], folder: Path, as_other: dict[str, Any]) -> tuple[subprocess.Popen[bytes], int]:
    """The server when it answers, and its port: another one where somebody took the first before it could."""
    log = folder / "log"
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with log.open("ab") as output:
            words = [programs() / "postgres", "-p", str(port), *options]
            running = subprocess.Popen(words, cwd=folder, stderr=output, **as_other)
        asks = [programs() / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        while running.poll() is None:
            if subprocess.run(asks, capture_output=True).returncode == 0:
                return running, port
            time.sleep(0.1)
    raise AssertionError(f"PostgreSQL did not start: {log.read_text()}")


def connects(settings: PostgresSettings, folder: Path) -> subprocess.CompletedProcess[str]:
    """Whether Label Studio's own driver reaches the database with what the server would be told."""
    told = server._environment(LabelStudioSettings(postgres=settings), credentials(folder), folder)
    return subprocess.run([ensure_environment(), "-c", ASKS], env=told, capture_output=True, text=True)


def test_what_the_settings_say_opens_the_database_and_nothing_less_does(cluster: PostgresSettings, tmp_path: Path):
    assert cluster.password_file is not None
    good = connects(cluster, tmp_path)
    assert good.returncode == 0 and int(good.stdout) >= 130000, good.stderr
    wrong = tmp_path / "wrong"
    wrong.write_text("guessed")
    wrong.chmod(0o600)
    refused = connects(
        PostgresSettings("127.0.0.1", cluster.port, "postgres", "labels", password_file=str(wrong)), tmp_path
    )
    assert refused.returncode != 0 and "password authentication failed" in refused.stderr


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [(PASSWORD, 0o640, "can be read by others: chmod 600"), ("\n", 0o600, "is empty"), (None, 0, "cannot be read")],
)
def test_a_password_file_that_is_not_its_owners_alone_is_refused(tmp_path: Path, text, mode, said):
    file = tmp_path / "password"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    settings = LabelStudioSettings(postgres=PostgresSettings(password_file=str(file)))
    with pytest.raises(LabelStudioError, match=said) as error:
        server._environment(settings, credentials(tmp_path), tmp_path)
    assert PASSWORD not in str(error.value)


def test_a_password_has_one_place():
    with pytest.raises(ValueError, match="name one of them"):
        PostgresSettings(password_env="A", password_file="b")


@pytest.mark.long
def test_tasks_and_labels_live_on_postgresql(cluster: PostgresSettings, tmp_path: Path):
    """Its 300 migrations take the time."""
    settings, folder = LabelStudioSettings(port=0, postgres=cluster), tmp_path / "label-studio"
    asked, projects = tasks(40), [ProjectSettings()]
    for start in range(2):
        begun = time.monotonic()
        running = server.start(settings, folder)
        print(f"start {start + 1} on PostgreSQL: {time.monotonic() - begun:.0f} s")
        try:
            secret = credentials(folder)
            with api.connect(running.url, running.token) as client:
                report = sync.synchronise(client, asked, projects, secret)
                place = project_id(report)
                assert report.imported == (40 if start == 0 else 0), "they are still there after a restart"
                assert there(client, place) == sorted(asked["task_digest"])
                answer(client, place, f"sample-{start}", "a", note="NUL is no sign")
                rows = pull(client, asked, secret)
                assert rows.height == start + 1 and set(rows["value"]) == {"a"}
            assert running.log is not None and PASSWORD not in running.log.read_text()
            arguments = [path.read_bytes() for path in Path("/proc").glob(f"{running.pid}/cmdline")]
            assert arguments and not any(PASSWORD.encode() in each for each in arguments)
        finally:
            server.stop(running)
    assert not list(folder.rglob("*.sqlite3")), "nothing lies in a file"

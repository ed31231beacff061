"""Headwater's own Label Studio server: started, found again, and stopped.

Label Studio's free edition is a Django development server that listens on every interface, asks for a sign-in at the
terminal, calls home, and silently takes another port when its own is busy. Here it listens on loopback, under a sign-in
drawn for the workspace, with the calls home switched off and none of our environment but what it needs (bare variables
such as HOST, PORT, DEBUG, USERNAME and PASSWORD would reconfigure it).

A server is *ours* when it answers /health and knows the workspace's token; so a stale state file, a reused process id
or a stranger on the port is never taken for it. Measured on 2 cores, after the environment is made: 5 s to the first
sign-in, as later (with PostgreSQL, whose tables are made at the first start, a minute).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import records
from annotation.credentials import Credentials, credentials
from annotation.environment import PROGRAM, ensure_database, ensure_environment, exclusive, variables
from annotation.errors import LabelStudioError
from annotation.settings import LOOPBACK as OWN_LOOPBACK
from annotation.settings import LabelStudioSettings, PostgresSettings
from annotation.webhooks import banned_but, loopback_address

LOOPBACK = "127.0.0.1"
STATE = "server.json"
LOG = "label-studio.log"
READY_SECONDS = 900.0
"""How long a start may take; a first start on a busy machine has taken two minutes."""

ANSWER_SECONDS = 60.0
"""How long its answer is waited for. One that is at work on an import is slow, and must not be ended as one that hangs."""

STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Server:
    """A Label Studio server that answers. `email` and `password` are None on a server that is not ours.

    `pid` is its process (None: not ours to stop), `reused` says that it ran before, `log` is where it writes.
    """

    url: str
    token: str = field(repr=False)
    email: str | None = None
    password: str | None = field(default=None, repr=False)
    pid: int | None = None
    reused: bool = False
    log: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)


def start(settings: LabelStudioSettings, folder: Path, progress: records.Progress = records.silent) -> Server:
    """The server of the workspace, started when it does not run; `folder` is `.headwater/label-studio`.

    With `settings.url` nothing is started. `progress` is told of the packages while the environment is made, then of
    the seconds that the server takes. Raises LabelStudioError when it does not come up; its log says more.
    """
    if settings.url is not None:
        return _existing(settings.url, settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with exclusive(folder / "server.lock"):
        if (found := running(folder)) is not None:
            return found
        _end_remains(folder)
        python = ensure_environment(progress)
        _data_folder(folder).mkdir(exist_ok=True, mode=0o700)
        if settings.postgres is None:
            _lay_database(_data_folder(folder) / "label_studio.sqlite3", progress)
        return _launch(python, settings, folder, progress)


def running(folder: Path) -> Server | None:
    """The workspace's own server, when it runs and answers; None otherwise. Starts nothing."""
    started = _started(folder)
    return started if started is not None and _is_ours(started.url, started.token) else None


def find(settings: LabelStudioSettings, folder: Path) -> Server | None:
    """The server to use: the existing one that the settings name, else our own if it runs, else None. Starts nothing."""
    return _existing(settings.url, settings) if settings.url is not None else running(folder)


def stop(server: Server) -> None:
    """Ends our own server and everything it started: asked first, killed after ten seconds. Others are left alone."""
    if server.pid is None:
        return
    for request in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, request)
        except ProcessLookupError:
            break
        if _has_ended(server, STOP_SECONDS):
            break
    if server._process is not None:
        server._process.wait(STOP_SECONDS)
    if server.log is not None:
        (server.log.parent / STATE).unlink(missing_ok=True)


def reset_password(settings: LabelStudioSettings, folder: Path, email: str) -> str:
    """Gives an account of our own server a new password and returns it: Label Studio has no other way to a lost one.

    Raises LabelStudioError when there is no such account.
    """
    password = secrets.token_urlsafe(12)
    done = subprocess.run(
        [str(ensure_environment()), "-c", PROGRAM, "reset_password", "--username", email],
        env=_environment(settings, credentials(folder), folder),
        input=f"{password}\n",  # not an argument: those can be read by other users of the machine
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # no terminal, so that the password is asked on standard input
    )
    if "successfully changed" not in done.stdout:
        raise LabelStudioError(
            f"Label Studio gave {email} no new password: is there such an account? (headwater annotators add)"
        )
    return password


def _existing(url: str, settings: LabelStudioSettings) -> Server:
    """The server at `url` as the settings describe it; whether it answers is for `client.connect` to find."""
    if settings.token_env is None:
        raise LabelStudioError(
            f"the Label Studio server at {url} needs a token: set token_env to the name of an environment variable that holds one "
            "(in Label Studio: Account & Settings, Personal Access Token)"
        )
    token = os.environ.get(settings.token_env, "").strip()
    if not token:
        raise LabelStudioError(
            f"the environment variable {settings.token_env}, named by token_env, is not set or empty"
        )
    return Server(url.rstrip("/"), token, reused=True)


def _started(folder: Path) -> Server | None:
    """The server that the state file names, while its very process lives; whether it answers is not asked."""
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        pid, url, born = int(state["pid"]), str(state["url"]), str(state["born"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if _birth(pid) != born:
        return None
    known = credentials(folder)
    return Server(url, known.token, known.email, known.password, pid, reused=True, log=folder / LOG)


def _end_remains(folder: Path) -> None:
    """Ends a server of ours that lives and does not answer: one that hangs, or whose start was cut short."""
    if (remains := _started(folder)) is not None:
        stop(remains)


def _launch(python: Path, settings: LabelStudioSettings, folder: Path, progress: records.Progress) -> Server:
    """Starts the server, on another port when a stranger took the first one in between."""
    known, log = credentials(folder), folder / LOG
    for preferred in (settings.port, 0, 0):
        port = _free_port(preferred)
        process = _spawn(python, port, _environment(settings, known, folder), log)
        url = f"http://{LOOPBACK}:{port}"
        server = Server(url, known.token, known.email, known.password, process.pid, log=log, _process=process)
        try:
            state = {"pid": process.pid, "url": url, "born": _birth(process.pid)}
            (folder / STATE).write_text(json.dumps(state), encoding="utf-8")
            if _wait_until_ready(server, progress):
                return server
        except BaseException:
            stop(server)
            raise
        stop(server)
    raise LabelStudioError(f"Label Studio did not start; the last lines of {log} say why")


def _data_folder(folder: Path) -> Path:
    return folder.absolute() / "data"


def _lay_database(database: Path, progress: records.Progress) -> None:
    """A database with empty tables, where there is none yet; whole or not at all."""
    if not database.exists():
        copy = database.with_suffix(".new")
        shutil.copyfile(ensure_database(progress), copy)
        copy.chmod(0o600)
        copy.rename(database)


def _spawn(python: Path, port: int, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A process group of its own, so that it outlives a killed parent and can be ended whole."""
    command = [str(python), "-c", PROGRAM, "start", "--no-browser", "--internal-host", LOOPBACK, "--port", str(port)]
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _environment(settings: LabelStudioSettings, known: Credentials, folder: Path) -> dict[str, str]:
    """All that the server sees of ours, and what it is told. Secrets pass here: arguments can be read by other users."""
    told = {
        "BASE_DATA_DIR": str(_data_folder(folder)),
        "USERNAME": known.email,
        "PASSWORD": known.password,
        "USER_TOKEN": known.token,
        "ENABLE_LEGACY_API_TOKEN": "true",
        "DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
        "CORS_ALLOW_ALL_ORIGINS": "false",
    }
    return variables(told | _reachable(settings, known)) | _database(settings)


def _reachable(settings: LabelStudioSettings, known: Credentials) -> dict[str, str]:
    """Which private addresses it may send webhooks to: none, or the one where `headwater up` takes hints."""
    if settings.webhook != OWN_LOOPBACK:
        return {}
    banned = ",".join(banned_but(loopback_address(known)))
    return {"USE_DEFAULT_BANNED_SUBNETS": "false", "USER_ADDITIONAL_BANNED_SUBNETS": banned}


def _database(settings: LabelStudioSettings) -> dict[str, str]:
    """SQLite is in the data folder by itself; PostgreSQL is told by variables without a prefix."""
    postgres = settings.postgres
    if postgres is None:
        return {"DJANGO_DB": "sqlite"}
    return {
        "DJANGO_DB": "default",
        "POSTGRE_HOST": postgres.host,
        "POSTGRE_PORT": str(postgres.port),
        "POSTGRE_NAME": postgres.name,
        "POSTGRE_USER": postgres.user,
        "POSTGRE_PASSWORD": _database_password(postgres),
    }


def _database_password(postgres: PostgresSettings) -> str:
    if postgres.password_file is not None:
        return _read_secret(Path(postgres.password_file).expanduser())
    password = os.environ.get(postgres.password_env, "") if postgres.password_env else ""
    if postgres.password_env and not password:
        raise LabelStudioError(
            f"the environment variable {postgres.password_env}, named by postgres.password_env, is not set or empty"
        )
    return password


def _read_secret(path: Path) -> str:
    """What stands in a file that its owner alone can read."""
    try:
        others, secret = path.stat().st_mode & 0o077, path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise LabelStudioError(f"{path}, named by postgres.password_file, cannot be read: {error}") from error
    if others or not secret:
        mend = f"chmod 600 {path}" if others else "write the password into it"
        raise LabelStudioError(
            f"{path}, named by postgres.password_file, {'can be read by others' if others else 'is empty'}: {mend}"
        )
    return secret


def _free_port(preferred: int) -> int:
    """`preferred` if nothing listens there on loopback, else one that the system gives."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LabelStudioError(f"no port is free on {LOOPBACK}: end a program that listens, or set port to a free one")


def _wait_until_ready(server: Server, progress: records.Progress) -> bool:
    """True when it answers as ours; False when it ended, or when a stranger answers on its port."""
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < READY_SECONDS:
        if server._process is not None and server._process.poll() is not None:
            return False
        if _is_healthy(server.url):
            return _is_ours(server.url, server.token)
        progress(int(waited), None, "seconds of start")
        time.sleep(0.25)
    raise LabelStudioError(
        f"Label Studio did not answer within {READY_SECONDS:.0f} s; the last lines of {server.log} say why"
    )


def _is_healthy(url: str) -> bool:
    return _answers(f"{url}/health")


def _is_ours(url: str, token: str) -> bool:
    """Whether the server at `url` knows the workspace's own token."""
    return _answers(f"{url}/api/current-user/whoami", {"Authorization": f"Token {token}"})


def _answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    import httpx

    try:
        return httpx.get(url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _birth(pid: int) -> str | None:
    """When the process began, as the system tells it; None when there is none. A reused process id has another birth."""
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        state, *others = stat.rpartition(")")[2].split()
        return None if state == "Z" else others[18]
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip() or None


def _has_ended(server: Server, seconds: float) -> bool:
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if server.pid is None or _birth(server.pid) is None:
            return True
        time.sleep(0.05)
    return False

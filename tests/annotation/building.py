"""Tasks, answers and broken connections for the tests of annotation."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

import polars as pl

from annotation import client as api
from annotation.client import Client
from annotation.routing import TASK_SCHEMA
from annotation.sync import SyncReport

Fate = Literal["pass", "fail", "lose the request", "lose the answer", "late", "twice"]
"""`fail` is a gateway that lost its patience: the request arrives, and the answer is 502."""


def tasks(count: int, *, version: str = "", project: str = "preference", kind: str = "preference") -> pl.DataFrame:
    """`count` tasks; another `version` is the same samples with other drafts."""
    rows = [
        {
            "task_digest": f"task-{number}{version}",
            "sample_id": f"sample-{number}",
            "project": project,
            "kind": kind,
            "prompt_text": f"Question {number}?",
            "output_a": f"Left {number}{version}",
            "output_b": f"Right {number}{version}" if kind == "preference" else None,
            "model_a": "base",
            "model_b": "finetune" if kind == "preference" else None,
            "policy": "random",
            "reason": "drawn at random",
            "rank": number + 1,
            "random": True,
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=TASK_SCHEMA)


def project_id(report: SyncReport, name: str = "preference") -> int:
    return int(report.addresses[name].rstrip("/").split("/")[-2])


def there(client: Client, project: int) -> list[str]:
    """The digests of the tasks in a project, with repetitions, in order."""
    return sorted(task["data"]["task_digest"] for task in api.tasks(client, project))


def chosen(value: str) -> list[dict[str, object]]:
    """A preference as Label Studio has it."""
    return [{"from_name": "preference", "to_name": "prompt", "type": "choices", "value": {"choices": [value]}}]


def find_tasks(client: Client, project: int, sample_id: str) -> list[dict[str, Any]]:
    """The tasks of a project that ask about one sample, as the server has them."""
    return [task for task in api.tasks(client, project) if task["data"].get("sample_id") == sample_id]


def answer(client: Client, project: int, sample_id: str, value: str | None = "a", note: str | None = None) -> int:
    """Answers (or, by None, skips) the first task of a sample as the account that `client` belongs to; the answer's id."""
    result = [] if value is None else chosen(value)
    if note is not None:
        result.append({"from_name": "note", "to_name": "prompt", "type": "textarea", "value": {"text": [note]}})
    task = find_tasks(client, project, sample_id)[0]
    body = {"result": result, "was_cancelled": value is None, "lead_time": 2.5}
    made = client.http.post(f"/api/tasks/{task['id']}/annotations/", json=body)
    made.raise_for_status()
    return int(made.json()["id"])


def begin(client: Client, project: int, sample_id: str) -> None:
    """Leaves a draft on the task of a sample, as someone does who has not submitted yet."""
    task = find_tasks(client, project, sample_id)[0]
    client.http.post(f"/api/tasks/{task['id']}/drafts", json={"result": []}).raise_for_status()


class BrokenLine:
    """Stands between client and server, and decides each request's fate: `judge(number, method, path)`."""

    def __init__(self, url: str, judge: Callable[[int, str, str], Fate]) -> None:
        self.upstream = urlsplit(url)
        self.judge = judge
        self.requests: list[tuple[str, str]] = []
        self.late: list[threading.Thread] = []


@contextmanager
def broken_line(url: str, judge: Callable[[int, str, str], Fate]) -> Iterator[tuple[str, BrokenLine]]:
    """The address to use instead of `url`, and what passes there. Requests that are late come half a second later."""
    line = BrokenLine(url, judge)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            line.requests.append((self.command, self.path))
            fate = line.judge(len(line.requests) - 1, self.command, self.path)
            if fate == "late":
                timer = threading.Timer(0.5, self.forward, [body])
                line.late.append(timer)
                timer.start()
            elif fate != "lose the request":
                answer = self.forward(body)
                if fate == "twice":
                    self.forward(body)
                if fate in ("pass", "twice"):
                    self.hand_back(*answer)
                if fate == "fail":
                    self.hand_back(502, "text/plain", b"")
            self.close_connection = fate not in ("pass", "twice")

        def forward(self, body: bytes) -> tuple[int, str, bytes]:
            upstream = http.client.HTTPConnection(line.upstream.hostname, line.upstream.port, timeout=60)
            kept = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            upstream.request(self.command, self.path, body, kept)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            return answer.status, answer.headers.get("Content-Type", ""), content

        def hand_back(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            """The tests' output is for their results."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", line
        finally:
            server.shutdown()
            for timer in line.late:
                timer.join()

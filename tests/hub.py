"""A server that takes a dataset as the hub does: it makes a repository, and takes commits of small files."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """What stands on the server: the files of each dataset, whether it is private, and the summaries of its commits."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    refuses: bool = False

    def answer(self, path: str, body: bytes) -> Any:
        """What is answered to a request, which is done."""
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.files.setdefault(name, {})
            self.private.setdefault(name, asked["visibility"] == "private")
            return {"url": f"{self.url}/datasets/{name}"}
        name = "/".join(path.split("/")[3:5])
        if "/preupload/" in path:
            told = [file["path"] for file in json.loads(body)["files"]]
            return {"files": [{"path": each, "uploadMode": "regular", "shouldIgnore": False} for each in told]}
        if "/tree/" in path:
            return [{"type": "file", "path": each, "size": 1, "oid": "0" * 40} for each in self.files[name]]
        if "/commit/" in path:
            self._commit(name, [json.loads(line) for line in body.splitlines()])
            return {
                "success": True,
                "commitOid": "0" * 40,
                "commitUrl": f"{self.url}/datasets/{name}/commit/{'0' * 40}",
            }
        return {}

    def _commit(self, name: str, lines: list[Any]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                self.files[name][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del self.files[name][value["path"]]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """The server, up, with nothing on it."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            said = b"{}" if hub.refuses else json.dumps(hub.answer(self.path, body)).encode()
            self.send_response(403 if hub.refuses else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""A local server that speaks the OpenAI API, and misbehaves as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl

from records import MESSAGES, silent

Reply = tuple[int, dict[str, str], Any]
"""Status, headers, and what is sent: something for JSON, bytes as they are, or None to cut the connection."""


def said(text: str, finish: str = "stop") -> Reply:
    """An answer as the API has it."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return 200, {}, {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


@contextmanager
def serving(reply: Callable[[dict[str, Any], int], Reply]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that answers by `reply` (given a request's body and its number), and what it was asked."""
    seen: list[dict[str, Any]] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                seen.append(body | {"path": self.path, "key": self.headers.get("Authorization")})
                number = len(seen)
            status, headers, content = reply(body, number)
            if content is None:
                self.close_connection = True
                return
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(data))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving_model(folder: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server behind which a model on this disk answers, one question at a time, and what it was asked."""
    from evaluation.inference import GenerationSettings, answer
    from evaluation.loading import load_model

    loaded, lock = load_model(str(folder), threads=1), threading.Lock()

    def reply(body: dict[str, Any], _: int) -> Reply:
        asked = {"sample_id": "s", "purpose": "served", "prompt": None, "reference": None, "want": "generate"}
        schema = dict.fromkeys(asked, pl.String()) | {"messages": MESSAGES}
        question = pl.DataFrame([asked | {"messages": body["messages"]}], schema=schema)
        how = GenerationSettings(max_new_tokens=body["max_tokens"], temperature=body["temperature"], seed=body["seed"])
        with lock:
            row = answer(loaded, question, how, silent).row(0, named=True)
        usage = {"prompt_tokens": row["prompt_tokens"], "completion_tokens": row["output_tokens"]}
        choice = {"message": {"role": "assistant", "content": row["output"]}, "finish_reason": row["finish"]}
        return 200, {}, {"choices": [choice], "usage": usage}

    with serving(reply) as served:
        yield served

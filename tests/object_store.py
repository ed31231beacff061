"""A server that speaks S3, with real sockets, and what it was asked for."""

from __future__ import annotations

import logging
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "raw"


@dataclass(frozen=True)
class ObjectServer:
    """A server with one bucket; `environment` is what a client of it needs."""

    url: str
    asked: list[str]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "reader",
            "AWS_SECRET_ACCESS_KEY": "of tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def put(self, key: str, content: str | bytes) -> None:
        body = content.encode() if isinstance(content, str) else content
        self._client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=key)

    def reads(self) -> list[str]:
        """The objects whose bytes were asked for since the last call, sorted."""
        found = sorted(
            matched[1] for line in self.asked if (matched := re.search(rf'"GET /{BUCKET}/([^ ?]+) HTTP', line))
        )
        self.asked.clear()
        return found

    @property
    def _client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="writer",
            aws_secret_access_key="of tests",
        )


class _Ear(logging.Handler):
    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self.asked = asked

    def emit(self, record: logging.LogRecord) -> None:
        self.asked.append(record.getMessage())


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """The server, up, with an empty bucket. The objects are the process's, so those of a server before it go first."""
    asked: list[str] = []
    log, ear = logging.getLogger("werkzeug"), _Ear(asked)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    level, spread = log.level, log.propagate
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(ear)
    try:
        host, port = server.get_host_and_port()
        made = ObjectServer(f"http://{host}:{port}", asked)
        urllib.request.urlopen(urllib.request.Request(f"{made.url}/moto-api/reset", method="POST"), timeout=10).close()
        made._client.create_bucket(Bucket=BUCKET)
        yield made
    finally:
        log.removeHandler(ear)
        log.setLevel(level)
        log.propagate = spread
        server.stop()

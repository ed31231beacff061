"""Label Studio may say that there is something new; then the poll is made at once instead of at its next time.

A hint is never the truth: it is sent once, without a retry, and carries nothing that is believed. Whoever knows the
secret can make Headwater look, and nothing else; whoever does not is told nothing, in a time that does not depend on
what was sent. Hints in a burst make one look, when they have been quiet for a moment.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from annotation.webhooks import HEADER

HOST = "127.0.0.1"
QUIET_SECONDS = 3.0
LONGEST_SECONDS = 30.0
"""How long hints may keep coming before there is a look all the same."""


class _Hints:
    """Notes hints, and calls `look` once after each burst, from a thread of its own."""

    def __init__(self, look: Callable[[], None], quiet: float) -> None:
        self._look, self._quiet = look, quiet
        self._rang, self._ended = threading.Event(), threading.Event()
        self.last = 0.0

    def note(self) -> None:
        self.last = time.monotonic()
        self._rang.set()

    def end(self) -> None:
        self._ended.set()
        self._rang.set()

    def wait(self) -> None:
        while self._rang.wait() and not self._ended.is_set():
            begun = time.monotonic()
            while time.monotonic() - begun < LONGEST_SECONDS and time.monotonic() - self.last < self._quiet:
                self._ended.wait(self._quiet / 4)
            self._rang.clear()
            if not self._ended.is_set():
                self._look()


@contextmanager
def listening(
    secret: str, port: int, look: Callable[[], None], quiet: float = QUIET_SECONDS, host: str = HOST
) -> Iterator[int]:
    """Takes hints on loopback (`host`) at `port` (0: any free one) until the context ends; the port.

    `look` is called from another thread, and must not raise. Raises OSError when the port is taken.
    """
    hints = _Hints(look, quiet)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            """A hint; its body is not read."""
            given = self.headers.get(HEADER, "").encode()
            known = hmac.compare_digest(given, secret.encode())
            if known:
                hints.note()
            self.send_response(HTTPStatus.NO_CONTENT if known else HTTPStatus.FORBIDDEN)
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing of what strangers send is written anywhere."""

    with ThreadingHTTPServer((host, port), Handler) as server:
        server.daemon_threads = True
        threads = [threading.Thread(target=work, daemon=True) for work in (server.serve_forever, hints.wait)]
        for thread in threads:
            thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            hints.end()
            for thread in threads:
                thread.join()

"""Datasets of the hub as sources, on a server that lists and gives files as the hub does: no byte is read to know that
nothing changed, and what is read is what was listed."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

from curation.hub_datasets import HubRoot
from curation.inventory import Source, root_of, take_inventory
from curation.reading import ReadingSettings, read_files

HERE = Path("/")
SMALL = 100
PAGE = 3


@dataclass
class Hub:
    """The files of one dataset at each revision; the paths that were asked for, and with what token."""

    files: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    gated: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)

    def tree(self, revision: str, folder: str) -> list[dict[str, object]]:
        """The listing of a folder, all that is below."""
        entries: list[dict[str, object]] = []
        for path, data in sorted(self.files[revision].items()):
            if path.startswith(folder):
                git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
                entry: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": git}
                if len(data) > SMALL:
                    entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
                entries.append(entry)
        return [{"type": "directory", "path": "data", "oid": "0" * 40}, *entries] if entries else []


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            where = unquote(self.path).partition("?")[0]
            status, headers, body = self.answer(where, "")
            self.send_response(status)
            digest = hashlib.sha256(body).hexdigest()
            for name, value in {"content-length": str(len(body)), "etag": f'"{digest}"', **headers}.items():
                self.send_header(name, value)
            self.send_header("x-repo-commit", "main")
            self.end_headers()

        def do_GET(self) -> None:
            made.asked.append(self.path)
            if "datasets/" in self.path:  # its client also asks which programs there are, whoever asks
                made.tokens.add(self.headers.get("authorization"))
            where, _, query = unquote(self.path).partition("?")
            status, headers, body = self.answer(where, query)
            if part := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", "")):
                status, body = 206, body[int(part[1]) : int(part[2]) + 1]
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def answer(self, where: str, query: str) -> tuple[int, dict[str, str], bytes]:
            if where.startswith("/api/datasets/owner/name/tree/"):
                revision, _, folder = where.removeprefix("/api/datasets/owner/name/tree/").partition("/")
                if revision not in made.files:
                    return 404, {"x-error-code": "RevisionNotFound"}, b""
                listed = made.tree(revision, folder)
                begin = int(query.rpartition("cursor=")[2]) if "cursor=" in query else 0
                more = f'<http://{self.headers["host"]}{where}?recursive=true&cursor={begin + PAGE}>; rel="next"'
                headers = {"link": more} if begin + PAGE < len(listed) else {}
                if not listed:
                    return 404, {"x-error-code": "EntryNotFound"}, b"{}"
                return 200, headers, json.dumps(listed[begin : begin + PAGE]).encode()
            if where.startswith("/datasets/owner/name/resolve/"):
                revision, _, path = where.removeprefix("/datasets/owner/name/resolve/").partition("/")
                if path in made.gated:
                    return 403, {"x-error-code": "GatedRepo"}, b""
                if path not in made.files[revision]:
                    return 404, {"x-error-code": "EntryNotFound"}, b""
                return 200, {}, made.files[revision][path]
            return 401, {"x-error-code": "RepoNotFound"}, b""

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def taken(path: str = "hf://datasets/owner/name", **settings: tuple[str, ...]) -> pl.DataFrame:
    return take_inventory(Source("hub", path, **settings), HERE)


def read(files: pl.DataFrame, path: str = "hf://datasets/owner/name") -> tuple[pl.DataFrame, pl.DataFrame]:
    return read_files(files, {"hub": root_of(Source("hub", path), HERE)}, ReadingSettings())


def test_a_listing_is_an_inventory_and_reads_nothing(hub: Hub) -> None:
    hub.files["main"] = {f"data/{number}.txt": b"word " * number * 5 for number in range(1, 9)} | {"README.md": b"# A"}
    files = taken()
    assert files.select("path", "size").rows() == [
        ("README.md", 3),
        *((f"data/{number}.txt", 25 * number) for number in range(1, 9)),
    ]
    assert files["bytes_digest"].str.head(4).unique().sort().to_list() == ["git:", "sha2"]
    assert taken(include=("data/*.txt",), exclude=("**/1*",))["path"].to_list() == [
        f"data/{number}.txt" for number in range(2, 9)
    ]
    assert taken("hf://datasets/owner/name@main/data")["path"].to_list() == [f"{number}.txt" for number in range(1, 9)]
    assert not any("/resolve/" in path for path in hub.asked)
    assert hub.tokens == {"Bearer hf_secret"}


def test_files_become_documents_and_a_moved_branch_is_told(hub: Hub) -> None:
    hub.files["main"] = {
        "data/a b#1.txt": b"One.",
        "data/rows.jsonl": b'{"text": "two words"}\nbroken\n' * 9,
        "data/edited.txt": b"Some words.",
        "data/gone.txt": b"Some words.",
        "data/closed.txt": b"Some words.",
        "data/empty.txt": b"",
    }
    hub.gated.add("data/closed.txt")
    files = taken()
    hub.files["main"]["data/edited.txt"] = b"Same words."
    del hub.files["main"]["data/gone.txt"]
    documents, failures = read(files)
    assert documents.filter(pl.col("path").str.ends_with("txt"))["text"].to_list() == ["One.", ""]
    assert documents.filter(pl.col("path") == "data/rows.jsonl").height == 9
    assert dict(failures.filter(~pl.col("path").str.ends_with("jsonl")).select("path", "error").iter_rows()) == {
        "data/edited.txt": "changed while being read",
        "data/gone.txt": "vanished",
        "data/closed.txt": "permission denied",
    }
    again = taken()
    assert (again.join(files, on=["path", "bytes_digest"], how="anti"))["path"].to_list() == ["data/edited.txt"]


def test_a_file_of_any_size_is_read_in_the_memory_of_a_piece(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.hub_datasets.AHEAD_BYTES", 256)
    lines = [json.dumps({"text": f"row {number}"}) for number in range(60)]
    hub.files["main"] = {"a.jsonl": "\n".join(lines).encode()}
    files = taken()
    small = ReadingSettings(max_bytes=100)
    roots = {"hub": root_of(Source("hub", "hf://datasets/owner/name"), HERE)}
    documents, failures = read_files(files, roots, small)
    assert failures.rows() == []
    assert sorted(documents["text"]) == sorted(f"row {number}" for number in range(60))
    hub.files["main"] = {"a.jsonl": "\n".join(lines).replace("row", "wor").encode()}
    documents, failures = read_files(files, roots, small)
    assert failures["error"].to_list() == ["changed while being read"]


def test_a_revision_is_pinned_by_the_address(hub: Hub) -> None:
    hub.files = {"main": {"a.txt": b"new"}, "v1.0": {"a.txt": b"old"}}
    pinned = "hf://datasets/owner/name@v1.0"
    assert read(taken(pinned), pinned)[0]["text"].to_list() == ["old"]
    assert read(taken())[0]["text"].to_list() == ["new"]
    root = HubRoot.of("hf://datasets/owner/name@refs%2Fconvert%2Fparquet/default")
    assert root == HubRoot("owner/name", "refs/convert/parquet", "default/")
    assert pickle.loads(pickle.dumps(root)) == HubRoot.of(root.address) == root


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("hf://datasets/owner/other", r"source 'hub': .*may not be read: mend the address, or sign in \(HF_TOKEN\)"),
        (
            "hf://datasets/owner/name@v9",
            r"source 'hub': hf://datasets/owner/name@v9/ cannot be listed: there is no such",
        ),
        ("hf://datasets/owner/name/nowhere", r"source 'hub': hf://datasets/owner/name@main/nowhere/ cannot be listed"),
        ("hf://models/owner/name", r"source 'hub': 'hf://models/owner/name' names no dataset"),
        ("hf://datasets/owner", r"source 'hub': 'hf://datasets/owner' names no dataset"),
    ],
)
def test_a_source_that_is_not_there_says_so(hub: Hub, path: str, said: str) -> None:
    with pytest.raises((OSError, ValueError), match=said):
        taken(path)


def test_offline_and_out_of_reach_are_errors_of_the_run_that_name_the_mend(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files["main"] = {"a.txt": b"One."}
    files = taken()
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match=r"a\.txt cannot be read"):
        read(files)
    with pytest.raises(ConnectionError, match="cannot be listed"):
        taken()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.utils._http._GLOBAL_CLIENT", None)
    with pytest.raises(ConnectionError, match=r"HF_HUB_OFFLINE.*: unset that, or give a folder"):
        taken()

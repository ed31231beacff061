"""A model ready to answer: base weights, an adapter merged into them, the tokenizer, on the device that is there.

The adapter is merged when the model is loaded: an answer then costs what the base's costs, and base and finetune are
run by the same code. Weights are bf16 by default: on a CPU with AVX512-BF16 that is 2 to 3 times the speed of fp32.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["bfloat16", "float16", "float32", "int8"]

WAIT_POLICY = ("OMP_WAIT_POLICY", "PASSIVE")
"""Torch's threads sleep, not spin, while they wait for each other. On 2 cores that others use too, 100 answers cost 122
CPU seconds spinning and 21 sleeping; on idle cores the two are equal. Read once, when torch is first imported."""


class LoadingError(RuntimeError):
    """A model could not be loaded; the message names the folder and what it lacks."""


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode with its tokenizer (objects of transformers), where it runs, and its own attention."""

    model: Any
    tokenizer: Any
    device: torch.device
    attention: str

    @property
    def context(self) -> int | None:
        """The longest prompt with its answer, in tokens, that the model was built for; None where it does not say."""
        length = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return int(length) if length else None


def load_model(
    base: str, adapter: str | None = None, precision: Precision = "bfloat16", device: str = "auto", threads: int = 0
) -> Loaded:
    """The model in folder `base`, with the LoRA in folder `adapter` merged; on `device` ("auto": a GPU if there is one).

    `threads` (0: torch's choice) are the CPU threads of this process. Nothing is fetched from anywhere.

    Raises:
        LoadingError: a folder is not there, or holds no model, no tokenizer, or no adapter.
    """
    check_folder(base, "config.json", "base")
    if adapter is not None:
        check_folder(adapter, "adapter_config.json", "adapter")
    os.environ.setdefault(*WAIT_POLICY)
    import torch
    import transformers

    if threads:
        torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    where = torch.device(device_of(device))
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(_tokenizer_folder(base, adapter), local_files_only=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32 if precision == "int8" else getattr(torch, precision), local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise LoadingError(f"{base}: transformers cannot load it: {error}") from error
    model = _merged(model, adapter).to(where).eval().requires_grad_(False)
    if precision == "int8":
        model = _quantised(model, where)
    return Loaded(model, tokenizer, where, model.config._attn_implementation)


def _merged(model: Any, adapter: str | None) -> Any:
    if adapter is None:
        return model
    import warnings

    from peft import PeftModel

    with warnings.catch_warnings():  # PEFT still reads a property that transformers deprecated
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        return PeftModel.from_pretrained(model, adapter).merge_and_unload(safe_merge=True)


def _quantised(model: Any, where: torch.device) -> Any:
    """The model with linear layers of 8-bit weights, and activations that are quantised as they come (torch, on a CPU)."""
    import warnings

    import torch

    if where.type != "cpu":
        raise LoadingError(f"precision int8 runs on a CPU, and this is {where}: set device: cpu, or another precision")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (DeprecationWarning, UserWarning))
        quantise: Any = torch.ao.quantization.quantize_dynamic
        return quantise(model, {torch.nn.Linear}, dtype=torch.qint8)


def check_folder(folder: str, file: str, what: str) -> None:
    """Raise LoadingError when a model's folder lacks the file."""
    if not (Path(folder) / file).is_file():
        raise LoadingError(f"{what} {folder}: no {file} there; name a folder that save_pretrained wrote")


def _tokenizer_folder(base: str, adapter: str | None) -> str:
    """The adapter's tokenizer where training saved one (it may have a template of its own), else the base's."""
    if adapter is not None and (Path(adapter) / "tokenizer_config.json").is_file():
        return adapter
    return base


def device_of(device: str) -> str:
    """The name of the device that "auto" stands for."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"

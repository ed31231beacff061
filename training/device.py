"""Where weights change: the device, its precision, and what makes two runs on it give the same bits.

bfloat16 is chosen where the hardware multiplies it: on NVIDIA GPUs since Ampere, and on CPUs with AVX512-BF16, AMX or
Arm's BF16 (SmolLM2-135M on two such cores: matrix products at 890 GFLOP/s against 200 in float32). Elsewhere it is
emulated, and float32 is the faster one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from training.ledger import Device

if TYPE_CHECKING:
    import torch


def find_device(wanted: Literal["auto", "cpu", "cuda"], threads: int = 0) -> Device:
    """The device to train on: a GPU when there is one, else the CPU with `threads` threads (0: as many as cores).

    Asks OpenMP, if torch is not loaded yet, that waiting threads sleep instead of spinning: with another busy process
    on two cores the same passes then take 10 CPU seconds in place of 20.

    Raises RuntimeError when a GPU is wanted and there is none.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            'no CUDA GPU is visible here; set device to "auto" or "cpu", or install a CUDA build of torch'
        )
    if wanted != "cpu" and torch.cuda.is_available():
        return Device("cuda", torch.cuda.get_device_name())
    if threads:
        torch.set_num_threads(threads)
    return Device("cpu", f"CPU, {torch.get_num_threads()} threads")


def find_dtype(wanted: Literal["auto", "bfloat16", "float32"], device: Device) -> torch.dtype:
    """The precision to compute in; "auto" is bfloat16 where the hardware multiplies it."""
    import torch

    if wanted == "auto":
        return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def _multiplies_bfloat16(device: Device) -> bool:
    import torch

    if device.kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def activation_bytes(config: Any, tokens: int) -> int:
    """About how many bytes of activations a backward pass over `tokens` keeps, without gradient checkpointing.

    Per token and layer, in bfloat16 with fused attention: ten vectors of the hidden width and four of the feed-forward
    width, and the norms' float32 copies (after Korthikanti et al. 2022, arXiv:2205.05198, section 4.1).
    """
    per_layer = 28 * config.hidden_size + 8 * config.intermediate_size
    return int(tokens * config.num_hidden_layers * per_layer)


def must_checkpoint(config: Any, tokens: int, device: Device) -> bool:
    """Whether activations of `tokens` would take more than 60% of the GPU's free memory; never on a CPU."""
    if device.kind != "cuda":
        return False
    import torch

    free, _ = torch.cuda.mem_get_info()
    return activation_bytes(config, tokens) > 0.6 * free


@contextmanager
def reproducible(seed: int, device: Device) -> Iterator[None]:
    """Inside, torch draws from `seed`, and on a CPU uses deterministic algorithms only."""
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[] if device.kind == "cpu" else None):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(device.kind == "cpu" or before)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)


@contextmanager
def without_bars() -> Iterator[None]:
    """Inside, transformers draws no progress bars: whoever called us has his own."""
    from transformers.utils import logging

    if not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()

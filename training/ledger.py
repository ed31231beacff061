"""What each phase cost: time, tokens, arithmetic and memory, so that a figure like "30 steps" has a price.

FLOPs are estimated from parameter counts, the way the literature does it, not measured: training a matrix of N
parameters on one token takes 2N forward, 2N backward to the activations and 2N to the weights, 6N in all (Kaplan et al.
2020, arXiv:2001.08361, section 2.1). Under LoRA the frozen matrices get no weight gradient, so they cost 4N, and only the
adapter 6N. Attention itself, which has no parameters, adds 2 s^2 h per layer and sequence forward with a causal mask
(half of 4 s^2 h), and twice that backward. The output head is counted only at places that predict a label, because only
there is it computed. Embedding look-ups count nothing. MFU is these FLOPs over wall time over the device's peak (PaLM,
arXiv:2204.02311, appendix B); padding is not useful work, so it lowers MFU.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

PEAK_FLOPS = {
    "B200": 2.25e15,
    "H200": 9.89e14,
    "H100 PCIe": 7.56e14,
    "H100": 9.89e14,
    "A100": 3.12e14,
    "L40S": 3.62e14,
    "L40": 1.81e14,
    "L4": 1.21e14,
    "A10G": 7.0e13,
    "A10": 1.25e14,
    "RTX 4090": 1.65e14,
}
"""Dense bf16 tensor-core peaks in FLOP/s, from NVIDIA's data sheets; the first name found in the device's name counts."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where a phase runs: `kind` as torch calls it (`cpu`, `cuda`), `name` as its maker does."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The cost of one phase.

    `tokens` were read by the model, `trained_tokens` of them carried loss, `padded_tokens` is how many places its input
    had (tokens and padding). `flops` is estimated by `flops_rule`. `peak_memory_bytes` is the device's, or on a CPU the
    process's so far. `mfu` is None where the device's peak is not known.
    """

    phase: str
    device: str
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    steps: int = 0
    rows: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    padded_tokens: int = 0
    flops: float = 0.0
    flops_rule: str = ""
    tokens_per_second: float = 0.0
    mfu: float | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model FLOPs depend on: parameters of its frozen matrices, of its adapter, of its head; layers, width."""

    frozen: int
    adapter: int
    head: int
    layers: int
    width: int


@dataclass(slots=True)
class Tally:
    """What a phase has done so far; the phase itself adds to it."""

    steps: int = 0
    rows: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    padded_tokens: int = 0
    flops: float = 0.0

    def add(self, lengths: Sequence[int], trained: int, padding: int, flops: float) -> None:
        """Count one pass over sequences of these lengths."""
        self.rows += len(lengths)
        self.tokens += sum(lengths)
        self.trained_tokens += trained
        self.padded_tokens += sum(lengths) + padding
        self.flops += flops


def forward_flops(shape: Shape, lengths: Sequence[int], predicted: int) -> float:
    """FLOPs of one forward over sequences of these lengths, whose head is computed at `predicted` places."""
    body = 2.0 * (shape.frozen + shape.adapter) * sum(lengths)
    attention = 2.0 * shape.layers * shape.width * sum(length * length for length in lengths)
    return body + 2.0 * shape.head * predicted + attention


def lora_flops(shape: Shape, lengths: Sequence[int], predicted: int) -> float:
    """FLOPs of one forward and backward under LoRA: 4N for the frozen matrices, 6N for the adapter."""
    frozen = 4.0 * shape.frozen * sum(lengths) + 4.0 * shape.head * predicted
    attention = 6.0 * shape.layers * shape.width * sum(length * length for length in lengths)
    return frozen + 6.0 * shape.adapter * sum(lengths) + attention


def peak_flops(device: str) -> float | None:
    """The bf16 peak of a device by its name, or None when we do not know it."""
    return next((peak for name, peak in PEAK_FLOPS.items() if name.lower() in device.lower()), None)


@contextmanager
def phase(entries: list[LedgerEntry], name: str, device: Device, flops_rule: str = "") -> Iterator[Tally]:
    """Measure the block and append its entry to `entries`; the block adds what it did to the tally it is given."""
    _start(device)
    tally = Tally()
    wall, cpu = time.perf_counter(), time.process_time()
    yield tally
    memory = _finish(device)
    seconds = time.perf_counter() - wall
    peak = peak_flops(device.name)
    entries.append(
        LedgerEntry(
            phase=name,
            device=device.name,
            wall_seconds=seconds,
            cpu_seconds=time.process_time() - cpu,
            peak_memory_bytes=memory,
            flops_rule=flops_rule,
            tokens_per_second=tally.tokens / seconds,
            mfu=tally.flops / seconds / peak if peak and tally.flops else None,
            **asdict(tally),
        )
    )


def _start(device: Device) -> None:
    if device.kind == "cuda":
        import torch

        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()


def _finish(device: Device) -> int:
    """Wait for the device, and return its peak memory in bytes."""
    if device.kind == "cuda":
        import torch

        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def write_ledger(entries: Sequence[LedgerEntry], path: Path) -> None:
    """Write the entries as a JSON list, in the order of the phases."""
    path.write_text(json.dumps([asdict(entry) for entry in entries], indent=2) + "\n", encoding="utf-8")

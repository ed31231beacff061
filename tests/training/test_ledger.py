"""What the ledger says of a phase is what the phase did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.ledger import Device, LedgerEntry, Shape, forward_flops, lora_flops, peak_flops, phase, write_ledger

SHAPE = Shape(frozen=1000, adapter=10, head=500, layers=2, width=8)


def test_a_phase_is_measured(tmp_path: Path):
    entries: list[LedgerEntry] = []
    with phase(entries, "train", Device("cpu", "CPU"), "the rule") as tally:
        tally.add([3, 5], trained=2, padding=4, flops=1e6)
        tally.add([8], trained=1, padding=0, flops=1e6)
        tally.steps += 1
    (entry,) = entries
    assert (entry.steps, entry.rows, entry.tokens, entry.trained_tokens, entry.padded_tokens) == (1, 3, 16, 3, 20)
    assert entry.flops == 2e6 and entry.flops_rule == "the rule" and entry.mfu is None
    assert entry.tokens_per_second == pytest.approx(16 / entry.wall_seconds)
    assert entry.cpu_seconds >= 0 and entry.peak_memory_bytes > 1 << 20
    write_ledger(entries, tmp_path / "ledger.json")
    assert [LedgerEntry(**one) for one in json.loads((tmp_path / "ledger.json").read_text())] == entries


def test_a_phase_that_fails_has_no_entry():
    entries: list[LedgerEntry] = []
    with pytest.raises(KeyError), phase(entries, "train", Device("cpu", "CPU")):
        raise KeyError
    assert entries == []


def test_mfu_is_useful_work_over_the_peak():
    entries: list[LedgerEntry] = []
    with phase(entries, "train", Device("cpu", "NVIDIA H200")) as tally:
        tally.add([1], 1, 0, flops=1e9)
    assert entries[0].mfu == pytest.approx(1e9 / entries[0].wall_seconds / 989e12)


def test_frozen_weights_cost_four_and_adapters_six():
    one = lora_flops(SHAPE, [1], 0)
    assert one == 4 * 1000 + 6 * 10 + 6 * 2 * 8
    assert lora_flops(SHAPE, [1], 1) - one == 4 * 500
    assert forward_flops(SHAPE, [1], 1) == 2 * (1000 + 10 + 500) + 2 * 2 * 8
    assert lora_flops(SHAPE, [4], 0) < lora_flops(SHAPE, [2, 2], 0) + 6 * 2 * 8 * 16


@pytest.mark.parametrize(
    ("device", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("CPU, 2 threads", None),
    ],
)
def test_the_peak_of_a_device(device: str, peak: float | None):
    assert peak_flops(device) == peak

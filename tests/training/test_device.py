"""The device and its precision are chosen by what is there, and the process is left as it was."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig

from training.device import activation_bytes, find_device, find_dtype, must_checkpoint, reproducible
from training.ledger import Device

CPU = Device("cpu", "CPU")


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"no CUDA GPU.*auto"):
        find_device("cuda")
    assert find_device("auto").kind == find_device("cpu").kind == "cpu"


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx2": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_bfloat16_is_chosen_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], dtype: torch.dtype
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert find_dtype("auto", CPU) == dtype
    assert find_dtype("float32", CPU) == torch.float32
    assert find_dtype("bfloat16", CPU) == torch.bfloat16


def test_draws_come_from_the_seed_and_the_process_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn = []
    for _ in range(2):
        with reproducible(7, CPU):
            assert torch.are_deterministic_algorithms_enabled()
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.rand(3), expected)


def test_a_billion_parameters_are_checkpointed_on_a_small_gpu_only(monkeypatch: pytest.MonkeyPatch):
    config = LlamaConfig(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16)
    assert 2e10 < activation_bytes(config, 16_384) < 6e10
    gpu = Device("cuda", "some GPU")
    for free, wanted in ((24e9, True), (140e9, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (int(free), int(free)))
        assert must_checkpoint(config, 16_384, gpu) is wanted
    assert not must_checkpoint(config, 1 << 40, CPU)

"""The loss is the one that transformers computes with the prompt masked, in whatever layout, and no row sees another."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import records
from tests.training.conftest import PAIRS, table
from training.batches import tensors
from training.examples import Example, Row, tokenize
from training.finetune import FinetuneSettings, Loaded, load
from training.ledger import Device, Tally, lora_flops
from training.loop import Layout, Rates, TrainingError, label_logits, mean_loss, rate_at, train

CPU = Device("cpu", "CPU")
RATES = Rates(learning_rate=1e-2, warmup=0.1, schedule="cosine", weight_decay=0.0, max_norm=1.0)


@pytest.fixture(scope="module")
def loaded(base: Path) -> Loaded:
    torch.manual_seed(0)
    return load(base, FinetuneSettings(dtype="float32"), CPU)


@pytest.fixture(scope="module")
def examples(loaded: Loaded) -> list[Example]:
    rows = [Row(*values) for values in table(PAIRS[:12]).iter_rows()]
    return [tokenize(row, loaded.tokenizer, loaded.stops) for row in rows]


def layout(packed: bool, places: int = 4096) -> Layout:
    return Layout(packed, 400, places, 0, "cpu")


def test_the_loss_is_that_of_transformers_with_the_prompt_masked(loaded: Loaded, examples: list[Example]):
    total, count = 0.0, 0
    for example in examples:
        ids = torch.tensor([[*example.prompt, *example.completion]])
        labels = ids.clone()
        labels[:, : len(example.prompt)] = -100
        with torch.no_grad():
            total += float(loaded.model(input_ids=ids, labels=labels).loss) * len(example.completion)
        count += len(example.completion)
    for packed in (False, True):
        ours = mean_loss(loaded.model, examples, layout(packed), loaded.shape, Tally())
        assert ours == pytest.approx(total / count, abs=1e-5)


def test_packed_and_unpacked_rows_give_the_same_logits(loaded: Loaded, examples: list[Example]):
    """A mask of ones over a packed row would let an example read its neighbours."""
    model = loaded.model.eval()
    three = examples[:3]
    with torch.no_grad():
        packed = label_logits(model, tensors([three], 0), "cpu")
        padded = label_logits(model, tensors([[one] for one in three], 0), "cpu")
        alone = torch.cat([label_logits(model, tensors([[one]], 0), "cpu") for one in three])
        stranger = label_logits(model, tensors([[examples[5], *three[1:]]], 0), "cpu")
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-4)
    behind = sum(len(one.completion) for one in three[1:])
    torch.testing.assert_close(stranger[-behind:], packed[-behind:], atol=1e-5, rtol=1e-4)


def gradients(loaded: Loaded, examples: list[Example], how: Layout) -> dict[str, torch.Tensor]:
    """The adapter after one step of plain size: what the gradients of a layout do to the weights."""
    fresh = copy.deepcopy(loaded.model)
    rates = Rates(1e-2, 0.0, "constant", 0.0, 1e9)
    train(fresh, examples, len(examples), rates, how, loaded.shape, Tally(), records.silent)
    return {name: parameter.detach() for name, parameter in fresh.named_parameters() if "lora_B" in name}


def test_a_step_does_the_same_however_it_is_laid_out(loaded: Loaded, examples: list[Example]):
    whole = gradients(loaded, examples, layout(False))
    for other in (layout(True), layout(False, places=1), layout(True, places=1)):
        for name, weight in gradients(loaded, examples, other).items():
            # Adam's first step is the gradient's sign: where it is nearly nought, rounding may turn it
            differing = ((weight - whole[name]).abs() > 1e-4).float().mean()
            assert differing < 0.01, name


def test_only_the_adapter_moves(loaded: Loaded, examples: list[Example]):
    fresh = copy.deepcopy(loaded.model)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    tally = Tally()
    losses = train(fresh, examples, 4, RATES, layout(False), loaded.shape, tally, records.silent)
    moved = {name for name, value in fresh.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all("lora_" in name for name in moved)
    assert losses[-1] < losses[0]
    assert (tally.steps, tally.rows) == (3, 12)
    assert tally.tokens == sum(one.length for one in examples) <= tally.padded_tokens
    assert tally.trained_tokens == sum(len(one.completion) for one in examples)


def test_small_updates_are_not_lost_in_bfloat16(base: Path, examples: list[Example]):
    """A thousandth of a bfloat16's last place per step must add up; without float32 copies nothing would move."""
    torch.manual_seed(0)
    fresh = load(base, FinetuneSettings(dtype="bfloat16"), CPU)
    name, weight = next((name, p) for name, p in fresh.model.named_parameters() if "lora_A" in name)
    before = weight.detach().clone()
    rates = Rates(6e-5, 0.0, "constant", 0.0, 1.0)
    train(fresh.model, examples * 5, 3, rates, layout(False), fresh.shape, Tally(), records.silent)
    moved = (weight.detach() != before).float().mean()
    assert weight.dtype == torch.bfloat16 and moved > 0.5, name


def test_a_loss_that_is_no_number_ends_the_training(loaded: Loaded, examples: list[Example]):
    broken = copy.deepcopy(loaded.model)
    with torch.no_grad():
        next(p for name, p in broken.named_parameters() if "lora_A" in name)[0, 0] = math.nan
    with pytest.raises(TrainingError, match=r"step 1 of 3.*learning_rate"):
        train(broken, examples, 4, RATES, layout(False), loaded.shape, Tally(), records.silent)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 30, 1000])
def test_the_rate_rises_to_its_peak_and_never_reaches_nought(schedule: Any, steps: int):
    rates = Rates(1e-3, 0.1, schedule, 0.0, 1.0)
    values = [rate_at(step, steps, rates) for step in range(steps)]
    peak = values.index(max(values))
    assert max(values) == pytest.approx(1e-3)
    assert values[: peak + 1] == sorted(values[: peak + 1]) and values[peak:] == sorted(values[peak:], reverse=True)
    assert min(values) > 0


def test_the_estimate_of_flops_agrees_with_a_count(loaded: Loaded, examples: list[Example]):
    """torch counts what runs; only attention, where half of the causal square is counted, is estimated lower."""
    from torch.utils.flop_counter import FlopCounterMode

    model = copy.deepcopy(loaded.model).train()
    one = examples[0]
    made = tensors([[one]], 0)
    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.cross_entropy(label_logits(model, made, "cpu"), made.labels).backward()
    shape, n = loaded.shape, len(one.completion)
    linear = lora_flops(shape, [one.length], n) - 6.0 * shape.layers * shape.width * one.length**2
    counted = sum(
        count for op, count in counter.get_flop_counts()["Global"].items() if str(op) in ("aten.mm", "aten.addmm")
    )
    assert linear == pytest.approx(counted, rel=0.08)

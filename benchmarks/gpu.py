"""How fast the finetune program is on a GPU: against TRL's trainer, on the same rows, in the same run.

    python -m benchmarks.gpu             a 1B-shaped Llama with random weights, bf16, rows packed into 2,048 tokens
    python -m benchmarks.gpu --cpu       SmolLM2-135M's shape on the CPU, short rows (minutes)
    python -m benchmarks.gpu --tiny      a toy, to see that all of it runs (seconds)

Every contestant trains LoRA of rank 16 on all linear layers, with the loss on the completions, in a process of its own.
TRL runs with its defaults (gradient checkpointing on, float32 adapter beside a bf16 model), with packing where we pack; a
second time without gradient checkpointing, since memory allows it here. Tokens are those of the rows, never padding; the
first steps, which warm up, are not timed. MFU counts 4N for frozen weights, the same for all (`training/ledger.py`).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

import records
from training.batches import plan_steps
from training.device import find_device, reproducible
from training.examples import choose, read_rows
from training.finetune import FinetuneSettings, load
from training.ledger import LedgerEntry, lora_flops, peak_flops, phase
from training.loop import Rates, train

ROOT = Path(__file__).parents[1]
# a module: of a script the folder is searched first, where `datasets.py` hides the package that TRL reads with
PROGRAM = (sys.executable, "-m", "benchmarks.gpu")
SEED = 0
# the same for all: no network, and threads that wait without spinning
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
RATES = Rates(1e-4, 0.1, "cosine", 0.0, 1.0)


@dataclass(frozen=True)
class Scale:
    """How large the model and its rows are. `rows` examples, of `shortest` to `longest` tokens, in steps of `batch`."""

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    shortest: int
    longest: int
    batch: int
    trl_batch: int
    steps: int
    skip: int
    packing: bool
    device: str


# Llama-3.2-1B's shape: 973 million parameters in its layers, 263 million in its table
ONE_BILLION = Scale(128_256, 2048, 8192, 16, 32, 8, 64, 1_500, 24, 8, 40, 8, True, "cuda")
SMALL = Scale(49_152, 576, 1536, 30, 9, 3, 80, 420, 8, 8, 5, 1, False, "cpu")
TINY = Scale(400, 64, 128, 2, 4, 2, 24, 96, 4, 2, 4, 1, True, "cpu")
SCALES = {"gpu": ONE_BILLION, "cpu": SMALL, "tiny": TINY}

NO_GPU = """\
No CUDA GPU is visible to torch here, so nothing was measured.
Run `make bench-gpu` on a machine with an NVIDIA GPU and a CUDA build of torch (`python -m pip install torch`), or
see that the program runs with `python -m benchmarks.gpu --tiny`."""

CONTESTANTS: dict[str, dict[str, Any]] = {
    "headwater": {},
    "headwater, compiled": {"compile": True},
    "headwater, flash attention 2": {"attention": "flash_attention_2"},
    "headwater, checkpointing": {"gradient_checkpointing": "on"},
    "trl, defaults": {},
    "trl, no checkpointing": {"gradient_checkpointing": False},
}
ON_A_GPU_ONLY = ("headwater, compiled", "headwater, flash attention 2", "headwater, checkpointing")


def make_base(folder: Path, scale: Scale) -> None:
    """A Llama of random bf16 weights, and a byte-level tokenizer with a chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={token: at for at, token in enumerate(special + letters)}, merges=[]))
    inner.add_special_tokens(special)
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=scale.vocabulary,
        hidden_size=scale.hidden,
        intermediate_size=scale.intermediate,
        num_hidden_layers=scale.layers,
        num_attention_heads=scale.heads,
        num_key_value_heads=scale.kv_heads,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(SEED)
    with torch.device(scale.device):
        model = LlamaForCausalLM(config)
    model.to(torch.bfloat16).save_pretrained(folder)


def make_release(folder: Path, scale: Scale) -> None:
    """Rows of random letters: lengths spread evenly on a logarithmic scale, two thirds prompt and one completion."""
    draw = random.Random(SEED)
    rows = []
    for number in range(scale.steps * max(scale.batch, 8 * scale.trl_batch)):
        size = round(scale.shortest * (scale.longest / scale.shortest) ** draw.random())
        letters = "".join(draw.choices("abcdefghij ", k=size))
        cut = 2 * size // 3
        prompt = [{"role": "user", "content": letters[:cut]}]
        rows.append((f"{number:06}", prompt, [{"role": "assistant", "content": letters[cut:]}]))
    schema: dict[str, Any] = {"sample_id": pl.String, "prompt": records.MESSAGES, "completion": records.MESSAGES}
    (folder / "data").mkdir(parents=True)
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "data" / "train-00000.parquet")


class Clock:
    """Notes when each step ended, and after how many tokens."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.marks: list[tuple[float, int]] = []

    def mark(self, tokens: int) -> None:
        """A step ended; `tokens` have been read since the beginning."""
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        self.marks.append((time.perf_counter(), tokens))

    def tokens_per_second(self, skip: int) -> float:
        """The rate after the first `skip` steps."""
        (begin, before), (end, after) = self.marks[skip - 1], self.marks[-1]
        return (after - before) / (end - begin)


def run_headwater(work: Path, scale: Scale, changes: dict[str, Any]) -> dict[str, Any]:
    """Train with our program, step by step as `training.finetune.run` does."""
    settings = FinetuneSettings(
        steps=scale.steps,
        batch=scale.batch,
        max_length=2048 if scale.packing else 512,
        packing="on" if scale.packing else "off",
        dtype="bfloat16",
        tokens_per_pass=32_768 if scale.device == "cuda" else 0,
        seed=SEED,
        **changes,
    )
    device = find_device("cuda" if scale.device == "cuda" else "cpu")
    clock, entries = Clock(device.kind), list[LedgerEntry]()
    with reproducible(SEED, device):
        loaded = load(work / "base", settings, device)
        choice = choose(
            read_rows(work / "release", "train"),
            scale.steps * scale.batch,
            tokenizer=loaded.tokenizer,
            stops=loaded.stops,
            seed=SEED,
            max_length=settings.max_length,
            overlong="drop",
        )
        steps = plan_steps(choice.examples, scale.batch)
        read = [0]
        for step in steps:
            read.append(read[-1] + sum(example.length for example in step))

        def progress(done: int, total: int | None = None, unit: str = "steps", beside: str = "") -> None:
            if done:
                clock.mark(read[done])

        with phase(entries, "train", device) as tally:
            train(loaded.model, choice.examples, scale.batch, RATES, loaded.layout, loaded.shape, tally, progress)
    lengths = [example.length for example in choice.examples]
    labels = sum(len(example.completion) for example in choice.examples)
    flops = lora_flops(loaded.shape, lengths, labels) / sum(lengths)
    return _result(clock, scale, entries[0], flops_per_token=flops)


def run_trl(work: Path, scale: Scale, changes: dict[str, Any]) -> dict[str, Any]:
    """Train with TRL's SFTTrainer: its defaults, packing where we pack, and `changes`."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    device = find_device("cuda" if scale.device == "cuda" else "cpu")
    clock, entries = Clock(device.kind), list[LedgerEntry]()

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **rest: Any) -> None:
            if "num_tokens" in logs:
                clock.mark(int(logs["num_tokens"]))

    config = SFTConfig(
        output_dir=str(work / "trl"),
        max_steps=scale.steps,
        per_device_train_batch_size=scale.trl_batch,
        max_length=2048 if scale.packing else 512,
        packing=scale.packing,
        learning_rate=RATES.learning_rate,
        bf16=scale.device == "cuda",
        use_cpu=scale.device == "cpu",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=SEED,
        **changes,
    )
    data = load_dataset("parquet", data_files=str(work / "release" / "data" / "*.parquet"), split="train")
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(work / "base", dtype=torch.bfloat16),
        args=config,
        train_dataset=data.remove_columns("sample_id"),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[Watch()],
    )
    with phase(entries, "train", device):
        trainer.train()
    return _result(clock, scale, entries[0])


def _result(clock: Clock, scale: Scale, entry: LedgerEntry, flops_per_token: float = 0.0) -> dict[str, Any]:
    return {
        "device": entry.device,
        "tokens_per_second": clock.tokens_per_second(scale.skip),
        "memory": entry.peak_memory_bytes / 2**30,
        "cpu_per_token": entry.cpu_seconds / clock.marks[-1][1],
        "flops_per_token": flops_per_token,
    }


def compare(scale: Scale, choice: str) -> dict[str, dict[str, Any]]:
    """Run every contestant in a process of its own; one that fails is told with its last line, and left out."""
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        work = Path(name)
        make_base(work / "base", scale)
        make_release(work / "release", scale)
        for contestant in CONTESTANTS:
            if contestant in ON_A_GPU_ONLY and scale.device == "cpu":
                continue
            print(f"running: {contestant}", file=sys.stderr, flush=True)
            command = [*PROGRAM, f"--{choice}", "--contestant", contestant, "--work", name]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **ENVIRONMENT})
            if done.returncode:
                print(f"  left out: {(done.stderr.strip() or 'no message').splitlines()[-1]}", file=sys.stderr)
                continue
            results[contestant] = json.loads(done.stdout.strip().splitlines()[-1])
    return results


def table_of(results: dict[str, dict[str, Any]]) -> str:
    """The results as a Markdown table, each against TRL's defaults."""
    peer = results.get("trl, defaults", {}).get("tokens_per_second")
    flops = max((found["flops_per_token"] for found in results.values()), default=0.0)
    lines = [
        "| | tokens/s | against TRL | MFU | peak memory, GiB | CPU ms per token |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, found in results.items():
        rate, peak = found["tokens_per_second"], peak_flops(found["device"])
        mfu = f"{rate * flops / peak:.1%}" if peak else "-"
        ratio = f"{rate / peer:.2f}" if peer else "-"
        memory, cpu = found["memory"], 1000 * found["cpu_per_token"]
        lines.append(f"| {name} | {rate:,.0f} | {ratio} | {mfu} | {memory:.1f} | {cpu:.2f} |")
    devices = sorted({found["device"] for found in results.values()})
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "peft", "trl")
    )
    return "\n".join([f"{'; '.join(devices)}; {versions}", "", *lines])


def main(arguments: Sequence[str]) -> int:
    """Print the table; 1 when a contestant failed that should not, 2 when there is no GPU."""
    parser = argparse.ArgumentParser(description="The finetune program against TRL's trainer.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--tiny", action="store_const", const="tiny", dest="scale", help="a toy model on the CPU (seconds)"
    )
    which.add_argument(
        "--cpu", action="store_const", const="cpu", dest="scale", help="135M parameters on the CPU (minutes)"
    )
    which.add_argument(
        "--gpu", action="store_const", const="gpu", dest="scale", help="1B parameters on a GPU (default)"
    )
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(scale="gpu")
    options = parser.parse_args(arguments)
    scale = SCALES[options.scale]
    if options.contestant:
        program = run_headwater if options.contestant.startswith("headwater") else run_trl
        print(json.dumps(program(options.work, scale, CONTESTANTS[options.contestant])))
        return 0
    if scale.device == "cuda" and not _gpu():
        print(NO_GPU, file=sys.stderr)
        return 2
    results = compare(scale, options.scale)
    print(table_of(results))
    return 0 if {"headwater", "trl, defaults"} <= set(results) else 1


def _gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

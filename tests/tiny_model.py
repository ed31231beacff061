"""A tiny Llama with random weights and a tokenizer of its own, made in a second: for every test that needs a model.

    base = make_tiny_model(tmp_path / "base")
    AutoModelForCausalLM.from_pretrained(base); AutoTokenizer.from_pretrained(base)

ChatML as SmolLM2 has it (`<|im_start|>role\\n…<|im_end|>\\n`), byte-level, so that any text can be encoded and no token
is unknown. It has about 100,000 parameters; the same call gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PHRASES = (
    "Return the number of items in the list.",
    "Write the docstring of this function.",
    "def add(first, second):\n    return first + second\n",
    "system user assistant\nThe quick brown fox jumps over the lazy dog. 0123456789",
)


def make_tiny_model(
    folder: Path, *, hidden_size: int = 64, layers: int = 2, spread: float = 0.02, seed: int = 0
) -> Path:
    """Write model and tokenizer to `folder` (safetensors, float32) and return it.

    With the usual `spread` of its random weights, the rows of its head are too small for a frozen head to tell tokens
    apart: a LoRA that shall learn something needs about 0.1.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tiny_tokenizer(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=spread,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_tiny_tokenizer(folder: Path):
    """Train a byte-level BPE of 400 tokens on a few phrases, and save it with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(PHRASES * 2, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<|endoftext|>",
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer

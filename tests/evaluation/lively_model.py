"""A tiny model whose answers depend on what it is asked: random weights as such repeat the last token for ever."""

from pathlib import Path

from tests.tiny_model import make_tiny_model


def make_lively_model(folder: Path) -> Path:
    """Write the tiny model with larger weights and a head of its own, and return its folder."""
    import torch
    from transformers import AutoModelForCausalLM

    path = make_tiny_model(folder / "base")
    model = AutoModelForCausalLM.from_pretrained(path)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in model.model.layers:
            for weight in layer.parameters():
                weight.mul_(6 if weight.ndim == 2 else 1)
        model.config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(torch.randn(model.lm_head.weight.shape, generator=generator) * 0.3)
    model.save_pretrained(path)
    return path

"""Vectors of a tiny model: the mean of what it makes of the tokens, whatever stands beside a text in its batch."""

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from evaluation.embedding import EMBEDDINGS, EmbedJob, run
from evaluation.loading import LoadingError
from evaluation.metrics import text_digest, vectors_of
from records import silent
from tests.evaluation.lively_model import make_lively_model

TEXTS = ["Return it.", "Return the number of items in the list. " * 4, "fox", ""]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_lively_model(tmp_path_factory.mktemp("model"))


def embedded(base, tmp_path, rows):
    table = pl.DataFrame({"text_digest": [text_digest(text) for text in TEXTS], "text": TEXTS})
    table.write_parquet(tmp_path / "texts.parquet")
    run(EmbedJob(str(base), str(tmp_path / "texts.parquet"), str(tmp_path / "out.parquet"), 32, rows, "cpu"), silent)
    found = pl.read_parquet(tmp_path / "out.parquet")
    assert dict(found.schema) == EMBEDDINGS
    return vectors_of(found)


def test_a_vector_is_the_mean_of_the_hidden_states_of_its_text_alone(base, tmp_path):
    together, alone = embedded(base, tmp_path, 4), embedded(base, tmp_path, 1)
    model, tokenizer = AutoModel.from_pretrained(base).eval(), AutoTokenizer.from_pretrained(base)
    for text in TEXTS[:3]:
        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=32)["input_ids"]
        with torch.inference_mode():
            mean = model(ids).last_hidden_state[0].mean(dim=0)
        expected = (mean / mean.norm()).numpy()
        np.testing.assert_allclose(together[text_digest(text)], expected, atol=1e-4)
        np.testing.assert_allclose(alone[text_digest(text)], expected, atol=1e-4)


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(LoadingError, match=r"no config\.json there"):
        embedded(tmp_path, tmp_path, 1)

"""A folder of tasks of each kind, made by the tests, and a small model with real answers to them."""

import json
from pathlib import Path

import pytest

from tests.evaluation.lively_model import make_lively_model

CAPITALS = [("France", ["Paris", "Rome", "Oslo"], 0), ("Italy", ["Paris", "Rome", "Oslo"], 1), ("Norway", ["Bergen", "Rome", "Oslo"], 2), ("Spain", ["Madrid", "Bern"], 0)]  # fmt: skip
SAID = [("the dog", "the dog jumps"), ("a list", "a list of items"), ("Return", "Return it"), ("fox", "fox and hound")]
TEXTS = ["The quick brown fox jumps over the lazy dog.", "Return the number of items in the list. " * 3, "def add"]
CHOICE = """\
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: data/capitals.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "The capital of {{country}} is"
doc_to_target: answer
doc_to_choice: options
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: mcc, aggregation: matthews_corrcoef, higher_is_better: true}
"""
SAY = """\
task: say
dataset_path: json
dataset_kwargs: {data_files: {test: data/say.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Go on: {{prompt}}"
doc_to_target: reference
generation_kwargs: {until: ["."], max_gen_toks: 12, do_sample: false, temperature: 0.0}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
READ = """\
task: texts
dataset_path: json
dataset_kwargs: {data_files: {test: data/texts.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: text
metric_list:
  - {metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
"""


def write_tasks(folder: Path, references: dict[str, str] | None = None) -> Path:
    """Three task files with their data; `references` are what shall count as right of the texts to go on with."""
    (folder / "data").mkdir(parents=True)
    rows = {
        "capitals": [
            {"country": country, "options": options, "answer": answer} for country, options, answer in CAPITALS
        ],
        "say": [{"prompt": prompt, "reference": (references or {}).get(prompt, told)} for prompt, told in SAID],
        "texts": [{"text": text} for text in TEXTS],
    }
    for name, docs in rows.items():
        (folder / "data" / f"{name}.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    for name, text in (("capitals", CHOICE), ("say", SAY), ("texts", READ)):
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="session")
def lively(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_lively_model(tmp_path_factory.mktemp("lively")))


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_tasks(tmp_path / "tasks")

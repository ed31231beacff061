"""The look at training data: what would train on nothing is found before training, and what is drawn is what is trained."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from transformers import AutoTokenizer

from tests.test_pages import Seen
from tests.tiny_model import CHAT_TEMPLATE
from tests.training.conftest import PAIRS, release, table
from training.examples import DatasetError, read_rows, stop_tokens, tokenize
from training.inspected import inspected
from training.inspection import FITS, MASKED, ROWS, TEMPLATE, TOO_LONG, TRUNCATED, InspectionJob, pieces, run


def look(base: Path, folder: Path, frame: pl.DataFrame, **options: Any) -> tuple[pl.DataFrame, str]:
    folder.mkdir()
    given: dict[str, Any] = {"max_length": 256, "overlong": "drop", "name": "tuned", **options}
    job = InspectionJob(str(release(folder / "release", frame, frame[:3])), str(base), str(folder), **given)
    run(job)
    return pl.read_parquet(folder / "rows.parquet"), (folder / "page.html").read_text(encoding="utf-8")


def fates(rows: pl.DataFrame, split: str = "train") -> dict[str, int]:
    return dict(rows.filter(split=split).group_by("fate").len().iter_rows())


def test_what_is_counted_is_what_training_tokenizes(base: Path, tmp_path: Path) -> None:
    rows, _ = look(base, tmp_path / "a", table(PAIRS))
    assert rows.schema == ROWS and fates(rows) == {FITS: 40} and fates(rows, "validation") == {FITS: 3}
    tokenizer = AutoTokenizer.from_pretrained(base)
    stops = stop_tokens(tokenizer, tokenizer)
    by_id = {row.sample_id: tokenize(row, tokenizer, stops) for row in read_rows(tmp_path / "a" / "release", "train")}
    for row in rows.filter(split="train").iter_rows(named=True):
        example = by_id[row["sample_id"]]
        assert (row["prompt_tokens"], row["trained_tokens"]) == (len(example.prompt), len(example.completion))
    assert all(not said for said in inspected(rows, 256, {}).checks.values())


@pytest.mark.parametrize(
    ("overlong", "expected"), [("drop", {TOO_LONG, FITS}), ("truncate", {MASKED, TRUNCATED, FITS})]
)
def test_rows_over_the_length_are_left_out_or_cut_and_none_may_be_masked_whole(
    base: Path, tmp_path: Path, overlong: str, expected: set[str]
) -> None:
    middle = int(look(base, tmp_path / "a", table(PAIRS))[0]["prompt_tokens"].quantile(0.7) or 0)
    rows, _ = look(base, tmp_path / "b", table(PAIRS), max_length=middle + 4, overlong=overlong)
    assert set(fates(rows)) == expected - ({FITS} if FITS not in fates(rows) else set())
    found = inspected(rows, middle + 4, {})
    assert found.kept is not None
    assert found.kept + sum(found.dropped.values()) + sum(found.failed.values()) == rows.height
    cut = rows.filter(fate=TRUNCATED)
    assert (cut["trained_tokens"] + cut["prompt_tokens"] == middle + 4).all()
    masked = fates(rows).get(MASKED, 0)
    assert bool(found.checks["labels"]) == bool(masked)
    if masked:
        assert "would have every label masked, for instance sample" in found.checks["labels"]


def test_an_empty_answer_and_a_length_that_nothing_fits_stop_the_training(base: Path, tmp_path: Path) -> None:
    rows, page = look(base, tmp_path / "a", table([*PAIRS, ("what is left of it", "")]))
    found = inspected(rows, 256, {})
    assert found.failed == {MASKED: 1} and found.checks["labels"].startswith("1 rows would have every label masked")
    assert "the completion is empty" in Seen(page).words
    rows, _ = look(base, tmp_path / "b", table(PAIRS), max_length=4)
    assert inspected(rows, 4, {}).checks["lengths"].startswith("none of the training rows fits into 4 tokens")


TEMPLATES = {
    "it renders an answered prompt in another way": "{% if not add_generation_prompt %}answered {% endif %}"
    + CHAT_TEMPLATE,
    "it leaves the answer out": CHAT_TEMPLATE.replace(
        "message['content']", "(message['content'] if message['role'] == 'user' else '')"
    ),
    "it refuses": "{{ raise_exception('no such role') }}",
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_a_template_that_would_train_something_else_is_found(base: Path, tmp_path: Path, case: str) -> None:
    other = tmp_path / "base"
    other.mkdir()
    for path in base.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / "chat_template.jinja").write_text(TEMPLATES[case])
    config = json.loads((other / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (other / "tokenizer_config.json").write_text(json.dumps(config))
    rows, _ = look(other, tmp_path / "a", table(PAIRS))
    assert fates(rows) == {TEMPLATE: 40}
    found = inspected(rows, 256, {})
    assert found.checks["template"].startswith("43 rows are not rendered as they will be asked, for instance sample")
    assert "template" in rows["detail"][0]


def test_five_rows_are_drawn_with_what_is_learned_in_colour_and_no_markup_of_theirs(base: Path, tmp_path: Path) -> None:
    evil = "<script>alert('x')</script> größe 漢字"
    frame = table([(f"{evil} {number}", f"answer {number} {evil}") for number in range(12)])
    _, page = look(base, tmp_path / "a", frame)
    assert page.count("<pre") == 5 and "<script" not in page
    first = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    assert first is not None
    spans = re.findall(r'<span class="(\w+)">(.*?)</span>', first[1], re.DOTALL)
    learned = "".join(text for kind, text in spans if kind in {"t0", "t1"})
    asked = "".join(text for kind, text in spans if kind == "asked")
    assert learned.startswith("answer") and learned.endswith("&lt;|im_end|&gt;") and "漢字" in learned
    assert asked.endswith("assistant↵\n") and "größe" in asked
    _, again = look(base, tmp_path / "b", frame[::-1])
    assert Seen(again).words == Seen(page).words


def test_pieces_are_the_text_whole(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    text = "größe 漢字 \U0001f600 and\nmore<|im_end|>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert "".join(piece for _, piece in pieces(tokenizer, ids)) == text


def test_copies_and_control_tokens_are_told(base: Path, tmp_path: Path) -> None:
    frame = table([*PAIRS[:4], ("forged <|im_end|> turn", "it ends")])
    rows, _ = look(base, tmp_path / "a", pl.concat([frame, frame[:1]]))
    assert rows.filter(split="train")["copies"].sum() == 6 and rows.filter(split="train").height == 5
    notes = inspected(rows, 256, {}).notes
    assert notes["rows with control tokens in their text"] == 1
    with pytest.raises(DatasetError, match="has no rows in data/train"):
        run(InspectionJob(str(tmp_path / "none"), str(base), str(tmp_path), 256, "drop"))

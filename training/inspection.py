"""Training data as the trainer will see them, looked at before a GPU is asked for: what is cut, masked or left out, and why.

Trainers report success where nothing was learned: TRL 1.16 gives loss 0.0 when every label is masked (its issue 6668), and
a chat template that renders an answered prompt in another way trains what is never asked. So every row is rendered and
tokenized here by the model's own tokenizer, in the way that training does it, and counted by what becomes of it. Five
rows are drawn token by token, those that carry loss in colour.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

import records
from pages import Html, Part, page, table, tag
from plots import histogram
from training.examples import DatasetError, Example, Row, encoded, read_rows, rendered, stop_tokens

ROWS = pl.Schema(
    {
        "split": pl.String(),
        "sample_id": pl.String(),
        "copies": pl.Int64(),
        "prompt_tokens": pl.Int64(),
        "answer_tokens": pl.Int64(),
        "trained_tokens": pl.Int64(),
        "fate": pl.String(),
        "detail": pl.String(),
        "control_tokens": pl.Boolean(),
    }
)
"""One row per sample of the training and validation splits. `fate` is one of `FATES`; `trained_tokens` carry loss;
`control_tokens` says that the text itself holds a token that only the template should write."""
FITS, TRUNCATED, TOO_LONG, MASKED, TEMPLATE = "fits", "truncated", "too long", "every label masked", "template"
FATES = (FITS, TRUNCATED, TOO_LONG, MASKED, TEMPLATE)
SHOWN = 5
BATCH = 512
_TOKENS = 1500
"""Tokens of a row that are drawn."""


@dataclass(frozen=True)
class InspectionJob:
    """What is to be looked at: a release, the base whose tokenizer counts, and how training will cut; where to write."""

    dataset: str
    base: str
    out: str
    max_length: int
    overlong: Literal["drop", "truncate"]
    name: str = ""


def run(job: InspectionJob, progress: records.Progress = records.silent) -> dict[str, object]:
    """Look at every row; writes `rows.parquet` (`ROWS`) and `page.html` to the folder `out`, and says how it found the tokenizer.

    Raises DatasetError where there is no chat template or no row to train on.
    """
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(job.base, local_files_only=True)
    if not tokenizer.chat_template:
        raise DatasetError(f"base {Path(job.base).name} has no chat template; choose a model that was tuned for chat")
    stops = stop_tokens(tokenizer, GenerationConfig.from_pretrained(job.base, local_files_only=True))
    splits = {split: read_rows(Path(job.dataset), split) for split in ("train", "validation")}
    if not splits["train"]:
        raise DatasetError(f"{job.dataset} has no rows in data/train-*.parquet; a release needs some to train on")
    told: list[tuple[object, ...]] = []
    shown: list[tuple[Row, Example]] = []
    whole = sum(len(rows) for rows in splits.values())
    for split, rows in splits.items():
        copies = Counter(row.sample_id for row in rows)
        once = list({row.sample_id: row for row in rows}.values())
        for start in range(0, len(once), BATCH):
            part = once[start : start + BATCH]
            for row, example in zip(part, _examples(part, tokenizer, stops), strict=True):
                found = _told(row, example, tokenizer, job)
                told.append((split, row.sample_id, copies[row.sample_id], *found))
                if split == "train" and isinstance(example, Example) and found[3] in {FITS, TRUNCATED}:
                    shown = sorted(
                        [*shown, (row, example)], key=lambda each: records.digest("shown", each[0].sample_id)
                    )[:SHOWN]
            progress(len(told), whole)
    table_ = pl.DataFrame(told, schema=ROWS, orient="row").sort("split", "sample_id")
    out = Path(job.out)
    table_.write_parquet(out / "rows.parquet")
    (out / "page.html").write_text(_page(job, table_, shown, tokenizer), encoding="utf-8")
    return {"tokenizer": f"{type(tokenizer).__name__} of {len(tokenizer):,} tokens"}


def _examples(rows: Sequence[Row], tokenizer: Any, stops: frozenset[int]) -> Iterator[Example | DatasetError]:
    """Each row as token ids, or why it cannot be had; tokenized together, which is several times as fast."""
    texts: list[tuple[str, str] | DatasetError] = []
    for row in rows:
        try:
            texts.append(rendered(row, tokenizer))
        except DatasetError as error:
            texts.append(error)
    yield from encoded(rows, texts, tokenizer, stops)


def _told(
    row: Row, example: Example | DatasetError, tokenizer: Any, job: InspectionJob
) -> tuple[int, int, int, str, str, bool]:
    """prompt_tokens, answer_tokens, trained_tokens, fate, detail and control_tokens of a row."""
    control = _holds_control_tokens(row, tokenizer)
    if isinstance(example, DatasetError):
        empty = not any(turn["content"] for turn in row.completion)
        return 0, 0, 0, MASKED if empty else TEMPLATE, str(example), control
    prompt, answer = len(example.prompt), len(example.completion)
    room = job.max_length - prompt
    if answer <= room:
        return prompt, answer, answer, FITS, "", control
    if job.overlong == "drop":
        return prompt, answer, 0, TOO_LONG, f"{prompt + answer} tokens of {job.max_length}", control
    if room < 1:
        return prompt, answer, 0, MASKED, f"the prompt alone has {prompt} tokens of {job.max_length}", control
    return prompt, answer, room, TRUNCATED, f"{answer - room} tokens of the answer are cut", control


def _holds_control_tokens(row: Row, tokenizer: Any) -> bool:
    said = "\n".join(turn["content"] for turn in (*row.prompt, *row.completion))
    return any(token in said for token in tokenizer.all_special_tokens)


def _page(job: InspectionJob, rows: pl.DataFrame, shown: Sequence[tuple[Row, Example]], tokenizer: Any) -> str:
    counts = rows.group_by("split", "fate").agg(pl.len().alias("rows")).rows()
    of = {(split, fate): count for split, fate, count in counts}
    lines = [[fate, *(f"{of.get((split, fate), 0):,}" for split in ("train", "validation"))] for fate in FATES]
    lengths = rows.filter(pl.col("prompt_tokens") > 0).select(pl.col("prompt_tokens") + pl.col("answer_tokens"))
    picture = histogram(lengths.to_series(), "tokens in a row, prompt and answer", job.max_length)
    wrong = rows.filter(pl.col("fate").is_in([MASKED, TEMPLATE])).head(10)
    return page(
        f"Training data of {job.name}",
        tag("style", Html(_STYLE)),
        tag("h1", "Training data of ", tag("code", job.name)),
        tag("p", f"Rendered and tokenized as they will be trained on, at most {job.max_length:,} tokens a row.", class_="quiet"),
        table(("what becomes of a row", "train", "validation"), lines, [1, 2]),
        tag("img", src=f"data:image/svg+xml;base64,{base64.b64encode(picture).decode()}", alt="lengths"),
        _errors(wrong),
        tag("h2", f"{len(shown)} rows as the model reads them"),
        tag("p", tag("span", "grey", class_="asked"), " is read and carries no loss; ", tag("span", "coloured", class_="t0"), tag("span", " tokens", class_="t1"), " are learned; ", tag("span", "struck out", class_="cut"), " does not fit."),
        *(_drawn(row, example, tokenizer, job) for row, example in shown),
    )  # fmt: skip


def _errors(wrong: pl.DataFrame) -> Part:
    if wrong.is_empty():
        return None
    lines = [[row["sample_id"], row["split"], row["detail"]] for row in wrong.iter_rows(named=True)]
    return (tag("h2", "Rows that cannot be trained on"), table(("sample", "split", "why"), lines))


def _drawn(row: Row, example: Example, tokenizer: Any, job: InspectionJob) -> Html:
    ids = (*example.prompt, *example.completion)[:_TOKENS]
    marks = []
    for place, text in pieces(tokenizer, ids):
        kind = "asked" if place < len(example.prompt) else "cut" if place >= job.max_length else f"t{place % 2}"
        marks.append(tag("span", text.replace("\n", "↵\n"), class_=kind))
    rest = len(example.prompt) + len(example.completion) - len(ids)
    more = tag("small", f" and {rest:,} tokens more", class_="quiet") if rest else None
    head = tag(
        "h3",
        tag("code", row.sample_id),
        tag("small", f" {len(example.prompt):,} + {len(example.completion):,} tokens", class_="quiet"),
    )
    return tag("div", head, tag("pre", *marks, more, dir="auto"))


def pieces(tokenizer: Any, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The text that each token adds, with its place; tokens within one character are told together, at the first of them."""
    start, said = 0, ""
    for end in range(1, len(ids) + 1):
        whole: str = tokenizer.decode(list(ids[:end]), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if whole.endswith("\ufffd") and end < len(ids):
            continue
        yield start, whole[len(said) :]
        start, said = end, whole


_STYLE = """
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; max-height: 32em; overflow-y: auto; }
.asked { color: var(--quiet); }
.t0, .t1 { color: #fff; background: #c2410c; border-radius: 2px; }
.t1 { background: #9a3412; }
.cut { text-decoration: line-through; color: var(--bad); }
"""

"""Held-out samples in training samples: found within longer ones, not where only the task's form is shared, and dropped."""

from __future__ import annotations

import random

import polars as pl
import pytest

from curation.decontamination import HeldOutSettings, MatchSettings, dropped_samples, overlaps, seen_in_training
from records import MESSAGES

DRAW = random.Random(0)
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("amo", "elu", "ito", "ora") for c in ("", "n", "sk", "lia")]
DROP, KEEP = HeldOutSettings(), HeldOutSettings(samples="keep")


def text(words: int) -> str:
    return " ".join(DRAW.choices(WORDS, k=words))


def samples(**rows: tuple[str, str, str | None]) -> pl.DataFrame:
    """Samples by name: split, what the user says, and the reference."""
    schema = {"sample_id": pl.String, "split": pl.String, "messages": MESSAGES, "reference": pl.String}
    said = [
        (name, split, [{"role": "system", "content": "Answer."}, {"role": "user", "content": prompt}], reference)
        for name, (split, prompt, reference) in rows.items()
    ]
    return pl.DataFrame(said, schema=schema, orient="row")


def found(table: pl.DataFrame) -> dict[tuple[str, str], float]:
    rows = overlaps(table, MatchSettings()).select("sample_id", "held_out_id", "share").iter_rows()
    return {(one, other): share for one, other, share in rows}


def clean(number: int) -> dict[str, tuple[str, str, str | None]]:
    return {f"clean{n}": ("train", text(40), text(10)) for n in range(number)}


def test_a_held_out_sample_within_a_longer_training_sample_is_found_however_it_is_set() -> None:
    question, answer, other = text(30), text(20), text(25)
    table = samples(
        asked=("test", question, answer),
        other=("validation", other, None),
        whole=("train", f"{text(80)} {question.upper()}! {text(60)}", answer),
        without_answer=("train", f"{text(90)}\n{question}\n{text(90)}", "nothing of the kind"),
        turned=("train", text(60), f"{text(40)} {other.title()} {text(30)}"),
        half=("train", f"{text(50)} {' '.join(question.split()[:12])} {text(50)}", None),
        same_side=("validation", f"{text(30)} {question} {text(50)}", None),
        **clean(60),
    )
    shares = found(table)
    over = {pair for pair, share in shares.items() if share > DROP.max_share}
    assert over == {("whole", "asked"), ("without_answer", "asked"), ("turned", "other")}
    assert shares["whole", "asked"] == 1.0 and 0.3 < shares["half", "asked"] <= 0.5
    assert overlaps(table.sample(fraction=1, shuffle=True, seed=3), MatchSettings()).equals(
        overlaps(table, MatchSettings())
    )


@pytest.mark.parametrize("held_out", [1, 2, 5, 40])
def test_what_the_samples_of_a_task_have_in_common_is_no_item(held_out: int) -> None:
    form = f"Read the following with care, and then say in one sentence what it is about: {text(30)} "
    table = samples(
        **{f"held{n}": ("test", form + text(14), None) for n in range(held_out)},
        **{f"train{n}": ("train", form + text(14), None) for n in range(60)},
    )
    assert found(table) == {}


def test_samples_that_differ_in_a_few_words_of_one_form_are_not_each_other() -> None:
    rows = {}
    for form, said in enumerate(FORMS):
        other = iter(DRAW.sample(WORDS, k=6 * 14))
        for name in [*(f"train{n}" for n in range(12)), *(f"test{n}" for n in range(2))]:
            prompt, reference = (said.format(a=next(other), b=next(other), c=next(other)) for _ in range(2))
            rows[f"{name}_{form}"] = (name.rstrip("0123456789"), prompt, reference)
    assert {share for share in found(samples(**rows)).values() if share > DROP.max_share} == set()


FORMS = [f"{text(9)} {{a}} {text(7)} {{b}} {text(11)} {{c}} {text(6)}" for _ in range(9)]
FORMS.append(
    f"{text(2)} {{a}} {text(2)} {{b}} {text(4)} {{c}} {text(3)} {{a}} {text(2)} {{b}} {text(4)} {{c}} {text(2)}"
)


def test_nothing_is_found_where_there_is_nothing_to_find() -> None:
    none = samples(**clean(3))
    assert overlaps(none, MatchSettings()).is_empty() and overlaps(none.head(0), MatchSettings()).is_empty()
    assert overlaps(samples(only=("test", text(30), None)), MatchSettings()).is_empty()
    assert overlaps(samples(blank=("test", " ", None), **clean(2)), MatchSettings()).is_empty()


def test_what_is_dropped_and_what_a_score_is_told() -> None:
    question, answer = text(30), text(12)
    long = f"{text(80)} {question} {text(80)}"
    table = samples(
        asked=("test", question, answer),
        holds=("train", long, "an answer"),
        unanswered=("train", text(20) + long, None),
        part=("train", f"{text(50)} {' '.join(question.split()[:13])} {text(50)}", "an answer"),
        **clean(40),
    )
    rows = overlaps(table, MatchSettings())
    assert set(dropped_samples(rows, DROP)["sample_id"]) == {"holds", "unanswered"}
    assert dropped_samples(rows, KEEP).is_empty()
    assert seen_in_training(rows, table, DROP).rows() == [("asked", False)]
    assert seen_in_training(rows, table, KEEP).rows() == [("asked", True)]
    gone = table.filter(~pl.col("sample_id").is_in(["holds", "part"]))
    assert seen_in_training(overlaps(gone, MatchSettings()), gone, KEEP).is_empty(), (
        "what has no reference is not released"
    )
    by_run = HeldOutSettings(max_share=1.0, max_run=12)
    assert "part" in set(dropped_samples(rows, by_run)["sample_id"])

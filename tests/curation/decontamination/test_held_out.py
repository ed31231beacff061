"""Held-out samples in training samples: found within longer ones, not where only the task's form is shared, and dropped."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.decontamination import (
    DecontaminationSettings,
    EvaluationSet,
    HeldOutSettings,
    MatchSettings,
    cleaned,
    contamination,
    find_in_corpus,
    leaking,
    overlaps,
    rates_of_sets,
    rates_of_splits,
    read_evaluation_sets,
    seen_in_training,
)
from curation.decontamination.evidence import GAP
from curation.inventory import Source, root_of, take_inventory
from curation.tasks.candidates import CANDIDATE
from records import MESSAGES
from tests.memory import growth

DRAW = random.Random(0)
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("amo", "elu", "ito", "ora") for c in ("", "n", "sk", "lia")]
DROP, KEEP, CUT = HeldOutSettings(), HeldOutSettings(samples="keep"), HeldOutSettings(samples="cut")


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
    assert dropped(table, rows, DROP) == {"holds", "unanswered"}
    assert cleaned(table, rows, KEEP).equals(table)
    assert seen_in_training(rows, answered(table), DROP).rows() == [("asked", False)]
    assert seen_in_training(rows, answered(table), KEEP).rows() == [("asked", True)]
    gone = table.filter(~pl.col("sample_id").is_in(["holds", "part"]))
    assert seen_in_training(overlaps(gone, MatchSettings()), answered(gone), KEEP).is_empty(), (
        "what has no reference is not released"
    )
    by_run = HeldOutSettings(max_share=1.0, max_run=12)
    assert "part" in dropped(table, rows, by_run)


def answered(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("reference").is_not_null())


def dropped(table: pl.DataFrame, rows: pl.DataFrame, limits: HeldOutSettings) -> set[str]:
    return set(table["sample_id"]) - set(cleaned(table, rows, limits)["sample_id"])


def said(table: pl.DataFrame, name: str) -> tuple[list[str], str | None]:
    row = table.row(by_predicate=pl.col("sample_id") == name, named=True)
    return [turn["content"] for turn in row["messages"]], row["reference"]


def test_a_held_out_sample_is_cut_out_of_turns_and_reference_and_what_was_cut_can_be_read() -> None:
    question, answer, before, after = text(30), text(20), text(40), text(30)
    table = samples(
        asked=("test", question, answer),
        holds=("train", f"{before} {question.upper()}! {after}", f"So: {answer}. {after}"),
        all_of_it=("train", question, "an answer"),
        **clean(40),
    )
    rows = overlaps(table, MatchSettings())
    left = cleaned(table, rows, CUT)
    assert dropped(table, rows, CUT) == {"all_of_it"}, "a sample of which nothing is left"
    assert said(left, "holds") == (["Answer.", f"{before} ! {after}"], f"So: . {after}")
    assert left.filter(pl.col("sample_id") != "holds").equals(
        table.filter(~pl.col("sample_id").is_in(["holds", "all_of_it"]))
    )
    turns, reference = said(table, "holds")
    (places,) = rows.filter(sample_id="holds")["places"].to_list()
    whole = dict(enumerate(turns)) | {None: reference}
    cut = [whole[place["turn"]].encode()[place["start"] : place["end"]].decode() for place in places]
    assert cut == [question.upper(), answer]
    assert (
        seen_in_training(rows, answered(table), CUT).is_empty()
        and seen_in_training(rows, answered(table), KEEP).height == 1
    )


PARTS = st.lists(
    st.sampled_from(["filler", "item", "capitals", "first half", "second half", "reference", "é ü 字 "]),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(PARTS, PARTS, st.integers(13, 40), st.randoms(use_true_random=False))
def test_what_was_cut_holds_too_much_of_no_held_out_sample_and_the_rest_is_as_it_was(
    prompt, answer, size, draw
) -> None:
    words = draw.choices(WORDS, k=size)
    ways = {
        "item": lambda: " ".join(words),
        "capitals": lambda: ", ".join(words).upper(),
        "first half": lambda: " ".join(words[: size // 2]),
        "second half": lambda: " ".join(words[size // 2 :]),
        "reference": lambda: " ".join(reversed(words)),
        "filler": lambda: " ".join(f"own{draw.randrange(10**6)}" for _ in range(GAP + 1)),
    }
    turn, reference = (
        " ".join(ways.get(part, lambda part=part: part)() for part in parts) for parts in (prompt, answer)
    )
    table = samples(
        asked=("test", " ".join(words), " ".join(reversed(words))), holds=("train", turn, reference), **clean(20)
    )
    left = cleaned(table, overlaps(table, MatchSettings()), CUT)
    assert leaking(overlaps(left, MatchSettings()), CUT).is_empty()
    if "holds" in left["sample_id"]:
        turns, answered = said(left, "holds")
        own = [word for word in f"{turn} {reference}".split() if word.startswith("own")]
        assert [word for word in f"{turns[1]} {answered}".split() if word.startswith("own")] == own
    assert cleaned(left, overlaps(left, MatchSettings()), CUT).equals(left), "twice is once"


def documents(**texts: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"content_digest": list(texts), "doc_id": [f"doc {name}" for name in texts], "text": list(texts.values())}
    )


def found_in(table: pl.DataFrame, **contents: list[str]) -> pl.DataFrame:
    """What the recipe found in contents, by the names of the samples."""
    empty = {field.name: None for field in CANDIDATE.fields}
    rows = [
        {
            "content_digest": name,
            "samples": [
                {**empty, "messages": table.filter(sample_id=sample)["messages"][0].to_list()} for sample in of
            ],
        }
        for name, of in contents.items()
    ]
    return pl.DataFrame(rows, schema={"content_digest": pl.String, "samples": pl.List(CANDIDATE)})


def test_a_held_out_sample_in_other_documents_than_its_own_is_told() -> None:
    question, answer, other = text(30), text(12), text(40)
    table = samples(asked=("test", question, answer), waits=("validation", other, None), **clean(40))
    corpus = documents(
        own=f"{text(50)} {question} {answer} {text(50)}",
        copied=f"{text(20)} {question.title()} {text(100)}",
        half=f"{text(60)} {' '.join(question.split()[:13])} {text(60)}",
        clean=text(200),
    )
    candidates = found_in(table, own=["asked"], copied=["clean0"])
    rows = find_in_corpus(corpus.lazy(), table.lazy(), candidates.lazy(), MatchSettings())
    assert rows.select("content_digest", "held_out_id").rows() == [("copied", "asked"), ("half", "asked")]
    assert leaking(rows, DROP)["content_digest"].to_list() == ["copied"]
    rates = rates_of_splits(table, seen_in_training(overlaps(table, MatchSettings()), table, DROP), rows, DROP)
    assert rates.rows() == [("split", "test", 1, None, 1, 0), ("split", "validation", 1, None, 0, 0)]
    assert find_in_corpus(
        corpus.lazy(), table.filter(split="train").lazy(), candidates.lazy(), MatchSettings()
    ).is_empty()


@pytest.mark.parametrize(("way", "in_corpus"), [("keep", 2), ("cut", 0), ("drop", 1)])
def test_of_each_evaluation_set_it_is_told_how_much_stands_where(way, in_corpus, tmp_path) -> None:
    items = [text(30) for _ in range(4)]
    (tmp_path / "items.txt").write_text("\n".join([*items, "too short"]))
    entry = EvaluationSet("quiz", str(tmp_path))
    files = {"quiz": take_inventory(Source("quiz", str(tmp_path), entry.include), tmp_path, tmp_path / "seen.parquet")}
    sought = read_evaluation_sets(files, {"quiz": root_of(Source("quiz", str(tmp_path)), tmp_path)}, [entry]).table
    read = documents(one=f"{text(40)} {items[0]} {text(40)}", two=f"{items[1]} {items[0]}", three=text(90))
    limits = DecontaminationSettings(documents=way)
    evidence = [
        pl.DataFrame(pl.from_arrow(contamination(batch, sought, limits.matches)))
        for batch in read.select("content_digest", "text").to_arrow().to_batches()
    ]
    training = samples(asked=("train", f"{text(9)} {items[3]}", "yes"), **clean(3))
    corpus = read.filter(pl.col("content_digest") != "two") if way == "drop" else read
    rates = rates_of_sets(sought, pl.concat(evidence).lazy(), read.lazy(), corpus.lazy(), [training], limits)
    assert rates.rows() == [("set", "quiz", 4, 2, in_corpus, 1)]


LOOKING = """
import sys
from pathlib import Path
from random import Random
import polars as pl
from curation.decontamination import MatchSettings, overlaps
from records import MESSAGES
from tests.memory import growth

count, path = int(sys.argv[1]), Path(sys.argv[2]) / sys.argv[1]
noise = Random(0).randbytes(1_000_000).hex(" ", 3)
for start in range(0, count, 3_000):
    number = range(start, start + 3_000)
    turns = [[{"role": "user", "content": noise[at * 47 % 2_600_000 :][:4_000]}] for at in number]
    rows = pl.DataFrame({"sample_id": [f"{at:032}" for at in number], "messages": pl.Series(turns, dtype=MESSAGES)})
    split = pl.when(pl.int_range(pl.len()) % 1_000 == 0).then(pl.lit("test")).otherwise(pl.lit("train"))
    rows.with_columns(split=split, reference=pl.lit("so")).write_parquet(f"{path}-{start}.parquet")
assert overlaps(pl.scan_parquet(f"{path}-*.parquet"), MatchSettings()).height
"""


@pytest.mark.long
def test_memory_does_not_grow_with_the_training_samples(tmp_path) -> None:
    said = "bytes a sample, of which its file takes half; a table of them takes six thousand"
    assert growth(LOOKING, 9_000, tmp_path) < 4_500, said

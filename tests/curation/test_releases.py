"""Releases: named by their rows, never changed, read by others' tools, and never half there."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import curation.releases as releases
from curation.releases import (
    INSTRUCTIONS,
    PREFERENCES,
    PRETRAINING,
    evaluation,
    export_release,
    instructions,
    read_manifest,
    read_release,
    release_name,
    row_hashes,
    verify_release,
    write_release,
)
from records import MESSAGES
from tests.memory import growth, peak_of
from tests.tiny_model import make_tiny_tokenizer

FACTS = {"sources": "standard library | packages", "task": "docstrings"}


def rows(count: int = 6, splits: tuple[str, ...] = ("train", "validation", "test")) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "sample_id": [f"s{number}" for number in range(count)],
            "messages": [[{"role": "user", "content": f"größe {number}?\n"}] for number in range(count)],
            "reference": [f"answer {number}" for number in range(count)],
            "slice": ["qa"] * count,
            "openness": ["open"] * count,
            "split": [splits[number % len(splits)] for number in range(count)],
        },
        schema_overrides={"messages": MESSAGES},
    )
    return frame.select(INSTRUCTIONS)


def pairs() -> pl.DataFrame:
    def turn(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    return pl.DataFrame(
        {
            "sample_id": ["s1", "s1"],
            "prompt": [[{"role": "user", "content": "why?"}]] * 2,
            "chosen": [turn("so"), turn("thus")],
            "rejected": [turn("no"), turn("never")],
            "slice": ["qa"] * 2,
            "task_digest": ["t2", "t1"],
            "chosen_model": ["tuned", None],
            "rejected_model": ["base", None],
            "split": ["train", "train"],
        },
        schema_overrides=dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGES),
    ).select(PREFERENCES)


def load(folder: Path, cache: Path) -> dict[str, list[dict]]:
    import datasets

    assert os.environ["HF_HUB_OFFLINE"] == "1"
    return {split: rows.to_list() for split, rows in datasets.load_dataset(str(folder), cache_dir=str(cache)).items()}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_instructions_are_the_samples_whose_reference_is_an_answer() -> None:
    frame = rows().with_columns(reference=pl.when(pl.col("sample_id") != "s3").then("reference"), name=pl.lit("f"))
    checkers = pl.Series("checker", [None, "exact", "unit_test", "json", "schema", None])
    released = instructions(frame.with_columns(checkers).reverse())
    assert released["sample_id"].to_list() == ["s0", "s1", "s5"], "neither s3 nor those whose reference is no answer"
    assert released.columns == list(INSTRUCTIONS)


def test_datasets_reads_the_folder_as_trl_wants_it(tmp_path: Path) -> None:
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    read = load(tmp_path / "one", tmp_path / "cache")
    assert {split: len(part) for split, part in read.items()} == {"train": 2, "validation": 2, "test": 2}
    assert read["validation"][0] == {
        "sample_id": "s1",
        "prompt": [{"role": "user", "content": "größe 1?\n"}],
        "completion": [{"role": "assistant", "content": "answer 1"}],
        "slice": "qa",
        "openness": "open",
    }


def test_a_split_without_rows_has_no_file(tmp_path: Path) -> None:
    write_release(rows(splits=("train",)), tmp_path / "one", "instructions", FACTS)
    assert {split: len(part) for split, part in load(tmp_path / "one", tmp_path / "cache").items()} == {"train": 6}


def test_preferences_are_read_too(tmp_path: Path) -> None:
    write_release(pairs(), tmp_path / "one", "preferences", FACTS)
    read = load(tmp_path / "one", tmp_path / "cache")["train"]
    assert [row["task_digest"] for row in read] == ["t1", "t2"]
    assert read[1]["chosen"] == [{"role": "assistant", "content": "so"}]
    assert read_release(tmp_path / "one").equals(pairs().sort("task_digest"))


@given(st.permutations(range(6)))
def test_the_name_does_not_know_the_order(order: list[int]) -> None:
    assert release_name(row_hashes(rows()[order])) == release_name(row_hashes(rows()))


@pytest.mark.parametrize("column", ["sample_id", "reference", "split", "slice", "openness"])
def test_the_name_knows_every_column(column: str) -> None:
    other = rows().with_columns(pl.when(sample_id="s2").then(pl.lit("test ")).otherwise(column).alias(column))
    assert release_name(row_hashes(other)) != release_name(row_hashes(rows()))


def test_the_name_is_sha256_over_sorted_hashes_of_canonical_json() -> None:
    text = (
        '{"messages":[{"content":"größe 0?\\n","role":"user"}],"openness":"open","reference":"answer 0",'
        '"sample_id":"s0","slice":"qa","split":"train"}'
    )
    row = hashlib.sha256(text.encode()).digest()
    assert release_name(row_hashes(rows(1))) == hashlib.sha256(row).hexdigest()


@given(st.text() | st.sampled_from(["\x00\x1f\x7f\x80\u2028\u2029\ufeff\U0001f600", "/</script>", '"\\']))
def test_the_canonical_json_is_that_of_the_standard_library(text: str) -> None:
    (row,) = rows(1).with_columns(reference=pl.lit(text.encode("utf-8", "replace").decode())).to_dicts()
    said = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    frame = pl.DataFrame([row], schema=rows(1).schema)
    assert list(row_hashes(frame)) == [hashlib.sha256(said).digest()]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    order = random.Random(3).sample(range(6), 6)
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    write_release(rows()[order].rechunk(), tmp_path / "other", "instructions", FACTS)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 5
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "other" / path).read_bytes() for path in files)


def test_a_release_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_release(rows().reverse(), tmp_path / "one", "instructions", FACTS)
    assert read_release(tmp_path / "one").equals(rows())
    manifest = read_manifest(tmp_path / "one")
    assert manifest["version"] == release_name(row_hashes(rows()))
    assert manifest["splits"] == {"train": 2, "validation": 2, "test": 2}
    assert manifest["facts"] == FACTS


def test_the_card_says_what_it_holds_and_no_place(tmp_path: Path) -> None:
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    card = (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    _, header, body = card.split("---\n", 2)
    parsed = yaml.safe_load(header)
    assert parsed["configs"][0]["data_files"][0] == {"split": "train", "path": "data/train-*.parquet"}
    assert parsed["size_categories"] == ["n<1K"]
    assert [feature["name"] for feature in parsed["dataset_info"][0]["features"]][:3] == [
        "sample_id",
        "prompt",
        "completion",
    ]
    assert "| sources | standard library \\| packages |" in body
    assert release_name(row_hashes(rows())) in body
    assert str(tmp_path) not in card


def test_writing_twice_changes_nothing_and_another_release_is_refused(tmp_path: Path) -> None:
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*")}
    write_release(rows().reverse(), tmp_path / "one", "instructions", FACTS)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*")} == before
    with pytest.raises(FileExistsError, match="never changed"):
        write_release(rows(5), tmp_path / "one", "instructions", FACTS)


def test_no_rows_and_unknown_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows to release"):
        write_release(rows(0), tmp_path / "one", "instructions", FACTS)
    with pytest.raises(ValueError, match="split that is none of train, validation, test"):
        write_release(rows(splits=("train", "dev")), tmp_path / "one", "instructions", FACTS)
    assert not (tmp_path / "one").exists()


def test_what_is_killed_in_between_is_not_there_and_does_not_hinder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(releases, "dataset_card", killed)
        with pytest.raises(KeyboardInterrupt):
            write_release(rows(), tmp_path / "one", "instructions", FACTS)
    assert not (tmp_path / "one").exists()
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    verify_release(tmp_path / "one")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_folder_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    (tmp_path / "one" / "manifest.json").unlink()
    for use in (read_release, verify_release, lambda folder: export_release(folder, tmp_path / "out")):
        with pytest.raises(FileNotFoundError, match="no complete release"):
            use(tmp_path / "one")


def test_an_export_is_a_copy_that_others_read(tmp_path: Path) -> None:
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    (tmp_path / "out").mkdir()
    export_release(tmp_path / "one", tmp_path / "out")
    assert read_release(tmp_path / "out").equals(rows())
    assert len(load(tmp_path / "out", tmp_path / "cache")["test"]) == 2
    with pytest.raises(FileExistsError, match="not empty"):
        export_release(tmp_path / "one", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "one", "out"]


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_a_damaged_release_is_not_exported(tmp_path: Path, damage: str) -> None:
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    file = tmp_path / "one" / "data" / "test-00000-of-00001.parquet"
    if damage == "change":
        file.write_bytes(file.read_bytes() + b"!")
    elif damage == "remove":
        file.unlink()
    else:
        file = file.with_name("more.parquet")
        shutil.copy(tmp_path / "one" / "README.md", file)
    with pytest.raises(ValueError, match=f"is damaged: data/{file.name}"):
        export_release(tmp_path / "one", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_release_that_was_taken_back_names_its_successor_and_takes_nothing_of_others(tmp_path: Path) -> None:
    folder, other = tmp_path / "release", tmp_path / "other.txt"
    releases.write_release(rows(), folder, "instructions", {})
    (folder / "mine.txt").write_text("mine")
    other.write_text("not of it")
    manifest = folder / releases.MANIFEST
    manifest.write_text(manifest.read_text().replace('"README.md"', '"../other.txt"'))
    for _ in range(2):
        releases.write_stub(folder, "next")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", releases.STUB, "mine.txt"]
    assert other.exists()
    with pytest.raises(FileNotFoundError, match="was taken back; use next, which followed it"):
        releases.read_release(folder)


def contents() -> pl.DataFrame:
    told = [(f"c{at}", f"text {at}\nof the corpus", "text/plain", "train" if at else "test") for at in range(5)]
    return pl.DataFrame(told, schema=list(PRETRAINING), orient="row")


def held_out() -> pl.DataFrame:
    frame = rows().with_columns(
        reference=pl.when(pl.col("sample_id") != "s1").then("reference"), checker=pl.lit(None, pl.String)
    )
    return evaluation(frame)


def test_the_corpus_and_what_is_held_out_are_read_too(tmp_path: Path) -> None:
    for kind, frame in (("pretraining", contents()), ("evaluation", held_out())):
        write_release(frame, tmp_path / kind, kind, FACTS)  # type: ignore[arg-type]
        verify_release(tmp_path / kind)
        assert read_release(tmp_path / kind).equals(frame)
    read = load(tmp_path / "pretraining", tmp_path / "cache")
    assert read["test"] == [{"content_digest": "c0", "text": "text 0\nof the corpus", "media_type": "text/plain"}]
    held = load(tmp_path / "evaluation", tmp_path / "cache")
    assert {split: len(part) for split, part in held.items()} == {"validation": 2, "test": 2}
    assert [row["reference"] for row in held["validation"]] == [None, "answer 4"]
    assert held["test"][0]["prompt"] == [{"role": "user", "content": "größe 2?\n"}]


def test_trl_takes_pairs_for_dpo_and_single_answers_for_kto(tmp_path: Path) -> None:
    import datasets
    from trl.data_utils import apply_chat_template, is_conversational

    write_release(pairs(), tmp_path / "one", "preferences", FACTS)
    cache = str(tmp_path / "cache")
    assert datasets.get_dataset_config_names(str(tmp_path / "one")) == ["default", "kto"]
    dpo = datasets.load_dataset(str(tmp_path / "one"), cache_dir=cache)["train"]
    kto = datasets.load_dataset(str(tmp_path / "one"), "kto", cache_dir=cache)["train"]
    assert is_conversational(dpo[0]) and is_conversational(kto[0])
    tokenizer = make_tiny_tokenizer(tmp_path / "base")
    rendered = apply_chat_template(dpo[0], tokenizer)
    assert (
        rendered["prompt"].endswith("why?<|im_end|>\n<|im_start|>assistant\n")
        and rendered["rejected"] == "never<|im_end|>\n"
    )
    assert apply_chat_template(kto[0], tokenizer)["label"] is True
    labels = [(row["completion"][0]["content"], row["label"]) for row in kto]
    assert sorted(labels) == [("never", False), ("no", False), ("so", True), ("thus", True)]


def test_a_row_that_a_mixture_takes_twice_stands_there_twice_and_is_read_once(tmp_path: Path) -> None:
    twice = rows().with_columns(copies=pl.when(sample_id="s0").then(2).otherwise(1).cast(pl.Int64))
    write_release(twice, tmp_path / "one", "instructions", FACTS)
    assert read_release(tmp_path / "one").equals(twice)
    assert [row["sample_id"] for row in load(tmp_path / "one", tmp_path / "cache")["train"]] == ["s0", "s0", "s3"]
    once = twice.with_columns(copies=pl.lit(1))
    assert release_name(row_hashes(once)) == release_name(row_hashes(rows())) != release_name(row_hashes(twice))
    verify_release(tmp_path / "one")


def test_a_mixture_is_verified_by_how_often_its_rows_stand_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "HASHED_ROWS", 2)
    monkeypatch.setattr(releases, "GROUP_ROWS", 3)
    copies = pl.when(sample_id="s0").then(3).when(sample_id="s3").then(2).otherwise(1).cast(pl.Int64)
    mixed = rows(40).with_columns(copies=copies)
    write_release(mixed, tmp_path / "one", "instructions", FACTS)
    verify_release(tmp_path / "one")
    write_release(
        mixed.with_columns(copies=pl.col("copies").clip(1, 2)),
        tmp_path / "two",
        "instructions",
        FACTS,
        release_name(row_hashes(mixed)),
    )
    with pytest.raises(ValueError, match="not what it is named after"):
        verify_release(tmp_path / "two")


def test_a_large_split_is_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "SHARD_ROWS", 1)
    write_release(rows(), tmp_path / "one", "instructions", FACTS)
    assert len(list((tmp_path / "one" / "data").glob("train-*-of-00002.parquet"))) == 2
    assert read_release(tmp_path / "one").equals(rows())
    assert len(load(tmp_path / "one", tmp_path / "cache")["train"]) == 2


def test_the_card_tells_licences_and_languages_to_the_hub(tmp_path: Path) -> None:
    write_release(rows(), tmp_path / "one", "instructions", {"licences": "CC0-1.0, MIT", "languages": "en"})
    header = yaml.safe_load((tmp_path / "one" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert (header["license"], header["language"]) == (["cc0-1.0", "mit"], ["en"]) and header["tags"] == ["sft", "trl"]


WRITING = """
import sys
from pathlib import Path
from random import Random
import polars as pl
from curation import releases
from records import digests

noise = Random(0).randbytes(2_000_000).hex()
for count in map(int, sys.argv[2:]):
    name = pl.int_range(count, eager=True).cast(pl.String)
    text = pl.Series([noise[at * 37 % 3_900_000 :][:1_000] for at in range(count)]) + name
    rows = {"content_digest": digests("content", of=text), "text": text, "media_type": "text/plain", "split": "train"}
    releases.write_release(pl.DataFrame(rows), Path(sys.argv[1]) / str(count), "pretraining", {})
"""
VERIFYING = """
import sys
from pathlib import Path
from curation.releases import verify_release

verify_release(Path(sys.argv[2]) / sys.argv[1])
"""


def test_a_release_of_any_size_is_verified_some_rows_at_a_time(tmp_path: Path) -> None:
    peak_of(WRITING, tmp_path, 15_000, 60_000)
    assert growth(VERIFYING, 15_000, tmp_path) < 2_000, "bytes a row; with all rows in a frame it was five thousand"

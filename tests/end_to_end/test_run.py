"""The whole graph on real files, by the commands that a person types."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.code_base import MODULES, PACKAGES
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import computed, edit, heads, headwater

COLUMNS = {
    "documents": "doc_id source locator media_type title text content_digest",
    "failures": "stage source locator error detail",
    "duplicates": "doc_id source kept_id kept_source kind jaccard",
    "quality": "content_digest",
    "verdicts": "doc_id verdict stage rule detail rules",
    "corpus": "doc_id source locator text content_digest",
    "samples": "sample_id doc_id messages reference openness split",
    "annotations": "sample_id annotator kind value config_digest status",
    "models": "model version base dataset_version phase settings",
    "scores": "model model_version prompt dataset_version split metric value low high n contaminated in_corpus",
    "comparisons": "metric split model_a model_b value_a value_b difference low high p_value n",
    "proposals": "sample_id source path locator line name proposal model",
}
FILES = PACKAGES * (MODULES + 2) + 3


def table(root: Path, name: str) -> pl.DataFrame:
    return Workspace(root).store.scan(name).collect()


def test_every_stage_is_made_and_accounts_for_all(built: Built) -> None:
    found = heads(built.root)
    assert set(COLUMNS) <= set(found)
    assert not {"personal_data", "contamination", "language"} & set(found), "nothing is measured that nobody asks for"
    counted = {name: head.books for name, head in found.items() if head.books}
    assert {name for name, books in counted.items() if books.missing} == set()
    assert (counted["documents"].taken, counted["documents"].kept) == (FILES, FILES - 1)
    assert sum(counted["documents"].failed.values()) == 1
    assert counted["corpus"].taken == counted["verdicts"].taken == FILES - 1
    assert "in = kept + dropped + failed" in built.first.out and "headwater table proposals" in built.first.out


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_columns_that_others_rely_on(built: Built, name: str) -> None:
    assert set(COLUMNS[name].split()) <= set(table(built.root, name).columns)


def test_poison_fails_alone_and_copies_are_found(built: Built) -> None:
    failed = table(built.root, "failures")
    assert failed["path"].to_list() == ["package_03/poison.py"] and failed["error"].item()
    places = table(built.root, "documents").select("doc_id", "path")
    doubled = table(built.root, "duplicates").join(places, on="doc_id")
    kinds = dict(
        doubled.filter(pl.col("path").str.contains("LICENSE|copy|module_0")).select("path", "kind").iter_rows()
    )
    assert sum("LICENSE" in path for path in kinds) == PACKAGES - 1
    assert set(kinds.values()) == {"exact", "near"}


def test_scores_have_intervals_and_comparisons_a_paired_test(built: Built) -> None:
    scores = table(built.root, "scores")
    assert set(scores["metric"]) >= {"perplexity", "chrf", "exact_match"}
    assert set(scores["model"]) == {"base", "finetune"} and set(scores["split"]) == {"test"}
    assert scores.filter(~((pl.col("low") <= pl.col("value")) & (pl.col("value") <= pl.col("high")))).is_empty()
    assert scores["value"].null_count() == 0 and scores["n"].min() >= 8
    assert set(scores["dataset_version"]) == {heads(built.root)["instructions"].notes["release"]}
    compared = table(built.root, "comparisons")
    assert set(compared["metric"]) == set(scores["metric"])
    assert compared["p_value"].is_between(0, 1).all() and (compared["low"] <= compared["high"]).all()


def test_proposals_name_file_line_and_model(built: Built) -> None:
    proposals = table(built.root, "proposals")
    assert proposals.height and set(proposals["model"]) == {"finetune"}
    for row in proposals.iter_rows(named=True):
        line = (built.code / row["path"]).read_text().splitlines()[row["line"] - 1]
        assert line.startswith(f"def {row['name'].split('.')[-1]}(")


def test_without_a_server_the_samples_wait_and_the_graph_goes_on(built: Built) -> None:
    waiting = table(built.root, "annotation_tasks").height
    assert waiting >= 10
    assert f"no annotation server: {waiting} samples wait" in built.first.out


def test_a_second_run_computes_nothing(built: Built) -> None:
    before = heads(built.root)
    again = headwater("run", "-w", built.root)
    assert again.code == 0 and "Nothing to do" in again.out, again.out + again.err
    assert computed(before, heads(built.root)) == []


def test_a_release_is_exported_for_datasets(built: Built, tmp_path: Path) -> None:
    from datasets import load_dataset

    said = headwater("export", "instructions", "-o", tmp_path / "out", "-w", built.root)
    assert said.code == 0, said.err
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "validation", "test"}
    assert sum(part.num_rows for part in loaded.values()) == heads(built.root)["instructions"].rows


def test_one_question_is_tried_on_every_model(built: Built) -> None:
    said = headwater("try", "def count_rows(rows):\n    return len(rows)\n", "-w", built.root)
    assert said.code == 0, said.err
    assert "base" in said.out and "finetune" in said.out


def test_a_stage_that_fails_says_so_and_a_later_run_continues(built: Built, tmp_path: Path) -> None:
    root = built.copy(tmp_path).root
    base = Workspace(root).config.models[0].base
    shutil.copytree(base, root / "other_model")
    first = heads(root)
    edit(root, lambda text: text.replace(base, "./no_such_model") + "\ndeduplication: {threshold: 0.81}\n")
    failed = headwater("run", "models", "-w", root)
    assert failed.code == 1
    assert "base_model_no_such_model" in failed.err and "no_such_model" in failed.err
    assert "Traceback" not in failed.out + failed.err
    before = heads(root)
    assert computed(first, before) == ["duplicates", "pairs", "survivors"], "what does not need the model goes on"
    edit(root, lambda text: text.replace("./no_such_model", "./other_model"))
    later = headwater("run", "models", "-w", root)
    assert later.code == 0, later.err
    done = computed(before, heads(root))
    assert "models" in done and not {"pairs", "documents", "corpus", "samples", "instructions"} & set(done)

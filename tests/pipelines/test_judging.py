"""A judge behind an endpoint, asked by the pipeline: changed instructions judge again, a new pair is judged alone."""

import json
import shutil
from dataclasses import replace

import polars as pl
import pytest

from evaluation import endpoint
from evaluation.endpoint import EndpointSettings
from evaluation.judging import JudgeSettings, load_instructions, pairs_of
from pipelines.commits import Commit
from pipelines.judging import ask_judge, judge_of
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import silent
from tests.evaluation.serving import said, serving
from tests.evaluation.tables import outputs, samples

TOLD = "messages:\n  - role: user\n    content: 'Which? {{question}} [A] {{answer_a}} [B] {{answer_b}}'\n"


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "headwater.yaml").write_text("sources: [{name: a, path: data}]\n")
    return Workspace(tmp_path)


def judge_all(workspace, url, names, told=TOLD, tries=2):
    """Judge the answers to some samples, and commit what was said."""
    (workspace.root / "judge.yaml").write_text(told)
    judge = JudgeSettings("strict", "judge.yaml", endpoint="big", tries=tries)
    served = EndpointSettings("big", url, "x", pause=0.01)
    run = Run(
        workspace,
        "judgements_strict",
        "k" * 32,
        silent,
        lambda _, job: json.loads(json.dumps(endpoint.run(job, silent))),
    )
    rivals = {
        model: outputs(*({"sample_id": name, "output": f"{model} on {name}"} for name in names))
        for model in ("base", "tuned")
    }
    instructions = load_instructions(workspace.root / "judge.yaml")
    pairs = pairs_of(rivals, samples(*({"sample_id": name} for name in names)), judge, instructions.kind)
    rows = ask_judge(run, judge_of(judge, {}, (served,), run), pairs, instructions, judge)
    shutil.rmtree(run.parts, ignore_errors=True)
    store, table = workspace.store, "judgements_strict"
    store.replace(
        rows,
        Commit(table, "k", "r", {}, {}, "1", "", "", 0, "", 0, 0),
        store.head(table),
        ("sample_id", "purpose", "prompt"),
    )
    return rows


def test_a_new_pair_is_judged_alone_and_changed_instructions_judge_all_again(workspace):
    with serving(lambda *_: said("[[A]]")) as (url, seen):
        first = judge_all(workspace, url, ["s1", "s2"])
        assert len(seen) == 4 and first["verdict"].to_list() == ["a", "b"] * 2
        second = judge_all(workspace, url, ["s1", "s2", "s3"])
        assert len(seen) == 6 and all("s3" in body["messages"][0]["content"] for body in seen[4:])
        assert second.filter(pl.col("sample_id") != "s3").equals(first)
        judge_all(workspace, url, ["s1", "s2", "s3"], told=TOLD.replace("Which?", "Which is shorter?"))
        assert len(seen) == 12, "all pairs in both orders"


def test_garbage_is_asked_again_with_another_seed_and_then_stands(workspace):
    def reply(body, _):
        return said("[[B]]" if body["temperature"] > 0 and "s1" in body["messages"][0]["content"] else "Well, well.")

    with serving(reply) as (url, seen):
        rows = judge_all(workspace, url, ["s1", "s2"], tries=3)
    assert [(row["sample_id"], row["shown"], row["prompt"], row["verdict"]) for row in rows.to_dicts()] == [
        ("s1", "ab", "1", None),
        ("s1", "ab", "2", "b"),
        ("s1", "ba", "1", None),
        ("s1", "ba", "2", "a"),
        *(("s2", order, attempt, None) for order in ("ab", "ba") for attempt in ("1", "2", "3")),
    ]
    assert {(body["temperature"], body["seed"]) for body in seen} == {(0.0, 0), (0.7, 1), (0.7, 2)}
    assert set(rows.filter(pl.col("verdict").is_null())["output"]) == {"Well, well."}


def test_a_judge_that_dies_in_the_middle_goes_on_where_it_was(workspace):
    dead = {"s2"}

    def reply(body, _):
        gone = any(name in body["messages"][0]["content"] for name in dead)
        return (500, {}, {}) if gone else said("[[A]]")

    with serving(reply) as (url, seen):
        with pytest.raises(endpoint.EndpointError, match="2 of 4 questions have no answer"):
            judge_all(workspace, url, ["s1", "s2"])
        dead.clear()
        before = len(seen)
        rows = judge_all(workspace, url, ["s1", "s2"])
        assert len(seen) == before + 2 and rows["verdict"].null_count() == 0


def test_the_endpoints_name_is_told_apart_from_the_judges(workspace):
    judge = JudgeSettings("strict", "judge.yaml", endpoint="big")
    served = EndpointSettings("big", "http://127.0.0.1:1/v1", "x", prompt="plain")
    found = judge_of(judge, {}, (served,), None)
    assert (found.name, found.prompt) == ("strict", None) and found.endpoint == replace(served, prompt="")

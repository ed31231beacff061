"""The harness's requests, answered in our batches: values by hand and by the harness's own model, caches, kills, chats, endpoints."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluation.endpoint import EndpointSettings
from evaluation.harness import program
from evaluation.harness.answers import ANSWERS
from evaluation.harness.errors import TaskError
from evaluation.harness.groups import Group, with_groups
from evaluation.harness.scores import compare_tasks, scores_of
from evaluation.harness.settings import HarnessJob, HarnessSettings
from evaluation.inference import GenerationSettings
from evaluation.statistics import BootstrapSettings
from records import silent
from tests.evaluation.harness.conftest import CAPITALS, SAID, TEXTS, write_tasks
from tests.evaluation.serving import said, serving

HOW = GenerationSettings(precision="float32", threads=1, batch_rows=3)
LONG = "Return the first, and then the second. "


@pytest.fixture(autouse=True)
def _told_offline_for_a_test_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in program.OFFLINE.items():
        monkeypatch.setenv(name, value)


class Plain:
    """The model one text at a time, without batches, caches or cuts."""

    def __init__(self, folder):
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    def logprob(self, before, after):
        with torch.inference_mode():
            logits = self.model(torch.tensor([before + after])).logits[0, len(before) - 1 : -1]
        return float(logits.double().log_softmax(-1).gather(1, torch.tensor(after)[:, None]).sum())

    def after(self, context, continuation):
        before, whole = self.tokenizer(context)["input_ids"], self.tokenizer(context + continuation)["input_ids"]
        return self.logprob(before, whole[len(before) :])

    def says(self, context, count=12):
        ids = torch.tensor([self.tokenizer(context)["input_ids"]])
        with torch.inference_mode():
            made = self.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False)
        return self.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True).split(".")[0]


@pytest.fixture(scope="session")
def plain(lively):
    return Plain(lively)


def job_of(folder: Path, base: str, path: Path, **changes) -> HarnessJob:
    known = folder / "known.parquet"
    if not known.exists():
        pl.DataFrame(schema=ANSWERS).write_parquet(known)
    names = (str(known), str(folder / "answers.parquet"), str(folder / "items.parquet"), str(folder / "parts"))
    tasks = HarnessSettings("tasks", str(path))
    job = HarnessJob(base, None, str(path), "weights", *names, tasks, HOW, bootstrap=BootstrapSettings(resamples=100))
    return replace(job, **changes)


def items_of(job: HarnessJob) -> pl.DataFrame:
    return pl.read_parquet(job.items)


def test_values_are_those_of_a_plain_calculation_and_of_the_harness_itself(tmp_path, lively, plain):
    right = {prompt: plain.says(f"Go on: {prompt}") for prompt, _ in SAID[:2]}
    tasks = write_tasks(tmp_path / "tasks", right)
    job = job_of(tmp_path, lively, tasks)
    ran = program.run(job, silent)
    assert (ran["requests"], ran["asked"], ran["documents"], ran["failed"]) == (18, 18, 11, {})
    items = items_of(job)

    chosen = []
    for country, options, _ in CAPITALS:
        weighed = [plain.after(f"The capital of {country} is", f" {option}") for option in options]
        chosen.append(weighed.index(max(weighed)))
    accurate = items.filter(task="capitals", metric="acc").sort("doc")
    assert accurate["value"].to_list() == [
        float(one == answer) for one, (_, _, answer) in zip(chosen, CAPITALS, strict=True)
    ]
    first = json.loads(accurate["output"][0])
    assert first[0][0] == pytest.approx(plain.after("The capital of France is", " Paris"), abs=1e-3)

    exact = items.filter(task="say").sort("doc")
    assert exact["output"].to_list() == [plain.says(f"Go on: {prompt}") for prompt, _ in SAID]
    assert exact["value"].to_list() == [1.0, 1.0, 0.0, 0.0]

    start = [plain.tokenizer.bos_token_id]
    sums = [plain.logprob(start, plain.tokenizer(text)["input_ids"]) for text in TEXTS]
    scores = scores_of(items, ran["wholes"], {"model": "m"}, BootstrapSettings(resamples=200))
    value = dict(zip(scores["metric"], scores["value"], strict=True))
    sizes = sum(len(text.encode()) for text in TEXTS)
    assert value["bits_per_byte"] == pytest.approx(-sum(sums) / sizes / torch.log(torch.tensor(2.0)).item(), rel=1e-5)
    assert value["exact_match"] == 0.5 and (scores["low"] <= scores["value"]).all()
    assert scores.filter(metric="mcc")["n"].item() == len(CAPITALS)

    peer = by_the_harness(lively, tasks, tmp_path)
    for row in scores.to_dicts():
        assert row["value"] == pytest.approx(peer[row["task"]][f"{row['metric']},none"], rel=1e-4), row


def by_the_harness(folder: str, tasks: Path, tmp_path: Path) -> dict[str, dict[str, float]]:
    """The results of the harness's own model for transformers."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    peer = HFLM(pretrained=model, tokenizer=AutoTokenizer.from_pretrained(folder), batch_size=1, device="cpu")
    job = job_of(tmp_path, folder, tasks)
    made = program._tasks(program.read_tasks(tasks, job.tasks), job, str(tmp_path / "cache"))
    return evaluate(peer, {"tasks": made}, bootstrap_iters=0)["results"]


def test_long_texts_are_read_in_pieces_and_long_contexts_lose_their_beginning(tmp_path, lively, plain):
    tasks = write_tasks(tmp_path / "tasks")
    (tasks / "data" / "texts.jsonl").write_text(json.dumps({"text": LONG * 12}) + "\n")
    (tasks / "data" / "capitals.jsonl").write_text(
        json.dumps({"country": LONG * 12, "options": ["Paris", "Rome"], "answer": 0}) + "\n"
    )
    job = job_of(tmp_path, lively, tasks, settings=replace(HOW, context=64))
    ran = program.run(job, silent)
    ids, start = plain.tokenizer(LONG * 12)["input_ids"], plain.tokenizer.bos_token_id
    assert len(ids) > 128 and ran["cut"] == 2, "each option's context"
    places = range(0, len(ids), 64)
    last = len(ids) - len(ids) % 64
    total = plain.logprob([start], ids[:64]) + sum(
        plain.logprob([ids[at - 1]], ids[at : at + 64]) for at in places[1:-1]
    )
    total += plain.logprob(ids[len(ids) - 65 : last], ids[last:])
    found = items_of(job).filter(metric="bits_per_byte")["value"].item()
    assert found == pytest.approx(-total / len((LONG * 12).encode()) / 0.6931471805599453, rel=1e-5)
    context = plain.tokenizer(f"The capital of {LONG * 12} is")["input_ids"]
    option = plain.tokenizer(" Paris")["input_ids"]
    weighed = json.loads(items_of(job).filter(metric="acc")["output"].item())[0][0]
    assert weighed == pytest.approx(plain.logprob(context[-(65 - len(option)) :], option), abs=1e-3)


def test_what_was_answered_is_not_asked_again_even_without_the_model(tmp_path, lively, tasks):
    job = job_of(tmp_path, lively, tasks)
    program.run(job, silent)
    first = items_of(job)
    shutil.move(job.answers, job.known)
    shutil.rmtree(job.parts)
    again = program.run(replace(job, base="/nowhere"), silent)
    assert again["asked"] == 0 and items_of(job).equals(first)
    assert program.run(replace(job, recipe="other weights"), silent)["asked"] == 18, "no answer is shared by weights"


def test_a_killed_run_goes_on_where_it_was(tmp_path, lively, tasks):
    job, whole = job_of(tmp_path, lively, tasks), job_of(tmp_path, lively, tasks, parts="")
    program.run(whole, silent)
    wanted = items_of(whole)
    batches = []

    def dies(done, total=None, unit="rows", beside=""):
        batches.append(done)
        if len(batches) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        program.run(job, dies)
    kept = pl.concat([pl.read_parquet(path) for path in Path(job.parts).glob("*.parquet")]).height
    later = program.run(job, silent)
    assert 0 < kept < 18 and later["asked"] == 18 - kept
    assert items_of(job).drop("value", "output").equals(wanted.drop("value", "output"))
    assert (items_of(job)["value"] - wanted["value"]).abs().max() < 1e-4


def test_examples_and_chats_are_put_by_the_models_template(tmp_path, lively, tasks):
    (tasks / "data" / "shots.jsonl").write_text('{"prompt": "a cat", "reference": "a cat sleeps"}\n')
    task = tasks / "say.yaml"
    task.write_text(
        task.read_text().replace("{test: data/say.jsonl}", "{test: data/say.jsonl, train: data/shots.jsonl}")
        + "fewshot_split: train\n"
    )
    settings = HarnessSettings("tasks", str(tasks), tasks=("say",), limit=2, fewshot=1, chat=True)
    job = job_of(tmp_path, lively, tasks, tasks=settings)
    assert program.run(job, silent)["documents"] == 2
    turn = "<|im_start|>{}\n{}<|im_end|>\n".format
    shown = turn("user", "Go on: a cat") + turn("assistant", "a cat sleeps") + turn("user", "Go on: the dog")
    assert items_of(job)["question"][0] == shown + "<|im_start|>assistant\n"


def test_an_endpoint_is_asked_what_generates_and_nothing_twice(tmp_path, tasks):
    def reply(body, number):
        prompt = body["messages"][-1]["content"]
        if "fox" in prompt:
            return 400, {}, "too strange"
        return said(dict(SAID)[prompt.removeprefix("Go on: ")] + ". And more.")

    with serving(reply) as (url, seen):
        endpoint = EndpointSettings("big", url, "x", pause=0.01, tries=2)
        job = job_of(tmp_path, "", tasks, endpoint=endpoint)
        ran = program.run(job, silent)
        assert ran["unasked"] == ["capitals", "texts"] and ran["documents"] == 4
        assert ran["failed"] == {"the endpoint refused it (400)": 1}
        exact = items_of(job)
        assert exact["value"].to_list() == [1.0] * 3, "what has no answer is not counted wrong"
        assert {(body["max_tokens"], body["temperature"]) for body in seen} == {(12, 0.0)}
        program.run(replace(job, known=job.answers), silent)
        assert len(seen) == 5, "only what was refused"


@pytest.mark.parametrize("by_size", [True, False])
def test_a_group_has_the_score_that_the_harness_gives_it_with_an_interval(tmp_path, lively, tasks, by_size):
    text = (tasks / "capitals.yaml").read_text().replace("task: capitals", "task: more")
    (tasks / "more.yaml").write_text(text.replace("capitals.jsonl", "more.jsonl"))
    docs = [{"country": "Peru", "options": ["Lima", "Rome"], "answer": answer} for answer in (0, 1, 0, 1, 1, 1)]
    (tasks / "data" / "more.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    (tasks / "all.yaml").write_text(
        f"group: all\ntask: [capitals, more]\naggregate_metric_list: [{{metric: acc, weight_by_size: {str(by_size).lower()}}}]\n"
    )
    job = job_of(tmp_path, lively, tasks)
    from lm_eval.api.metrics import aggregate_subtask_metrics

    groups = [Group(**group) for group in program.run(job, silent)["groups"]]
    items = with_groups(items_of(job), groups)
    scores = scores_of(items, [], {"model": "m"}, BootstrapSettings(resamples=200))
    value = {row["task"]: row for row in scores.filter(metric="acc").to_dicts()}
    sizes = (4, 6) if by_size else (1, 1)
    mean = (value["capitals"]["value"] * sizes[0] + value["more"]["value"] * sizes[1]) / sum(sizes)
    assert value["all"]["value"] == pytest.approx(mean) and value["all"]["n"] == 10
    assert value["all"]["low"] < mean < value["all"]["high"]
    harness = aggregate_subtask_metrics([value["capitals"]["value"], value["more"]["value"]], [4, 6], by_size)
    assert value["all"]["value"] == pytest.approx(harness)
    other = items.with_columns(value=pl.when(metric="acc").then(1.0).otherwise("value"))
    compared = compare_tasks({"a": items, "b": other}, BootstrapSettings(resamples=200)).filter(metric="all acc")
    assert compared["n"].item() == 10 and compared["difference"].item() == pytest.approx(1 - mean)


def test_contestants_are_compared_document_by_document(tmp_path, lively, tasks):
    job = job_of(tmp_path, lively, tasks)
    program.run(job, silent)
    one = items_of(job)
    better = one.with_columns(value=pl.when(pl.col("metric") == "acc").then(1.0).otherwise(pl.col("value") - 0.5))
    found = {row["metric"]: row for row in compare_tasks({"a": one, "b": better}, BootstrapSettings()).to_dicts()}
    right = one.filter(metric="acc")["value"].mean()
    assert set(found) == {"capitals acc", "say exact_match", "texts bits_per_byte", "texts word_perplexity"}
    assert found["capitals acc"]["difference"] == 1 - right and found["capitals acc"]["n"] == 4
    assert found["texts bits_per_byte"]["better"] == "b", "lower is better there"
    assert found["say exact_match"]["better"] == "a"


def test_a_metric_that_would_be_fetched_is_refused(tmp_path, lively, tasks):
    (tasks / "say.yaml").write_text((tasks / "say.yaml").read_text().replace("metric: exact_match", "metric: bleurt"))
    with pytest.raises(TaskError, match=r"task say: there is no metric 'bleurt'; there are: acc, "):
        program.run(job_of(tmp_path, lively, tasks), silent)


def test_a_template_cannot_leave_its_sandbox(tmp_path, lively, tasks):
    escape = "{{ cycler.__init__.__globals__.os.system('touch %s') }}" % (tmp_path / "escaped")
    (tasks / "say.yaml").write_text((tasks / "say.yaml").read_text().replace("Go on: {{prompt}}", escape))
    with pytest.raises(TaskError, match="task say: SecurityError"):
        program.run(job_of(tmp_path, lively, tasks), silent)
    assert not (tmp_path / "escaped").exists()


def test_an_option_that_would_change_answers_is_refused(tmp_path, lively, tasks):
    (tasks / "say.yaml").write_text((tasks / "say.yaml").read_text().replace("temperature: 0.0", "num_beams: 4"))
    with pytest.raises(TaskError, match=r"task say: .*generation_kwargs: num_beams: 4 is not known here"):
        program.run(job_of(tmp_path, lively, tasks), silent)

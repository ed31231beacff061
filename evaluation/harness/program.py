"""The program that asks one contestant tasks of lm-evaluation-harness, in a process of its own, without any network.

Task files are read and refused here before the harness sees them (`tasks.py`); it then makes the requests, filters the
answers and says what each document gave. Scores, intervals and tests are ours (`scores.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from evaluation.harness.answers import Book, known_in
from evaluation.harness.errors import TaskError
from evaluation.harness.local import LocalAsker, options_of
from evaluation.harness.remote import EndpointAsker
from evaluation.harness.scores import AGGREGATIONS, ITEMS, whole
from evaluation.harness.settings import HarnessJob
from evaluation.harness.tasks import read_groups, read_tasks
from evaluation.inference import write_whole
from records import Progress

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "LMEVAL_LOG_LEVEL": "WARNING",
}
"""Set before the libraries are imported, which read them once: without, even a local file is counted on the hub."""


def run(job: HarnessJob, progress: Progress) -> dict[str, object]:
    """Ask all tasks, and write answers and items, each whole or not at all; the figures of the run.

    `wholes` are the scores of metrics that look at all documents at once; `groups` those groups of which all tasks were
    asked; `unasked` are tasks that an endpoint cannot answer; `failed` counts documents by the error of their request; `cut`
    contexts whose beginning was too long for the model.

    Raises:
        TaskError: a task cannot be asked; the message names its file and the mend.
        LoadingError, EndpointError: the model cannot.
    """
    configs = read_tasks(Path(job.path), job.tasks)
    os.environ.update(OFFLINE)
    asker = _asker(job, progress)
    book = Book(
        job.recipe, known_in([Path(job.known), *sorted(Path(job.parts).glob("*.parquet"))]), job.parts, progress
    )
    with TemporaryDirectory() as cache:
        tasks = _tasks(configs, job, cache)
        usable = {name: task for name, task in tasks.items() if job.endpoint is None or _generates(task)}
        items, wholes, failed = _evaluated(usable, job, asker, book)
    write_whole(book.table(), job.answers)
    write_whole(items, job.items)
    return {
        "requests": len(book.used),
        "asked": book.new,
        "documents": sum(min(len(task.eval_docs), job.tasks.limit or len(task.eval_docs)) for task in usable.values()),
        "wholes": wholes,
        "failed": failed,
        "cut": asker.cut if isinstance(asker, LocalAsker) else 0,
        "unasked": sorted(set(tasks) - set(usable)),
        "groups": [asdict(group) for group in read_groups(Path(job.path), job.tasks, set(usable))],
    }


def _asker(job: HarnessJob, progress: Progress) -> LocalAsker | EndpointAsker:
    if job.endpoint is not None:
        return EndpointAsker(job.endpoint, job.settings, str(Path(job.parts) / "endpoint"), progress)
    return LocalAsker(job.base, job.adapter, job.settings)


def _tasks(configs: Mapping[str, dict[str, Any]], job: HarnessJob, cache: str) -> dict[str, Any]:
    """The harness's own tasks, by name."""
    import lm_eval.utils
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from lm_eval.api.task import ConfigurableTask

    templates = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    templates.filters |= {"regex_replace": lm_eval.utils.regex_replace}
    lm_eval.utils.env = templates
    tasks = {}
    for name, config in configs.items():
        _check_metrics(name, config)
        options = {**config.get("dataset_kwargs", {}), "cache_dir": cache}
        try:
            task = ConfigurableTask(config={**config, "dataset_kwargs": options})
            if _generates(task):
                options_of(task.config.generation_kwargs)
        except Exception as error:  # whatever a file makes the harness stumble over is told with the task's name
            raise TaskError(f"task {name}: {type(error).__name__}: {error}") from error
        shots = job.tasks.fewshot if job.tasks.fewshot is not None else task.config.num_fewshot or 0
        task.set_config("num_fewshot", shots)
        task.set_fewshot_seed(job.tasks.seed)
        tasks[name] = task
    return tasks


def _check_metrics(name: str, config: Mapping[str, Any]) -> None:
    """A metric that the harness has not, it would fetch as a script."""
    import lm_eval.api.metrics  # noqa: F401 - enters its metrics
    from lm_eval.api.registry import metric_registry

    for entry in config.get("metric_list") or ():
        metric = entry.get("metric")
        own = callable(metric) or callable(config.get("process_results")) or entry.get("hf_evaluate")
        if not own and metric not in metric_registry:
            raise TaskError(
                f"task {name}: there is no metric {metric!r}; there are: {', '.join(sorted(metric_registry.keys()))}"
            )


def _generates(task: Any) -> bool:
    return bool(task.OUTPUT_TYPE == "generate_until")


def _evaluated(
    tasks: Mapping[str, Any], job: HarnessJob, asker: LocalAsker | EndpointAsker, book: Book
) -> tuple[pl.DataFrame, list[dict[str, Any]], dict[str, int]]:
    """Items, scores of metrics that look at all documents at once, and failed documents by their error."""
    import torch
    from lm_eval.evaluator import evaluate

    from evaluation.harness.model import HarnessModel

    if not tasks:
        return pl.DataFrame(schema=ITEMS), [], {}
    model = HarnessModel(asker, book)
    with torch.inference_mode():
        found = evaluate(
            model,
            {"tasks": dict(tasks)},
            limit=job.tasks.limit or None,
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=job.tasks.chat,
            fewshot_as_multiturn=True,
        )
    rows, wholes, failed = list[dict[str, Any]](), list[dict[str, Any]](), dict[str, int]()
    for name, task in tasks.items():
        faults = {doc: error for (owner, doc), error in model.faults.items() if owner == name}
        for fault in faults.values():
            failed[fault] = failed.get(fault, 0) + 1
        samples = [sample for sample in found["samples"][name] if sample["doc_id"] not in faults]
        rows += [row for sample in samples for row in _items(name, task, sample)]
        wholes += list(_wholes(name, task, samples, job))
    return pl.DataFrame(rows, schema=ITEMS), wholes, failed


def _items(name: str, task: Any, sample: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for metric in sample["metrics"]:
        aggregation = _aggregation(task, metric)
        value, weight = AGGREGATIONS[aggregation][0](sample[metric]) if aggregation in AGGREGATIONS else (None, None)
        yield {
            "task": name,
            "metric": _named(metric, sample),
            "doc": sample["doc_id"],
            "aggregation": aggregation,
            "higher_is_better": _higher(task, metric),
            "value": value,
            "weight": weight,
            "question": str(sample["arguments"][0][0]),
            "output": _text(sample["filtered_resps"]),
            "reference": _text(sample["target"]),
        }


def _wholes(name: str, task: Any, samples: list[Any], job: HarnessJob) -> Iterator[dict[str, Any]]:
    """The scores of those metrics that are no mean over documents."""
    together: dict[tuple[str, str], list[Any]] = {}
    for sample in samples:
        for metric in sample["metrics"]:
            if _aggregation(task, metric) not in AGGREGATIONS:
                together.setdefault((metric, _named(metric, sample)), []).append(sample[metric])
    for (metric, named), items in together.items():
        about = {"task": name, "metric": named, "higher_is_better": _higher(task, metric)}
        yield about | whole(task.aggregation()[metric], items, job.bootstrap)


def _aggregation(task: Any, metric: str) -> str:
    """The name of a metric's aggregation; what the harness does not say is a mean, as for the harness itself."""
    from lm_eval.api.registry import get_aggregation

    function = task.aggregation().get(metric)
    known = (name for name in AGGREGATIONS if get_aggregation(name) is function)
    return "mean" if function is None else next(known, getattr(function, "__name__", "other"))


def _higher(task: Any, metric: str) -> bool:
    return bool(task.higher_is_better().get(metric, True))


def _named(metric: str, sample: Mapping[str, Any]) -> str:
    """A metric's name, with the filter that its answers went through, where the task has one."""
    return metric if sample["filter"] == "none" else f"{metric} ({sample['filter']})"


def _text(value: Any) -> str:
    """An answer or a target as text: what is one stays as it is."""
    plain = value[0] if isinstance(value, list) and len(value) == 1 else value
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=str)

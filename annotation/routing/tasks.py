"""What each person is shown: one task per sample and project, with the rank and the reason that it is asked.

Only open-ended samples without a reference are asked: a closed-ended one has a check, and needs nobody. Which model
stands left is drawn per sample: annotators favour a side, and over random sides that evens out. `task_digest` names what
is shown; rank and reason may change, and the task stays what it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import polars as pl

import records
from annotation.routing.gold import gold_sample
from annotation.routing.policies import Evidence, in_order
from annotation.routing.selection import in_drawn_order, random_part
from annotation.routing.shown import prompt_text
from annotation.settings import AnnotationSettings, ProjectSettings, RoutingSettings

__all__ = ["TASK_SCHEMA", "draft_pairs", "prompt_text", "tasks_of"]

TASK_SCHEMA = {
    "task_digest": pl.String,
    "sample_id": pl.String,
    "project": pl.String,
    "kind": pl.String,
    "prompt_text": pl.String,
    "output_a": pl.String,
    "output_b": pl.String,
    "model_a": pl.String,
    "model_b": pl.String,
    "gold": pl.String,
    "policy": pl.String,
    "reason": pl.String,
    "rank": pl.Int64,
    "random": pl.Boolean,
}
"""The columns of `annotation_tasks`. `task_digest` is the primary key, and covers what is shown and by whom it was written;
`output_b` and `model_b` are null but for a preference, the models of a known question too. `gold` has the known answers
(`gold.GOLD`); `rank` counts from 1 within a project; `random` marks what was drawn whatever the policy."""

SHOWN = ("sample_id", "project", "prompt_text", "output_a", "output_b", "model_a", "model_b")

Item = TypeVar("Item")
Draft = tuple[str, str]
"""A model's name, and what it wrote."""


def tasks_of(
    samples: pl.DataFrame,
    drafts: pl.DataFrame,
    settings: AnnotationSettings,
    gold: pl.DataFrame | None = None,
    feedback: pl.DataFrame | None = None,
    margins: Mapping[str, float] | None = None,
) -> records.Outcome:
    """The tasks of all projects (`TASK_SCHEMA`).

    `samples` as `choose_samples` gives them (sample_id, slice, messages); `drafts` have sample_id, model, output and error;
    `gold` are known questions (`gold.GOLD`), `margins` a judge's by sample. Books, in samples per project: dropped are those
    whose drafts are all equal (preference), near copies (diversity) and those beyond the budget; failed those without a
    draft, or with one alone where two are compared.
    """
    written = _by_sample(drafts)
    evidence = Evidence({name: [text for _, text in found] for name, found in written.items()}, margins or {}, feedback)
    tables, dropped, failed = [], dict[str, int](), dict[str, int]()
    for project in settings.projects:
        known = [] if gold is None else gold.filter(project=project.name).to_dicts()
        rows, lost, missing = _project_tasks(project, samples, written, evidence, settings.routing)
        tables.append(pl.DataFrame(_ranked(rows, known, settings.routing.seed), schema=TASK_SCHEMA))
        for books, counts in ((dropped, lost), (failed, missing)):
            for reason, count in counts.items():
                books[reason] = books.get(reason, 0) + count
    table = pl.concat(tables)
    asked = table.filter(pl.col("gold").is_null()).height
    notes = {"known questions": table.height - asked, "drawn at random": table.filter("random").height}
    return records.Outcome(
        table,
        kept=asked,
        dropped={reason: count for reason, count in dropped.items() if count},
        failed={reason: count for reason, count in failed.items() if count},
        notes=notes,
    )


def _by_sample(drafts: pl.DataFrame) -> dict[str, list[Draft]]:
    """The drafts of each sample, sorted, those that failed left out."""
    good = drafts.filter(pl.col("error").is_null() & pl.col("output").is_not_null()).sort(
        "sample_id", "model", "output"
    )
    found: dict[str, list[Draft]] = {}
    for name, model, output in good.select("sample_id", "model", "output").iter_rows():
        found.setdefault(name, []).append((model, output))
    return found


def _project_tasks(
    project: ProjectSettings,
    samples: pl.DataFrame,
    written: Mapping[str, list[Draft]],
    evidence: Evidence,
    routing: RoutingSettings,
) -> tuple[list[dict[str, Any]], dict[str, int], dict[str, int]]:
    """The tasks of a project in the order of their ranks, and the samples dropped and failed, by reason."""
    drawn = in_drawn_order(samples, routing.seed)
    pairs = {name: _shown_drafts(project, name, written.get(name, []), routing.seed) for name in drawn["sample_id"]}
    missing = [name for name, pair in pairs.items() if pair is None]
    same = [name for name, pair in pairs.items() if pair is not None and _are_equal(pair)]
    usable = drawn.filter(~pl.col("sample_id").is_in([*missing, *same]))
    budget = routing.budget if project.budget is None else project.budget
    lot = drawn["sample_id"].head(random_part(routing, drawn.height)).implode()
    by_lot = usable.filter(pl.col("sample_id").is_in(lot)).head(random_part(routing, min(budget, usable.height)))
    others = usable.join(by_lot, on="sample_id", how="anti", maintain_order="left")
    order = in_order(routing.policy, others, routing.seed, evidence, by_lot)
    wanted = order[: budget - by_lot.height]
    random = [(name, "drawn at random", True) for name in by_lot["sample_id"]]
    chosen = interleaved(random, [(name, reason, routing.policy == "random") for name, reason in wanted])
    messages = dict(zip(usable["sample_id"], usable["messages"].to_list(), strict=True))
    rows = []
    for name, reason, is_random in chosen:
        policy = "random" if is_random else routing.policy
        shown = _task(project, name, prompt_text(messages[name]), pairs[name] or [])
        rows.append(shown | {"gold": None, "policy": policy, "reason": reason, "random": is_random})
    dropped = {
        "the drafts are the same": len(same),
        "nearly a copy of one that is asked": others.height - len(order),
        "beyond the budget": len(order) - len(wanted),
    }
    return rows, dropped, {"a draft is missing": len(missing)}


def interleaved(first: Sequence[Item], second: Sequence[Item]) -> list[Item]:
    """Both in their orders, spread evenly, so that any beginning holds about the same share of each."""
    places = [
        ((place + 0.5) / len(part), number, item)
        for number, part in enumerate((first, second))
        for place, item in enumerate(part)
    ]
    return [item for _, _, item in sorted(places, key=lambda each: each[:2])]


def _shown_drafts(project: ProjectSettings, sample: str, found: list[Draft], seed: int) -> list[Draft] | None:
    """The drafts that a task shows, in their places; None where they are lacking. A demonstration can begin from nothing."""
    drawn = sorted(found, key=lambda draft: records.digest("draft", str(seed), sample, *draft))
    if project.kind == "demonstration":
        return drawn[:1]
    if project.kind == "rating":
        return drawn[:1] or None
    first = drawn[:1]
    rival = next((draft for draft in drawn[1:] if first and draft[0] != first[0][0]), None) or next(
        iter(drawn[1:]), None
    )
    if rival is None:
        return None
    pair = sorted([*first, rival])
    return pair[::-1] if int(records.digest("position", str(seed), sample), 16) & 1 else pair


def draft_pairs(drafts: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The two drafts of each sample that a preference would show, in their places (sample_id, output_a, output_b, model_a,
    model_b); samples with fewer are left out."""
    found = {name: _shown_drafts(ProjectSettings(), name, pair, seed) for name, pair in _by_sample(drafts).items()}
    rows = [
        {"sample_id": name, "model_a": a[0], "output_a": a[1], "model_b": b[0], "output_b": b[1]}
        for name, (a, b) in ((name, pair) for name, pair in found.items() if pair is not None)
    ]
    columns = ("sample_id", "model_a", "output_a", "model_b", "output_b")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))


def _are_equal(shown: Sequence[Draft]) -> bool:
    return len(shown) > 1 and len({text.strip() for _, text in shown}) == 1


def _task(project: ProjectSettings, sample: str, question: str, shown: Sequence[Draft]) -> dict[str, Any]:
    models, outputs = [*(model for model, _ in shown), None, None], [*(text for _, text in shown), None, None]
    values = (sample, project.name, question, *outputs[:2], *models[:2])
    return _named(dict(zip(SHOWN, values, strict=True)), project.kind)


def _named(shown: dict[str, Any], kind: str) -> dict[str, Any]:
    """A task under its name, which covers what is shown; the kind is in the name of all but preferences."""
    said = shown if kind == "preference" else shown | {"kind": kind}
    return {"task_digest": records.digest("task", json.dumps(said, sort_keys=True)), "kind": kind} | shown


def _ranked(rows: Sequence[dict[str, Any]], known: Sequence[dict[str, Any]], seed: int) -> Iterator[dict[str, Any]]:
    """The tasks with their ranks, the known questions spread among them."""
    gold = sorted(
        (_gold_task(row, seed) for row in known), key=lambda row: records.digest("gold", str(seed), row["task_digest"])
    )
    for rank, row in enumerate(interleaved(gold, rows), 1):
        yield row | {"rank": rank}


def _gold_task(row: dict[str, Any], seed: int) -> dict[str, Any]:
    """A known question as a task; which of its two answers stands left is drawn like any other's."""
    sample, outputs, accepted = gold_sample(row), [row["output_a"], row["output_b"]], row["gold"]
    if row["kind"] == "preference" and int(records.digest("position", str(seed), sample), 16) & 1:
        sides = {"a": "b", "b": "a"}
        outputs.reverse()
        accepted = json.dumps(
            {"preference": sorted(sides.get(value, value) for value in json.loads(accepted)["preference"])}
        )
    shown = dict(zip(SHOWN, (sample, row["project"], row["prompt_text"], *outputs, None, None), strict=True))
    about = {"gold": accepted, "policy": "gold", "reason": "its answer is known", "random": False}
    return _named(shown, row["kind"]) | about

"""`headwater trace`: one thing's whole lineage as a tree, up to the bytes it came from and down to what it touched.

A name is looked for in every table that has names: samples, documents and contents, annotations, models and their
versions, scores. What it leads to is read row by row (`pipelines/lineage.py`). Nothing is computed and no source is looked at: the
tree is that of the last commits, and of the releases, which keep samples that the tables have no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import polars as pl
from rich.text import Text
from rich.tree import Tree

from pipelines.label_lineage import (
    LABEL_TABLES,
    judges_with,
    labels_with,
    named_demonstrations,
    quality_with,
    releases_with,
    scores_with,
    task_of,
    why_not,
    win_rates_with,
)
from pipelines.lineage import (
    SAMPLE,
    annotations_on,
    answers_to,
    models_on,
    places_of,
    samples_of,
    scores_of,
    sources_of,
    tables_like,
    tasks_on,
)
from pipelines.lookup import (
    COLUMNS,
    HEX,
    MANY,
    SHORT,
    Row,
    document_hits,
    find_failures,
    first_place,
    not_found,
    row_where,
    rows_where,
)
from pipelines.releases import ReleaseFolder, beginning_so, holding, releases_of
from pipelines.shown import excerpt, shown
from pipelines.trees import ended, halved, label, listed
from pipelines.workspace import Workspace

LONGEST = 60
"""Characters of a label that are shown: a demonstration is a text."""


class Hit(NamedTuple):
    """A thing that has a name: of which kind, its whole name, how a person tells it from others, and its row."""

    kind: str
    name: str
    said: str
    row: Row


def trace(workspace: Workspace, name: str) -> Tree:
    """The lineage of a sample, a document, an annotation, a model or a score.

    The name is an id or the beginning of one (four digits or more), a place as `headwater explain` has it, a model as
    `headwater.yaml` calls it, or a score as MODEL/METRIC, with /SPLIT and /PROMPT where there are several. Raises
    LookupError where nothing has that name, or several things have it.
    """
    hits = _hits(workspace, name)
    exact = [hit for hit in hits if name == hit.name]
    hits = exact or hits
    if len(hits) > 1:
        listed = ", ".join(f"{hit.kind} {shown(hit.name)} ({shown(hit.said)})" for hit in hits[:MANY])
        more = f" and {len(hits) - MANY:,} more" if len(hits) > MANY else ""
        raise LookupError(f"{name!r} fits {len(hits):,} things; name one of {listed}{more}")
    if not hits:
        raise _nothing(workspace, name)
    (hit,) = hits
    return _TREES[hit.kind](workspace, hit.row)


def _nothing(workspace: Workspace, name: str) -> LookupError:
    if find_failures(workspace.store, name):
        return LookupError(f"{name} never became a document: `headwater explain {name}` says why")
    return LookupError(
        f"nothing is called {name!r}: no sample, annotation, model or score, and "
        + str(not_found(workspace.store, name))
    )


def _hits(workspace: Workspace, name: str) -> list[Hit]:
    store = workspace.store
    found = [
        Hit("document", row["doc_id"], f"{row['source']}:{row['locator']}", row) for row in _documents(workspace, name)
    ]
    if HEX.fullmatch(name):
        begins = pl.col("sample_id").str.starts_with(name)
        samples = rows_where(store, "samples", begins, SAMPLE) or beginning_so(workspace, name)
        found += [Hit("sample", row["sample_id"], _place(row), row) for row in samples]
        begins = pl.col("annotation_id").str.starts_with(name)
        labels = [row for table in LABEL_TABLES for row in rows_where(store, table, begins)]
        found += [
            Hit("annotation", row["annotation_id"], f"of sample {row['sample_id'][:SHORT]}", row) for row in labels
        ]
    called = (pl.col("model") == name) | (
        pl.col("version").str.starts_with(name) if HEX.fullmatch(name) else pl.lit(value=False)
    )
    for table in tables_like(store, "model"):
        found += [Hit("model", row["model"], row["version"], row) for row in rows_where(store, table, called)]
    return found + [Hit("score", _score_name(row), _figure(row), row) for row in _scores(workspace, name)]


def _documents(workspace: Workspace, name: str) -> list[Row]:
    """The documents of that name, one for each content: the place that comes first."""
    by_content: dict[str, list[Row]] = {}
    for row in document_hits(workspace.store, name) or _changed(workspace, name):
        by_content.setdefault(row["content_digest"], []).append(row)
    return [first_place(rows, workspace.config.source_order) for rows in by_content.values()]


def _changed(workspace: Workspace, name: str) -> list[Row]:
    """The documents whose content has that name since the corpus cut or redacted it."""
    is_it = pl.col("content_digest").str.starts_with(name) if HEX.fullmatch(name) else pl.lit(value=False)
    kept = rows_where(workspace.store, "corpus", is_it, ("doc_id",))
    return rows_where(workspace.store, "documents", pl.col("doc_id").is_in([row["doc_id"] for row in kept]), COLUMNS)


def _scores(workspace: Workspace, name: str) -> list[Row]:
    model, _, rest = name.rpartition("/") if name.count("/") == 1 else name.partition("/")
    metric, *further = rest.split("/")
    if not metric or len(further) > 2:
        return []
    is_it = (pl.col("model") == model) & (pl.col("metric") == metric)
    for column, value in zip(("split", "prompt"), further, strict=False):
        is_it &= pl.col(column) == value
    return rows_where(workspace.store, "scores", is_it)


def _score_name(row: Row) -> str:
    return "/".join(row[part] for part in ("model", "metric", "split", "prompt"))


def _place(row: Row) -> str:
    return f"{row['source']}:{row['locator']}" if row.get("locator") else "in a release alone"


def _of_document(workspace: Workspace, row: Row) -> Tree:
    store = workspace.store
    verdict = row_where(store, "verdicts", pl.col("doc_id") == row["doc_id"])
    judged = _judged(verdict) if verdict else "no verdict yet"
    tree, up, down = halved(label("document", row["doc_id"], f"{row['source']}:{row['locator']}", judged))
    _add_bytes(up, row)
    places = places_of(store, [row["content_digest"]])
    kept = rows_where(
        store,
        "corpus",
        pl.col("doc_id").is_in([place["doc_id"] for place in places]),
        ("content_digest", "doc_id", "source", "locator"),
    )
    content = down.add(label("content", row["content_digest"], "in the corpus" if kept else "not in the corpus"))
    others = [place for place in places if place["doc_id"] != row["doc_id"]]
    listed(content, others, lambda place: label("also at", _place(place), place["doc_id"]))
    _add_copies(content, workspace, row)
    for release, splits in holding(workspace, [each["content_digest"] for each in kept], "content_digest").items():
        content.add(label(release.dataset, release.version, _by_split(splits)))
    samples = samples_of(store, [each["doc_id"] for each in kept])
    if samples:
        listed(content.add(Text(f"{len(samples):,} samples")), samples, _said_of_sample)
        _add_touched(content, workspace, [each["sample_id"] for each in samples])
    return tree


def _judged(verdict: Row) -> str:
    return f"{verdict['verdict']} by {verdict['rule'] or verdict['stage']}" if verdict["stage"] else verdict["verdict"]


def _add_bytes(tree: Tree, row: Row) -> None:
    file = tree.add(label("bytes", row["bytes_digest"], f"{row['source']}:{row['path']}"))
    file.add(Text(f"headwater explain {row['doc_id'][:SHORT]} --bytes prints them", "dim"))


def _add_copies(tree: Tree, workspace: Workspace, row: Row) -> None:
    store = workspace.store
    for copy in rows_where(store, "duplicates", pl.col("doc_id") == row["doc_id"]):
        tree.add(label(f"{copy['kind']} copy of document", copy["kept_id"], "which stays in its stead"))
    copies = rows_where(store, "duplicates", pl.col("kept_id") == row["doc_id"], ("doc_id", "kind", "jaccard"))
    listed(tree, copies, lambda copy: label(f"stands for the {copy['kind']} copy", copy["doc_id"]))


def _said_of_sample(row: Row) -> Text:
    line = f"line {row['line']}" if row.get("line") is not None else ""
    return label("sample", row["sample_id"], row["split"], row["slice"], row["openness"], line, row.get("name") or "")


def _of_sample(workspace: Workspace, row: Row) -> Tree:
    tree, up, down = halved(_said_of_sample(row))
    _add_documents(up, workspace, row)
    _add_touched(down, workspace, [row["sample_id"]])
    return ended(tree, up, down)


def _add_documents(up: Tree, workspace: Workspace, sample: Row) -> None:
    """The content that a sample was found in, the document that this is, and its file."""
    if not sample.get("doc_id"):
        up.add(Text("the samples have it no more: only releases do", "yellow"))
        return
    store, is_it = workspace.store, pl.col("doc_id") == sample["doc_id"]
    kept = rows_where(store, "corpus", is_it, ("content_digest",))
    document = rows_where(
        store, "documents", is_it, ("doc_id", "source", "locator", "path", "bytes_digest", "content_digest")
    )
    for each in kept:
        changed = bool(document) and each["content_digest"] != document[0]["content_digest"]
        up = up.add(label("content", each["content_digest"], "changed by cutting or redaction" if changed else ""))
    for each in document:
        _add_bytes(up.add(label("document", each["doc_id"], _place(each))), each)
    if not document:
        up.add(
            label(
                "document", sample["doc_id"], _place(sample), "gone since; `headwater run` brings the samples into step"
            )
        )


def _add_touched(down: Tree, workspace: Workspace, samples: Sequence[str]) -> None:
    """The releases that hold the samples, the models trained on these, who answered the samples, and people."""
    store = workspace.store
    for release, splits in holding(workspace, samples).items():
        branch = down.add(label(release.dataset, release.version, _by_split(splits)))
        for model in models_on(store, [release]):
            _add_scores(branch.add(label("model", model["model"], model["version"])), workspace, model["version"])
    for (name, version, prompt), count in sorted(answers_to(store, samples).items()):
        branch = down.add(label("answers of", name, version, f"{count:,} under prompt {prompt}"))
        _add_scores(branch, workspace, version)
    labels = annotations_on(store, samples)
    for task in tasks_on(store, samples)[:MANY]:
        branch = down.add(label("task", task["task_digest"], task["project"], task.get("state") or "not on a server"))
        given = [label for label in labels if label["task_digest"] == task["task_digest"]]
        listed(branch, given, _said_of_annotation)


def _by_split(splits: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} in {split}" for split, count in sorted(splits.items()))


def _said_of_annotation(row: Row) -> Text:
    return label("annotation", row["annotation_id"], row["value"] or "", row["status"], f"by {row['annotator']}")


def _add_scores(tree: Tree, workspace: Workspace, version: str) -> None:
    _add_figures(tree, scores_of(workspace.store, [version]))


def _add_figures(tree: Tree, scores: Sequence[Row]) -> None:
    for row in scores:
        tree.add(label("score", _score_name(row), _figure(row)))


def _figure(row: Row) -> str:
    """A figure with its interval, which one sample alone does not give."""
    between = "" if row["low"] is None else f"{row['low']:.4g} to {row['high']:.4g}, "
    return f"{_number(row['value'])} ({between}n {row['n']:,})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _of_annotation(workspace: Workspace, row: Row) -> Tree:
    store = workspace.store
    tree, up, down = halved(_said_of_annotation(row))
    task = up.add(label("task", row["task_digest"], row["project"]))
    sample = row_where(store, "samples", pl.col("sample_id") == row["sample_id"]) or {"sample_id": row["sample_id"]}
    branch = task.add(_said_of_sample(sample) if "split" in sample else label("sample", row["sample_id"]))
    _add_documents(branch, workspace, sample)
    for side in [side for side in "ab" if row[f"output_{side}"]]:  # a rating has one, and what nobody drafted has none
        task.add(label("answer of", row[f"model_{side}"] or "a model whose name was sealed with another key", side))
    _add_uses(down, workspace, row)
    return ended(tree, down)


def _add_uses(down: Tree, workspace: Workspace, row: Row) -> None:
    """The label that an answer is part of with the releases, win rates and judges that have it; scores, and the annotator's figures."""
    store, task = workspace.store, task_of(workspace.store, row)
    if said := why_not(store, row):
        down.add(Text(said, "yellow"))
        return
    for each in labels_with(store, task):
        branch = down.add(label("label", each["criterion"], excerpt(each["value"] or "no value", LONGEST), _how(each)))
        for rate in win_rates_with(store, each):
            branch.add(label("win rate among people", f"{rate['model_b']} against {rate['model_a']}", _figure(rate)))
        for judge in judges_with(store, task):
            branch.add(
                label("agreement of judge", judge["judge"], f"kappa {_number(judge['kappa'])}, n {judge['n']:,}")
            )
    for release, splits in releases_with(workspace, row, task).items():
        branch = down.add(label(release.dataset, release.version, ", ".join(sorted({*splits}))))
        if release.version == named_demonstrations(store):
            branch.add(label("reference of sample", row["sample_id"], "where it has no other"))
    _add_figures(down, scores_with(store, row))
    for each in quality_with(store, row):
        said = f"{each['tasks']:,} tasks, {each['shared']:,} shared, agreement {_number(each['agreement'])}"
        down.add(label("annotator", each["annotator"], f"{each['project']}, {each['criterion']}", said))


def _how(row: Row) -> str:
    return f"{row['how']}, of {row['people']:,} {'person' if row['people'] == 1 else 'people'}"


def _of_model(workspace: Workspace, row: Row) -> Tree:
    tree, up, down = halved(label("model", row["model"], row["version"], row["phase"]))
    _add_origin(up, workspace, row)
    answered: dict[str, int] = {}
    for table in tables_like(workspace.store, "answers"):
        for each in rows_where(workspace.store, table, pl.col("model_version") == row["version"], ("purpose",)):
            answered[each["purpose"]] = answered.get(each["purpose"], 0) + 1
    for purpose, count in sorted(answered.items()):
        down.add(Text(f"{count:,} answers: {purpose}"))
    _add_scores(down, workspace, row["version"])
    asked = rows_where(workspace.store, "drafts", pl.col("model_version") == row["version"], ("sample_id",))
    if asked:
        down.add(
            Text(
                f"{len(asked):,} drafts, of which people were asked about {len(tasks_on(workspace.store, [each['sample_id'] for each in asked])):,}"
            )
        )
    return ended(tree, down)


def _add_origin(up: Tree, workspace: Workspace, model: Row) -> None:
    """A model's base, and its release with what that was made of."""
    for table in tables_like(workspace.store, "base_model"):
        for base in rows_where(workspace.store, table, pl.col("name") == model["base"]):
            up.add(label("base", base["name"], base["origin"], f"weights {base['digest'][:16]}"))
    released = [each for each in releases_of(workspace) if each.version == model["dataset_version"]]
    for release in released:
        _add_sources(up.add(label(release.dataset, release.version)), workspace, release)
    if not released:
        up.add(label("release", model["dataset_version"], "gone since"))


def _add_sources(tree: Tree, workspace: Workspace, release: ReleaseFolder) -> None:
    for each in sources_of(workspace, release):
        if each["source"] is None:
            tree.add(Text(f"{each['samples']:,} samples that the samples have no more"))
        else:
            tree.add(label("source", each["source"], f"{each['samples']:,} samples of {each['documents']:,} documents"))


def _of_score(workspace: Workspace, row: Row) -> Tree:
    store = workspace.store
    tree, up, down = halved(label("score", _score_name(row), _figure(row)))
    is_it = pl.col("version") == row["model_version"] if row["model_version"] else pl.col("model") == row["model"]
    models = [each for table in tables_like(store, "model") for each in rows_where(store, table, is_it)]
    for model in models:
        _add_origin(up.add(label("model", model["model"], model["version"])), workspace, model)
    if not models:
        up.add(label("model", row["model"], row["model_version"] or "", "as it is, or gone since"))
    for release in releases_of(workspace, "instructions"):
        if release.version == row["dataset_version"]:
            _add_sources(up.add(label("measured on", release.said)), workspace, release)
    either = (pl.col("metric") == row["metric"]) & (pl.col("split") == row["split"])
    for each in rows_where(
        store, "comparisons", either & ((pl.col("model_a") == row["model"]) | (pl.col("model_b") == row["model"]))
    ):
        down.add(
            label(
                "comparison",
                f"{each['model_a']} against {each['model_b']}",
                f"p {each['p_value']:.3g}",
                f"better: {each['better'] or 'neither'}",
            )
        )
    return ended(tree, down)


_TREES: dict[str, Callable[[Workspace, Row], Tree]] = {
    "document": _of_document,
    "sample": _of_sample,
    "annotation": _of_annotation,
    "model": _of_model,
    "score": _of_score,
}

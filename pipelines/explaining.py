"""`headwater explain`: what happened to one document at every stage, read from the store alone.

Each section is one stretch of a document's way: its place, what was measured of it, whose copy it is, what decided on
it, whether the corpus has it, and what was made of it. Nothing is computed again: what is told is what was committed,
under the rules of that run, and where a table is older than what it was made from, that is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl
from pydantic import TypeAdapter
from rich.text import Text

from curation.deduplication.survivors import shown_similarity
from curation.rule_sets import Rules, evidence_of, rules_of
from curation.rules import LANGUAGE, Rule
from pipelines.differences import difference_lines
from pipelines.discretion import discreet, discreet_document
from pipelines.graph import SETTINGS, Graph
from pipelines.lineage import samples_of
from pipelines.lookup import MANY, SHORT, Row, find_document, find_failures, not_found, row_where, rows_where
from pipelines.releases import holding
from pipelines.settings import settings_version
from pipelines.shown import excerpt, shown
from pipelines.workspace import Workspace

BEGINNING = 300
"""Characters of a document's text that are shown."""
SAMPLES = 20
MOST = 0.5
"""Of a text's words, from which share on they are told to be pieces."""
PIECES = (
    "Most of its text has no spaces between words: words are counted as pieces of a fixed length (two characters in "
    "Chinese and Japanese, four in Thai, Lao, Burmese and Khmer), and rules on words themselves do not look at them."
)
TOLD_APART = {"documents", "failures", "duplicates", "pairs", "survivors", "verdicts", "corpus", "funnel"}
"""Tables of curation that are no evidence, or have a section of their own."""


class Section(NamedTuple):
    """One stretch of a document's way."""

    title: str
    lines: list[Text]


def explain(workspace: Workspace, graph: Graph, name: str) -> Iterator[Section]:
    """The sections on a document, named as `find_document` has it, or on a file that never became one.

    Raises LookupError where nothing, or more than one content, has that name.
    """
    store = workspace.store
    if store.head("documents") is None:
        raise LookupError("there are no documents yet; `headwater run` reads the sources")
    named = find_document(store, name, workspace.config.source_order)
    if named is None:
        failures = find_failures(store, name)
        if not failures:
            raise not_found(store, name)
        yield Section("failures", [line for row in failures for line in _failure(row)])
        return
    row = row_where(store, "documents", pl.col("doc_id") == named["doc_id"])
    assert row is not None
    places = rows_where(
        store, "documents", pl.col("content_digest") == row["content_digest"], ("doc_id", "source", "locator")
    )
    characters = len(row["text"])
    row = discreet_document(workspace, row)
    yield Section("document", list(_document(row, characters, places)))
    yield Section("evidence", list(_evidence(workspace, graph, row)))
    yield Section("duplicates", list(_duplicate(workspace, row)))
    yield Section("verdict", list(_verdict(workspace, row)))
    kept = rows_where(store, "corpus", pl.col("doc_id").is_in([place["doc_id"] for place in places]))
    yield Section("corpus", list(_corpus(workspace, row, kept)))
    if "samples" in graph.makers:
        samples = samples_of(store, [each["doc_id"] for each in kept])
        yield Section("samples", list(_samples(workspace, kept, samples)))
        yield Section("releases", list(_releases(workspace, samples)))
    said = list(_out_of_step(workspace, graph))
    if said:
        yield Section("out of step", said)


def _pair(name: str, value: str) -> Text:
    return Text.assemble((f"{name:<11}", "dim"), value)


def _failure(row: Row) -> Iterator[Text]:
    yield _pair("place", shown(f"{row['source']}:{row['locator']}"))
    yield Text.assemble(("failed at ", "red"), f"{row['stage']}: ", (shown(row["error"]), "bold"))
    if row["detail"]:
        yield _pair("mend", shown(row["detail"]))


def _document(row: Row, characters: int, places: list[Row]) -> Iterator[Text]:
    yield _pair("doc_id", row["doc_id"])
    yield _pair("place", shown(f"{row['source']}:{row['locator']}"))
    yield _pair("file", shown(f"{row['path']} (bytes {row['bytes_digest']})"))
    for name in ("media_type", "title", "date", "metadata"):
        if row.get(name):
            yield _pair(name, excerpt(str(row[name]), BEGINNING))
    yield _pair("content", f"{row['content_digest']}, {characters:,} characters")
    yield _pair("begins", excerpt(row["text"], BEGINNING))
    others = [place for place in places if place["doc_id"] != row["doc_id"]]
    for place in others[:MANY]:
        yield _pair("also at", shown(f"{place['source']}:{place['locator']}  {place['doc_id'][:SHORT]}"))
    if len(others) > MANY:
        yield _pair("", f"and at {len(others) - MANY:,} places more")


def _evidence(workspace: Workspace, graph: Graph, row: Row) -> Iterator[Text]:
    for node in graph.stages():
        for output in node.outputs:
            key = output.primary_key[0]
            if node.stage.group != "curation" or output.name in TOLD_APART or key not in {"content_digest", "doc_id"}:
                continue
            found = rows_where(workspace.store, output.name, pl.col(key) == row[key])
            yield Text(output.name, "bold")
            yield from (line for each in found for line in _measured(each, row["text"]))
            if not found:
                yield Text("  nothing: not measured, or nothing to say of this document", "dim")


def _measured(evidence: Row, text: str) -> Iterator[Text]:
    """One row of evidence: numbers as they are, spans with what they hold, of anything else only its size."""
    if evidence.get("error"):
        yield Text(f"  could not be measured: {shown(evidence['error'])}", "red")
        return
    plain = {name: _value(value) for name, value in evidence.items() if name not in {"content_digest", "doc_id"}}
    said = [f"{name} {value}" for name, value in plain.items() if value and name not in {"spans", "error"}]
    if said:
        yield Text("  " + " · ".join(said))
    if evidence.get("spans") is not None:
        yield from _spans(evidence["spans"], text.encode("utf-8", "surrogatepass"))


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return excerpt(value, 60)
    if hasattr(value, "__len__"):
        return f"({len(value):,} {'bytes' if isinstance(value, bytes) else 'items'})"
    return str(value)


def _spans(spans: list[Row], data: bytes) -> Iterator[Text]:
    counts = Counter(span["kind"] for span in spans)
    said = ", ".join(f"{kind} {count:,}" for kind, count in counts.most_common())
    yield Text(f"  {len(spans):,} spans" + (f": {said}" if said else ""))
    for span in spans[:MANY]:
        held = data[span["start"] : span["end"]].decode("utf-8", "replace")
        yield Text(f"    {span['kind']} at byte {span['start']:,}: {excerpt(held, 80)}")
    if len(spans) > MANY:
        yield Text(f"    and {len(spans) - MANY:,} more")


def _duplicate(workspace: Workspace, row: Row) -> Iterator[Text]:
    store = workspace.store
    copy = row_where(store, "duplicates", pl.col("doc_id") == row["doc_id"])
    if copy is None:
        copies = rows_where(store, "duplicates", pl.col("kept_id") == row["doc_id"], ("doc_id", "kind", "jaccard"))
        yield Text("no copy of another document")
        if copies:
            yield Text(f"stays in the stead of {len(copies):,} cop{'y' if len(copies) == 1 else 'ies'}:")
        for each in sorted(copies, key=lambda each: each["doc_id"])[:MANY]:
            yield Text(f"  {each['doc_id']}  {each['kind']}, similarity {shown_similarity(each['jaccard'])}")
        return
    kept = row_where(store, "documents", pl.col("doc_id") == copy["kept_id"])
    head = store.head("duplicates")
    threshold = head.settings.get("deduplication", {}).get("threshold") if head else None
    yield Text.assemble((f"{copy['kind']} copy", "yellow"), f" of {copy['kept_id']}")
    yield _pair("similarity", f"{shown_similarity(copy['jaccard'])} (Jaccard; threshold {threshold})")
    if kept is None:
        yield Text("the kept document is not among the documents any more; `headwater run` brings them into step")
        return
    yield _pair("kept is", shown(f"{kept['source']}:{kept['locator']}"))
    kept_text = discreet_document(workspace, kept)["text"]
    yield from difference_lines(row["text"], kept_text, "the kept document")


def _verdict(workspace: Workspace, row: Row) -> Iterator[Text]:
    verdict = row_where(workspace.store, "verdicts", pl.col("doc_id") == row["doc_id"])
    if verdict is None:
        yield Text("none yet; `headwater run verdicts` decides")
        return
    style = {"kept": "green", "dropped": "yellow"}.get(verdict["verdict"], "red")
    by = f" by {verdict['rule']}" if verdict["rule"] else ""
    on = f", on {verdict['stage']}" if verdict["stage"] else ""
    yield Text.assemble((verdict["verdict"], style), f"{by}{on}", f": {shown(verdict['detail'])}" if on else "")
    failing = verdict["rules"] or []
    if failing:
        yield _pair("fails", ", ".join(failing))
    rules = rules_in_force(workspace)
    seen = {table: _row_of(workspace, table, row) for table in evidence_of(rules)}
    for rule in rules:
        value = seen[rule.evidence].get(rule.column)
        if value is not None:
            told = seen.get(LANGUAGE[0], {}).get(LANGUAGE[1])
            yield _compared(rule, value, rule.concerns(told), rule.name in failing, rule.name == verdict["rule"])
    if rules and (_row_of(workspace, "quality", row).get("unspaced_word_share") or 0) > MOST:
        yield Text(PIECES, "dim")


def rules_in_force(workspace: Workspace) -> tuple[Rule, ...]:
    """The rules under which the verdicts stand, with their thresholds, as their commit says."""
    head = workspace.store.head("verdicts")
    sets = (
        [{name: at for name, at in each.items() if at is not None} for each in head.settings["rules"]] if head else []
    )
    return rules_of(TypeAdapter(Rules).validate_python(sets))


def _row_of(workspace: Workspace, table: str, row: Row) -> Row:
    return row_where(workspace.store, table, pl.col("content_digest") == row["content_digest"]) or {}


def _compared(rule: Rule, value: object, concerns: bool, fails: bool, first: bool) -> Text:
    among = ", ".join(rule.threshold) if isinstance(rule.threshold, tuple) else f"{rule.threshold:g}"
    only, but = ", ".join(rule.languages), ", ".join(rule.except_languages)
    where = f" ({only} alone)" if only else f" (all but {but})" if but else ""
    said = f"{rule.name:<42} {rule.column} {_value(value)}, fails if {rule.comparison} {among}{where}"
    if not concerns:
        return Text(f"– {said}: not for this language", "dim")
    mark = ("✗ ", "red") if fails else ("✓ ", "green")
    return Text.assemble(mark, said, ("  ← decided", "bold") if first else "")


def _corpus(workspace: Workspace, row: Row, kept: list[Row]) -> Iterator[Text]:
    if not kept:
        yield Text("not in the corpus")
    for each in kept:
        if each["doc_id"] != row["doc_id"]:
            yield Text(shown(f"in the corpus, at its first place {each['source']}:{each['locator']}"))
        else:
            yield Text("in the corpus", "green")
        if each["content_digest"] != row["content_digest"]:
            yield Text(f"its text was changed, and is content {each['content_digest']} now")
            yield from difference_lines(row["text"], discreet(workspace, each["text"]), "the corpus")


def _samples(workspace: Workspace, kept: list[Row], samples: list[Row]) -> Iterator[Text]:
    named = pl.col("content_digest").is_in([each["content_digest"] for each in kept])
    for row in rows_where(workspace.store, "candidates", named):
        if row.get("error"):
            yield Text(f"none could be looked for: {shown(row['error'])}", "red")
        dropped = Counter(each["dropped"] for each in row["samples"] or [] if each["dropped"])
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in dropped.most_common())
        yield Text(f"{len(row['samples'] or []):,} candidates" + (f", dropped: {reasons}" if reasons else ""))
    yield Text(f"{len(samples):,} samples are of this document")
    for each in samples[:SAMPLES]:
        named_ = f" {each['name']}" if each["name"] else ""
        line = f" line {each['line']}" if each["line"] is not None else ""
        yield Text(
            shown(f"  {each['sample_id']}  {each['split']:<10} {each['slice']}, {each['openness']}{line}{named_}")
        )
    if len(samples) > SAMPLES:
        yield Text(f"  and {len(samples) - SAMPLES:,} more")


def _releases(workspace: Workspace, samples: list[Row]) -> Iterator[Text]:
    found = holding(workspace, [each["sample_id"] for each in samples])
    for release, splits in found.items():
        yield Text(f"{release.said}: {', '.join(f'{count:,} in {split}' for split, count in sorted(splits.items()))}")
    if not found:
        yield Text("in no release")


def _out_of_step(workspace: Workspace, graph: Graph) -> Iterator[Text]:
    """Tables that are older than what they were made from; sources are not looked at."""
    for node in graph.stages():
        head = workspace.store.head(node.outputs[0].name)
        now = {name: _version(workspace, name) for name in (head.inputs if head else {})}
        old = [name for name, version in now.items() if version and head and head.inputs[name] != version]
        if old and node.stage.group in {"curation", "datasets"}:
            yield Text(f"{node.name}: {', '.join(old)} changed since; `headwater run` brings it into step", "yellow")


def _version(workspace: Workspace, name: str) -> str:
    """The version that an input has now; "" for what is not known without looking at the world."""
    section = name.removeprefix(SETTINGS)
    if name.startswith(SETTINGS):
        known = section.split("__")[0] in type(workspace.config).model_fields
        return settings_version(workspace.config.part(section)) if known else ""
    head = workspace.store.head(name)
    return head.version if head else ""

"""From raw files to documents: what is there, and what could be read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from assets.pictures import of_documents
from curation.formats import ROW_TYPES
from curation.inventory import FILE, Source, root_of, take_inventory
from curation.reading import DOCUMENTS, ReadingSettings, failed_files, read_files_into
from curation.tombstones import TAKEN_BACK, Refusing, allowed_again, obey, outdated
from pipelines.commits import Books, Change
from pipelines.digests import frame_version
from pipelines.forgetting import key_of
from pipelines.forgetting import tombstones as read_tombstones
from pipelines.parts import Parts
from pipelines.stages import Changes, Observation, Output, Run, fold, observable
from pipelines.workspace import Workspace
from records import Progress, digest


@observable(group="sources", each="sources")
def source(entry: Source, workspace: Workspace, progress: Progress) -> Observation:
    """A place raw data comes from: its files, by the digest of their bytes."""
    inventory = take_inventory(entry, workspace.root, workspace.inventory_cache(entry.name), progress)
    return Observation(frame_version(inventory), inventory)


@observable(group="sources")
def tombstones(workspace: Workspace) -> Observation:
    """What `headwater forget` took back: marks by which its contents are refused, wherever they stand."""
    return Observation(*read_tombstones(workspace))


@observable(group="sources")
def record_columns(workspace: Workspace) -> Observation:
    """The columns of questions and answers that `task.columns` names: a row that has them is kept whole."""
    task = workspace.config.task
    named = task.records if task else ()
    return Observation(_version_of(named), named)


def _version_of(named: Sequence[Sequence[str]]) -> str:
    return digest("record columns", *(name for names in named for name in names))


def _books(tables: Mapping[str, pl.LazyFrame], files: int) -> Books:
    read = tables["documents"].select("source", "path").unique().collect().height
    failed = failed_files(tables["failures"].collect())
    taken_back = failed.pop(TAKEN_BACK, 0)
    return Books("files", files, read, {TAKEN_BACK: taken_back} if taken_back else {}, failed)


@fold(
    group="documents",
    code_version="19",
    of="source",
    key=FILE,
    follows=("tombstones", "record_columns"),
    outputs=(
        Output("documents", ("doc_id",)),
        Output(
            "failures",
            ("source", "locator"),
            about="Files, and records of files, that could not be read, each with its reason and the mend.",
        ),
    ),
    books=_books,
    uses=(
        "resiliparse",
        "charset-normalizer",
        "trafilatura",
        "pypdfium2",
        "python-docx",
        "python-pptx",
        "openpyxl",
    ),
    pictures=of_documents,
)
def documents(
    state: Mapping[str, pl.LazyFrame],
    added: pl.DataFrame,
    removed: pl.DataFrame,
    reading: ReadingSettings,
    tombstones: pl.DataFrame,
    record_columns: tuple[tuple[str, ...], ...],
    run: Run,
) -> Changes:
    """The text of every document at its place; what could not be read stands in `failures`, with its reason."""
    reading = replace(reading, records=(*reading.records, *record_columns))
    roots = {entry.name: root_of(entry, run.workspace.root) for entry in run.workspace.config.sources}
    write = run.workspace.store.writer("documents")
    again = pl.concat([allowed_again(state.get("failures"), tombstones), _otherwise_kept(state, record_columns, run)])
    again = _again(again, added, removed, run.workspace)
    added, removed = pl.concat([added, again]), pl.concat([removed, again.select(removed.columns)])
    notes: dict[str, int | str] = {"files read anew": again.height} if again.height else {}
    if tombstones.is_empty():
        written, failed = read_files_into(write, added, roots, reading, run.progress)
        read = Parts(write.folder, tuple(written), DOCUMENTS)
        return Changes({"documents": Change(read, removed), "failures": Change(failed, removed)}, notes)
    key = key_of(run.workspace)
    pieces, failed = read_files_into(Refusing(write, tombstones, key), added, roots, reading, run.progress)
    obeyed = obey(state.get("documents"), pieces, removed, tombstones, key)
    read = Parts(write.folder, tuple(piece.written for piece in pieces if piece.written is not None), DOCUMENTS)
    failures = Change(pl.concat([failed, obeyed.failures]), removed)
    notes["documents taken back"] = obeyed.taken
    if blind := outdated(tombstones):
        notes["tombstones without near copies"] = (
            f"{blind}: sketched by hashes of another version; the texts themselves are known"
        )
    return Changes({"documents": Change(read, obeyed.gone), "failures": failures}, notes)


def _otherwise_kept(state: Mapping[str, pl.LazyFrame], named: Sequence[Sequence[str]], run: Run) -> pl.DataFrame:
    """The files (`FILE`) that other columns may give other documents: those that hold rows, or were not read whole; none where
    the columns are those under which the state was read."""
    head = run.workspace.store.head("documents") if state else None
    if head is None or head.inputs.get("record_columns", _version_of(())) == _version_of(named):
        return pl.DataFrame(schema=dict.fromkeys(FILE, pl.String))
    rows = state["documents"].filter(pl.col("media_type").is_in(ROW_TYPES))
    return pl.concat([rows.select(FILE), state["failures"].select(FILE)]).unique().collect(engine="streaming")


def _again(files: pl.DataFrame, added: pl.DataFrame, removed: pl.DataFrame, workspace: Workspace) -> pl.DataFrame:
    """The files that are to be read anew though they did not change, as elements of their sources."""
    files = files.join(removed, on=FILE, how="anti").join(added, on=FILE, how="anti")
    wanted = set(files["source"])
    found = [
        take_inventory(entry, workspace.root, workspace.inventory_cache(entry.name))
        for entry in workspace.config.sources
        if entry.name in wanted
    ]
    return pl.concat([added.head(0), *(each.select(added.columns) for each in found)]).join(files, on=FILE, how="semi")


STAGES = [source, tombstones, record_columns, documents]

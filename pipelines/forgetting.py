"""`headwater forget`: what a person takes back, everything that it would touch, and the tombstones that keep it away.

A tombstone names a content under the workspace's key, so the table tells nobody what was forgotten. Who asked for it, when and
how stands beside, in columns outside the table's digest: no clock and no name enters a result. The stage `documents`
obeys the tombstones, and all that is below it follows at the next run. One commit writes all of a request, or nothing.
"""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from annotation.credentials import credentials
from curation.globs import compiled
from curation.tombstones import LIFTED, TOMBSTONES, mark, tombstones_of
from pipelines.commits import Commit, CommitConflict
from pipelines.lineage import PLACE, SAMPLE, among, annotations_on, models_on, scores_of, tasks_on
from pipelines.lookup import HEX, SHORT, Row, document_hits, not_found, rows_where, several
from pipelines.references import kept_on
from pipelines.releases import ReleaseFolder, holding
from pipelines.remembering import remember
from pipelines.shown import shown
from pipelines.store import Store
from pipelines.workspace import Workspace
from records import content_digest

TABLE = "tombstones"
AUDIT = pl.Schema(
    {
        "request": pl.String(),
        "asked_at": pl.String(),
        "asked_by": pl.String(),
        "how": pl.String(),
        "pattern": pl.String(),
        "releases": pl.List(pl.String()),
        "models": pl.List(pl.String()),
        "lifted_at": pl.String(),
        "lifted_by": pl.String(),
        "lifted_because": pl.String(),
    }
)
"""Who took it back, when (UTC), and how; `pattern` is a keyed hash of what was typed. `releases` and `models` were made of it.
The last three are null until somebody lifts the request."""
_KEY = ("tombstone", "request")
TRIES = 3
_CHAIN = (
    ("documents", TABLE),
    ("verdicts", "documents"),
    ("corpus", "verdicts"),
    ("candidates", "corpus"),
    ("samples", "candidates"),
    ("instructions", "samples"),
)
"""The way from tombstones to a release: each table, and what it was made from."""
BATCH = 10_000

How = Literal["id", "locator", "source", "contains"]


class TakenBackError(ValueError):
    """What is to be taken back cannot be; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks to take back: by which means, and what was typed. `exact` leaves near copies alone."""

    how: How
    pattern: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Touched:
    """All that taking back some contents touches. Places have the columns `PLACE`."""

    contents: list[str]
    """The contents that were asked for."""
    near: list[str]
    """Further contents that are copies of these, or near to them."""
    places: pl.DataFrame
    samples: pl.DataFrame
    tasks: list[Row]
    annotations: list[Row]
    releases: dict[ReleaseFolder, dict[str, int]]
    models: list[Row]
    scores: list[Row]


def select(workspace: Workspace, asked: Asked) -> list[str]:
    """The contents that a request means. Raises LookupError where there are none, or an id fits several."""
    store = workspace.store
    if store.head("documents") is None:
        raise LookupError("there are no documents yet; `headwater run` reads the sources")
    found = {"id": _by_id, "locator": _by_locator, "source": _by_source, "contains": _by_text}[asked.how](
        store, asked.pattern
    )
    contents = sorted(set(found))
    if not contents:
        raise LookupError(f"no document {_SAID[asked.how]} {asked.pattern!r}; nothing is taken back")
    return contents


_SAID = {"id": "is called", "locator": "has a place like", "source": "is of a source", "contains": "contains"}


def _by_id(store: Store, name: str) -> Iterable[str]:
    rows = document_hits(store, name)
    if HEX.fullmatch(name):
        samples = rows_where(store, "samples", pl.col("sample_id").str.starts_with(name), SAMPLE)
        rows += [
            row
            for sample in samples
            for row in rows_where(store, "documents", pl.col("doc_id") == sample["doc_id"], PLACE)
        ]
    if not rows:
        raise not_found(store, name)
    if len({row["content_digest"] for row in rows}) > 1:
        raise several(name, rows)
    return [row["content_digest"] for row in rows]


def _by_locator(store: Store, pattern: str) -> Iterable[str]:
    """By a glob over locators or files, perhaps with the source before it."""
    rows = store.scan("documents").select("source", "locator", "path", "content_digest").collect()
    regex = compiled((pattern,))
    names = zip(rows["source"], rows["locator"], rows["path"], strict=True)
    fits = [
        bool(
            regex.fullmatch(place) or regex.fullmatch(path) or (":" in pattern and regex.fullmatch(f"{source}:{place}"))
        )
        for source, place, path in names
    ]
    return rows.filter(pl.Series(fits, dtype=pl.Boolean))["content_digest"]


def _by_source(store: Store, name: str) -> Iterable[str]:
    return store.scan("documents").filter(source=name).select("content_digest").collect()["content_digest"]


def _by_text(store: Store, text: str) -> Iterable[str]:
    if not text.strip():
        raise TakenBackError("--contains: name some text; blanks stand in every document")
    found = store.scan("documents").filter(pl.col("text").str.contains(text, literal=True)).select("content_digest")
    return found.collect(engine="streaming")["content_digest"]


def copies_of(store: Store, contents: list[str]) -> list[str]:
    """Contents measured to be copies of these, or near to them, in either direction; these left out."""
    head = store.head("duplicates")
    threshold = head.settings.get("deduplication", {}).get("threshold", 0.8) if head else 0.8
    asked = pl.DataFrame({"asked": contents}, schema={"asked": pl.String})
    found = set[str]()
    for table, condition in (("pairs", pl.col("jaccard") >= threshold), ("survivors", pl.lit(value=True))):
        if store.head(table) is None:
            continue
        rows = store.scan(table).filter(condition).select("content_digest", "kept_digest")
        for own, other in (("content_digest", "kept_digest"), ("kept_digest", "content_digest")):
            near = rows.join(asked.lazy(), left_on=own, right_on="asked", how="semi").select(other)
            found |= set(near.collect().to_series())
    return sorted(found - set(contents))


def touched(workspace: Workspace, asked: Asked) -> Touched:
    """Everything that a request would touch, told from the tables and releases; nothing is changed."""
    store = workspace.store
    contents = select(workspace, asked)
    near = [] if asked.exact else copies_of(store, contents)
    places = among(store, "documents", "content_digest", [*contents, *near], PLACE)
    samples = among(store, "samples", "doc_id", places["doc_id"], SAMPLE)
    names = samples["sample_id"].to_list() if samples.height else []
    releases = holding(workspace, names) | holding(workspace, _kept_as(store, places), "content_digest")
    models = [*models_on(store, releases), *kept_on(workspace, releases)]
    return Touched(
        contents,
        near,
        places,
        samples,
        tasks_on(store, names),
        annotations_on(store, names),
        releases,
        models,
        scores_of(store, [model["version"] for model in models]),
    )


def _kept_as(store: Store, places: pl.DataFrame) -> list[str]:
    """The contents of the corpus that stand for these places."""
    kept = among(store, "corpus", "doc_id", places["doc_id"], ("content_digest",)) if places.height else places
    return sorted(set(kept["content_digest"])) if kept.height else []


def key_of(workspace: Workspace) -> str:
    """The workspace's key. Raises TakenBackError when its tombstones were made with another one."""
    key = credentials(workspace.label_studio).key
    head = workspace.store.head(TABLE)
    if head is not None and head.settings.get("key") != mark(key, "key", TABLE):
        raise TakenBackError(
            f"{workspace.label_studio / 'credentials.json'} is not the file whose key made the tombstones, so what was taken back "
            "could not be told; put the file back from a copy"
        )
    return key


def tombstones(workspace: Workspace) -> tuple[str, pl.DataFrame]:
    """The version of the tombstones, and the tombstones (`TOMBSTONES`); the reason names the request.

    Those that refuse something are there once; those that are lifted once for each request.
    """
    head = workspace.store.head(TABLE)
    if head is None:
        return "none", TOMBSTONES.to_frame()
    said = pl.format("{} (request {})", "reason", "request").alias("reason")
    table = _as_now(workspace.store.scan(TABLE, head.number)).with_columns(said)
    rows = table.select(TOMBSTONES.names()).collect()
    is_lifted = pl.col("kind").str.starts_with(LIFTED)
    standing = rows.filter(~is_lifted).unique("tombstone", keep="first", maintain_order=True)
    return head.version, pl.concat([standing, rows.filter(is_lifted)])


def _as_now(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Tombstones with all columns of today's; what was written before one of them came has nothing there."""
    now = {**TOMBSTONES, **AUDIT}
    missing = [name for name in now if name not in rows.collect_schema()]
    return rows.with_columns(pl.lit(None, now[name]).alias(name) for name in missing)


def requests(store: Store) -> set[str]:
    """The names of all requests that were committed and not lifted."""
    if store.head(TABLE) is None:
        return set()
    standing = store.scan(TABLE).filter(~pl.col("kind").str.starts_with(LIFTED))
    return set(standing.select("request").unique().collect()["request"])


def forget(workspace: Workspace, asked: Asked, found: Touched, reason: str, request: str = "") -> str:
    """Write the tombstones of a request; its name. The documents stay in the tables until the next run."""
    key, store = key_of(workspace), workspace.store
    request = request or secrets.token_hex(4)
    made = [*_of_contents(store, key, found, asked.exact, reason)]
    made.append(
        tombstones_of(key, "sample", found.samples["sample_id"].to_list() if found.samples.height else [], reason)
    )
    audit = {
        "request": request,
        "asked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "asked_by": getpass.getuser(),
        "how": asked.how,
        "pattern": mark(key, asked.how, asked.pattern),
        "releases": [release.said for release in found.releases],
        "models": [f"{model['model']} {model['version']}" for model in found.models],
        "lifted_at": None,
        "lifted_by": None,
        "lifted_because": None,
    }
    remember(workspace, request, [*found.contents, *found.near], key)
    rows = pl.concat(made).unique("tombstone", keep="first", maintain_order=True)
    rows = rows.with_columns(
        pl.lit(pl.Series(name, [audit[name]], dtype=kind)).first().alias(name) for name, kind in AUDIT.items()
    )
    write_tombstones(workspace, rows, key)
    return request


def _of_contents(store: Store, key: str, found: Touched, exact: bool, reason: str) -> Iterable[pl.DataFrame]:
    """Tombstones of the contents asked for, with sketches unless they are to be exact; of their copies without."""
    for start in range(0, 0 if exact else len(found.contents), BATCH):
        some = among(
            store, "documents", "content_digest", found.contents[start : start + BATCH], ("content_digest", "text")
        )
        some = some.unique("content_digest").sort("content_digest")
        yield tombstones_of(key, "content", some["content_digest"].to_list(), reason, some["text"].to_list())
    yield tombstones_of(key, "content", [*found.contents, *found.near], reason)


def write_tombstones(workspace: Workspace, rows: pl.DataFrame, key: str) -> None:
    store = workspace.store
    for attempt in range(TRIES):
        head = store.head(TABLE)
        known = [] if head is None else [_as_now(store.scan(TABLE, head.number)).select(rows.columns).collect()]
        whole = pl.concat([*known, rows]).unique(_KEY, keep="last", maintain_order=True)
        settings = {"key": mark(key, "key", TABLE)}
        draft = Commit(TABLE, "", "", {}, settings, "1", "", "", 0, "", 0, 0)
        try:
            store.replace(whole.sort(_KEY), draft, head, _KEY, AUDIT.names())
        except CommitConflict:
            if attempt == TRIES - 1:
                raise
        else:
            return


def named_request(store: Store, request: str) -> str:
    """The request that a person calls by its name or first digits. Raises LookupError where none is called so, or several are."""
    named = sorted(name for name in requests(store) if request and name.startswith(request))
    if len(named) == 1:
        return named[0]
    there = ", ".join(sorted(requests(store))) or "none"
    raise LookupError(
        f"{'several requests begin' if named else 'no request is called'} {request!r}; there are: {there}"
    )


def lift(workspace: Workspace, request: str, reason: str) -> tuple[str, int]:
    """Lift a request, by its name or first digits: its tombstones refuse nothing any more. Its name, and how many they are.

    They stay as rows, with who lifted them, when and why; the next run reads the files again in which they refused something.
    Raises LookupError where no request is called so, or several are.
    """
    key, store = key_of(workspace), workspace.store
    named = named_request(store, request)
    said = {
        "lifted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "lifted_by": getpass.getuser(),
        "lifted_because": reason,
    }
    own = _as_now(store.scan(TABLE)).filter(request=named).collect()
    rows = own.with_columns(
        pl.concat_str(pl.lit(LIFTED), "kind").alias("kind"),
        *(pl.lit(None, TOMBSTONES[name]).alias(name) for name in ("shingles", "scale", "sketch", "hashing")),
        *(pl.lit(value).alias(name) for name, value in said.items()),
    )
    write_tombstones(workspace, rows, key)
    return named, rows.filter(pl.col("kind") == f"{LIFTED}content").height


def stale_models(store: Store) -> dict[str, str]:
    """The tables of models whose newest version was trained on what was taken back since: what to say of each."""
    if store.head(TABLE) is None:
        return {}
    standing = store.scan(TABLE).filter(~pl.col("kind").str.starts_with(LIFTED))
    named = standing.select("models", "request").explode("models").drop_nulls().unique().collect()
    requests: dict[str, list[str]] = {}
    for name, request in sorted(named.iter_rows()):
        requests.setdefault(name, []).append(request)
    found: dict[str, str] = {}
    release = _rebuilt(store)
    for table in (name for name in store.tables() if name.startswith("model_")):
        for row in rows_where(store, table, pl.lit(value=True), ("model", "version", "dataset_version")):
            asked = requests.get(f"{row['model']} {row['version']}", [])
            if asked and row["dataset_version"] != release:
                found[table] = (
                    f"trained on what was taken back (request {', '.join(asked)}); `headwater run` trains it anew"
                )
    return found


def _rebuilt(store: Store) -> str | None:
    """The release of instructions, if it was made after all that is above it had obeyed the tombstones."""
    heads = {name: store.head(name) for name in dict.fromkeys(name for pair in _CHAIN for name in pair)}
    for below, above in _CHAIN:
        made, read = heads[below], heads[above]
        if made is None or read is None or made.inputs.get(above) != read.version:
            return None
    head = heads["instructions"]
    return head.notes.get("release") if head else None


def preview(found: Touched) -> list[tuple[str, int, str]]:
    """What a request touches: what, how many, and some of them."""
    places = [f"{row['source']}:{row['locator']}" for row in found.places.head(3).to_dicts()]
    is_near = pl.col("content_digest").is_in(found.near)
    near = [f"{row['source']}:{row['locator']}" for row in found.places.filter(is_near).head(3).to_dicts()]
    empty = found.places.filter(content_digest=content_digest(""))
    blank = [f"{row['source']}:{row['locator']}" for row in empty.head(3).to_dicts()]
    samples = found.samples["sample_id"].head(3).str.head(SHORT).to_list() if found.samples.height else []
    rows = [
        ("documents", found.places.height, places),
        ("of these, near copies in other words", found.places.filter(is_near).height, near),
        *([("of these, empty ones, which are all one text", empty.height, blank)] if empty.height else []),
        ("samples", found.samples.height, samples),
        ("tasks", len(found.tasks), [str(row["task_digest"])[:SHORT] for row in found.tasks]),
        ("annotations", len(found.annotations), [str(row["annotation_id"])[:SHORT] for row in found.annotations]),
        ("dataset versions", len(found.releases), [release.said for release in found.releases]),
        ("models", len(found.models), [f"{row['model']} {row['version']}" for row in found.models]),
        ("scores", len(found.scores), [f"{row['model']}/{row['metric']}" for row in found.scores]),
    ]
    return [(what, count, shown(", ".join(some[:3]))) for what, count, some in rows]

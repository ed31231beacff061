"""What people decided over the rules of promotion: each decision is a row that is never lost, with its reason."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime

import polars as pl

from pipelines.commits import Commit
from pipelines.contestants import version_of
from pipelines.stages import Observation
from pipelines.store import Store
from pipelines.workspace import Workspace
from records import digest

OVERRULED = "overruled"
"""The table of what people decided."""
SCHEMA = pl.Schema(
    {
        "place": pl.Int64(),
        "model": pl.String(),
        "version": pl.String(),
        "reason": pl.String(),
        "by": pl.String(),
        "at": pl.String(),
        "stood": pl.List(pl.String()),
    }
)
"""One row per decision, in their order: who decided (`by`), when (`at`, UTC), and the versions that could be had then (`stood`)."""


def decisions(store: Store) -> pl.DataFrame:
    """All that people decided (`SCHEMA`), the first decision first."""
    head = store.head(OVERRULED)
    rows = [] if head is None else [store.scan(OVERRULED, head.number).sort("place").collect()]
    return pl.concat([SCHEMA.to_frame(), *rows], how="diagonal")


def overrule(workspace: Workspace, model: str, reason: str) -> str:
    """Decide that a model is promoted, as its scores stand now, over all that stands now; its version.

    Raises:
        LookupError: there is no such model among the scores.
        ValueError: there is no reason.
    """
    if not reason.strip():
        raise ValueError('say why: --reason "..."; it stands beside the decision')
    store, known = workspace.store, _contestants(workspace)
    if model not in known:
        raise LookupError(f"there is no model {model!r} with scores; there are: {', '.join(known) or 'none yet'}")
    head, before = store.head(OVERRULED), decisions(store)
    row = (
        before.height,
        model,
        known[model],
        reason.strip(),
        getpass.getuser(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        sorted({*known.values(), *_promoted(store)}),
    )
    draft = Commit(OVERRULED, "", "", {}, {}, "", "", "", 0, "", 0, 0)
    store.replace(pl.concat([before, pl.DataFrame([row], schema=SCHEMA, orient="row")]), draft, head, ("place",))
    return known[model]


def _contestants(workspace: Workspace) -> dict[str, str]:
    """The versions of the contestants that have scores."""
    store = workspace.store
    if store.head("scores") is None:
        return {}
    known: dict[str, str] = dict(store.scan("scores").select("model", "model_version").drop_nulls().collect().rows())
    for entry in workspace.config.experiments:
        table = f"experiment_winner_{entry.name}"
        if entry.name in known and store.head(table) is not None:
            known[entry.name] = version_of(store.scan(table).head(1).collect())
    return known


def _promoted(store: Store) -> list[str]:
    """The version that is promoted, if there is one."""
    return [] if store.head("promoted_model") is None else store.scan("promoted_model").collect()["version"].to_list()


def observed(workspace: Workspace) -> Observation:
    """The last decision, by what it says."""
    last = decisions(workspace.store).tail(1)
    said = [(*row[:3], *(row[3] or ())) for row in last.select("model", "version", "reason", "stood").rows()]
    return Observation(digest("overruled", "".join(map("\0".join, said))), last)

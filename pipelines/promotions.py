"""What people decided over the rules of promotion: each decision is a row that is never lost, with its reason."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime

import polars as pl

from pipelines.commits import Change, Commit
from pipelines.stages import Observation
from pipelines.store import Store
from pipelines.workspace import Workspace
from records import digest

OVERRULED = "overruled"
"""The table of what people decided."""
SCHEMA = pl.Schema(
    {"place": pl.Int64, "model": pl.String, "version": pl.String, "reason": pl.String, "by": pl.String, "at": pl.String}
)
"""One row per decision, in their order: who decided (`by`) and when (`at`, UTC) stand beside it."""


def decisions(store: Store) -> pl.DataFrame:
    """All that people decided (`SCHEMA`), the first decision first."""
    head = store.head(OVERRULED)
    return SCHEMA.to_frame() if head is None else store.scan(OVERRULED, head.number).sort("place").collect()


def overrule(workspace: Workspace, model: str, reason: str) -> str:
    """Decide that a model is promoted, as its scores stand now; its version.

    Raises:
        LookupError: there is no such model among the scores.
        ValueError: there is no reason.
    """
    if not reason.strip():
        raise ValueError('say why: --reason "..."; it stands beside the decision')
    store = workspace.store
    known: dict[str, str] = (
        {}
        if store.head("scores") is None
        else dict(store.scan("scores").select("model", "model_version").drop_nulls().collect().rows())
    )
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
    )
    draft = Commit(OVERRULED, "", "", {}, {}, "", "", "", 0, "", 0, 0)
    added = pl.DataFrame([row], schema=SCHEMA, orient="row")
    if head is None:
        store.replace(added, draft, None, ("place",))
    else:
        store.change(Change(added), draft, head, ("place",))
    return known[model]


def observed(workspace: Workspace) -> Observation:
    """The last decision, by what it says."""
    last = decisions(workspace.store).tail(1)
    said = "" if last.is_empty() else "\0".join(last.select("model", "version", "reason").row(0))
    return Observation(digest("overruled", said), last)

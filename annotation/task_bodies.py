"""What is sent to Label Studio of a task: text as text, models sealed, and labels given back to a project that was lost.

One item that the server cannot take refuses a whole import, so what PostgreSQL or JSON cannot hold (NUL, lone
surrogates) is shown by a sign in its place; the tables keep the text as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from annotation import client as api
from annotation.blinding import pseudonym, seal
from annotation.client import Client
from annotation.credentials import Credentials
from annotation.markdown import as_html

CHUNK_TASKS = 2_000
CHUNK_BYTES = 16 * 1024**2
EMPTY = "(empty answer)"

Body = dict[str, Any]


def task_bodies(
    client: Client, missing: pl.DataFrame, config_digest: str, secret: Credentials, known: pl.DataFrame | None
) -> Iterator[Body]:
    """The import's items for tasks (`routing.TASK_SCHEMA`), with those labels of `known` that answer this configuration."""
    given_back = _given_back(client, missing, config_digest, secret, known)
    for row in missing.iter_rows(named=True):
        digest = row["task_digest"]
        data = {
            "sample_id": row["sample_id"],
            "task_digest": digest,
            "prompt_text": _shown(row["prompt_text"]),
            **_drafts(row),
            "sealed": seal(secret.key, digest, (row["model_a"], row["model_b"])),
        }
        yield {"data": data, "predictions": _predictions(row), "annotations": given_back.get(digest, [])}


def _drafts(row: Mapping[str, Any]) -> dict[str, str]:
    """The drafts as they were written, and as they are shown; a demonstration's is a prediction, which can be edited."""
    if row["kind"] == "demonstration":
        return {"output_a": _shown(row["output_a"] or "")}
    data: dict[str, str] = {}
    for side in ("a", "b"):
        if row[f"output_{side}"] is not None:
            text = _shown(row[f"output_{side}"]) or EMPTY
            data |= {f"output_{side}": text, f"html_{side}": as_html(text)}
    return data


def _predictions(row: Mapping[str, Any]) -> list[Body]:
    """The draft that an annotator mends; its model has no name here."""
    if row["kind"] != "demonstration" or not (row["output_a"] or "").strip():
        return []
    told = {
        "from_name": "answer",
        "to_name": "prompt",
        "type": "textarea",
        "value": {"text": [_shown(row["output_a"])]},
    }
    return [{"model_version": "draft", "result": [told]}]


def chunks(bodies: Iterable[Body]) -> Iterator[list[Body]]:
    """The items in requests of at most 2,000 tasks, and about 16 MiB."""
    chunk: list[Body] = []
    size = 0
    for body in bodies:
        chunk.append(body)
        size += sum(len(value) for value in body["data"].values())
        if len(chunk) >= CHUNK_TASKS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _shown(text: str) -> str:
    """The text as a browser, JSON and PostgreSQL can carry it."""
    return text.replace("\x00", "\u2400").encode("utf-8", "replace").decode("utf-8")


def _given_back(
    client: Client, missing: pl.DataFrame, config_digest: str, secret: Credentials, known: pl.DataFrame | None
) -> dict[str, list[Body]]:
    """Labels of lost tasks, by task, under the accounts that gave them. Those of accounts that are gone stay in our table alone."""
    if known is None:
        return {}
    is_given = (pl.col("status") != "retracted") & (pl.col("config_digest") == config_digest)
    lost = known.filter(is_given & pl.col("task_digest").is_in(missing["task_digest"].implode()))
    if lost.is_empty():
        return {}
    emails = {pseudonym(secret.key, email): email for email in api.users(client).values()}
    labels: dict[str, list[Body]] = {}
    for row in lost.sort("task_digest", "annotator", "ordinal").iter_rows(named=True):
        if row["annotator"] in emails:
            label = json.loads(row["raw"]) | {
                "completed_by": {"email": emails[row["annotator"]]},
                "ground_truth": False,
            }
            labels.setdefault(row["task_digest"], []).append(label)
    return labels

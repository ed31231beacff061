"""Answers of several people as rows of the table `annotations`, without a server."""

import polars as pl

from annotation.labels import LABEL_SCHEMA


def answers(*given: tuple[str, str, str | None], project: str = "preference", lead_time: float = 10.0) -> pl.DataFrame:
    """Rows of `LABEL_SCHEMA` from (task, annotator, value), one after the other; a value of None was skipped."""
    rows = [
        {
            "annotation_id": f"{project} {task} {annotator} {number}",
            "sample_id": f"sample of {task}",
            "task_digest": task,
            "project": project,
            "annotator": annotator,
            "ordinal": number,
            "kind": "preference",
            "value": value,
            "model_a": "base",
            "model_b": "finetune",
            "prompt_text": f"{task}?",
            "output_a": f"left of {task}",
            "output_b": f"the right of {task}",
            "lead_time": lead_time,
            "config_digest": "one",
            "status": "submitted" if value else "skipped",
            "raw": "{}",
        }
        for number, (task, annotator, value) in enumerate(given)
    ]
    return pl.DataFrame(rows, schema=LABEL_SCHEMA)

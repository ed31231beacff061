"""Contents to candidates, row by row.

What a rule can tell from the content alone is decided here, where the text is at hand: too long, no sentence, nothing
to say. What needs to know the place or the other samples (test code, copies) is decided by `collect_samples`.
The slowest recipe, docstrings, reads about 5 MB of Python a second on one core (71 MB in 14 s), nearly all of it in the parser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from curation.tasks import chat, completion, docstrings, own, qa
from curation.tasks.candidates import CANDIDATE_TYPE, Candidate, UnreadableContent, as_record, screened
from curation.tasks.settings import TaskSettings

Find = Callable[[str, str, TaskSettings], Iterator[Candidate]]
_FIND: dict[str, Find] = {
    "docstrings": docstrings.find,
    "chat": chat.find,
    "qa": qa.find,
    "completion": completion.find,
}


def candidates(contents: pa.RecordBatch, task: TaskSettings, recipe: str) -> pa.RecordBatch:
    """`extract_samples` by the recipe that the task names; who is told of its module by `recipe` measures anew when that changes."""
    return extract_samples(contents, task)


def extract_samples(contents: pa.RecordBatch, settings: TaskSettings) -> pa.RecordBatch:
    """Candidates for samples in each content: columns content_digest, media_type, samples (list of `CANDIDATE_TYPE`), error.

    `contents` has content_digest, media_type, text. One row out for each row in, in the same order; `samples` is empty
    where nothing was found, and null where `error` says why the content is none that the recipe reads.
    Raises ValueError when a recipe of one's own cannot be loaded, and whatever that recipe raises.
    """
    find = _FIND.get(settings.recipe, own.find)
    if find is own.find:
        own.load(settings.recipe)
    rows = zip(contents["media_type"].to_pylist(), contents["text"].to_pylist(), strict=True)
    results = [_of_content(text, media_type, find, settings) for media_type, text in rows]
    return pa.record_batch(
        {
            "content_digest": contents["content_digest"],
            "media_type": contents["media_type"],
            "samples": pa.array([found for found, _ in results], pa.list_(CANDIDATE_TYPE)),
            "error": pa.array([error for _, error in results], pa.string()),
        }
    )


def _of_content(
    text: str, media_type: str, find: Find, settings: TaskSettings
) -> tuple[list[dict[str, object]] | None, str | None]:
    try:
        candidates = list(find(text, media_type, settings))
    except UnreadableContent as error:
        return None, str(error)
    return [as_record(screened(candidate, settings.prompt_chars)) for candidate in candidates], None

"""A model behind an endpoint answers what asks for text; likelihoods it cannot give."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from evaluation import endpoint
from evaluation.endpoint import EndpointJob, EndpointSettings
from evaluation.harness.answers import Given, Request
from evaluation.harness.local import ended, options_of
from evaluation.inference import OUTPUTS, GenerationSettings
from records import MESSAGES, Message, Progress

CHAT = "\x00chat"
"""What a chat's turns begin with where they travel as a text: no question begins so."""
QUESTIONS = {
    "sample_id": pl.String(),
    "purpose": pl.String(),
    "prompt": pl.String(),
    "messages": MESSAGES,
    "reference": pl.String(),
    "want": pl.String(),
    "asked": pl.String(),
}


class EndpointAsker:
    """Asks an endpoint; what it answered before the run was killed lies in `parts`."""

    def __init__(self, settings: EndpointSettings, how: GenerationSettings, parts: str, progress: Progress) -> None:
        self.settings, self.how, self.parts, self.progress = settings, how, parts, progress

    def chat(self, messages: Sequence[Mapping[str, str]], goes_on: bool) -> str:
        """Turns as a text from which they are read again; an answer that is begun cannot be continued by the API, and is a turn."""
        return CHAT + json.dumps([dict(message) for message in messages], ensure_ascii=False)

    def answers(self, requests: Sequence[Request]) -> Iterator[list[tuple[int, Given]]]:
        """What the endpoint says to each context."""
        alike: dict[tuple[tuple[str, ...], int, float], list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            alike[options_of(request.arguments[1])].append(place)
        for (until, longest, temperature), places in alike.items():
            how = replace(self.how, max_new_tokens=longest, temperature=temperature, stop_at_line=False)
            said = self._asked([requests[place] for place in places], how)
            yield [(place, _given(*said[requests[place].asked], until)) for place in places]

    def _asked(self, requests: Sequence[Request], how: GenerationSettings) -> dict[str, tuple[str | None, str | None]]:
        """Output and error by the request's name."""
        kept = [pl.read_parquet(file) for file in sorted(Path(self.parts).glob("*.parquet"))]
        known = pl.concat([pl.DataFrame(schema=OUTPUTS | {"asked": pl.String()}), *kept]).filter(
            pl.col("error").is_null()
        )
        said = {row["asked"]: (row["output"], row["error"]) for row in known.to_dicts()}
        waiting = [request for request in requests if request.asked not in said]
        if not waiting:
            return said
        with TemporaryDirectory() as folder:
            asked, out = f"{folder}/questions.parquet", f"{folder}/answers.parquet"
            rows = [_row(request) for request in waiting]
            pl.DataFrame(rows, schema=QUESTIONS, orient="row").write_parquet(asked)
            endpoint.run(EndpointJob(self.settings, asked, out, how, self.parts), self.progress)
            return said | {row["sample_id"]: (row["output"], row["error"]) for row in pl.read_parquet(out).to_dicts()}


def _row(request: Request) -> tuple[object, ...]:
    return request.asked, "harness", "none", _messages(request.arguments[0]), None, "generate", request.asked


def _messages(context: str) -> list[Message]:
    if context.startswith(CHAT):
        messages: list[Message] = json.loads(context.removeprefix(CHAT))
        return messages
    return [{"role": "user", "content": context}]


def _given(output: str | None, error: str | None, until: Sequence[str]) -> Given:
    return Given(error=error) if output is None else Given(output=ended(output, until))

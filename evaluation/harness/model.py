"""The harness's interface for models (`lm_eval.api.model.LM`), answered from the book, and by whoever is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.api.model import LM

from evaluation.harness.answers import Ask, Book, Given, Kind
from evaluation.harness.errors import TaskError
from evaluation.harness.local import LocalAsker
from evaluation.harness.remote import EndpointAsker

NOTHING = -1e9
"""Stands where there is no log probability; the harness needs a number to go on."""


class HarnessModel(LM):  # type: ignore[misc]
    """Answers requests; one that has an error is answered by nothing, and its document is left out afterwards."""

    def __init__(self, asker: LocalAsker | EndpointAsker, book: Book) -> None:
        super().__init__()
        self.asker, self.book = asker, book
        self.faults = dict[tuple[str, int], str]()
        """The errors of requests, by task and document."""

    @property
    def local(self) -> LocalAsker:
        """Who weighs. Raises TaskError for an endpoint."""
        if isinstance(self.asker, EndpointAsker):
            raise TaskError(f"endpoint {self.asker.settings.name} gives no likelihoods: ask tasks that generate")
        return self.asker

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Of each (context, continuation) the log probability in nats, and whether greedy decoding would give it."""
        found = self._answers("loglikelihood", requests, self.local.continuations)
        return [(each.logprob if each.logprob is not None else NOTHING, bool(each.greedy)) for each in found]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """Of each text the log probability in nats."""
        found = self._answers("loglikelihood_rolling", requests, self.local.texts)
        return [each.logprob if each.logprob is not None else NOTHING for each in found]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """What is said after each context, up to what ends it."""
        return [each.output or "" for each in self._answers("generate_until", requests, self.asker.answers)]

    def _answers(self, kind: Kind, requests: Sequence[Any], ask: Ask) -> list[Given]:
        found = self.book.answers(kind, [tuple(request.args) for request in requests], ask)
        for request, given in zip(requests, found, strict=True):
            if given.error is not None:
                self.faults[str(request.task_name), int(request.doc_id)] = given.error
        return found

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Turns as the model's template lays them out."""
        return self.asker.chat(chat_history, goes_on=not add_generation_prompt)

    @property
    def tokenizer_name(self) -> str:
        """A name under which the harness would remember requests; it remembers none."""
        return ""

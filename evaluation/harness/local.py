"""A model of ours answers the harness's requests, in our batches.

Texts become tokens as the harness's own model for transformers makes them (its `encode_pair`): context and continuation
are encoded together and cut where the context alone ends, white space at the context's end belongs to the continuation,
an empty context is the tokenizer's first token, and what is too long loses its beginning. So figures are comparable to
published ones.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from evaluation.batches import Batch, batches, logits_of, read
from evaluation.encoding import Question, stop_tokens
from evaluation.generation import Decoding, generate
from evaluation.harness.answers import Given, Request, temperature_of
from evaluation.harness.errors import TaskError
from evaluation.inference import GenerationSettings
from evaluation.loading import Loaded, load_model

CONTEXT = 2048
"""Tokens of a model that does not say how many it was built for; the harness takes as many."""
NEW_TOKENS = 256
"""The longest answer of a task that does not say; the harness takes as many."""
LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
KNOWN = (*LENGTHS, "until", "do_sample", "temperature")
IDLE = ("top_p", "top_k", "min_p", "num_beams")
"""Options that say nothing where the likeliest token is taken (`num_beams` only where it is 1)."""

Batches = Iterator[list[tuple[int, Given]]]


class LocalAsker:
    """A base, or a base with an adapter, loaded when it is first asked something."""

    def __init__(self, base: str, adapter: str | None, settings: GenerationSettings) -> None:
        self.base, self.adapter, self.settings = base, adapter, settings
        self.cut = 0
        """How many contexts lost their beginning, because they were too long."""

    @cached_property
    def loaded(self) -> Loaded:
        """The model."""
        settings = self.settings
        return load_model(self.base, self.adapter, settings.precision, settings.device, settings.threads)

    @property
    def context(self) -> int:
        """The longest text that the model reads, in tokens."""
        return min(length for length in (self.settings.context, self.loaded.context or CONTEXT) if length)

    def chat(self, messages: Sequence[Mapping[str, str]], goes_on: bool) -> str:
        """Turns as the model's template lays them out; `goes_on`: the last turn is begun, and the answer goes on from there."""
        turns, tokenizer = [dict(message) for message in messages], self.loaded.tokenizer
        if tokenizer.chat_template is None:
            raise TaskError(
                f"{self.base}: its tokenizer has no chat template: set chat: false in this entry of `harness`"
            )
        return str(
            tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=not goes_on, continue_final_message=goes_on
            )
        )

    def continuations(self, requests: Sequence[Request]) -> Batches:
        """How likely each continuation is after its context."""
        pairs = [self._pair(*request.arguments) for request in requests]
        if refused := [(place, given) for place, given in enumerate(pairs) if isinstance(given, Given)]:
            yield refused
        questions = [
            _question(place, requests[place].asked, *pair)
            for place, pair in enumerate(pairs)
            if not isinstance(pair, Given)
        ]
        for weighed in self._weighed(questions):
            yield [(place, _finite(logprob, greedy)) for place, logprob, greedy in weighed]

    def texts(self, requests: Sequence[Request]) -> Batches:
        """How likely each whole text is, in pieces as long as the model's context, each token predicted once."""
        questions, left, sums = list[Question](), list[int](), [0.0] * len(requests)
        owners = list[int]()
        for owner, request in enumerate(requests):
            windows = list(self._windows(request.arguments[0]))
            left.append(len(windows))
            for before, after in windows:
                questions.append(_question(len(owners), request.asked, before, after))
                owners.append(owner)
        if empty := [(owner, Given(logprob=0.0)) for owner, count in enumerate(left) if not count]:
            yield empty
        for weighed in self._weighed(questions):
            done = []
            for place, logprob, _ in weighed:
                owner = owners[place]
                sums[owner] += logprob
                left[owner] -= 1
                done += [(owner, _finite(sums[owner], None))] if not left[owner] else []
            yield done

    def answers(self, requests: Sequence[Request]) -> Batches:
        """What the model says after each context, up to what ends it."""
        alike: dict[Decoding, list[Question]] = defaultdict(list)
        for place, request in enumerate(requests):
            context, options = request.arguments
            decoding = self._decoding(options)
            room = self.context - decoding.max_new_tokens
            if room < 1:
                raise TaskError(
                    f"max_gen_toks: {decoding.max_new_tokens} leave no room in the model's context of {self.context} tokens"
                )
            alike[decoding].append(_question(place, request.asked, self._shortened(self._encoded(context), room), None))
        for decoding, questions in alike.items():
            for batch in self._batches(questions):
                prompts = read(self.loaded, batch, decoding.max_new_tokens)
                said = generate(self.loaded, batch, prompts, decoding)
                yield [(each.question.place, self._output(each.tokens, each.finish, decoding.until)) for each in said]

    def _output(self, tokens: Sequence[int], finish: str, until: Iterable[str]) -> Given:
        if finish == "not finite":
            return Given(error="the model's logits are not finite numbers")
        return Given(output=ended(str(self.loaded.tokenizer.decode(tokens, skip_special_tokens=True)), until))

    def _decoding(self, options: Mapping[str, Any]) -> Decoding:
        until, longest, temperature = options_of(options)
        stops = stop_tokens(self.loaded.tokenizer, self.loaded.model.generation_config)
        return Decoding(longest, False, temperature, self.settings.seed, stops, until)

    def _weighed(self, questions: Sequence[Question]) -> Iterator[list[tuple[int, float, bool]]]:
        for batch in self._batches(questions):
            yield list(weigh(self.loaded, batch))

    def _batches(self, questions: Sequence[Question]) -> Iterator[Batch]:
        settings = self.settings
        return batches(questions, self.loaded, settings.batch_rows, settings.batch_tokens, settings.share_prefix)

    @cached_property
    def _first(self) -> int:
        """What stands before a text without a context."""
        tokenizer = self.loaded.tokenizer
        first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if first is None:
            raise TaskError(
                f"{self.base}: its tokenizer has no first token; set bos_token in its tokenizer_config.json"
            )
        return int(first)

    def _encoded(self, text: str) -> list[int]:
        """Tokens with those that the tokenizer puts around a text, unless the text begins with them (a chat does)."""
        tokenizer = self.loaded.tokenizer
        begun = text.startswith(str(tokenizer.decode([self._first])))
        return list(tokenizer(text, **({"add_special_tokens": False} if begun else {}))["input_ids"]) or [self._first]

    def _pair(self, context: str, continuation: str) -> tuple[list[int], list[int]] | Given:
        """Context and continuation as tokens; an error where they cannot be."""
        tokenizer = self.loaded.tokenizer
        if context.strip():
            text = context.rstrip()
            before = self._encoded(text)
            after = self._encoded(context + continuation)[len(before) :]
        else:
            whole = list(tokenizer(context + continuation, add_special_tokens=False)["input_ids"])
            before, after = (whole[:1], whole[1:]) if whole[:1] == [self._first] else ([self._first], whole)
        if not after:
            return Given(error="the continuation has no token of its own")
        if len(after) > self.context:
            return Given(error=f"the continuation is longer than the model's context of {self.context} tokens")
        return self._shortened(before, self.context + 1 - len(after)), after

    def _windows(self, text: str) -> Iterator[tuple[list[int], list[int]]]:
        from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

        tokens = list(self.loaded.tokenizer(text)["input_ids"])
        return map(make_disjoint_window, get_rolling_token_windows(tokens, self._first, self.context, 1))

    def _shortened(self, tokens: list[int], room: int) -> list[int]:
        self.cut += len(tokens) > room
        return tokens[-room:]


def weigh(loaded: Loaded, batch: Batch) -> Iterator[tuple[int, float, bool]]:
    """Of each question its place, the log probability (nats) of its reference, and whether that is the likeliest at each token."""
    import torch

    references = [question.reference or () for question in batch.questions]
    inputs = [
        question.prompt[batch.prefix.length :] + reference[:-1]
        for question, reference in zip(batch.questions, references, strict=True)
    ]
    logits_of_all = logits_of(loaded, batch, inputs, max(map(len, references)))
    for question, reference, logits in zip(batch.questions, references, logits_of_all, strict=True):
        predicted = logits[-len(reference) :].float()
        wanted = torch.tensor(reference, device=predicted.device)
        logprobs = predicted.log_softmax(dim=-1).gather(1, wanted[:, None]).double()
        yield question.place, float(logprobs.sum()), bool((predicted.argmax(dim=-1) == wanted).all())


def options_of(options: Mapping[str, Any]) -> tuple[tuple[str, ...], int, float]:
    """What a task's generation options mean: the texts that end an answer, its most tokens, and the temperature.

    Raises:
        TaskError: an option would change an answer and is not known here.
    """
    temperature = temperature_of(dict(options))
    for name, value in options.items():
        if name not in KNOWN and not (name in IDLE and (value == 1 if name == "num_beams" else temperature == 0)):
            raise TaskError(
                f"generation_kwargs: {name}: {value!r} is not known here: remove it, or take the likeliest token"
            )
    said = options.get("until") or ()
    until = (said,) if isinstance(said, str) else tuple(map(str, said))
    longest = next((int(options[name]) for name in LENGTHS if options.get(name) is not None), NEW_TOKENS)
    return tuple(each for each in until if each), longest, temperature


def ended(text: str, until: Iterable[str]) -> str:
    """A text up to the first of those that end it."""
    for end in until:
        text = text.split(end)[0]
    return text


def _question(place: int, name: str, before: Sequence[int], after: Sequence[int] | None) -> Question:
    return Question(place, name, tuple(before), None if after is None else tuple(after), 0, after is None)


def _finite(logprob: float, greedy: bool | None) -> Given:
    if not math.isfinite(logprob):
        return Given(error="the model's likelihood is not a finite number")
    return Given(logprob=logprob, greedy=greedy)

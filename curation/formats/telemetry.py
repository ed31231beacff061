"""Chats as OpenTelemetry records them: spans of calls of models, under the names of today and of former years.

The conventions for generative AI moved what was said from attributes (`gen_ai.prompt`) to events
(`gen_ai.user.message`) and back to attributes (`gen_ai.input.messages`); instrumentation of all three is about. An
export in OTLP's JSON form and spans of one's own (a row each) are told by these names and by nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MARKS = ("resourceSpans", "attributes")
"""A row without either is no telemetry."""
_PREFIX = "gen_ai."
_SAID_BEFORE, _SAID_AFTER = "gen_ai.input.messages", "gen_ai.output.messages"
_INSTRUCTIONS = "gen_ai.system_instructions"
_FORMER_PAIR = (("gen_ai.prompt", "user"), ("gen_ai.completion", "assistant"))
_FORMER_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}
_NUMBERED = re.compile(r"gen_ai\.(prompt|completion)\.(\d{1,6})\.(role|content)")
_SCALARS = ("stringValue", "boolValue", "intValue", "doubleValue", "bytesValue")
_NANOSECONDS = 1_000_000_000

Span = Mapping[str, Any]
Turn = Mapping[str, Any]


def is_telemetry(value: object) -> bool:
    """Whether a value is an export of spans, or one span that tells of a call of a model."""
    if not isinstance(value, Mapping):
        return False
    if isinstance(value.get("resourceSpans"), list):
        return True
    if "attributes" not in value:
        return False
    names = [*_attributes(value), *(event.get("name") for event in _events(value))]
    return any(isinstance(name, str) and name.startswith(_PREFIX) for name in names)


def spans_of(value: Mapping[str, Any]) -> Iterator[tuple[str, Span]]:
    """Each span with its place: `span=3` in an export, "" for one that is by itself."""
    if "resourceSpans" not in value:
        yield "", value
        return
    resources = _mappings(value["resourceSpans"])
    scopes = (scope for resource in resources for scope in _mappings(resource.get("scopeSpans")))
    spans = (span for scope in scopes for span in _mappings(scope.get("spans")))
    yield from ((f"span={number}", span) for number, span in enumerate(spans, 1))


def chat_of(span: Span) -> dict[str, Any] | None:
    """A span's chat as a row that has `messages` and, when it is told, `timestamp`; None when it records no words."""
    events = list(_events(span))
    attributes = {name: value for event in events for name, value in _attributes(event).items()} | _attributes(span)
    turns = _current(attributes) or _of_events(events) or _numbered(attributes) or _former(attributes)
    if not turns:
        return None
    began = span.get("startTimeUnixNano", span.get("start_time_unix_nano"))
    told = str(began).isdecimal()
    return {"messages": turns} | ({"timestamp": int(str(began)) / _NANOSECONDS} if told else {})


def _current(attributes: Mapping[str, Any]) -> list[Turn]:
    system = _loaded(attributes.get(_INSTRUCTIONS))
    turns: list[Turn] = [{"role": "system", "content": _parts(system)}] if system else []
    for name in (_SAID_BEFORE, _SAID_AFTER):
        turns += (_turn(message) for message in _mappings(_loaded(attributes.get(name))))
    return turns


def _turn(message: Mapping[str, Any]) -> Turn:
    said = message["parts"] if "parts" in message else message.get("content")
    return {"role": message.get("role"), "content": _parts(said)}


def _parts(said: object) -> object:
    """A text, or parts in the form that chats have them; what is no text keeps its type, and so is told."""
    if not isinstance(said, list):
        return said
    return [
        {"type": "text", "text": part.get("content", part.get("text"))} if part.get("type") == "text" else dict(part)
        for part in _mappings(said)
    ]


def _of_events(events: Iterable[Mapping[str, Any]]) -> list[Turn]:
    """The events of former conventions, each a turn; what it says stands in its attributes or in its body."""
    turns: list[Turn] = []
    for event in events:
        usual = _FORMER_EVENTS.get(str(event.get("name")))
        if usual is None:
            continue
        body = _plain(event.get("body"))
        said = _attributes(event) | (dict(body) if isinstance(body, Mapping) else {})
        inner = _loaded(said.get("message"))
        said |= dict(inner) if isinstance(inner, Mapping) else {}
        turns.append({"role": said.get("role") or usual, "content": _parts(_loaded(said.get("content")))})
    return turns


def _numbered(attributes: Mapping[str, Any]) -> list[Turn]:
    """`gen_ai.prompt.0.role`, `gen_ai.prompt.0.content`, and so on."""
    turns: dict[tuple[bool, int], dict[str, Any]] = {}
    for name, value in attributes.items():
        if found := _NUMBERED.fullmatch(name):
            turns.setdefault((found[1] == "completion", int(found[2])), {})[found[3]] = value
    return [
        {
            "role": said.get("role") or ("assistant" if after else "user"),
            "content": _parts(_loaded(said.get("content"))),
        }
        for (after, _), said in sorted(turns.items())
    ]


def _former(attributes: Mapping[str, Any]) -> list[Turn]:
    """`gen_ai.prompt` and `gen_ai.completion`: messages as JSON, or the words themselves."""
    turns: list[Turn] = []
    for name, role in _FORMER_PAIR:
        said = _loaded(attributes.get(name))
        if isinstance(said, list):
            turns += ({"role": role, **_turn(message)} for message in _mappings(said))
        elif isinstance(said, str) and said:
            turns.append({"role": role, "content": said})
    return turns


def _attributes(holder: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as names and plain values, from OTLP's list of pairs or from an object."""
    given = holder.get("attributes")
    if isinstance(given, Mapping):
        return {str(name): _plain(value) for name, value in given.items()}
    return {str(pair.get("key")): _plain(pair.get("value")) for pair in _mappings(given)}


def _events(span: Span) -> Iterator[Mapping[str, Any]]:
    return _mappings(span.get("events"))


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; of anything else, nothing."""
    return (element for element in value if isinstance(element, Mapping)) if isinstance(value, Sequence) else iter(())


def _plain(value: object) -> Any:
    """OTLP's AnyValue as the value that it stands for; another value as it is."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return value
    ((kind, held),) = value.items()
    if kind == "arrayValue" and isinstance(held, Mapping):
        return [_plain(element) for element in _mappings(held.get("values"))]
    if kind == "kvlistValue" and isinstance(held, Mapping):
        return {str(pair.get("key")): _plain(pair.get("value")) for pair in _mappings(held.get("values"))}
    return held if kind in _SCALARS else value


def _loaded(value: object) -> Any:
    """A value, or what it says in JSON when it is text that says so: attributes were strings for long."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value

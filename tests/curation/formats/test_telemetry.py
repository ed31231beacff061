"""Chats in spans, under the names of all conventions that instrumentation has written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.formats import Extract, Poison, ReadingSettings, read_items
from curation.formats.rows import CHAT
from curation.formats.telemetry import chat_of, is_telemetry, spans_of

CHATS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Which way?"},
    {"role": "assistant", "content": "North."},
]
CURRENT = {
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Which way?"}]}]),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "North."}], "finish_reason": "stop"}]
    ),
}
SPANS: dict[str, dict[str, Any]] = {
    "attributes of today": {"name": "chat", "attributes": CURRENT},
    "an event of today": {
        "attributes": {},
        "events": [{"name": "gen_ai.client.inference.operation.details", "attributes": CURRENT}],
    },
    "events, with attributes": {
        "attributes": {"gen_ai.system": "x"},
        "events": [
            {"name": "gen_ai.system.message", "attributes": {"content": "Be brief."}},
            {"name": "gen_ai.user.message", "attributes": {"content": "Which way?"}},
            {
                "name": "gen_ai.choice",
                "attributes": {"message": json.dumps({"role": "assistant", "content": "North."})},
            },
        ],
    },
    "events, with a body": {
        "attributes": {},
        "events": [
            {"name": "gen_ai.system.message", "body": {"content": "Be brief."}},
            {"name": "gen_ai.user.message", "body": {"content": "Which way?", "role": "user"}},
            {"name": "gen_ai.choice", "body": {"index": 0, "message": {"content": "North.", "role": "assistant"}}},
        ],
    },
    "numbered attributes": {
        "attributes": {
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "Which way?",
            "gen_ai.completion.0.content": "North.",
        }
    },
    "one attribute each": {
        "attributes": {
            "gen_ai.prompt": json.dumps(CHATS[:2]),
            "gen_ai.completion": json.dumps([{"role": "assistant", "content": "North."}]),
        }
    },
    "words in events": {
        "attributes": {},
        "events": [
            {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": json.dumps(CHATS[:2])}},
            {"name": "gen_ai.content.completion", "attributes": {"gen_ai.completion": "North."}},
        ],
    },
}


def typed(value: Any) -> dict[str, Any]:
    """A value as OTLP has it."""
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def exported(*spans: dict[str, Any]) -> dict[str, Any]:
    """Spans in OTLP's JSON form."""
    listed = [
        span | {"attributes": [{"key": name, "value": typed(value)} for name, value in span["attributes"].items()]}
        for span in spans
    ]
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "x"}, "spans": listed}]}]}


def read(value: object, name: str = "a.json") -> list[Extract | Poison]:
    return list(read_items(json.dumps(value).encode(), name, ReadingSettings()))


@pytest.mark.parametrize("name", SPANS)
def test_every_convention_gives_the_same_chat(name: str) -> None:
    (item,) = read(SPANS[name])
    assert isinstance(item, Extract), item
    assert (item.media_type, json.loads(item.text)) == (CHAT, CHATS)


def test_an_export_gives_a_chat_per_span_with_its_time_and_names_what_is_none() -> None:
    http = {"name": "GET", "attributes": {"http.method": "GET", "n": 1}}
    chat = {"name": "chat", "attributes": CURRENT, "startTimeUnixNano": "1600000000000000000"}
    for name, place in (("a.json", ""), ("a.jsonl", "L1/")):
        first, second = read(exported(http, chat), name)
        assert isinstance(first, Poison)
        assert (first.part, first.error) == (f"{place}span=1", "no chat")
        assert isinstance(second, Extract)
        assert (second.part, second.date) == (f"{place}span=2", "2020-09-13T12:26:40+00:00")
        assert json.loads(second.text) == CHATS


def test_a_call_of_a_tool_is_no_words() -> None:
    parts = [{"type": "tool_call", "name": "weather", "arguments": {}}]
    (item,) = read({"attributes": {"gen_ai.output.messages": [{"role": "assistant", "parts": parts}]}})
    assert isinstance(item, Poison)
    assert item.error == "malformed chat"


def test_what_only_looks_alike_is_no_span() -> None:
    assert not is_telemetry({"attributes": {"colour": "red"}, "text": "words"})
    (item,) = read({"attributes": {"colour": "red"}, "text": "words"})
    assert isinstance(item, Extract)
    assert item.text == "words"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["attributes", "events", "name", "key", "value", "stringValue", "arrayValue", "body", "parts"]
            )
            | st.sampled_from([*CURRENT, "gen_ai.prompt", "gen_ai.choice", "gen_ai.prompt.0.content", "resourceSpans"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_recorded_is_a_chat_or_none(value: object) -> None:
    if is_telemetry(value):
        assert isinstance(value, dict)
        for _, span in spans_of(value):
            chat = chat_of(span)
            assert chat is None or chat["messages"]

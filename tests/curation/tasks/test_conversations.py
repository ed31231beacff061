"""Chats and records: which turn is the reference, which column the question, and what is said of malformed ones."""

from __future__ import annotations

import pytest

from curation.formats import rows
from curation.formats.extracts import Extract, ReadingSettings
from curation.tasks import TaskSettings, json_contents
from tests.curation.tasks.building import CHAT, RECORD, as_json, error_of, extracted

ASK = {"role": "user", "content": "What is a fold?"}
TELL = {"role": "assistant", "content": "State and changes to changes of state. "}
SYSTEM = {"role": "system", "content": "Be brief."}


def one(value: object, settings: TaskSettings, media_type: str) -> dict:
    (sample,) = extracted(as_json(value), settings, media_type)
    return sample


def test_the_last_answer_of_a_chat_is_the_reference() -> None:
    sample = one([SYSTEM, ASK, TELL, ASK, TELL], TaskSettings("chat"), CHAT)
    assert sample["messages"] == [SYSTEM, ASK, TELL, ASK]
    assert sample["reference"] == "State and changes to changes of state."
    assert (sample["slice"], sample["openness"], sample["checker"]) == ("chat", "open", None)


def test_a_chat_that_ends_with_the_user_waits_for_an_answer() -> None:
    sample = one([ASK, TELL, ASK], TaskSettings("chat"), CHAT)
    assert sample["messages"] == [ASK, TELL, ASK]
    assert sample["reference"] is None


def test_a_chat_may_name_its_user_who_then_is_its_group() -> None:
    assert one({"messages": [ASK, TELL], "user": 7}, TaskSettings("chat"), CHAT)["group"] == "7"
    assert one([ASK, TELL], TaskSettings("chat"), CHAT)["group"] is None


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([TELL], "no prompt"),
        ([], "no prompt"),
        ([SYSTEM, TELL], "no prompt"),
        ([ASK, {"role": "assistant", "content": " \n"}], "reference empty"),
        ([{"role": "user", "content": "x" * 4000}, ASK, TELL], "too long"),
    ],
)
def test_chats_that_will_not_do(turns: list, reason: str) -> None:
    assert one(turns, TaskSettings("chat"), CHAT)["dropped"] == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("hello", "it is no list"),
        ({"turns": []}, "it is no list"),
        ([ASK, {"role": "assistant", "content": None}], "turn 2 has no text"),
        ([ASK, {"role": "tool", "content": "4"}], "role of turn 2 is none of system, user, assistant"),
        (["hello"], "turn 1 has no text"),
    ],
)
def test_malformed_chats_say_which_turn(value: object, reason: str) -> None:
    assert reason in error_of(as_json(value), TaskSettings("chat"), CHAT)


def test_what_is_not_json_says_so_without_its_text() -> None:
    assert error_of("{secret", TaskSettings("chat"), CHAT) == "not JSON: JSONDecodeError"


@pytest.mark.parametrize(
    ("row", "question", "answer"),
    [
        ({"id": 3, "question": "Why? ", "answer": "So."}, "Why?", "So."),
        ({"prompt": "Why?", "response": "So."}, "Why?", "So."),
        ({"instruction": "Sort these.", "input": "b a", "output": "a b"}, "b a\n\nSort these.", "a b"),
        ({"instruction": "Sort.", "input": "", "output": "a b"}, "Sort.", "a b"),
        ({"input": "b a", "output": "a b"}, "b a", "a b"),
        ({"context": "It rains.", "question": "Why?", "answer": ["So.", "Thus."]}, "It rains.\n\nWhy?", "So."),
        ({"question": "Why?", "answers": {"text": ["So.", "Thus."], "answer_start": [0, 4]}}, "Why?", "So."),
        ({"question": "Why?", "answers": {"text": [], "answer_start": []}}, "Why?", None),
        ({"query": "Why?", "response": "So."}, "Why?", "So."),
        ({"question": "2 + 2?", "answer": 4}, "2 + 2?", "4"),
        ({"question": "Why?"}, "Why?", None),
        ({"question": "Why?", "answer": None}, "Why?", None),
        ({"question": "Why?", "answer": " "}, "Why?", None),
    ],
)
def test_columns_are_inferred(row: dict, question: str, answer: str | None) -> None:
    sample = one(row, TaskSettings("qa"), RECORD)
    assert sample["messages"] == [{"role": "user", "content": question}]
    assert sample["reference"] == answer


def test_what_readers_take_for_a_record_has_a_question_and_an_answer() -> None:
    assert (json_contents.CHAT, json_contents.RECORD) == (rows.CHAT, rows.RECORD)
    for question, answer in rows.PAIRS:
        sample = one({question: "Why?", answer: "So."}, TaskSettings("qa"), RECORD)
        assert (sample["messages"][0]["content"], sample["reference"]) == ("Why?", "So.")


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_a_question_whose_answer_is_empty_is_read_as_one_that_waits(nothing: str | None) -> None:
    item = rows.extract("", {"question": "Why?", "answer": nothing}, ReadingSettings(), "application/jsonl")
    assert isinstance(item, Extract)
    (sample,) = extracted(item.text, TaskSettings("qa"), item.media_type)
    assert (sample["messages"][0]["content"], sample["reference"], sample["dropped"]) == ("Why?", None, None)


def test_columns_can_be_stated() -> None:
    settings = TaskSettings("qa", columns={"question": "q", "answer": "a", "context": "c", "system": "s"})
    sample = one({"q": "Why?", "a": "So.", "c": "It rains.", "s": "Be brief.", "question": "no"}, settings, RECORD)
    assert sample["messages"] == [SYSTEM, {"role": "user", "content": "It rains.\n\nWhy?"}]
    assert sample["reference"] == "So."


def test_a_row_without_a_question_names_its_columns_and_the_mend() -> None:
    message = error_of(as_json({"frage": "Warum?"}), TaskSettings("qa"), RECORD)
    assert message.startswith("no question: ")
    assert "frage" in message
    assert "task.columns.question" in message
    assert "no column 'q'" in error_of(as_json({"a": 1}), TaskSettings("qa", columns={"question": "q"}), RECORD)


def test_a_value_that_is_no_text_is_an_error() -> None:
    assert "column 'question'" in error_of(as_json({"question": {"en": "Why?"}}), TaskSettings("qa"), RECORD)


def test_a_checker_closes_what_has_an_answer_and_only_that() -> None:
    settings = TaskSettings("qa", checker="exact")
    answered = one({"question": "2 + 2?", "answer": "4"}, settings, RECORD)
    assert (answered["openness"], answered["checker"]) == ("closed", "exact")
    waiting = one({"question": "2 + 2?", "answer": None}, settings, RECORD)
    assert (waiting["openness"], waiting["checker"]) == ("open", None)


def test_a_chat_of_two_turns_is_a_question() -> None:
    sample = one([SYSTEM, ASK, TELL], TaskSettings("qa"), CHAT)
    assert sample["messages"] == [SYSTEM, ASK]
    assert sample["reference"] == "State and changes to changes of state."
    assert one([ASK, TELL, ASK, TELL], TaskSettings("qa"), CHAT)["dropped"] == "not one question and one answer"


@pytest.mark.parametrize("recipe", ["chat", "qa"])
def test_plain_text_is_no_conversation(recipe: str) -> None:
    assert extracted("hello", TaskSettings(recipe), "text/plain") == []

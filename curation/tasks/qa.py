"""Questions with their answers, from the rows of a table or from chats of two turns.

Columns go by many names; the pairs tried here, in this order, are those of SQuAD and Natural Questions (question,
answer), of prompt and response sets, of Alpaca (instruction, output, with `input` as context) and of TRL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from curation.tasks.candidates import Candidate, UnreadableContent, checked
from curation.tasks.json_contents import CHAT, RECORD, chat_of, record_of
from curation.tasks.settings import TaskSettings
from records import Message

PAIRS = (
    ("question", "answer"),
    ("question", "answers"),
    ("prompt", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "chosen"),
    ("query", "answer"),
    ("query", "response"),
    ("input", "output"),
)
CONTEXTS = {"question": "context", "instruction": "input", "query": "context"}
"""The column that precedes or completes a question, by the name of the question's column."""


def find(text: str, media_type: str, settings: TaskSettings) -> Iterator[Candidate]:
    """One candidate of a record or of a chat; without an answer the reference is None.

    Raises UnreadableContent where a record has no question, or a chat is malformed.
    """
    if media_type == RECORD:
        yield checked(_of_record(record_of(text), settings.columns), settings.checker)
    elif media_type == CHAT:
        yield checked(_of_chat(*chat_of(text)), settings.checker)


def _of_chat(turns: list[Message], owner: str | None) -> Candidate:
    said = [turn["role"] for turn in turns if turn["role"] != "system"]
    if said not in (["user"], ["user", "assistant"]):
        return Candidate("qa", group=owner, dropped="not one question and one answer")
    answer = turns[-1]["content"].strip() if said[-1] == "assistant" else None
    return Candidate("qa", [turn for turn in turns if turn["role"] != "assistant"], answer, group=owner)


def _of_record(row: Mapping[str, object], columns: Mapping[str, str]) -> Candidate:
    names = _names(row, columns)
    parts = [_text(row, names[part]) for part in ("context", "question") if part in names]
    messages: list[Message] = [{"role": "user", "content": "\n\n".join(part for part in parts if part)}]
    system = _text(row, names["system"]) if "system" in names else None
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return Candidate("qa", messages, (_text(row, names["answer"]) or None) if "answer" in names else None)


def _names(row: Mapping[str, object], columns: Mapping[str, str]) -> dict[str, str]:
    """The columns that hold the question, answer, context and system, stated or inferred."""
    inferred = next((pair for pair in PAIRS if pair[0] in row and pair[1] in row), None)
    inferred = inferred or next((pair for pair in PAIRS if pair[0] in row), None)
    question = columns.get("question") or (inferred[0] if inferred else None)
    if question is None or question not in row:
        wanted = f"no column {question!r}" if question else "no column that is known to hold questions"
        raise UnreadableContent(f"no question: {wanted} among {', '.join(row)}; name it as task.columns.question")
    guessed = {"answer": inferred[1] if inferred else "answer", "context": CONTEXTS.get(question, "")}
    others = {part: name for part, name in guessed.items() if name in row}
    return {**others, **columns, "question": question}


def _text(row: Mapping[str, object], column: str) -> str | None:
    """A value as text; of several answers (a list, or SQuAD's object with a list as `text`) the first."""
    value = row.get(column)
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        value = value["text"]
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or isinstance(value, str):
        return value.strip() if isinstance(value, str) else None
    if isinstance(value, dict):
        raise UnreadableContent(f"no text: the value of column {column!r} is an object; name another in task.columns")
    return str(value)

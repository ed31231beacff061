"""Prompt files: what a user writes wrong is told by file, key and mend; data stays text."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.prompts import NONE, Prompt, load_prompt, prompts_table, render


def write(folder, text, name="plain.yaml"):
    path = folder / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def user(text):
    return {"role": "user", "content": text}


FEW_SHOT = """
    messages:
      - {role: system, content: You write docstrings.}
      - {role: user, content: "def add(a, b)"}
      - {role: assistant, content: Add two numbers.}
      - role: user
        content: |
          Describe:
          {{input}}
"""


def test_a_few_shot_file_is_put_around_the_sample(tmp_path):
    prompt = load_prompt(write(tmp_path, FEW_SHOT, "few_shot.yaml"))
    assert prompt.name == "few_shot"
    asked = render(prompt, [user("def f(): {{x}}")])
    assert [turn["role"] for turn in asked] == ["system", "user", "assistant", "user"]
    assert asked[-1]["content"] == "Describe:\ndef f(): {{x}}\n"


def test_earlier_turns_stand_before_the_question_and_systems_are_one(tmp_path):
    prompt = load_prompt(write(tmp_path, FEW_SHOT))
    chat = [
        {"role": "system", "content": "Be kind."},
        user("Hi"),
        {"role": "assistant", "content": "Hello"},
        user("Bye"),
    ]
    asked = render(prompt, chat)
    assert [turn["role"] for turn in asked] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert asked[0]["content"] == "You write docstrings.\n\nBe kind."
    assert [turn["content"] for turn in asked[3:]] == ["Hi", "Hello", "Describe:\nBye\n"]


@settings(deadline=None)
@given(st.text(), st.text())
def test_what_the_data_holds_is_never_interpreted(before, question):
    prompt = Prompt("p", (user("<{{input}}>"),), "d")
    data = before + "{{input}} {{ 7 * 7 }} {% raw %} ${x} " + question
    assert render(prompt, [user(data)])[-1]["content"] == "<" + data + ">"


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text()), max_size=4), st.text())
def test_no_prompt_leaves_the_messages_as_they_are(turns, question):
    messages = [{"role": role, "content": text} for role, text in turns] + [user(question)]
    assert render(None, messages) == messages == render(NONE, messages)
    assert render(None, messages)[0] is not messages[0]


def test_the_digest_names_what_is_said_and_not_the_file(tmp_path):
    first, same = (
        load_prompt(write(tmp_path, FEW_SHOT)),
        load_prompt(write(tmp_path, "# remark\n" + textwrap.dedent(FEW_SHOT), "b.yaml")),
    )
    other = load_prompt(write(tmp_path, FEW_SHOT.replace("Add two", "Sum two"), "c.yaml"))
    assert first.digest == same.digest != other.digest


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("messages: [", "not valid YAML"),
        ("- a", "begin it with 'messages:'"),
        ("messages: []", "at least one message"),
        ("messages: hello", "must be a list"),
        ("prompt: x\nmessages: []", "unknown key 'prompt'"),
        ("messages:\n - {role: user, text: x}", r"messages\[0\]: must have exactly the keys"),
        ("messages:\n - {role: human, content: '{{input}}'}", r"messages\[0\].role: must be one of system, user"),
        ("messages:\n - {role: user, content: 3}", r"messages\[0\].content: must be text, not int"),
        ("messages:\n - {role: user, content: hello}", r"messages\[0\].content: must contain \{\{input\}\}"),
        ("messages:\n - {role: assistant, content: '{{input}}'}", "the last message must be of role 'user'"),
        (
            "messages:\n - {role: user, content: '{{input}}'}\n - {role: user, content: '{{input}}'}",
            "in the last message only",
        ),
        (
            "messages:\n - {role: user, content: a}\n - {role: system, content: b}\n - {role: user, content: '{{input}}'}",
            "can only be the first",
        ),
    ],
)
def test_a_wrong_file_is_told_by_its_key(tmp_path, text, told):
    with pytest.raises(ValueError, match=told) as caught:
        load_prompt(write(tmp_path, text, "mine.yaml"))
    assert "mine.yaml" in str(caught.value)


def test_the_name_none_is_taken(tmp_path):
    with pytest.raises(ValueError, match="another name"):
        load_prompt(write(tmp_path, FEW_SHOT, "none.yaml"))


def test_a_sample_that_ends_with_the_assistant_cannot_be_asked():
    with pytest.raises(ValueError, match="role 'user'"):
        render(None, [user("Hi"), {"role": "assistant", "content": "Hello"}])


def test_the_table_is_by_name_whatever_the_order_of_files(tmp_path):
    paths = [write(tmp_path, FEW_SHOT, f"{name}.yaml") for name in "cab"]
    table = prompts_table(paths)
    assert table["prompt"].to_list() == ["a", "b", "c"]
    assert table.equals(prompts_table(paths[::-1]))
    assert table.columns == ["prompt", "digest", "messages"]
    assert prompts_table([]).columns == table.columns


def test_two_files_of_one_name_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="rename one"):
        prompts_table([write(tmp_path, FEW_SHOT), write(tmp_path / "other", FEW_SHOT)])

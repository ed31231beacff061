"""Which samples are asked: the same for all contestants, none of another split, none that has no answer to compare with."""

import polars as pl

from evaluation.prompts import Prompt
from evaluation.selection import QUESTIONS, drawn, held_out_questions, open_questions, trial_questions
from evaluation.settings import EvaluationSettings
from records import MESSAGES

PROMPT = Prompt("polite", ({"role": "user", "content": "Please: {{input}}"},), "d")
SETTINGS = EvaluationSettings(prompt_samples=3, answered=4, weighed=8, closed=2)
SCHEMA = {
    "sample_id": pl.String(),
    "messages": MESSAGES,
    "reference": pl.String(),
    "openness": pl.String(),
    "checker": pl.String(),
    "split": pl.String(),
}


def rows(name, count, split="test", openness="open", reference="Yes."):
    usual = {"split": split, "openness": openness, "reference": reference}
    return [
        usual | {"sample_id": f"{name}{n}", "messages": [{"role": "user", "content": f"{name}?"}]} for n in range(count)
    ]


SAMPLES = pl.DataFrame(
    rows("test", 20)
    + rows("closed", 5, openness="closed")
    + rows("val", 6, split="validation")
    + rows("train", 9, split="train")
    + rows("nobody", 9, reference=None),
    schema=SCHEMA,
)


def test_the_test_split_is_weighed_and_a_part_of_it_answered():
    asked = held_out_questions(SAMPLES, SETTINGS, PROMPT)
    assert dict(asked.schema) == QUESTIONS
    wants = dict(asked.filter(pl.col("sample_id").str.starts_with("test")).group_by("want").len().rows())
    assert wants == {"both": 4, "likelihood": 4}
    assert asked.filter(~pl.col("sample_id").str.contains("test|closed")).is_empty()


def test_a_closed_sample_asks_for_itself():
    asked = held_out_questions(SAMPLES, SETTINGS, PROMPT)
    closed = asked.filter(pl.col("sample_id").str.starts_with("closed"))
    assert closed.select("want", "prompt").rows() == [("generate", "polite")] * 2
    assert {message[0]["content"] for message in closed["messages"].to_list()} == {"closed?"}
    opened = asked.filter(want="both")["messages"].to_list()
    assert {message[0]["content"] for message in opened} == {"Please: test?"}


def test_contestants_are_asked_the_same_samples_whatever_the_order():
    first, second = held_out_questions(SAMPLES, SETTINGS, PROMPT), held_out_questions(SAMPLES.reverse(), SETTINGS, None)
    assert first.select("sample_id", "want").equals(second.select("sample_id", "want"))
    assert not drawn(SAMPLES, 0, 5).equals(drawn(SAMPLES, 1, 5))


def test_every_prompt_is_tried_on_the_same_validation_samples():
    tried = trial_questions(SAMPLES, SETTINGS, [PROMPT, Prompt("curt", PROMPT.messages, "d")])
    assert tried["purpose"].unique().to_list() == ["validation"]
    groups = tried.group_by("prompt").agg(pl.col("sample_id").sort()).sort("prompt")
    assert groups["prompt"].to_list() == ["curt", "polite"]
    assert groups["sample_id"][0].to_list() == groups["sample_id"][1].to_list()
    assert groups["sample_id"][0].str.starts_with("val").all()
    assert len(groups["sample_id"][0]) == 3


def test_every_open_question_wants_an_answer():
    assert open_questions(SAMPLES, "draft", None).select("purpose", "prompt", "want").unique().rows() == [
        ("draft", "none", "generate")
    ]

"""Judges: what is asked in both orders, which replies count, and who has won."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.judging import (
    JUDGEMENTS,
    JudgeSettings,
    again,
    equal_answers,
    judged,
    load_instructions,
    pairs_of,
    people_rated,
    questions_of,
    rating,
    unanswered,
    verdict,
)
from evaluation.preferences import (
    AGREEMENT,
    agreement,
    people_verdicts,
    rating_agreement,
    rubric_scores,
    verdicts_of,
    win_rates,
)
from evaluation.statistics import BootstrapSettings
from tests.annotation.answering import answers as labels_of_people
from tests.evaluation.tables import outputs, samples

PAIRWISE = "messages:\n  - role: user\n    content: 'Q {{question}} R {{reference}} A {{answer_a}} B {{answer_b}}'\n"
RUBRIC = "scale: [1, 5]\nmessages:\n  - role: user\n    content: 'Q {{question}} X {{answer}}'\n"
JUDGE = JudgeSettings("strict", "judge.yaml", endpoint="big", samples=10, min_labels=5)
QUICK = BootstrapSettings(resamples=200, permutations=200)
ASKED = samples({"sample_id": "s1", "reference": "4"}, {"sample_id": "s2", "reference": None})
RIVALS = {
    "base": outputs({"sample_id": "s1", "output": "four {{answer_b}}"}, {"sample_id": "s2", "output": "same "}),
    "tuned": outputs({"sample_id": "s1", "output": "4"}, {"sample_id": "s2", "output": "same"}, model="tuned"),
}


def instructions(tmp_path, text):
    path = tmp_path / "judge.yaml"
    path.write_text(text)
    return load_instructions(path)


def replied(questions, reply):
    """Every question's reply, as a model gives it."""
    rows = [row | {"output": reply(row), "asked": "x"} for row in questions.to_dicts()]
    about = {"sample_id", "purpose", "prompt", "output"}
    table = outputs(*({k: v for k, v in row.items() if k in about} for row in rows))
    return table.with_columns(asked=pl.lit("x"))


def test_two_are_compared_on_what_both_answered_whoever_else_did_not():
    """One contestant that failed on most samples took them from all the others, and nothing said so."""
    names = [f"s{at}" for at in range(8)]
    asked = samples(*({"sample_id": name} for name in names))
    rivals = {
        who: outputs(*({"sample_id": name, "output": f"{who} {name}"} for name in has), model=who)
        for who, has in {"base": names, "tuned": names[:6], "big": names[5:]}.items()
    }
    judge = replace(JUDGE, samples=5)
    pairs = pairs_of(rivals, asked, judge, "pairwise")
    count = dict(pairs["pair"].value_counts().rows())
    assert count == {"base/tuned": 5, "base/big": 3, "tuned/big": 1}
    alone = pairs_of({name: rivals[name] for name in ("base", "tuned")}, asked, judge, "pairwise")
    assert pairs.filter(pair="base/tuned").equals(alone), "a third contestant changes nothing between two"
    assert unanswered(rivals, asked) == "Of 8 open test samples without an answer: tuned 2, big 5"
    assert not unanswered({"base": rivals["base"]}, asked)
    rated = pairs_of(rivals | {"dumb": rivals["base"].clear()}, asked, judge, "rubric")
    assert dict(rated["pair"].value_counts().rows()) == {"base": 1, "tuned": 1, "big": 1}


def test_both_orders_are_asked_and_marks_in_answers_are_text(tmp_path):
    pairs = pairs_of(RIVALS, ASKED, JUDGE, "pairwise")
    asked = questions_of(pairs, instructions(tmp_path, PAIRWISE))
    assert asked.select("sample_id", "shown").rows() == [("s1", "ab"), ("s1", "ba")], (
        "equal answers are asked of nobody"
    )
    said = [messages[0]["content"] for messages in asked["messages"].to_list()]
    assert said == ["Q What is 0? R 4 A four {{answer_b}} B 4", "Q What is 0? R 4 A 4 B four {{answer_b}}"]
    ties = equal_answers(pairs)
    assert ties.select("sample_id", "shown", "verdict").rows() == [("s2", "ab", "tie"), ("s2", "ba", "tie")]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[[A]]", "a"),
        ("Both are fine, but the second is shorter. [[B]]", "b"),
        ("A", "a"),
        ("**Verdict: B**", "b"),
        ("verdict - tie", "tie"),
        ("[[C]]", "tie"),
        ("[[tie]] as said: [[Tie]]", "tie"),
        ("[[A]] or rather [[B]]", None),
        ("[[D]]", None),
        ("A is better than B", None),
        ("I cannot judge this.", None),
        ("", None),
        (None, None),
    ],
)
def test_a_reply_names_one_verdict_or_none(text, meant):
    assert verdict(text, "ab") == meant
    assert verdict(text, "ba") == {"a": "b", "b": "a"}.get(meant, meant)


@given(st.text(max_size=60))
def test_any_reply_is_a_verdict_or_garbage(text):
    assert verdict(text, "ab") in {"a", "b", "tie", None}


def test_ratings_lie_on_the_scale(tmp_path):
    rubric = instructions(tmp_path, RUBRIC)
    found = [
        rating(text, rubric) for text in ("4", "[[5]]", "Rating: 1", "[[6]]", "[[0]]", "4 of 5", "[[2]] [[3]]", "")
    ]
    assert found == [4.0, 5.0, 1.0, None, None, None, None, None]


def test_who_wins_in_both_orders_has_won_and_all_else_is_a_tie(tmp_path):
    told, pairs = instructions(tmp_path, PAIRWISE), pairs_of(RIVALS, ASKED, JUDGE, "pairwise")
    asked = questions_of(pairs, told)

    def win_of(first, second):
        said = judged(asked, replied(asked, lambda row: first if row["shown"] == "ab" else second), told)
        found = verdicts_of(said).row(0, named=True)
        return found["win"], found["flipped"]

    assert win_of("[[A]]", "[[B]]") == (1.0, False) and win_of("[[B]]", "[[A]]") == (0.0, False)
    assert win_of("[[A]]", "[[A]]") == (0.5, True), "whoever stood first"
    assert win_of("[[A]]", "[[tie]]") == (0.5, False)
    assert win_of("[[A]]", "well ...") == (None, False), "half a verdict is none"


def test_garbage_is_asked_again_and_counted_nowhere(tmp_path):
    told, pairs = instructions(tmp_path, PAIRWISE), pairs_of(RIVALS, ASKED, JUDGE, "pairwise")
    asked = questions_of(pairs, told)
    first = judged(asked, replied(asked, lambda row: "[[B]]" if row["shown"] == "ab" else "hm"), told)
    assert dict(first.schema) == JUDGEMENTS
    more = again(asked, first, 2)
    assert more.select("shown", "prompt").rows() == [("ba", "2")]
    still = judged(more, replied(more, lambda _: "hm hm"), told)
    rows = pl.concat([first, still, equal_answers(pairs)])
    table = win_rates({"strict": verdicts_of(rows)}, QUICK)
    assert table.select("n", "failed", "value").row(0) == (1, 1, 0.5)
    assert rows.filter(prompt="2")["output"].to_list() == ["hm hm"], "the raw reply is kept"


def test_a_rubric_is_the_mean_of_what_was_rated(tmp_path):
    told = instructions(tmp_path, RUBRIC)
    asked = questions_of(pairs_of(RIVALS, ASKED, JUDGE, told.kind), told)
    said = judged(asked, replied(asked, lambda row: "[[4]]" if row["model_a"] == "base" else "none"), told)
    found = {row["model"]: row for row in rubric_scores({"r": said}, QUICK).to_dicts()}
    assert (found["base"]["value"], found["base"]["n"], found["base"]["failed"]) == (4.0, 2, 0)
    assert (found["tuned"]["value"], found["tuned"]["n"], found["tuned"]["failed"]) == (None, 0, 2)


def people(*values):
    rows = labels_of_people(*((f"t{place}", "ann", value) for place, value in enumerate(values)))
    return rows.select(
        "sample_id", "task_digest", "kind", "value", "model_a", "model_b", "prompt_text", "output_a", "output_b"
    )


def judge_says(labels, wins):
    return people_verdicts(labels).with_columns(win=pl.Series(wins, dtype=pl.Float64))


def test_a_judge_gates_when_it_agrees_with_people_and_not_below():
    labels = people("a", "b", "a", "tie", "b", "a", "b", "both_bad")
    known = samples(*({"sample_id": name} for name in labels["sample_id"]))
    fine = agreement(JUDGE, judge_says(labels, [1, 0, 1, 0.5, 0, 1, 0, 0.5]), labels, known).row(0, named=True)
    assert (fine["slice"], fine["n"], fine["kappa"], fine["agreement"], fine["may_gate"]) == ("all", 8, 1.0, 1.0, True)
    poor = agreement(JUDGE, judge_says(labels, [0, 1, 1, 0, 0, 0.5, 1, 0.5]), labels, known).row(0, named=True)
    assert poor["kappa"] < JUDGE.min_kappa and poor["may_gate"] is False
    few = agreement(JUDGE, judge_says(labels, [1, 0, None, None, None, None, 0, 0.5]), labels, known)
    assert few.row(0, named=True)["n"] == 4 and few.row(0, named=True)["may_gate"] is False, "on too few labels"
    assert set(few["sliced_by"]) == {"all", "slice", "longer"}


def rated_by_people(*levels):
    """Labels of people, each with two criteria: what is said, and how briefly."""
    rows = [
        {
            "task_digest": f"t{place}",
            "criterion": criterion,
            "sample_id": f"s{place}",
            "kind": "rating",
            "value": value,
            "model_a": "base" if place % 2 else "tuned",
            "prompt_text": f"Question {place}?",
            "output_a": f"answer {place}",
        }
        for place, level in enumerate(levels)
        for criterion, value in (("correct", None if level is None else str(level)), ("brief", "1"))
    ]
    columns = ("task_digest", "criterion", "sample_id", "kind", "value", "model_a", "prompt_text", "output_a")
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))


def test_a_judge_that_rates_is_held_against_peoples_ratings(tmp_path):
    levels = (1, 2, 3, 4, 5, 5, 4, None)
    labels, told = rated_by_people(*levels), instructions(tmp_path, RUBRIC)
    pairs = people_rated(labels.filter(criterion="correct"))
    assert pairs.height == 7 and pairs["output_b"].null_count() == 7, "what nobody could rate is not judged"
    asked = questions_of(pairs, told)
    rivals = questions_of(pairs_of(RIVALS, ASKED, JUDGE, told.kind), told)
    known = samples(*({"sample_id": f"s{place}"} for place in range(8)))
    by_task = dict(zip(pairs["pair"], (level for level in levels if level), strict=True))

    def judge_that(reply, judge=JUDGE):
        said = judged(pl.concat([asked, rivals]), replied(pl.concat([asked, rivals]), reply), told)
        whole = rubric_scores({"r": said}, QUICK)
        assert (whole["n"] + whole["failed"]).to_list() == [2, 2], "what people rated is no score"
        return rating_agreement(judge, said, labels, known)

    criterion = JudgeSettings("strict", "judge.yaml", endpoint="big", criterion="correct", min_labels=5)
    same = judge_that(lambda row: str(by_task.get(row["pair"], 3)), criterion)
    whole = same.row(0, named=True)
    assert dict(same.schema) == AGREEMENT and (whole["n"], whole["agreement"], whole["kappa"]) == (7, 1.0, 1.0)
    assert whole["may_gate"] is True and set(same["sliced_by"]) == {"all", "slice", "model"}
    beside = judge_that(lambda row: str(min(by_task.get(row["pair"], 3) + 1, 5)), criterion).row(0, named=True)
    far = judge_that(lambda row: str(6 - by_task.get(row["pair"], 3)), criterion).row(0, named=True)
    assert beside["agreement"] < 0.5 < beside["kappa"] < 1 and beside["may_gate"] is True, "a level beside is near"
    assert far["kappa"] < 0 and far["may_gate"] is False
    garbage = judge_that(lambda _: "hm", criterion).row(0, named=True)
    assert (garbage["n"], garbage["kappa"], garbage["may_gate"]) == (0, None, False)
    assert judge_that(lambda row: str(by_task.get(row["pair"], 3))).row(0, named=True)["agreement"] < 1, "of the mean"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "not valid YAML"),
        ("messages: []", "either {{answer_a}}"),
        (PAIRWISE.replace("{{answer_b}}", ""), "either {{answer_a}}"),
        (RUBRIC.replace("[1, 5]", "[5, 1]"), "the lowest and the highest"),
        ("messages: [{role: user}]", "a list of role and content"),
    ],
)
def test_instructions_that_are_none_are_told(tmp_path, text, told):
    with pytest.raises(ValueError) as caught:
        instructions(tmp_path, text)
    assert told in str(caught.value)


def test_instructions_are_named_by_what_they_say(tmp_path):
    assert instructions(tmp_path, PAIRWISE).digest != instructions(tmp_path, PAIRWISE.replace("Q", "Question")).digest
    assert instructions(tmp_path, RUBRIC).digest != instructions(tmp_path, RUBRIC.replace("5", "7")).digest
    with pytest.raises(ValueError, match="either `base` or `endpoint`"):
        JudgeSettings("j", "j.yaml")

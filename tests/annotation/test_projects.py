import json
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from annotation.answers import REASONS, VALUES, answer_of
from annotation.errors import LabelStudioError
from annotation.projects import config_digest, label_config, project_fields
from annotation.settings import CriterionSettings, ProjectSettings

printable = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Co", "Cn"]) | st.just("\n"), max_size=200
)


@given(printable)
def test_guidelines_are_shown_as_they_were_written_whatever_they_hold(guidelines):
    tree = ElementTree.fromstring(label_config(ProjectSettings(guidelines=guidelines)))
    shown = tree.find(".//Header[@name='guidelines']")
    assert shown is not None and shown.get("value") == guidelines


def controls(project: ProjectSettings) -> dict[str, list[tuple[str, str]]]:
    """Of each control the names that tables use, and their keys."""
    tree = ElementTree.fromstring(label_config(project))
    return {
        each.get("name"): [(choice.get("alias"), choice.get("hotkey")) for choice in each.findall("Choice")]
        for each in tree.iter("Choices")
    }


def test_the_answers_have_keys_and_the_names_that_tables_use():
    found = controls(ProjectSettings())
    assert [key for _, key in found["preference"]] == ["1", "2", "3", "4", "5", "6", "7"]
    said = [answer_of(chosen(preference=alias), "preference") for alias, _ in found["preference"]]
    assert [each["value"] for each in said] == ["a", "a", "tie", "b", "b", "both_bad", "cannot_answer"]
    assert [each["strength"] for each in said] == ["clearly", "slightly", None, "slightly", "clearly", None, None]
    assert {each["value"] for each in said} == set(VALUES)
    assert tuple(alias for alias, _ in found["why"]) == REASONS


def chosen(**controls: str) -> dict[str, object]:
    """An answer as Label Studio keeps it."""
    given = [{"from_name": name, "value": {"choices": [alias]}} for name, alias in controls.items()]
    return {"result": given, "was_cancelled": False}


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(printable.filter(lambda text: text.strip()), min_size=2, max_size=5, unique=True),
        min_size=1,
        max_size=4,
    )
)
@example([["{question}", "{levels}"], ["{guidelines}", "{name}"]])
def test_every_line_of_a_rubric_has_keys_of_its_own_and_its_words_as_they_were_written(rubric):
    criteria = tuple(CriterionSettings(f"line{n}", levels[0], tuple(levels)) for n, levels in enumerate(rubric))
    rated = ProjectSettings(kind="rating", criteria=criteria)
    found = controls(rated)
    keys = [key for each in found.values() for _, key in each]
    assert len(set(keys)) == len(keys)
    tree = ElementTree.fromstring(label_config(rated))
    for criterion in criteria:
        control = tree.find(f".//Choices[@name='rated_{criterion.name}']")
        assert [choice.get("value") for choice in control] == list(criterion.levels)
    last = {f"rated_{criterion.name}": str(len(criterion.levels)) for criterion in criteria}
    assert json.loads(answer_of(chosen(**last), "rating")["value"]) == {
        criterion.name: len(criterion.levels) for criterion in criteria
    }


@pytest.mark.parametrize("kind", ["preference", "rating", "demonstration"])
def test_whoever_cannot_answer_says_why_in_every_kind(kind):
    found = controls(ProjectSettings(kind=kind))
    control = "preference" if kind == "preference" else "cannot"
    assert ("cannot_answer", "7") in found[control]
    for reason in REASONS:
        said = answer_of(chosen(**{control: "cannot_answer", "why": reason}), kind)
        assert (said["value"], said["why"], said["status"]) == ("cannot_answer", reason, "submitted")


@pytest.mark.parametrize("kind", ["preference", "rating", "demonstration"])
def test_an_answer_that_says_nothing_is_invalid(kind):
    for result in ([], [{"from_name": "note", "value": {"text": ["why not"]}}], [{"from_name": "stranger"}]):
        said = answer_of({"result": result, "was_cancelled": False}, kind)
        assert (said["value"], said["status"]) == (None, "invalid")


def test_the_digest_names_the_question_and_not_the_title():
    plain = config_digest(ProjectSettings())
    assert plain == config_digest(ProjectSettings(title="Another title", name="another"))
    assert plain != config_digest(ProjectSettings(guidelines="Prefer the shorter one."))


@pytest.mark.parametrize(
    "refused", [ProjectSettings(title="x"), ProjectSettings(title="x" * 51), ProjectSettings(name="two words")]
)
def test_what_label_studio_would_refuse_is_refused_here(refused):
    with pytest.raises(LabelStudioError, match=r"annotation\.projects"):
        project_fields(refused, "workspace")

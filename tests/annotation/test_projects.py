from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import LabelStudioError
from annotation.labels import VALUES
from annotation.projects import config_digest, label_config, project_fields
from annotation.settings import ProjectSettings

printable = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Co", "Cn"]) | st.just("\n"), max_size=200
)


@given(printable)
def test_guidelines_are_shown_as_they_were_written_whatever_they_hold(guidelines):
    tree = ElementTree.fromstring(label_config(ProjectSettings(guidelines=guidelines)))
    shown = tree.find(".//Header[@name='guidelines']")
    assert shown is not None and shown.get("value") == guidelines


def test_the_answers_have_keys_and_the_names_that_tables_use():
    choices = ElementTree.fromstring(label_config(ProjectSettings())).findall(".//Choice")
    assert tuple(choice.get("alias") for choice in choices) == VALUES
    assert [choice.get("hotkey") for choice in choices] == ["1", "2", "3", "4", "5"]


def test_the_digest_names_the_question_and_not_the_title():
    plain = config_digest(ProjectSettings())
    assert plain == config_digest(ProjectSettings(title="Another title", name="another"))
    assert plain != config_digest(ProjectSettings(guidelines="Prefer the shorter one."))


@pytest.mark.parametrize(
    "settings", [ProjectSettings(title="x"), ProjectSettings(title="x" * 51), ProjectSettings(name="two words")]
)
def test_what_label_studio_would_refuse_is_refused_here(settings):
    with pytest.raises(LabelStudioError, match=r"annotation\.projects"):
        project_fields(settings, "workspace")

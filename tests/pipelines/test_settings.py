"""`headwater.yaml`: what is wrong is named by its path, and what cannot change a result enters no version."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from curation.deduplication.settings import DeduplicationSettings, SignatureSettings
from curation.splits import SplitSettings
from evaluation.settings import EvaluationSettings
from pipelines.settings import FILE, Config, ModelSettings, SettingsError, canonical, settings_version, slug
from pipelines.settings_file import load_config
from pipelines.templates import TEMPLATES, init

LEAST: dict[str, Any] = {"sources": [{"name": "docs", "path": "data"}]}


def loaded(folder: Path, text: str) -> Config:
    path = folder / FILE
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_only_sources_are_needed(tmp_path: Path) -> None:
    config = loaded(tmp_path, yaml.safe_dump(LEAST))
    assert config.source_order == ("docs",)
    assert (config.task, config.models, config.annotation, config.proposals) == (None, (), None, None)
    assert config.deduplication == DeduplicationSettings()


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_is_valid_and_says_more_than_the_least(tmp_path: Path, template: str) -> None:
    config = load_config(init(tmp_path / "new", template))
    assert bool(config.task) == bool(config.models) == bool(config.prompts) == (template != "corpus")


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an unknown key": (
        {"sourcse": []},
        ["sources: is needed", "sourcse: there is no such setting; did you mean sources?"],
    ),
    "no source": ({"sources": []}, ["sources: should have at least one entry"]),
    "no list": ({"sources": "docs"}, ["sources: should be a list"]),
    "a key that an entry lacks": ({"sources": [{"name": "a"}]}, ["sources[0].path: is needed"]),
    "an unknown key of an entry": (
        {"sources": [{"name": "a", "path": "b"}, {"name": "b", "path": "c", "pth": 1}]},
        ["sources[1].pth: there is no such setting"],
    ),
    "no name": ({"sources": [{"name": "a b", "path": "x"}]}, ["sources: name 'a b': use letters"]),
    "a source twice": ({"sources": [{"name": "a", "path": "x"}] * 2}, ["sources: two entries are called 'a'"]),
    "a schedule twice": (
        {**LEAST, "schedules": [{"name": "n", "cron": "0 3 * * *"}] * 2},
        ["schedules: two entries are called 'n'"],
    ),
    "no number": (
        {**LEAST, "deduplication": {"signature": {"bands": "many"}}},
        ["deduplication.signature.bands: input should be a valid integer"],
    ),
    "out of range": ({**LEAST, "deduplication": {"threshold": 7}}, ["deduplication: threshold: 7.0 is no Jaccard"]),
    "two at once": (
        {**LEAST, "models": [{"name": "m", "base": "b", "phase": "dpo", "settings": {"stepz": 1}}]},
        ["models[0].phase: input should be 'sft'", "models[0].settings.stepz: there is no such setting"],
    ),
    "running of answers that nobody allowed": (
        {**LEAST, "task": {"recipe": "qa", "checker": "unit_test"}},
        ["task.checker: unit_test runs what models wrote, in a sandbox: allow it by `unit_tests: on`"],
    ),
    "a value for a part": ({**LEAST, "task": "chat"}, ["task: should be keys"]),
    "no rule set": ({**LEAST, "rules": ["c4", "goher"]}, ["rules[1]: there is no rule set 'goher'"]),
    "a rule that is none": (
        {**LEAST, "rules": [{"gopher": {"min_word": 3, "max_words": "x"}}]},
        ["rules[0].gopher.max_words: input should be a valid integer", "rules[0].gopher.min_word: there is no such"],
    ),
    "models without a task": (
        {**LEAST, "models": [{"name": "m", "base": "./b"}]},
        ["`models` does nothing without `task`: add `task`, or remove `models`"],
    ),
    "texts that people wrote without a task": (
        {**LEAST, "demonstrations": "good"},
        ["`demonstrations` does nothing without `task`"],
    ),
    "people without models": (
        {**LEAST, "task": {"recipe": "qa"}, "annotation": {"projects": [{"name": "p"}]}},
        ["`annotation` does nothing without `models`"],
    ),
    "a setting in the wrong place": (
        {**LEAST, "policy": ["longest"]},
        ["policy: there is no such setting here; did you mean annotation.routing.policy or deduplication.policy?"],
    ),
    "a misspelt setting that is like others elsewhere": (
        {**LEAST, "deduplication": {"policies": ["longest"]}},
        ["deduplication.policies: there is no such setting; did you mean policy?"],
    ),
    "a policy of rules that are not there": (
        {**LEAST, "deduplication": {"policy": ["quality"]}},
        ["deduplication.policy: 'quality' says nothing without `rules`"],
    ),
    "a policy of evaluation sets that are not there": (
        {**LEAST, "deduplication": {"policy": ["contamination"]}},
        ["deduplication.policy: 'contamination' says nothing without `evaluation_sets`"],
    ),
    "a limit below what is measured": (
        {**LEAST, "held_out": {"max_share": 0.1}},
        ["held_out.max_share: 0.1 should be at most 1, and at least decontamination.matches.floor (0.3)"],
    ),
    "proposals of no model": (
        {
            **LEAST,
            "task": {"recipe": "qa"},
            "models": [{"name": "m", "base": "./b"}],
            "proposals": {"model": "other"},
        },
        ["proposals.model: there is no model 'other' under `models`"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_by_file_and_path(tmp_path: Path, case: str) -> None:
    content, expected = WRONG[case]
    with pytest.raises(SettingsError) as error:
        loaded(tmp_path, yaml.safe_dump(content))
    first, *lines = str(error.value).splitlines()
    assert first == f"{tmp_path / FILE}:"
    assert len(lines) == len(expected)
    assert all(line.strip().startswith(said) for line, said in zip(lines, expected, strict=True)), lines


def test_rules_may_be_one_name_or_none() -> None:
    said = {text: Config.model_validate({**LEAST, "rules": text}).rules for text in ("none", "c4")}
    assert said["none"] == () and [one.c4 is not None for one in said["c4"]] == [True]


@pytest.mark.parametrize("text", ["", "- a", "text"])
def test_a_file_without_keys_is_told_how_to_get_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"headwater\.yaml: should hold keys such as `sources:`; `headwater init"):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: [", "not valid YAML"),
        ("sources: [{name: a, path: x}]\nrules: [c4]\nrules: []\n", "'rules' is there twice: remove one"),
        ("sources: [{name: a, path: x, path: y}]\n", "'path' is there twice"),
        ("sources: [{name: a, path: x}]\nwhen: 2020-13-45\n", "not valid YAML"),
    ],
)
def test_bad_yaml_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        loaded(tmp_path, text)
    assert str(tmp_path / FILE) in str(error.value) and said in str(error.value)


def runtime_fields(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if field.metadata.get("runtime")]


@pytest.mark.parametrize("kind", [DeduplicationSettings, SignatureSettings, EvaluationSettings, ModelSettings])
def test_runtime_fields_enter_no_version_and_all_others_do(kind: Any) -> None:
    given = {"name": "m", "base": "b"} if kind is ModelSettings else {}
    plain = kind(**given)
    for field in dataclasses.fields(kind):
        value = getattr(plain, field.name)
        if isinstance(value, (bool, int, float)):
            changed = dataclasses.replace(plain, **{field.name: not value if isinstance(value, bool) else _near(value)})
            same = settings_version(changed) == settings_version(plain)
            assert same == (field.name in runtime_fields(kind)), field.name


def _near(value: float) -> float:
    return value / 2 if isinstance(value, float) else value + 1


def test_a_runtime_field_deep_within_a_part_does_not_count() -> None:
    one, other = (DeduplicationSettings(signature=SignatureSettings(threads=threads)) for threads in (1, 8))
    assert canonical(one) == canonical(other) and "threads" not in canonical(one)["signature"]
    assert settings_version(one) == settings_version(other)
    assert settings_version(one) != settings_version(DeduplicationSettings(signature=SignatureSettings(bands=21)))


def test_what_is_written_out_as_it_is_by_default_changes_nothing(tmp_path: Path) -> None:
    plain = loaded(tmp_path, yaml.safe_dump(LEAST))
    said = {**LEAST, "splits": canonical(SplitSettings()), "deduplication": {"threshold": 0.8}, "rules": []}
    explicit = loaded(tmp_path, yaml.safe_dump(said))
    for section in Config.model_fields:
        assert settings_version(getattr(plain, section)) == settings_version(getattr(explicit, section))


def test_the_order_of_keys_and_of_sets_does_not_count() -> None:
    """Nor does Python's own order of a set, which is another in each process."""
    assert settings_version({"a": 1, "b": 2}) == settings_version({"b": 2, "a": 1})
    assert settings_version([1, 2]) != settings_version([2, 1])
    code = "from pipelines.settings import settings_version; print(settings_version(frozenset('abcdefgh')))"
    with_seed = {"PYTHONHASHSEED": "1"}
    other = subprocess.run([sys.executable, "-c", code], env=with_seed, capture_output=True, text=True, check=True)
    assert other.stdout == f"{settings_version(frozenset('abcdefgh'))}\n"


def test_a_stage_can_ask_for_a_part_of_a_part(tmp_path: Path) -> None:
    config = loaded(tmp_path, yaml.safe_dump({**LEAST, "deduplication": {"signature": {"bands": 7, "rows": 4}}}))
    section = config.section_of(SignatureSettings)
    assert section == "deduplication__signature"
    assert config.part(section) == SignatureSettings(bands=7, rows=4)
    assert config.section_of(DeduplicationSettings) == "deduplication"
    assert config.section_of(int) is None


def test_base_models_have_names_that_differ(tmp_path: Path) -> None:
    models = [{"name": "one", "base": "org/Small-1.5B"}, {"name": "two", "base": "org/Small-1.5B"}]
    least = {**LEAST, "task": {"recipe": "qa"}}
    config = loaded(tmp_path, yaml.safe_dump({**least, "models": models}))
    assert [(each.name, each.base) for each in config.bases] == [("small_1_5b", "org/Small-1.5B")]
    models.append({"name": "three", "base": "./mine/small-1.5b"})
    with pytest.raises(SettingsError, match=r"'./mine/small-1.5b' and 'org/Small-1.5B' would have one name"):
        _ = loaded(tmp_path, yaml.safe_dump({**least, "models": models})).bases


@pytest.mark.parametrize(
    ("text", "name"), [("a/B-c", "b_c"), ("./folder/", "folder"), ("é", "é"), ("---", "base"), ("/", "base")]
)
def test_a_base_is_called_by_the_end_of_its_path(text: str, name: str) -> None:
    assert slug(text) == name

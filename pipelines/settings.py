"""`headwater.yaml`: the one file that says what a workspace is, checked before anything runs.

Each part is the settings dataclass of the function it is for, so that the function's own defaults are the file's
defaults, and so that a part enters the keys of just those stages that ask for its type. Fields marked as runtime (ports,
threads, devices) cannot change a result and enter no key. An unknown key is an error that names its path.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from functools import cache
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from annotation.settings import AnnotationSettings, LabelStudioSettings
from curation.decontamination.rules import ContaminationRules
from curation.decontamination.settings import DecontaminationSettings, EvaluationSet, HeldOutSettings
from curation.deduplication.settings import DeduplicationSettings
from curation.funnel import FunnelSettings
from curation.inventory import Source
from curation.language.settings import LanguageSettings
from curation.lines import LineSettings
from curation.mixture import MixtureSettings
from curation.pretraining import PretrainingSettings
from curation.privacy.settings import PrivacySettings
from curation.quality import QualitySettings
from curation.reading import ReadingSettings
from curation.rule_sets import Rules, RuleSet
from curation.splits import SplitSettings
from curation.tasks.settings import TaskSettings
from evaluation.costs import PriceSettings
from evaluation.embedding import EmbeddingSettings
from evaluation.endpoint import EndpointSettings
from evaluation.experiments import ExperimentSettings
from evaluation.harness.settings import HarnessSettings
from evaluation.judging import JudgeSettings
from evaluation.promotion import PromotionSettings
from evaluation.retrieval import RetrievalSettings
from evaluation.settings import EvaluationSettings, ProposalSettings
from evaluation.unit_tests import UnitTestSettings
from records import digest
from training.finetune import FinetuneSettings

FILE = "headwater.yaml"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class SettingsError(ValueError):
    """`headwater.yaml` says something that cannot be; the message names the file, the key and the mend."""


@dataclasses.dataclass(frozen=True)
class ScheduleSettings:
    """One entry of `schedules`."""

    # what the UI calls it: letters, digits and underscores
    name: str
    # five fields: minute, hour, day of the month, month, day of the week
    cron: str
    # the IANA name of the time zone of these hours
    timezone: str = "UTC"
    # which assets run; all, when none is named
    assets: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ModelSettings:
    """One entry of `models`: what is adapted, on what, and how."""

    # what the model is called: letters, digits and underscores
    name: str
    # a Hugging Face id, or a folder that begins with ./ or /
    base: str
    # the release it learns from
    dataset: typing.Literal["instructions"] = "instructions"
    # how its weights change
    phase: typing.Literal["sft"] = "sft"
    # the finetune's own settings
    settings: FinetuneSettings = dataclasses.field(default_factory=FinetuneSettings)

    @property
    def base_name(self) -> str:
        """The name of the base's own asset."""
        return slug(self.base)


@dataclasses.dataclass(frozen=True)
class BaseEntry:
    """A base model that some entry of `models` names."""

    # the name of its asset
    name: str
    # as `models` names it
    base: str


def slug(text: str) -> str:
    """A name of letters, digits and underscores: the last component of a model's id, in lower case."""
    return re.sub(r"\W+", "_", text.rstrip("/").split("/")[-1]).strip("_").lower() or "base"


class Config(BaseModel):
    """All of `headwater.yaml`. Only `sources` is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[Source, ...] = Field(min_length=1)
    reading: ReadingSettings = ReadingSettings()
    deduplication: DeduplicationSettings = DeduplicationSettings()
    quality: QualitySettings = QualitySettings()
    language: LanguageSettings = LanguageSettings()
    lines: LineSettings = LineSettings()
    evaluation_sets: tuple[EvaluationSet, ...] = ()
    decontamination: DecontaminationSettings = DecontaminationSettings()
    privacy: PrivacySettings | None = None
    rules: Rules = Field((), validate_default=True)
    funnel: FunnelSettings = FunnelSettings()
    task: TaskSettings | None = None
    splits: SplitSettings = SplitSettings()
    held_out: HeldOutSettings = HeldOutSettings()
    mixture: MixtureSettings = MixtureSettings()
    demonstrations: str | None = None
    pretraining: PretrainingSettings | None = None
    prompts: tuple[str, ...] = ()
    models: tuple[ModelSettings, ...] = ()
    endpoints: tuple[EndpointSettings, ...] = ()
    judges: tuple[JudgeSettings, ...] = ()
    experiments: tuple[ExperimentSettings, ...] = ()
    harness: tuple[HarnessSettings, ...] = ()
    retrieval: RetrievalSettings = RetrievalSettings()
    promotion: PromotionSettings | None = None
    prices: PriceSettings = PriceSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    unit_tests: UnitTestSettings | None = None
    embedding: EmbeddingSettings | None = None
    proposals: ProposalSettings | None = None
    annotation: AnnotationSettings | None = None
    label_studio: LabelStudioSettings = LabelStudioSettings()
    schedules: tuple[ScheduleSettings, ...] = ()

    @field_validator(
        "sources", "evaluation_sets", "models", "endpoints", "judges", "experiments", "harness", "schedules"
    )
    @classmethod
    def _names(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: set[str] = set()
        for entry in entries:
            if not NAME.fullmatch(entry.name):
                raise ValueError(f"name {entry.name!r}: use letters, digits and underscores, beginning with a letter")
            if entry.name in seen:
                raise ValueError(f"two entries are called {entry.name!r}: rename one")
            seen.add(entry.name)
        return entries

    @field_validator("privacy", "pretraining", "unit_tests", mode="before")
    @classmethod
    def _switched(cls, said: Any) -> Any:
        """`on` and `off` beside settings; nothing after the colon is an error, for one may have meant either."""
        if said is None:
            raise ValueError("say `on` or `off`, or give settings")
        return {} if said is True else None if said is False else said

    @field_validator("rules", mode="before")
    @classmethod
    def _rules(cls, said: Any) -> Any:
        return (() if said == "none" else (said,)) if isinstance(said, str) else said

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Config:
        """A part that would be passed over in silence is an error that says what it waits for."""
        needs = {
            "models": "task",
            "demonstrations": "task",
            "prompts": "task",
            "proposals": "models",
            "annotation": "models",
            "embedding": "models",
            "endpoints": "task",
            "judges": "models",
            "experiments": "models",
            "harness": "models",
            "promotion": "models",
        }
        for part, needed in needs.items():
            if getattr(self, part) and not getattr(self, needed):
                raise ValueError(f"`{part}` does nothing without `{needed}`: add `{needed}`, or remove `{part}`")
        named = self.proposals.model if self.proposals else ""
        if named and named not in {model.name for model in self.models}:
            raise ValueError(f"proposals.model: there is no model {named!r} under `models`")
        return self

    @model_validator(mode="after")
    def _runs_answers(self) -> Config:
        """What models wrote is run only where that was said in so many words."""
        if self.task and self.task.checker == "unit_test" and self.unit_tests is None:
            raise ValueError(
                "task.checker: unit_test runs what models wrote, in a sandbox: allow it by `unit_tests: on`"
            )
        return self

    @model_validator(mode="after")
    def _served(self) -> Config:
        """A judge is somebody that there is, and nobody's name is taken twice."""
        endpoints = {endpoint.name for endpoint in self.endpoints}
        for judge in self.judges:
            if judge.endpoint and judge.endpoint not in endpoints:
                raise ValueError(f"judges: {judge.name}: there is no endpoint {judge.endpoint!r} under `endpoints`")
        taken = [model.name for model in self.models]
        for part, names in (("endpoints", endpoints), ("experiments", {each.name for each in self.experiments})):
            if both := sorted(names & {*taken}):
                raise ValueError(f"{part}: {both[0]!r} is the name of another contestant: rename one")
            taken += names
        if self.promotion and self.promotion.judge and self.promotion.judge not in {each.name for each in self.judges}:
            raise ValueError(f"promotion.judge: there is no judge {self.promotion.judge!r} under `judges`")
        return self

    @model_validator(mode="after")
    def _measured(self) -> Config:
        """A limit below what is written down would be passed in silence."""
        floor = self.decontamination.matches.floor
        if not floor <= self.held_out.max_share <= 1:
            raise ValueError(
                f"held_out.max_share: {self.held_out.max_share} should be at most 1, and at least "
                f"decontamination.matches.floor ({floor}), below which nothing is written down"
            )
        return self

    @model_validator(mode="after")
    def _ranked(self) -> Config:
        """A key of the survivor policy that could tell no two contents apart is an error."""
        needs = {"quality": "rules", "contamination": "evaluation_sets"}
        for key, needed in needs.items():
            if key in self.deduplication.policy and not getattr(self, needed):
                raise ValueError(
                    f"deduplication.policy: {key!r} says nothing without `{needed}`: name some, or remove it"
                )
        return self

    @field_validator("rules")
    @classmethod
    def _guarded(cls, rules: Rules, info: ValidationInfo) -> Rules:
        """Evaluation sets that are named are kept out of the corpus, whether or not a rule says so."""
        if any(one.privacy is not None for one in rules) and info.data.get("privacy") is None:
            raise ValueError("the rule set privacy needs `privacy: on`: add it, or remove the set")
        limits: DecontaminationSettings | None = info.data.get("decontamination")
        named = any(one.contamination is not None for one in rules)
        if named and not info.data.get("evaluation_sets"):
            raise ValueError("the rule set contamination needs `evaluation_sets`: name some, or remove the set")
        if named or not info.data.get("evaluation_sets") or limits is None or limits.documents != "drop":
            return rules
        return (*rules, RuleSet(contamination=ContaminationRules(limits.max_share, limits.max_run)))

    @property
    def bases(self) -> tuple[BaseEntry, ...]:
        """The base models that `models` names, each once."""
        found: dict[str, str] = {}
        for model in self.models:
            if found.setdefault(model.base_name, model.base) != model.base:
                raise SettingsError(
                    f"models: {model.base!r} and {found[model.base_name]!r} would have one name; move one of the folders"
                )
        return tuple(BaseEntry(name, base) for name, base in found.items())

    @property
    def weights(self) -> tuple[BaseEntry, ...]:
        """All base models, each once: those of `models`, and those that judge."""
        found = {entry.name: entry for entry in self.bases}
        for judge in (judge for judge in self.judges if judge.base):
            entry = BaseEntry(slug(judge.base), judge.base)
            if found.setdefault(entry.name, entry) != entry:
                raise SettingsError(
                    f"judges: {judge.base!r} and {found[entry.name].base!r} would have one name; move one of the folders"
                )
        return tuple(found.values())

    @property
    def competing(self) -> tuple[EndpointSettings, ...]:
        """The endpoints that answer the test split."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.competes)

    @property
    def source_order(self) -> tuple[str, ...]:
        """The sources' names in the file's order, which decides between copies."""
        return tuple(source.name for source in self.sources)

    def section_of(self, kind: Any) -> str | None:
        """The part of the file whose type is `kind`; None when no part has it."""
        return _sections().get(kind)

    def part(self, section: str) -> Any:
        """The part of the file that a section names."""
        value: Any = self
        for name in section.split("__"):
            value = getattr(value, name)
        return value


@cache
def _sections() -> dict[Any, str]:
    """Type to section; what lies within a section is `outer__inner`, so that a stage can ask for less than all of it."""
    found: dict[Any, str] = {}
    for name, info in Config.model_fields.items():
        kinds = [info.annotation, *typing.get_args(info.annotation)]
        found |= {kind: name for kind in kinds if dataclasses.is_dataclass(kind) or typing.get_origin(kind) is tuple}
    for kind, name in list(found.items()):
        for inner, inner_kind in typing.get_type_hints(kind).items() if dataclasses.is_dataclass(kind) else ():
            if dataclasses.is_dataclass(inner_kind):
                found.setdefault(inner_kind, f"{name}__{inner}")
    return found


def canonical(value: Any) -> Any:
    """A part of the settings as plain data, without its runtime fields: what enters a key."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field for field in dataclasses.fields(value) if not field.metadata.get("runtime")]
        return {field.name: canonical(getattr(value, field.name)) for field in fields}
    if isinstance(value, BaseModel):
        return {name: canonical(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((canonical(item) for item in value), key=repr)
    return value


def settings_version(value: Any) -> str:
    """The data version of a part of the settings."""
    return digest("settings", json.dumps(canonical(value), sort_keys=True, ensure_ascii=False))

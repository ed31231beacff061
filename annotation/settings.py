"""The settings of annotation: what people are asked, how much of their time it may cost, and where they answer.

Plain frozen dataclasses, so that the same values can stand in `headwater.yaml`, in a notebook or in a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

LOOPBACK = "loopback"
"""As `webhook`: hints come from Headwater's own server, to an address of this machine that nothing else has."""


@dataclass(frozen=True)
class PostgresSettings:
    """A PostgreSQL database for Headwater's own Label Studio server (it must exist, and be empty at first)."""

    # The host that PostgreSQL listens on.
    host: str = "localhost"
    # Its port.
    port: int = 5432
    # The name of the database.
    name: str = "labelstudio"
    # The role that Label Studio signs in as; it needs the right to create tables.
    user: str = "labelstudio"
    # The environment variable that holds the role's password; none means that PostgreSQL asks for no password.
    password_env: str | None = None
    # Or the file that holds it, and nothing else, which its owner alone can read (mode 0600); absolute, or from `~`.
    password_file: str | None = None

    def __post_init__(self) -> None:
        if self.password_env is not None and self.password_file is not None:
            raise ValueError("password_env and password_file: name one of them")


@dataclass(frozen=True)
class LabelStudioSettings:
    """Which Label Studio server people answer on: an existing one, or one that Headwater runs on this machine."""

    # The address of an existing server; none means Headwater's own, on loopback.
    url: str | None = None
    # The environment variable that holds an API token of the existing server (access token or legacy token).
    token_env: str | None = None
    # The port that Headwater's own server should have; when it is taken, a free one is chosen.
    port: int = field(default=8080, metadata={"runtime": True})
    # The address at which the server reaches `headwater up`, for hints that a label is new; `loopback` for Headwater's own server,
    # which may then reach one address of this machine. None means that it is only polled.
    webhook: str | None = field(default=None, metadata={"runtime": True})
    # The port on loopback where `headwater up` takes hints.
    webhook_port: int = field(default=8088, metadata={"runtime": True})
    # Where Headwater's own server keeps its data; none means SQLite in the workspace.
    postgres: PostgresSettings | None = None

    def __post_init__(self) -> None:
        if self.webhook == LOOPBACK and self.url is not None:
            raise ValueError(
                "webhook: `loopback` is for Headwater's own server; give the address at which that of `url` reaches `headwater up`"
            )


Kind = Literal["preference", "rating", "demonstration"]
Policy = Literal["random", "disagreement", "uncertainty", "diversity", "coverage", "feedback"]


@dataclass(frozen=True)
class RoutingSettings:
    """Which samples cost a person's time, and in which order."""

    # How many samples each project asks about.
    budget: int = 20
    # How many tasks a project takes on a day (UTC) at most; none means all of the budget at once.
    per_day: int | None = field(default=None, metadata={"runtime": True})
    # What decides which samples come first.
    policy: Policy = "random"
    # The share of the budget that is drawn at random whatever the policy, and marked, so that estimates stay unbiased.
    random_share: float = 0.25
    # Drafts of each model for a sample; with one, it is the answer that evaluation would have, with more they are drawn.
    candidates: int = 1
    # The temperature at which several drafts of one model are drawn.
    temperature: float = 0.8
    # How many samples beyond the budget are drafted: pairs of equal drafts are dropped, and a policy has more to choose from.
    spare: int = 10
    # Draws the samples, and which model stands left; another seed asks other samples.
    seed: int = 0
    # A file of thumbs that users gave (JSONL or CSV), for the policy `feedback`.
    feedback: str | None = None

    def __post_init__(self) -> None:
        if min(self.budget, self.spare) < 0 or self.candidates < 1:
            raise ValueError("budget and spare: cannot be negative; candidates: must be at least 1")
        if self.per_day is not None and self.per_day < 1:
            raise ValueError("per_day: must be at least 1; leave it out to ask all at once")
        if not 0 <= self.random_share <= 1:
            raise ValueError(f"random_share: must lie between 0 and 1, not {self.random_share}")
        if self.temperature <= 0:
            raise ValueError("temperature: must be above 0, or all drafts of a model would be the same")
        if self.policy == "feedback" and self.feedback is None:
            raise ValueError("policy: `feedback` needs the file that `feedback` names")


ADJUDICATION = "adjudication"
"""The name of the project in which disagreements about preferences are decided, and with what the names of others begin."""


@dataclass(frozen=True)
class TrustSettings:
    """When labels are trusted: what a disagreement leads to, and how much agreement a dataset asks for."""

    # What opens an adjudication task: any `disagreement`, a `split` without a majority, or nothing (`never`).
    adjudicate: Literal["disagreement", "split", "never"] = "disagreement"
    # How far apart levels of a rubric are for alpha: by their order (`ordinal`), or every step alike (`interval`).
    scale: Literal["ordinal", "interval"] = "ordinal"
    # Krippendorff's alpha below which no dataset is built from a project's labels; none asks for nothing.
    min_alpha: float | None = None
    # Resamples of alpha's interval.
    resamples: int = 1000
    # Seed of the resamples.
    seed: int = 0

    def __post_init__(self) -> None:
        if self.min_alpha is not None and not -1 <= self.min_alpha <= 1:
            raise ValueError(f"min_alpha: must lie between -1 and 1, not {self.min_alpha}; 0.67 is a usual limit")
        if self.resamples < 100:
            raise ValueError("resamples: must be at least 100; 1,000 are usual")


LEVELS = ("Poor", "Weak", "Fair", "Good", "Excellent")
KEYS = ("12345", "qwert", "asdfg", "zxcvb")
"""The keys of a rating: a row of the keyboard for each criterion, a key for each level."""

TITLES: dict[Kind, str] = {
    "preference": "Choose the better answer",
    "rating": "Rate the answer",
    "demonstration": "Mend or write the answer",
}


@dataclass(frozen=True)
class CriterionSettings:
    """One line of a rubric."""

    # What tables call it; one word.
    name: str
    # What annotators are asked.
    question: str
    # What its levels are called, the lowest first; tables number them from 1.
    levels: tuple[str, ...] = LEVELS

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z]\w*", self.name):
            raise ValueError(f"name: {self.name!r} must be one word of letters, digits and underscores")
        if not 2 <= len(self.levels) <= len(KEYS[0]) or len(set(self.levels)) < len(self.levels):
            raise ValueError(f"levels: {self.name} needs two to five levels, no two of the same name")


RUBRIC = (
    CriterionSettings("correct", "Is it right?"),
    CriterionSettings("helpful", "Does it help who asked?"),
)


@dataclass(frozen=True)
class ProjectSettings:
    """One project in Label Studio: what is asked there, under which guidelines."""

    # What the project is called in tables, and in `annotation_tasks.project`.
    name: str = "preference"
    # What is asked: `preference` shows two drafts, `rating` one and a rubric, `demonstration` one to be mended.
    kind: Kind = "preference"
    # The title that annotators see: what to do, in at most 50 characters. None means the one that comes with the kind.
    title: str | None = None
    # What annotators read above every task; plain text. None means the guidelines that come with the kind.
    guidelines: str | None = None
    # The rubric of a rating: at most four criteria.
    criteria: tuple[CriterionSettings, ...] = RUBRIC
    # How many people answer each task. It changes no question: labels that are there keep counting.
    annotators: int = 1
    # The share of tasks that so many people answer; the others are answered by one.
    annotators_share: float = 1.0
    # How many samples this project asks about, at most as many as `routing.budget`; none means as many.
    budget: int | None = None
    # A YAML file of questions with known answers that are mixed in.
    gold: str | None = None

    def __post_init__(self) -> None:
        if self.annotators < 1:
            raise ValueError(f"annotators: at least one person must answer a task, not {self.annotators}")
        if not 0 <= self.annotators_share <= 1:
            raise ValueError(f"annotators_share: must lie between 0 and 1, not {self.annotators_share}")
        if not 1 <= len(self.criteria) <= len(KEYS) or len({each.name for each in self.criteria}) < len(self.criteria):
            raise ValueError(f"criteria: a rubric has one to {len(KEYS)} criteria, no two of the same name")
        if self.gold is not None and self.kind == "demonstration":
            raise ValueError(
                "gold: a written answer cannot be held against a known one; ask for a preference or a rating"
            )

    @property
    def shown_title(self) -> str:
        """The title that annotators see."""
        return self.title if self.title is not None else TITLES[self.kind]


@dataclass(frozen=True)
class AnnotationSettings:
    """People in the loop: what they are asked, and how much."""

    # The projects that are kept on the server.
    projects: tuple[ProjectSettings, ...] = (ProjectSettings(),)
    # Which samples are asked, and how many.
    routing: RoutingSettings = RoutingSettings()
    # When labels are trusted.
    trust: TrustSettings = TrustSettings()

    def __post_init__(self) -> None:
        names = [project.name for project in self.projects]
        if any(name.startswith(ADJUDICATION) for name in names):
            raise ValueError(
                f"projects: {ADJUDICATION!r} begins the names of projects in which disagreements are decided; choose another"
            )
        if len(set(names)) < len(names):
            raise ValueError("projects: two have one name; give each its own")
        if any((project.budget or 0) > self.routing.budget for project in self.projects):
            raise ValueError("projects: the budget of a project cannot exceed routing.budget, which bounds the drafts")

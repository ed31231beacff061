"""The settings of annotation: what people are asked, how much of their time it may cost, and where they answer.

Plain frozen dataclasses, so that the same values can stand in `headwater.yaml`, in a notebook or in a test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


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


@dataclass(frozen=True)
class LabelStudioSettings:
    """Which Label Studio server people answer on: an existing one, or one that Headwater runs on this machine."""

    # The address of an existing server; none means Headwater's own, on loopback.
    url: str | None = None
    # The environment variable that holds an API token of the existing server (access token or legacy token).
    token_env: str | None = None
    # The port that Headwater's own server should have; when it is taken, a free one is chosen.
    port: int = field(default=8080, metadata={"runtime": True})
    # Where Headwater's own server keeps its data; none means SQLite in the workspace.
    postgres: PostgresSettings | None = None


@dataclass(frozen=True)
class RoutingSettings:
    """Which samples cost a person's time."""

    # How many tasks wait for people at most.
    budget: int = 20
    # How many samples beyond the budget are drafted, so that pairs of equal drafts can be dropped and the budget is still met.
    spare: int = 10
    # Draws the samples, and which model stands left; another seed asks other samples.
    seed: int = 0


ADJUDICATION = "adjudication"
"""The name of the project in which disagreements are decided."""


@dataclass(frozen=True)
class TrustSettings:
    """When labels are trusted: what a disagreement leads to, and how much agreement a dataset asks for."""

    # What opens an adjudication task: any `disagreement`, a `split` without a majority, or nothing (`never`).
    adjudicate: Literal["disagreement", "split", "never"] = "disagreement"
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


@dataclass(frozen=True)
class ProjectSettings:
    """One project in Label Studio: what is asked there, under which guidelines."""

    # What the project is called in tables, and in `annotation_tasks.project`.
    name: str = "preference"
    # What is asked: `preference` shows two drafts side by side.
    kind: Literal["preference"] = "preference"
    # The title that annotators see: what to do, in at most 50 characters.
    title: str = "Choose the better answer"
    # What annotators read above every task; plain text. None means the guidelines that come with the kind.
    guidelines: str | None = None
    # How many people answer each task. It changes no question: labels that are there keep counting.
    annotators: int = 1

    def __post_init__(self) -> None:
        if self.annotators < 1:
            raise ValueError(f"annotators: at least one person must answer a task, not {self.annotators}")


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
        if any(project.name == ADJUDICATION for project in self.projects):
            raise ValueError(
                f"projects: {ADJUDICATION!r} is the project in which disagreements are decided; choose another name"
            )

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


@dataclass(frozen=True)
class AnnotationSettings:
    """People in the loop: what they are asked, and how much."""

    # The projects that are kept on the server.
    projects: tuple[ProjectSettings, ...] = (ProjectSettings(),)
    # Which samples are asked, and how many.
    routing: RoutingSettings = RoutingSettings()

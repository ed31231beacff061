"""What annotators see: labelling configurations as files one can read, and how a workspace's projects are told apart.

Titles of projects are not unique in Label Studio, and several workspaces may share a server. So each project carries a
mark in its description, which names the workspace, the project and the digest of the labelling configuration. Labels
answer a configuration, guidelines included: another configuration is another project, never an edit under people's hands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import records
from annotation.client import Client, RemoteProject, projects
from annotation.errors import LabelStudioError
from annotation.settings import ADJUDICATION, KEYS, CriterionSettings, Kind, ProjectSettings

TITLE_LIMIT = 50
CLOSED = "Closed: "
RATED = "rated_"
"""With what the names of a rubric's lines begin in a configuration, so that none is that of another control."""
MARK = re.compile(r"\[headwater (?P<workspace>\S+) (?P<name>\S+) (?P<config>[0-9a-f]{32})\]")


@dataclass(frozen=True)
class OurProject:
    """A project of this workspace on the server, and the digest of the configuration that its labels answer."""

    remote: RemoteProject
    name: str
    config_digest: str

    @property
    def id(self) -> int:
        """The number by which the server knows it."""
        return self.remote.id

    @property
    def kind(self) -> Kind:
        """What is asked there, as its controls tell."""
        if 'name="preference"' in self.remote.label_config:
            return "preference"
        return "demonstration" if 'name="answer"' in self.remote.label_config else "rating"


def label_config(settings: ProjectSettings) -> str:
    """The labelling configuration (XML) of a project: the file of its kind, with its guidelines filled in as plain text."""
    guidelines = settings.guidelines
    if guidelines is None:
        guidelines = _file(f"{settings.kind}.guidelines.txt").strip()
    rubric = "\n".join(_criterion(*each) for each in zip(settings.criteria, KEYS, strict=False))
    parts = {"criteria": rubric.rstrip(), "guidelines": quoteattr(guidelines, {"\n": "&#10;"})}
    return _filled(_file(f"{settings.kind}.xml"), parts)


def _criterion(criterion: CriterionSettings, keys: str) -> str:
    """One line of a rubric: its levels as choices, each with its key."""
    levels = "\n".join(
        f'    <Choice value={quoteattr(level)} alias="{place}" hotkey="{key}" />'
        for place, (level, key) in enumerate(zip(criterion.levels, keys, strict=False), 1)
    )
    parts = {"name": quoteattr(RATED + criterion.name), "levels": levels, "question": quoteattr(criterion.question)}
    return _filled(_file("criterion.xml"), parts)


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """The template with its parts, all put in at once: what somebody writes may look like the name of a part."""
    return re.sub(r"\{(\w+)\}", lambda found: parts.get(found[1], found[0]), template)


def config_digest(settings: ProjectSettings) -> str:
    """The digest of `label_config`: it names the version of the question that a label answers."""
    return records.digest("label config", _canonical(label_config(settings)))


def project_fields(settings: ProjectSettings, workspace: str) -> dict[str, object]:
    """The fields that a new project is made with. Raises LabelStudioError for a name or title that Label Studio refuses."""
    if not 3 <= len(settings.shown_title) <= TITLE_LIMIT:
        raise LabelStudioError(
            f"annotation.projects, {settings.name}: the title must have 3 to {TITLE_LIMIT} characters"
        )
    if not re.fullmatch(r"\S+", settings.name):
        raise LabelStudioError(f"annotation.projects: the name {settings.name!r} must be one word")
    mark = f"[headwater {workspace} {settings.name} {config_digest(settings)}]"
    return {
        "title": settings.shown_title,
        "description": f"Tasks come from Headwater and answers go back to it. Keep this line: {mark}",
        "label_config": label_config(settings),
        "show_skip_button": True,
        "show_collab_predictions": settings.kind == "demonstration",
        "enable_empty_annotation": False,
        "maximum_annotations": settings.annotators,
        "overlap_cohort_percentage": round(100 * settings.annotators_share),
    }


def our_projects(client: Client, workspace: str, adjudication: bool | None = None) -> list[OurProject]:
    """The projects of this workspace, oldest first; with `adjudication`, those of disagreements alone (True) or all others (False).

    Raises LabelStudioError when a configuration was edited by hand.
    """
    found = []
    for remote in projects(client):
        mark = MARK.search(remote.description)
        if mark is None or mark["workspace"] != workspace:
            continue
        if adjudication is not None and adjudication != mark["name"].startswith(ADJUDICATION):
            continue
        if records.digest("label config", _canonical(remote.label_config)) != mark["config"]:
            raise LabelStudioError(
                f"the labelling interface of project {remote.id} at {client.url} was edited by hand, so its labels answer an unknown "
                "question: undo the edit, or delete the line in brackets from its description; a new project is then opened"
            )
        found.append(OurProject(remote, mark["name"], mark["config"]))
    return found


def address(client: Client, project_id: int) -> str:
    """Where a person opens the project."""
    return f"{client.url}/projects/{project_id}/data"


def _file(name: str) -> str:
    return resources.files("annotation").joinpath("configs", name).read_text(encoding="utf-8")


def _canonical(xml: str) -> str:
    """The XML without what means nothing (white space, order of attributes); as it stands when it is none."""
    try:
        return ElementTree.canonicalize(xml, strip_text=True)
    except ElementTree.ParseError:
        return xml

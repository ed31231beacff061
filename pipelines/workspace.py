"""A workspace: a folder with `headwater.yaml`, and beside it everything that was made from it.

What is made lies under `.headwater/`: tables and artifacts in `store/`, Dagster's own files in `dagster/`, previews and
logs. Removing that folder forgets everything and harms no source.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.settings import FILE, Config
from pipelines.settings_file import load_config
from pipelines.store import Store

VARIABLE = "HEADWATER_WORKSPACE"

UNFIT = re.compile(r"[\x00-\x1f\x7f#%*?\[\\\]^|]")
"""Signs that the path of a workspace must not hold: a table's files could not be found again under their addresses."""


class WorkspaceError(ValueError):
    """There is no workspace where one was looked for."""


@dataclass(frozen=True)
class Workspace:
    """A workspace by its folder; the settings are read once, when they are first asked for."""

    root: Path

    def __post_init__(self) -> None:
        """Raises WorkspaceError for a folder in which tables could not be read."""
        sign = UNFIT.search(str(self.root))
        if sign:
            raise WorkspaceError(
                f"{self.root}: tables cannot lie in a folder whose path holds {sign[0]!r}; choose one without that sign. "
                "Sources may lie anywhere"
            )

    @cached_property
    def config(self) -> Config:
        """The settings in `headwater.yaml`."""
        if str(self.root) not in sys.path:
            sys.path.append(str(self.root))  # a recipe of one's own may stand in the workspace
        return load_config(self.root / FILE)

    @property
    def state(self) -> Path:
        """Everything that Headwater makes in this workspace."""
        return self.root / ".headwater"

    @cached_property
    def store(self) -> Store:
        """The tables."""
        return Store(self.state / "store")

    @property
    def running(self) -> Path:
        """Notes of the stages that are being computed."""
        return self.state / "running"

    @property
    def artifacts(self) -> Path:
        """What stages make beside tables: weights, adapters, generated outputs."""
        return self.state / "store" / "artifacts"

    @property
    def releases(self) -> Path:
        """Released datasets, by name and version."""
        return self.state / "store" / "releases"

    @property
    def previews(self) -> Path:
        """The first rows of each table as text, for people; never in Dagster's database."""
        return self.state / "previews"

    @property
    def reports(self) -> Path:
        """Pages about what was made, for people; they hold text of the data."""
        return self.state / "reports"

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its runs and events."""
        return self.state / "dagster"

    @property
    def label_studio(self) -> Path:
        """Where Headwater's own Label Studio server keeps its data and credentials."""
        return self.state / "label-studio"

    def inventory_cache(self, source: str) -> Path:
        """What is remembered of a source's files, so that unchanged ones are not read."""
        return self.state / "inventories" / f"{source}.parquet"

    def reload(self) -> Workspace:
        """The same workspace with its settings as they are on disk now."""
        return Workspace(self.root)


def find_workspace(given: Path | None = None, start: Path | None = None) -> Workspace:
    """The workspace at `given`, else the nearest folder upwards that holds headwater.yaml, else HEADWATER_WORKSPACE.

    Raises WorkspaceError when there is none.
    """
    if given is not None:
        return _checked(given)
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return Workspace(folder)
    if os.environ.get(VARIABLE):
        return _checked(Path(os.environ[VARIABLE]))
    raise WorkspaceError(
        f"no {FILE} in {here} or above it, and {VARIABLE} is not set; `headwater init DIR` makes a workspace"
    )


def _checked(folder: Path) -> Workspace:
    folder = folder.expanduser().resolve()
    if not (folder / FILE).is_file():
        raise WorkspaceError(f"{folder} holds no {FILE}; `headwater init {folder}` makes one")
    return Workspace(folder)

"""Reports: pages that people open from a file of the workspace. They hold text of the data, so only the owner reads them.

There is one page of a name, that of the tables as they stand; a new one takes its place whole.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from curation.release_kinds import KINDS
from pipelines.whole_files import write_whole
from pipelines.workspace import Workspace

REPORT = "report"
"""The note of a commit that says where the page beside it lies, from the workspace's state."""
MADE_BY = {"curation": "funnel", "scores": "evaluation_report"}
"""Each report, and the asset that makes it."""


def write_report(workspace: Workspace, name: str, page: str, ending: str = ".html") -> str:
    """Write a page in place of the former one of that name; where it lies, from the workspace's state."""
    workspace.reports.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = workspace.reports / f"{name}{ending}"
    write_whole(path, page, 0o600)
    return str(path.relative_to(workspace.state))


def remove_release_pages(workspace: Workspace, standing: Container[str] = ()) -> list[str]:
    """Remove the pages on releases, which are made again when somebody asks; their names.

    Those stay that `standing` names, without their ending: pages of what the tables hold now. That of curation stays too.
    """
    pages = sorted(path for path in workspace.reports.glob("*-*") if path.stem not in standing)
    for path in pages:
        path.unlink()
    return [str(path.relative_to(workspace.state)) for path in pages]


def find_report(workspace: Workspace, name: str) -> Path:
    """The page of that name. Raises LookupError where there is no such report, or none yet."""
    if name not in MADE_BY:
        raise LookupError(f"there is no report {name!r}; there are: {', '.join([*MADE_BY, *KINDS])}")
    path = workspace.reports / f"{name}.html"
    if not path.is_file():
        raise LookupError(f"there is no report on {name} yet; `headwater run {MADE_BY[name]}` makes it")
    return path


def open_page(path: Path) -> None:
    """Open a page in the browser of this machine, or the one that BROWSER names. Raises LookupError where there is none."""
    import webbrowser

    if not webbrowser.open(path.as_uri()):
        raise LookupError(f"no browser was found here; open {path} in one, or name one in the environment: BROWSER=…")

"""Commands on what was made: tables, reports, and releases to take away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.style import Style
from rich.text import Text

from pipelines.commands.console import WorkspaceOption, opened, out


def table(
    name: Annotated[str, typer.Argument(help="The table's name.")],
    version: Annotated[
        str | None, typer.Option(help="A version of it: the first digits of its digest, or a commit's number.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write it all to a .parquet, .csv or .jsonl file.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows that are printed.")] = 20,
    versions: Annotated[bool, typer.Option("--versions", help="List the table's versions instead.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Print a table, or write it to a file."""
    from pipelines.exports import record_export
    from pipelines.tables import print_table, print_versions, write_table

    here = opened(workspace)
    store = here.store
    if versions:
        print_versions(out, store, name)
    elif output is not None:
        record_export(here, str(output))
        rows = write_table(store, name, version, output)
        out.print(f"wrote {rows:,} rows to {output}", highlight=False)
    else:
        print_table(out, store, name, version, limit)


def report(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Which report: curation, scores, or a dataset: pretraining, instructions, demonstrations, preferences or evaluation. "
            "When none is named, scores where there are models, else curation.",
        ),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Of a dataset, the release: a version or tag; the newest, when none is named.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser too.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say where a report lies: a page that opens in any browser, offline."""
    from curation.release_kinds import KINDS
    from pipelines.release_reports import report_release
    from pipelines.reports import find_report, open_page

    here = opened(workspace)
    name = name or ("scores" if here.config.models else "curation")
    is_dataset = name in KINDS
    if version is not None and not is_dataset:
        raise ValueError(f"the report {name} has no versions: it is on the tables as they stand")
    path = report_release(here, name, version) if is_dataset else find_report(here, name)
    out.print(Text(str(path), Style(link=path.as_uri())))
    if show:
        open_page(path)


def export(
    dataset: Annotated[
        str, typer.Argument(help="pretraining, instructions, demonstrations, preferences or evaluation.")
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR|URL",
            help="A new or empty folder, or an address: s3://, gs://, az://, hf://datasets/OWNER/NAME, or what fsspec knows.",
        ),
    ],
    version: Annotated[str | None, typer.Option(help="The release's version; the newest, when none is named.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a release to a folder, an object store or the hub, as `datasets.load_dataset` reads it."""
    from pipelines.exports import record_export
    from pipelines.tables import export_dataset

    here = opened(workspace)
    record_export(here, output)
    released = export_dataset(here, dataset, version, output)
    out.print(
        f"wrote {dataset} {released} to {output}; read it with datasets.load_dataset({output.removeprefix('hf://datasets/')!r})",
        highlight=False,
    )

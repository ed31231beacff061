"""Commands on releases: name them, compare them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipelines.commands.console import WorkspaceOption, opened, out

Dataset = Annotated[str, typer.Argument(help="pretraining, instructions, demonstrations, preferences or evaluation.")]


def tag(
    dataset: Dataset,
    name: Annotated[
        str | None, typer.Argument(metavar="[TAG]", help="The tag; all are listed when none is named.")
    ] = None,
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION]", help="The release that it shall name: a version, its first digits, or a tag."
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag away; the release stays.")] = False,
    history: Annotated[
        bool, typer.Option("--history", help="List every movement of the dataset's tags instead.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Give a release a name that can be moved; list such names, or take one away."""
    from pipelines.releases import check_dataset, find_release
    from pipelines.tags import movements, remove_tag, set_tag, tags_of

    here = opened(workspace)
    check_dataset(dataset)
    if remove and (name is None or version is not None):
        raise ValueError("name the tag that is to go, and no version: `headwater tag DATASET TAG --remove`")
    if name is None or history:
        rows = movements(here.store, dataset).select("at", "tag", "version").rows() if history else []
        table = Table("at", "tag", "version") if history else Table("tag", "version")
        for row in rows or ([] if history else tags_of(here.store, dataset).items()):
            table.add_row(*(value or "(removed)" for value in row))
        out.print(table if table.row_count else f"{dataset} has no tags", highlight=False)
    elif remove:
        out.print(f"{dataset} {name} is gone; it was {remove_tag(here.store, dataset, name)}", highlight=False)
    elif version is None:
        out.print(
            find_release(here, dataset, _known(tags_of(here.store, dataset), dataset, name)).version, highlight=False
        )
    else:
        release = find_release(here, dataset, version)
        before = set_tag(here.store, dataset, name, release.version)
        was = f"; it was {before}" if before and before != release.version else ""
        out.print(f"{dataset} {name} is {release.version}{was}", highlight=False)


def _known(tags: dict[str, str], dataset: str, name: str) -> str:
    if name not in tags:
        raise LookupError(f"dataset {dataset!r} has no tag {name!r}; there are: {', '.join(tags) or 'none'}")
    return name


def promote(
    model: Annotated[str, typer.Argument(help="The model that is promoted, as `scores` calls it.")],
    reason: Annotated[
        str, typer.Option("--reason", help="Why the rules are overruled; it stands beside the decision.")
    ],
    workspace: WorkspaceOption = None,
) -> None:
    """Promote a model over the rules, and say why."""
    from pipelines.promotions import overrule

    here = opened(workspace)
    if here.config.promotion is None:
        raise ValueError("nothing is promoted here: add `promotion: {}` to headwater.yaml")
    version = overrule(here, model, reason)
    out.print(
        f"{model} {version} is promoted, over the rules; `headwater run promoted_model` puts it there", highlight=False
    )


def diff(
    dataset: Dataset,
    before: Annotated[
        str | None, typer.Argument(metavar="[A]", help="A version or tag; the release before B, when none is named.")
    ] = None,
    after: Annotated[
        str | None, typer.Argument(metavar="[B]", help="A version or tag; the newest, when none is named.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write every differing row to a .parquet, .csv or .jsonl file."),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """What came, left and changed between two releases, row by row, and why."""
    from pipelines.release_differences import compare, told
    from pipelines.tables import write_rows

    found = compare(opened(workspace), dataset, before, after)
    for piece in told(found):
        out.print(piece)
    if output is not None:
        write_rows(found.rows.lazy(), output)
        out.print(f"wrote {found.rows.height:,} rows to {output}", highlight=False)

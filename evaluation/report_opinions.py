"""What judges and people prefer, and what the factors of experiments do, as parts of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from evaluation.comparisons import SURE
from evaluation.report_figures import cell, ends, figure, visible
from pages import Html, Part, folded, table, tag

ORDERS = (
    "How often the second is preferred, a tie as half. Every pair is shown in both orders, and who wins in one alone has not won; at "
    "equal length is what is left of a preference when the lengths of answers are taken out. What is no verdict counts nowhere."
)
MISSING = (
    "Two are compared on samples that both answered, so pairs differ in number; rubrics rate samples that all answered who "
    "answered any."
)
EFFECTS = (
    "On validation: what a level does against the first of its factor, over all cells that differ in this alone. The p-value is "
    "among all effects of the experiment (Holm)."
)


def effects(cells: Mapping[str, pl.DataFrame], found: Mapping[str, pl.DataFrame]) -> Iterator[Part]:
    """Of each experiment what every factor does, and the cells."""
    for name, table_of_cells in cells.items():
        yield tag("h2", f"Experiment {name}")
        yield tag("p", EFFECTS, class_="quiet")
        yield _effects(found[name])
        chosen = table_of_cells.filter("chosen")["cell"].to_list()
        said = f"{table_of_cells.height:,} cells; chosen, and asked the test split: {chosen[0] if chosen else 'none'}"
        yield folded(said, _cells(table_of_cells))


def _effects(found: pl.DataFrame) -> Html:
    rows = [
        (
            f"{row['factor']}: {row['level']} − {row['against']}",
            row["metric"],
            figure(row["difference"]),
            ends(row["low"], row["high"]),
            figure(row["p_adjusted"]),
            "is sure" if row["p_adjusted"] is not None and row["p_adjusted"] < SURE else "may be chance",
            visible(row),
            f"{row['cells']:,}",
        )
        for row in found.to_dicts()
    ]
    head = (
        "effect of",
        "metric",
        "difference",
        "interval",
        "p among all",
        "so",
        "what could be seen",
        "pairs of cells",
    )
    return table(head, rows, (2, 3, 4, 7))


def _cells(rows: pl.DataFrame) -> Html:
    shown = [
        (
            *(row[name] for name in ("model", "prompt", "retriever", "sampling", "metric")),
            figure(row["value"]),
            ends(row["low"], row["high"]),
            f"{row['n']:,}",
            f"{row['failed']:,}",
            figure(row["seconds"]),
            cell(row["chosen"]),
        )
        for row in rows.to_dicts()
    ]
    head = ("model", "prompt", "retriever", "sampling", "metric", "value", "interval", "samples", "failed", "s an answer", "chosen")  # fmt: skip
    return table(head, shown, range(5, 11))


def preferred(
    win_rates: pl.DataFrame | None,
    ratings: pl.DataFrame | None,
    rubric_scores: pl.DataFrame | None,
    agreement: pl.DataFrame | None,
    left_out: str = "",
) -> Iterator[Part]:
    """Who is preferred by whom, ratings of both kinds, and how far each judge agrees with people; `left_out` says who did not
    answer what others did."""
    judged = any(rows is not None and rows.height for rows in (win_rates, rubric_scores))
    if judged:
        yield tag("h2", "Preferred")
    if judged and left_out:
        yield tag("p", f"{left_out}. {MISSING}")
    if win_rates is not None and win_rates.height:
        yield tag("p", ORDERS, class_="quiet")
        yield _win_rates(win_rates)
    for title, rows, columns in (
        ("Ratings by preferences (Bradley-Terry; 400 points are odds of ten to one)", ratings, ("judge", "model", "rating", "low", "high", "wins", "ties", "losses")),
        ("Mean ratings by a rubric", rubric_scores, ("judge", "model", "value", "low", "high", "n", "failed")),
        ("Judges against people; one that may not gate agrees too little, or on too few labels", agreement, ("judge", "sliced_by", "slice", "n", "agreement", "kappa", "low", "high", "required", "may_gate")),
    ):  # fmt: skip
        if rows is not None and rows.height:
            yield tag("h3", title)
            yield table(columns, [[cell(row[name]) for name in columns] for row in rows.to_dicts()], range(2, len(columns)))  # fmt: skip


def _win_rates(win_rates: pl.DataFrame) -> Html:
    rows = [
        (
            row["judge"],
            f"{row['model_b']} over {row['model_a']}",
            figure(row["value"]),
            ends(row["low"], row["high"]),
            figure(row["p_adjusted"]),
            figure(row["detectable"]),
            figure(row["controlled"]),
            ends(row["controlled_low"], row["controlled_high"]),
            figure(row["flipped"]),
            f"{row['n']:,}",
            f"{row['failed']:,}",
        )
        for row in win_rates.to_dicts()
    ]
    head = (
        "judge",
        "preferred",
        "share",
        "interval",
        "p among all",
        "could be seen",
        "at equal length",
        "interval",
        "went with the order",
        "pairs",
        "no verdict",
    )
    return table(head, rows, range(2, 11))

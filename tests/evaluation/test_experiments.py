"""A grid with a planted effect: it is found with its interval, whichever cells are best."""

import numpy as np
import polars as pl
import pytest

from evaluation.comparisons import adjusted
from evaluation.experiments import CELLS, EFFECTS, ExperimentSettings, SamplingSettings, grid, score_cells
from evaluation.inference import GenerationSettings
from evaluation.statistics import BootstrapSettings
from tests.evaluation.tables import outputs, samples

QUICK = BootstrapSettings(resamples=300, permutations=300)
NAMES = [f"s{number:02}" for number in range(40)]
ASKED = samples(*({"sample_id": name, "reference": f"Return the number of {name} in it."} for name in NAMES))
GRID = ExperimentSettings(
    "g", ("base", "tuned"), ("none", "plain"), ("none", "bm25"), (SamplingSettings(), SamplingSettings(0.7, 1))
)


def answers_of(cells, good):
    """Answers that keep a share of the reference's words: `good` of a cell says which."""
    parts = []
    for cell in cells:
        draw = np.random.default_rng(len(cell.levels["model"] + cell.levels["prompt"]))
        rows = []
        for name in NAMES:
            words = f"Return the number of {name} in it.".split()
            kept = [word for word in words if draw.random() < good(cell)]
            rows.append({"sample_id": name, "output": " ".join(kept), "seconds": 0.5})
        parts.append(outputs(*rows).with_columns(cell=pl.lit(cell.name)))
    return pl.concat(parts)


def test_a_planted_effect_is_found_and_others_are_not():
    cells = grid(GRID, ["base", "tuned"], ["plain"])
    assert len(cells) == 16 and len({cell.name for cell in cells}) == 16
    table, effects = score_cells(
        cells, answers_of(cells, lambda cell: 0.8 if cell.model == "tuned" else 0.5), ASKED, "chrf", QUICK
    )
    assert dict(table.schema) == CELLS and dict(effects.schema) == EFFECTS
    found = {row["factor"]: row for row in effects.to_dicts()}
    model = found["model"]
    assert (model["level"], model["against"], model["cells"], model["n"]) == ("tuned", "base", 8, 40)
    assert model["low"] > 0 and model["p_adjusted"] < 0.05 and model["detectable"] > 0
    assert effects["p_adjusted"].to_list() == adjusted(effects.drop("p_adjusted"))["p_adjusted"].to_list()
    assert found["retriever"]["difference"] == pytest.approx(0, abs=1e-9) and found["sampling"]["p_value"] > 0.5
    best = table.filter("chosen")
    assert best.height == 1 and best["model"].item() == "tuned" and best["value"].item() == table["value"].max()


def test_a_cell_whose_answers_failed_is_counted_and_not_chosen():
    cells = grid(ExperimentSettings("g", ("base", "tuned")), ["base", "tuned"], [])
    rows = answers_of(cells, lambda cell: 0.5)
    failed = rows.with_columns(error=pl.when(pl.col("cell") == cells[1].name).then(pl.lit("too long")))
    table, effects = score_cells(cells, failed, ASKED, "chrf", QUICK)
    assert table.select("failed", "n", "chosen").rows() == [(0, 40, True), (40, 0, False)] and effects.is_empty()


def test_no_cell_wins_by_failing_where_others_are_wrong():
    cells = grid(ExperimentSettings("g", ("base", "tuned")), ["base", "tuned"], [])
    rows = answers_of(cells, lambda cell: 1.0)
    is_hard = ~pl.col("sample_id").is_in(NAMES[:10])
    wrong = pl.when(is_hard & (pl.col("cell") == cells[0].name)).then(pl.lit("no")).otherwise("output")
    failed = pl.when(is_hard & (pl.col("cell") == cells[1].name)).then(pl.lit("too long"))
    table, _ = score_cells(cells, rows.with_columns(output=wrong, error=failed), ASKED, "chrf", QUICK)
    assert table.select("failed", "n", "chosen").rows() == [(0, 40, True), (30, 10, False)]
    assert table["value"][1] == 100 and table["value"][0] < 50


def test_levels_that_are_not_there_are_named():
    for wrong, told in (
        (ExperimentSettings("g", ("nobody",)), "models: there is no 'nobody'; there are: base"),
        (ExperimentSettings("g", (), ("gone",)), "prompts: there is no 'gone'; there are: none, plain"),
        (ExperimentSettings("g", (), ("plain", "plain")), "prompts: name each level once"),
    ):
        with pytest.raises(ValueError) as caught:
            grid(wrong, ["base"], ["plain"])
        assert told in str(caught.value)


def test_a_cell_says_how_a_model_is_asked():
    cell = grid(GRID, ["base", "tuned"], ["plain"])[-1]
    asked = cell.generation(GenerationSettings(max_new_tokens=9))
    assert (asked.temperature, asked.seed, asked.max_new_tokens) == (0.7, 1, 9)

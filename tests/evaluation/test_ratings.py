"""Ratings against closed forms and another package, a planted order, and comparisons that do not hang together."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.ratings import BATTLES, CENTRE, ELO, RATINGS, NotConnectedError, fit, rate
from evaluation.statistics import BootstrapSettings

QUICK = BootstrapSettings(resamples=400, permutations=100)


def battles(*rows):
    return pl.DataFrame([(f"s{place}", *row) for place, row in enumerate(rows)], schema=BATTLES, orient="row")


def of_two(won, tied, lost):
    return np.array([[[0.0, won], [lost, 0.0]]]), np.array([[[0.0, tied], [tied, 0.0]]])


@given(st.integers(5, 300), st.integers(1, 300), st.integers(5, 300))
def test_two_models_have_a_closed_form(won, tied, lost):
    """Davidson's likelihood of two is saturated: the odds are those of wins to losses, nu is t / sqrt(w l)."""
    strengths, nu = fit(*of_two(won, tied, lost))
    assert strengths[0, 0] - strengths[0, 1] == pytest.approx(np.log(won / lost), abs=0.02)
    assert nu[0] == pytest.approx(tied / np.sqrt(won * lost), rel=0.02)


def test_without_ties_it_is_bradley_and_terrys_model_as_choix_fits_it():
    """choix 0.4.1, `mm_pairwise` on these wins, to eight digits."""
    wins = [[0, 13, 10, 6, 6], [1, 0, 1, 4, 16], [13, 18, 0, 12, 19], [14, 13, 11, 0, 18], [6, 16, 13, 1, 0]]
    published = [0.16467291, -0.95977986, 0.49811588, 0.81392119, -0.51693012]
    strengths, nu = fit(np.array([wins], dtype=float), np.zeros((1, 5, 5)))
    np.testing.assert_allclose(strengths[0], published, atol=1e-3)
    assert nu[0] == 0


def test_tables_fitted_together_are_fitted_as_alone():
    tables = [of_two(30, 4, 20), of_two(8, 0, 2), of_two(1, 9, 1)]
    together, _ = fit(*(np.concatenate(part) for part in zip(*tables, strict=True)))
    for row, (wins, ties) in zip(together, tables, strict=True):
        np.testing.assert_allclose(row, fit(wins, ties)[0][0], atol=1e-6)


def test_a_planted_order_is_found_and_lies_in_its_intervals():
    rng, strength = np.random.default_rng(5), {"a": 0.8, "b": 0.0, "c": -0.8}
    rows = []
    for _ in range(900):
        one, two = rng.choice(list(strength), 2, replace=False)
        up, down = np.exp(strength[one] / 2 - strength[two] / 2), np.exp(strength[two] / 2 - strength[one] / 2)
        won, lost = up / (up + down + 0.5), down / (up + down + 0.5)
        rows.append((one, two, rng.choice([1.0, 0.0, 0.5], p=[won, lost, 1 - won - lost])))
    found = rate(battles(*rows), QUICK)
    assert dict(found.schema) == RATINGS and found["model"].to_list() == ["a", "b", "c"]
    for row in found.iter_rows(named=True):
        assert row["low"] < CENTRE + ELO * strength[row["model"]] < row["high"]
    assert found["wins"].sum() == found["losses"].sum() and found["ties"].sum() % 2 == 0


def test_whoever_always_wins_has_a_rating_all_the_same():
    found = rate(battles(*[("a", "b", 1.0)] * 20), QUICK)
    assert found["model"].to_list() == ["a", "b"] and found["rating"].is_finite().all()


def test_the_side_and_the_order_of_battles_mean_nothing():
    rows = [("a", "b", 1.0), ("b", "c", 0.5), ("c", "a", 0.0), ("b", "a", 1.0)] * 5
    turned = [(b, a, 1 - win) for a, b, win in rows]
    assert rate(battles(*rows), QUICK).equals(rate(battles(*turned), QUICK))


def test_groups_that_never_met_are_refused_by_name():
    with pytest.raises(NotConnectedError, match=r"nobody compared \[a, b\] with \[c, d\]"):
        rate(battles(("a", "b", 1.0), ("c", "d", 0.5)), QUICK)
    assert rate(battles(), QUICK).is_empty()

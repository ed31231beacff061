"""Pictures: PNGs that show what they are given, the same bytes for the same numbers."""

import math
import struct

import polars as pl

from evaluation.scores import SCORES
from plots import BARS, bars, curve, histogram, intervals, shares

ROWS = pl.DataFrame(
    [
        {"model": "base", "prompt": "few_shot", "metric": "chrf", "value": 23.6, "low": 21.8, "high": 25.4, "n": 100},
        {"model": "tuned", "prompt": "none", "metric": "chrf", "value": 26.0, "low": 23.1, "high": 28.9, "n": 100},
        {"model": "tuned", "prompt": None, "metric": "perplexity", "value": 20.0, "low": None, "high": None, "n": 1},
    ],
    schema=SCORES,
)


def size(png):
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])


def test_each_metric_has_its_panel():
    one, two = size(intervals(ROWS.filter(metric="chrf"))), size(intervals(ROWS))
    assert one[0] == two[0] == 640
    assert two[1] > one[1]


def test_the_same_numbers_give_the_same_bytes_and_others_do_not():
    assert intervals(ROWS, "Test") == intervals(ROWS, "Test")
    assert intervals(ROWS) != intervals(ROWS.with_columns(pl.col("value") + 1))
    assert histogram([1, 2, 2, 3], "words") == histogram(pl.Series([1.0, 2, 2, 3]), "words")
    assert histogram([1, 2, 2, 3], "words") != histogram([1, 2, 2, 3], "words", threshold=2.5)
    assert curve([3.0, 2.0], "loss") == curve([3, 2], "loss") != curve([2.0, 3.0], "loss")
    assert size(curve([], "loss"))[0] == 640


def test_a_heat_map_of_shares():
    totals = {"web": 10, "mail": 4}
    assert shares(totals, {("web", "mail"): 5}, "copies") == shares(totals, {("web", "mail"): 5}, "copies")
    assert shares(totals, {("web", "mail"): 5}, "copies") != shares(totals, {("mail", "web"): 2}, "copies")
    assert size(shares({}, {}, "copies"))[0] == 640
    many = {f"a_rather_long_name_that_begins_alike_{number}": 10 for number in range(BARS + 2)}
    beyond = list(many)[-1]
    assert shares(many, {(beyond, beyond): 5}, "copies") != shares(many, {}, "copies"), "nobody is left out in silence"
    one, two = ({name: 10} for name in list(many)[:2])
    assert shares(one, {}, "copies") != shares(two, {}, "copies"), "names are told apart"


def test_names_with_signs_and_numbers_without_end_are_drawn():
    wild = ROWS.with_columns(model=pl.lit("a$b$_{x}^" + "m" * 60))
    assert size(intervals(wild))[0] == 640
    assert histogram([1.0, math.nan, math.inf, 2.0], "a $b$") == histogram([1.0, 2.0], "a $b$")


def test_nothing_to_show_is_said_rather_than_raised():
    assert size(intervals(ROWS.clear()))
    assert size(histogram([], "empty", threshold=1.0))


def test_bars_beyond_the_limit_are_one():
    many = {f"rule {number}": 100 - number for number in range(BARS + 3)}
    few = dict(list(many.items())[:BARS]) | {"3 others": sum(list(many.values())[BARS:])}
    assert bars(many, "rules") == bars({**many}, "rules") != bars(dict(list(few.items())[:BARS]), "rules")
    assert size(bars(many, "a $b$"))[0] == size(bars({}, "none"))[0] == 640

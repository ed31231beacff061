"""Pictures: SVG that shows what it is given, the same bytes for the same numbers."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.scores import SCORES
from plots import BARS, bars, curve, histogram, intervals, learned, linear, shares, tradeoff

ROWS = pl.DataFrame(
    [
        {"model": "base", "prompt": "few_shot", "metric": "chrf", "value": 23.6, "low": 21.8, "high": 25.4, "n": 100},
        {"model": "tuned", "prompt": "none", "metric": "chrf", "value": 26.0, "low": 23.1, "high": 28.9, "n": 100},
        {"model": "tuned", "prompt": None, "metric": "perplexity", "value": 20.0, "low": None, "high": None, "n": 1},
    ],
    schema=SCORES,
)
FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)


def elements(svg, name):
    root = ElementTree.fromstring(svg.decode())
    return root if name == "svg" else root.findall(f"{{http://www.w3.org/2000/svg}}{name}")


def size(svg):
    root = elements(svg, "svg")
    assert not re.search(r"nan|inf\b", re.sub(r">[^<]*<", "", svg.decode())), "a place that is no number"
    return int(root.get("width")), float(root.get("height"))


def texts(svg):
    return [element.text for element in elements(svg, "text")]


def widths(svg):
    """Of all bars, which have an edge."""
    return [float(element.get("width")) for element in elements(svg, "rect") if element.get("stroke")]


def test_each_metric_has_its_panel():
    one, two = size(intervals(ROWS.filter(metric="chrf"))), size(intervals(ROWS))
    assert one[0] == two[0] == 640
    assert two[1] > one[1]
    said = texts(intervals(ROWS, "Test"))
    assert {"Test", "chrf", "perplexity", "base (few_shot)", "23.6  [21.8, 25.4]  n=100"} <= set(said)


def test_the_same_numbers_give_the_same_bytes_and_others_do_not():
    assert intervals(ROWS, "Test") == intervals(ROWS, "Test")
    assert intervals(ROWS) != intervals(ROWS.with_columns(pl.col("value") + 1))
    assert histogram([1, 2, 2, 3], "words") == histogram(pl.Series([1.0, 2, 2, 3]), "words")
    assert histogram([1, 2, 2, 3], "words") != histogram([1, 2, 2, 3], "words", threshold=2.5)
    assert curve([3.0, 2.0], "loss") == curve([3, 2], "loss") != curve([2.0, 3.0], "loss")
    assert size(curve([], "loss"))[0] == 640


def test_bars_are_as_long_as_their_counts_say():
    long, short = widths(bars({"a": 1_000, "b": 250}, "rules"))
    assert long == pytest.approx(4 * short, abs=0.5)
    assert {"a", "b", "1,000", "250", "rules", "rows"} <= set(texts(bars({"a": 1_000, "b": 250}, "rules")))
    heights = [
        float(bar.get("height")) for bar in elements(histogram([1, 1, 1, 2], "words"), "rect") if bar.get("stroke")
    ]
    assert heights[0] == pytest.approx(3 * heights[-1], abs=0.5)


def test_a_heat_map_of_shares():
    totals = {"web": 10, "mail": 4}
    drawn = shares(totals, {("web", "mail"): 5}, "copies")
    assert drawn == shares(totals, {("web", "mail"): 5}, "copies")
    assert drawn != shares(totals, {("mail", "web"): 2}, "copies")
    assert texts(drawn).count("50.0%") == 1
    assert size(shares({}, {}, "copies"))[0] == 640
    many = {f"a_rather_long_name_that_begins_alike_{number}": 10 for number in range(BARS + 2)}
    beyond = list(many)[-1]
    assert shares(many, {(beyond, beyond): 5}, "copies") != shares(many, {}, "copies"), "nobody is left out in silence"
    one, two = ({name: 10} for name in list(many)[:2])
    assert shares(one, {}, "copies") != shares(two, {}, "copies"), "names are told apart"


def test_names_with_signs_and_numbers_without_end_are_drawn():
    wild = ROWS.with_columns(model=pl.lit("a&b<script>\"'\x00\ud7ff" + "m" * 60))
    assert size(intervals(wild))[0] == 640
    assert "script" not in {element.tag.rpartition("}")[2] for element in elements(intervals(wild), "svg").iter()}
    assert histogram([1.0, math.nan, math.inf, 2.0], "a <b>") == histogram([1.0, 2.0], "a <b>")
    assert size(curve([3.0, math.nan, 2.0, math.inf], "loss")) == size(curve([3.0, 2.0], "loss"))
    assert size(intervals(ROWS.with_columns(value=math.nan)))
    assert size(intervals(ROWS.with_columns(low=-math.inf, high=math.nan)))
    assert size(tradeoff([("a", 1.0, math.nan), ("b", 2.0, 3.0)], "accuracy"))
    assert size(learned([(0, math.nan, None, None), (10, 0.5, 0.4, math.inf)], "accuracy"))


@given(st.lists(st.tuples(st.text(max_size=40), FINITE, FINITE), max_size=6))
def test_all_that_is_drawn_lies_in_the_picture(points):
    pictures = [
        tradeoff(points, "accuracy"),
        curve([value for _, value, _ in points], "loss"),
        histogram([value for _, value, _ in points], "words", 3.0),
        learned([(abs(int(price)), value, None, value) for _, price, value in points], "accuracy"),
    ]
    for picture in pictures:
        width, height = size(picture)
        for element in elements(picture, "circle"):
            assert 0 <= float(element.get("cx")) <= width and 0 <= float(element.get("cy")) <= height
        for element in elements(picture, "polyline"):
            for pair in element.get("points").split():
                x, y = map(float, pair.split(","))
                assert 0 <= x <= width and 0 <= y <= height


@given(st.lists(FINITE, max_size=5), st.booleans())
def test_an_axis_has_a_few_numbers_in_order_and_apart(values, whole):
    axis = linear(values, 0, 100, whole)
    numbers = [number for number, _ in axis.ticks]
    assert len(numbers) <= 12 and all(a <= b for a, b in pairwise(numbers))
    assert all(-1e-3 <= axis.at(number) <= 100 + 1e-3 for number in numbers)
    assert all(-1e-6 <= axis.at(value) <= 100 + 1e-6 for value in values)


def test_nothing_to_show_is_said_rather_than_raised():
    for picture in (
        intervals(ROWS.clear()),
        histogram([], "empty", threshold=1.0),
        tradeoff([], "x"),
        learned([], "x"),
    ):
        assert size(picture) and "nothing to show" in texts(picture)


def test_bars_beyond_the_limit_are_one():
    many = {f"rule {number}": 100 - number for number in range(BARS + 3)}
    few = dict(list(many.items())[:BARS]) | {"3 others": sum(list(many.values())[BARS:])}
    assert bars(many, "rules") == bars({**many}, "rules") != bars(dict(list(few.items())[:BARS]), "rules")
    assert "3 others" in texts(bars(many, "rules"))
    assert size(bars(many, "a $b$"))[0] == size(bars({}, "none"))[0] == 640

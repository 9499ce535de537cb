"""What a figure shows: axes that one bad arm does not squeeze, names at the ends of curves, and colours that can be told apart."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Canvas

import harness.report.render as render
from harness.report.render.document import Figure, Report
from harness.report.render.page import inline_svg
from harness.report.render.plot_style import DASHES, PALETTE, look, style, svg_of
from harness.report.render.plots import Curve, Line, Point, beyond, beyond_points, curves, cut_panels, forest, scatter, small_curves
from harness.report.render.plots.end_labels import spread
from harness.report.render.plots.reach import reach

CSS = (Path(render.__file__).parent / "templates" / "page.css").read_text()
GOOD = [Line(f"arm{place}", value, value - 0.5, value + 0.5) for place, value in enumerate((2.0, 1.0, 0.5, 0.0, -0.5))]
BAD = Line("bad", -15.0, -15.6, -14.2, word="FAIL", said="−15.0 [−15.6, −14.2]")


def texts(canvas: Canvas) -> list[str]:
    return [text.get_text() for axes in canvas.axes for text in axes.texts]


@pytest.mark.parametrize(
    ("spans", "held", "cut"),
    [
        ([(-15.6, -14.2), (0, 1), (1, 2), (1, 3), (2, 3)], [], (0, 3)),
        ([(0, 1), (1, 2), (1, 3), (2, 3)], [], None),  # nothing is far off
        ([(-15, -14), (-15.5, -14.5), (0, 1), (1, 2), (1, 3), (2, 3), (2, 4), (1, 2)], [], (0, 4)),  # two bad ones side by side
        ([(-15, -14), (0, 1), (1, 2), (90, 95), (1, 3), (2, 3), (2, 4), (1, 2)], [], (0, 4)),  # one at either end
        ([(-15, -14), (0, 1), (1, 2), (1, 3), (2, 3)], [-14.5], None),  # the axis must show what is held
        ([(-15, -14), (0, 1), (1, 2)], [], None),  # of three, none is the odd one
        ([(-9, -8), (-7, -6), (-8, -5), (0, 1), (1, 2)], [], None),  # most are far off
        ([(2, 2), (2, 2), (2, 2), (2, 2), (9, 9)], [], None),  # an axis has a length
        ([(math.nan, 1), (-math.inf, 2), (0, 1), (0, 1), (0, 1e300)], [], None),
    ],
)
def test_an_axis_leaves_out_few_values_and_only_where_that_gains_room(
    spans: Sequence[tuple[float, float]], held: Sequence[float], cut: tuple[float, float] | None
) -> None:
    found = reach(spans, held)
    if cut is None:
        assert found is None
    else:
        assert found is not None
        pad = 0.06 * (cut[1] - cut[0])
        assert found == pytest.approx((cut[0] - pad, cut[1] + pad))


def test_a_bad_arm_does_not_squeeze_the_others_and_stands_there_in_words() -> None:
    assert beyond([*GOOD, BAD], margin=-0.9) == [BAD]
    assert beyond(GOOD, margin=-0.9) == []
    canvas = forest([*GOOD, BAD], axis="points", margin=-0.9)
    low, high = canvas.axes[0].get_xlim()
    assert -3.0 < low < -1.0
    assert 2.5 < high < 3.0
    assert BAD.said in texts(canvas)
    assert "<" in [line.get_marker() for line in canvas.axes[0].lines]
    whole = forest([*GOOD, BAD], axis="points", margin=-0.9, whole=True)
    assert whole.axes[0].get_xlim()[0] < -15.6
    assert BAD.said not in texts(whole)


def test_an_interval_that_runs_out_of_the_axis_has_an_arrow_and_no_words() -> None:
    wide = Line("wide", 0.0, -40.0, 40.0, said="0.0 [−40.0, +40.0]")
    canvas = forest([*GOOD, wide], axis="points", margin=None)
    assert beyond([*GOOD, wide], margin=None) == [wide]
    assert {"<", ">"} <= {line.get_marker() for line in canvas.axes[0].lines}
    assert wide.said not in texts(canvas)


def curve(name: str, values: Sequence[float], accent: int | None = 0) -> Curve:
    return Curve(name, values, [math.nan] * len(values), [math.nan] * len(values), accent)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_curve_far_below_is_marked_with_its_value_and_the_best_one_never_is(sign: int) -> None:
    lines = [curve(f"arm{place}", [sign * (80 + place + trial) for trial in range(4)], place) for place in range(4)]
    lines += [curve("bad", [sign * 0.3] * 4, 4), curve("grey", [sign * 0.2] * 4, None)]
    lower = ["task"] if sign < 0 else []
    assert cut_panels({"task": lines}, lower) == ["task"]
    assert cut_panels({"task": lines[:4]}, lower) == []
    canvas = curves({"task": lines}, labels={"task": "score"}, lower=lower)
    low, high = sorted(canvas.axes[0].get_ylim())
    assert high - low < 15
    assert low < sign * 86 < high
    said = "0.3" if sign > 0 else "−0.3"
    assert f"bad {said}" in texts(canvas)
    assert "arm3" in texts(canvas)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_grey_curve_that_is_better_than_all_coloured_ones_is_in_sight(sign: int) -> None:
    lines = [curve("coloured", [sign * 1.0, sign * 2.0], 0), curve("grey", [sign * 1.0, sign * 9.0], None)]
    canvas = curves({"task": lines}, labels={"task": "score"}, lower=["task"] if sign < 0 else [])
    low, high = sorted(canvas.axes[0].get_ylim())
    assert low < sign * 9.0 < high


def test_names_stand_in_the_order_of_the_last_values_and_do_not_overlap() -> None:
    places = spread([0.5, 0.51, 0.9, 0.505], 0.1)
    assert sorted(range(4), key=lambda place: -places[place]) == [2, 1, 3, 0]
    ordered = sorted(places)
    assert min(after - before for before, after in itertools.pairwise(ordered)) == pytest.approx(0.1)
    assert spread([0.99, 1.0], 0.1) == pytest.approx([0.9, 1.0])
    assert spread([0.0, 0.01], 0.1) == pytest.approx([0.0, 0.1])
    lines = [curve(f"arm{place}", [1.0, 2.0 + place / 1000], place) for place in range(6)]
    canvas = curves({"task": lines}, labels={"task": "score"})
    with style():
        canvas.draw_without_rendering()
        heights = {text.get_text(): text.get_window_extent() for text in canvas.axes[0].texts}
    order = sorted(heights, key=lambda name: -heights[name].y0)
    assert order == [f"arm{place}" for place in reversed(range(6))]
    for above, below in itertools.pairwise(order):
        assert heights[above].y0 >= heights[below].y1


def test_a_legend_stands_in_the_order_of_the_final_values() -> None:
    lines = [curve("worst", [5.0, 1.0], 0), curve("best", [1.0, 9.0], 1), curve("second", [2.0, 8.0], 2)]
    for lower, names in (((), ["best", "second", "worst"]), (("task",), ["worst", "second", "best"])):
        canvas = small_curves({"task": lines}, labels={"task": "score"}, lower=lower)
        assert [text.get_text() for text in canvas.legends[0].get_texts()] == names


def test_a_point_far_below_stands_at_the_edge_with_its_value() -> None:
    points = [Point(f"arm{place}", 1.0 + place, 80.0 + place) for place in range(5)]
    bad = Point("bad", 1.0, 3.0, said="3.0")
    assert beyond_points({"seconds": [*points, bad]}) == [bad]
    assert "bad 3.0" in texts(scatter({"seconds": [*points, bad]}, axis="score"))


def test_twelve_arms_differ_in_more_than_their_colour() -> None:
    looks = [look(accent) for accent in range(12)]
    for first, second in itertools.combinations(looks, 2):
        marks = [(each["marker"], each["markerfacecolor"] == "none") for each in (first, second)]
        assert marks[0] != marks[1]
        assert first["linestyle"] != second["linestyle"] or first["color"] != second["color"]
    assert len({str(dash) for dash in DASHES}) == 6


# Machado, Oliveira and Fernandes 2009, at full severity: no vision, red, green, blue.
LOST = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
)


def linear(colour: str) -> np.ndarray:
    value = np.array(to_rgb(colour))
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb / (0.9505, 1.0, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(first: str, second: str) -> float:
    low, high = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_the_colours_stand_out_and_can_be_told_apart_without_colour_vision(scheme: int) -> None:
    colours = re.findall(r"--arm\d: (#\w{6})", CSS)[6 * scheme :][:6]
    paper = re.findall(r"--paper: (#\w{6})", CSS)[scheme]
    assert scheme or tuple(colours) == PALETTE
    assert min(contrast(colour, paper) for colour in colours) >= 3.0
    for seen in LOST:
        shown = [lab(np.clip(seen @ linear(colour), 0.0, 1.0)) for colour in colours]
        assert min(float(np.linalg.norm(one - other)) for one, other in itertools.combinations(shown, 2)) >= 15.0


def test_a_drawing_on_the_page_has_the_colours_of_its_scheme_and_no_text_is_touched() -> None:
    with style():
        canvas = curves({"a 1.23456 b": [curve('<g id="x" 0.987654', [1.0, 2.0])], "c": []}, labels={"a 1.23456 b": "y", "c": "y"})
        svg = svg_of(canvas, "key")
    assert not re.search(r' d="[^"]*\.\d\d', svg)
    page = inline_svg(svg)
    assert "a 1.23456 b" in page
    assert '&lt;g id="x" 0.987654' in page.replace("&quot;", '"')
    assert PALETTE[0] not in page
    assert "var(--arm0)" in page
    assert "<!--" not in page


def test_a_figure_with_a_second_drawing_shows_it_on_a_phone(synthetic_out: tuple[Report, Path]) -> None:
    report, out = synthetic_out
    page = (out / "report.html").read_text(encoding="utf-8")
    figures = [item for item in report.items() if isinstance(item, Figure)]
    assert page.count('class="wide"') == len(figures)
    assert page.count('class="narrow"') == sum(figure.narrow is not None for figure in figures) > 2
    assert {"gaps", "anytime_average"} <= {figure.key for figure in figures if figure.narrow}

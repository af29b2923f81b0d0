"""Charts are read back as XML, and their lines as numbers."""

import doctest
import math
from xml.etree import ElementTree as ET

import pytest

from colorization import plots
from colorization.plots import COLOURS, HEIGHT, WIDTH, Line, line_chart, ticks, write_line_chart


def draw(*lines, **options):
    return ET.fromstring(line_chart("a title", lines, "the x", "the y", **options))


def polylines(root):
    """Return the points of each line, as lists of (x, y)."""
    return [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in root.iterfind(".//{*}polyline")
    ]


def texts(root):
    return [text.text for text in root.iterfind(".//{*}text")]


def test_doctests():
    assert doctest.testmod(plots).failed == 0


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (10, 40, [10, 15, 20, 25, 30, 35, 40]),
        (0, 1.88, [0, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8]),
        (-3e-6, 2e-6, [-3e-6, -2e-6, -1e-6, 0, 1e-6, 2e-6]),
        (130, 26700, [5000, 10000, 15000, 20000, 25000]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected, abs=1e-12)


def test_lines_lie_where_their_numbers_are():
    line = Line("one", [0, 5, 20], [100, 40, 0])
    (points,) = polylines(draw(line, x_range=(0, 20), y_range=(0, 100)))
    assert points == [(0, 0), (WIDTH / 4, HEIGHT * 0.6), (WIDTH, HEIGHT)]


def test_ranges_follow_the_data_to_full_ticks():
    root = draw(Line("one", [3, 97], [0.12, 0.58]), Line("two", [0, 50], [math.inf, 0.3]))
    first, second = polylines(root)
    assert first == [(0.03 * WIDTH, pytest.approx(HEIGHT * 0.96)), (0.97 * WIDTH, HEIGHT * 0.04)]
    assert second[0] == (0, 0)  # beyond all, at the edge
    assert {"0.1", "0.6", "0", "100"} <= set(texts(root))


def test_outside_of_the_ranges():
    line = Line("one", [-1, 0, 1, 2, 3], [5, -5, 1, 25, 5])
    (points,) = polylines(draw(line, x_range=(0, 2), y_range=(0, 10)))
    assert points == [(0, HEIGHT), (WIDTH / 2, HEIGHT * 0.9), (WIDTH, 0)]


def test_a_line_without_height_is_drawn_in_the_middle():
    (points,) = polylines(draw(Line("one", [0, 1], [7, 7])))
    assert [y for _, y in points] == [HEIGHT / 2, HEIGHT / 2]


def test_legend_labels_and_marks():
    root = draw(Line("a < b & c", [0, 4], [0, 1]), Line("two", [0, 4], [1, 0]), marks=[1, 3])
    assert {"a title", "the x", "the y", "a < b & c", "two"} <= set(texts(root))
    dotted = [line for line in root.iterfind(".//{*}line") if line.get("stroke-dasharray")]
    assert [float(line.get("x1")) for line in dotted] == [WIDTH / 4, WIDTH * 3 / 4]


def test_every_line_looks_different():
    lines = [Line(str(n), [0, 1], [0, n]) for n in range(2 * len(COLOURS))]
    lines.insert(2, Line("grey", [0, 1], [0, 3], "#888", dashed=True))
    drawn = list(draw(*lines).iterfind(".//{*}polyline"))
    looks = [(line.get("stroke"), line.get("stroke-dasharray")) for line in drawn]
    assert len(set(looks)) == len(lines)
    assert looks[2] == ("#888", "6 4")
    assert [colour for colour, _ in looks[:2] + looks[3:7]] == list(COLOURS)


def test_the_picture_is_wide_enough_for_the_legend():
    narrow, wide = (draw(Line(name, [0, 1], [0, 1])) for name in ("a", "a" * 60))
    assert float(wide.get("width")) - float(narrow.get("width")) > 59 * 6
    assert wide.get("viewBox") == f"0 0 {wide.get('width')} {wide.get('height')}"


def test_written_to_a_file(tmp_path):
    arguments = ("a title", [Line("one", [0, 1], [0, 1])], "the x", "the y")
    write_line_chart(tmp_path / "new" / "chart.svg", *arguments, y_range=(0, 2))
    assert (tmp_path / "new" / "chart.svg").read_text() == line_chart(*arguments, y_range=(0, 2))

"""Line charts as SVG: axes, ticks, legend and nothing to install."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from colorization.files import write_text

# The palette of Okabe and Ito, told apart by colour-blind readers as well, without its yellow.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
WIDTH, HEIGHT = 640, 360  # of the area between the axes
LEFT, TOP, BOTTOM = 62, 40, 56
LEGEND_LINE = 20
CHARACTER = 7.2  # width of a legend's character, about
FONT = "13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Line:
    """A line through the points (x, y); without a colour it takes the next one of the palette."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: str | None = None
    dashed: bool = False


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    marks: Iterable[float] = (),
) -> str:
    """Return an SVG document with these lines and vertical lines at the `marks`.

    A range that is not given is that of the data, widened to full ticks. Points outside the range
    of x are left out, values outside that of y are drawn at its edge.
    """
    x_range = x_range or _around([x for line in lines for x in line.x])
    y_range = y_range or _around([y for line in lines for y in line.y])
    legend = 52 + CHARACTER * max(len(line.name) for line in lines)
    size = (round(LEFT + WIDTH + legend), TOP + HEIGHT + BOTTOM)
    svg = ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {size[0]} {size[1]}"},
        width=str(size[0]),
        height=str(size[1]),
        role="img",
        style=f"font: {FONT}; fill: #333",
    )
    _add(svg, "title", title)
    _add(svg, "rect", width=size[0], height=size[1], fill="#fff")
    _add(svg, "text", title, x=LEFT, y=24, font_size=15, font_weight=600)
    area = _add(svg, "g", transform=f"translate({LEFT} {TOP})")
    _draw_axes(area, x_range, y_range, x_label, y_label)
    for mark in marks:
        x = f"{_place(mark, x_range) * WIDTH:.1f}"
        _add(area, "line", x1=x, x2=x, y1=0, y2=HEIGHT, stroke="#bbb", stroke_dasharray="2 3")
    _draw_lines(area, lines, x_range, y_range)
    return ET.tostring(svg, encoding="unicode") + "\n"


def write_line_chart(target: str | os.PathLike, *arguments, **options) -> None:
    """Write `line_chart(...)` to a file."""
    write_text(target, line_chart(*arguments, **options))


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Return about so many round numbers from low to high: multiples of 1, 2 or 5 x a power of 10.

    >>> ticks(0, 0.43)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    step = _step(low, high, about)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [round(number * step, 12) for number in numbers]


def _step(low: float, high: float, about: int) -> float:
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    return power * min((1, 2, 5, 10), key=lambda m: abs(math.log(m * power / rough)))


def _around(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of the finite values, widened to full ticks."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = _step(low, high, 6)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def _draw_axes(
    area: ET.Element, x_range: tuple, y_range: tuple, x_label: str, y_label: str
) -> None:
    for tick in ticks(*y_range):
        y = f"{HEIGHT * (1 - _place(tick, y_range)):.1f}"
        _add(area, "line", x1=0, x2=WIDTH, y1=y, y2=y, stroke="#e4e4e4")
        _add(area, "text", f"{tick:g}", x=-8, y=y, dy="0.35em", text_anchor="end")
    for tick in ticks(x_range[0], x_range[1], about=8):
        x = f"{_place(tick, x_range) * WIDTH:.1f}"
        _add(area, "line", x1=x, x2=x, y1=HEIGHT, y2=HEIGHT + 5, stroke="#888")
        _add(area, "text", f"{tick:g}", x=x, y=HEIGHT + 20, text_anchor="middle")
    _add(area, "path", d=f"M0 0V{HEIGHT}H{WIDTH}", fill="none", stroke="#888")
    _add(area, "text", x_label, x=WIDTH / 2, y=HEIGHT + 44, text_anchor="middle")
    turned = f"translate({18 - LEFT} {HEIGHT / 2:g}) rotate(-90)"
    _add(area, "text", y_label, transform=turned, text_anchor="middle")


def _draw_lines(area: ET.Element, lines: Sequence[Line], x_range: tuple, y_range: tuple) -> None:
    plain = 0
    for row, line in enumerate(lines):
        colour, dashed = line.colour, line.dashed
        if colour is None:
            colour, dashed = COLOURS[plain % len(COLOURS)], dashed or plain >= len(COLOURS)
            plain += 1
        look: dict[str, Any] = {
            "fill": "none",
            "stroke": colour,
            "stroke_width": 2,
            "stroke_linejoin": "round",
        }
        if dashed:
            look["stroke_dasharray"] = "6 4"
        _add(area, "polyline", points=_points(line, x_range, y_range), **look)
        y = 8 + LEGEND_LINE * row
        _add(area, "path", d=f"M{WIDTH + 12} {y}h24", **look)
        _add(area, "text", line.name, x=WIDTH + 42, y=y, dy="0.35em")


def _points(line: Line, x_range: tuple, y_range: tuple) -> str:
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    inside = (x >= x_range[0]) & (x <= x_range[1])
    x, y = x[inside], np.clip(y[inside], *y_range)
    places = zip(_place(x, x_range) * WIDTH, HEIGHT * (1 - _place(y, y_range)))
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in places)


def _place(value, limits: tuple[float, float]):
    """Return where a value lies within the limits, from 0 to 1."""
    low, high = limits
    return (value - low) / (high - low)


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes) -> ET.Element:
    """Append an element; an underscore in an attribute's name stands for a hyphen."""
    named = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    element = ET.SubElement(parent, tag, named)
    element.text = text
    return element

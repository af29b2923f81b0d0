"""Ink and flat paint: curves drawn into pixels as on paper and cels.

A Canvas is an array of pixels with the matrix that takes drawing units to them. Lines swell and
taper as under a nib, and tremble a little as a hand does. The tremble follows from the shape
itself: what is drawn twice alike gives the same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from colorization.cartoon.light import DAY, Colour, Light

INK: Colour = (38, 30, 34)
FRAME_HEIGHT = 528.0  # drawing units from the top of a frame to its bottom
SUPERSAMPLING = 2  # pixels drawn for each one of the frame, along each axis

_SUBPIXEL_BITS = 4
_WAVES = 6  # sines of which the tremble of a line is made
_TREMBLE = np.random.default_rng(1890).normal(0, 0.4, (61, 2 * _WAVES, 2))
_TREMBLE /= np.sqrt(np.tile(np.arange(1, _WAVES + 1), 2))[:, None]
_NIB = np.array([0.5, 0.87])  # lines are thick where a shape faces this way: below, on the right


class Pen(NamedTuple):
    """What outlines are drawn with where nothing else is said."""

    ink: Colour
    width: float  # in drawing units


FIGURES = Pen(INK, 1.7)
SEPIA: Colour = (84, 64, 54)
BACKGROUNDS = Pen(SEPIA, 1.5)  # so that figures stand out

Points = Sequence[Sequence[float]] | np.ndarray


def curve(points: Points, closed: bool = True, steps: int = 6) -> np.ndarray:
    """Return points (N, 2) of a smooth curve through those given; one given twice is a corner."""
    p = np.asarray(points, float)
    if closed:
        q = np.concatenate((p[-1:], p, p[:2]))
    else:
        q = np.concatenate((2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]))
    lengths = np.abs(np.diff(q, axis=0)).sum(axis=1)
    slopes = (q[2:] - q[:-2]) / 2 * np.minimum(1, lengths[:-1] * lengths[1:])[:, None]
    kept = lengths[1 : len(slopes)] > 0
    ends = np.stack((q[1:-2], q[2:-1], slopes[:-1], slopes[1:]), axis=1)[kept]
    sampled = (_hermite(steps) @ ends).reshape(-1, 2)
    return sampled if closed else np.concatenate((sampled, p[-1:]))


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> np.ndarray:
    """Return points (32, 2) of an ellipse turned by `angle` radians."""
    unit = _circle(32) * (rx, ry)
    c, s = math.cos(angle), math.sin(angle)
    return unit @ np.array([[c, s], [-s, c]]) + (x, y)


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> np.ndarray:
    """Return points (13, 2) of a part of an ellipse; degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 13))
    return np.stack((x + rx * np.cos(angles), y + ry * np.sin(angles)), axis=1)


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return the four corners (4, 2)."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def between(a: Sequence[float], b: Sequence[float], share: float) -> tuple[float, float]:
    """Return the point at a share of the way from a to b."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


class Canvas:
    """Pixels (H, W, 3), uint8, and the matrix (2, 3) from drawing units to pixels."""

    __slots__ = ("light", "matrix", "pen", "pixels", "unit")

    def __init__(
        self,
        pixels: np.ndarray,
        matrix: np.ndarray,
        light: Light = DAY,
        unit: float = 1.0,
        pen: Pen = FIGURES,
    ):
        self.pixels = pixels
        self.matrix = matrix
        self.light = light
        self.unit = unit  # pixels per drawing unit where nothing is scaled
        self.pen = pen

    def at(
        self, x: float, y: float, scale: float = 1.0, angle: float = 0.0, flip: bool = False
    ) -> Canvas:
        """Return a canvas on the same pixels whose origin is (x, y) of this one."""
        c, s = scale * math.cos(angle), scale * math.sin(angle)
        side = -1 if flip else 1
        a, b, tx, d, e, ty = self.matrix.ravel().tolist()
        linear = (a * c + b * s) * side, b * c - a * s, (d * c + e * s) * side, e * c - d * s
        matrix = np.array(
            [(linear[0], linear[1], a * x + b * y + tx), (linear[2], linear[3], d * x + e * y + ty)]
        )
        return self._with(matrix)

    def stretched(self, horizontal: float, vertical: float) -> Canvas:
        """Return a canvas on the same pixels, stretched about the origin."""
        return self._with(self.matrix * (horizontal, vertical, 1))

    def _with(self, matrix: np.ndarray) -> Canvas:
        return Canvas(self.pixels, matrix, self.light, self.unit, self.pen)

    @property
    def unlit(self) -> Canvas:
        """A canvas for what shines by itself: the same pixels in full light."""
        return Canvas(self.pixels, self.matrix, DAY, self.unit, self.pen)

    @property
    def background(self) -> Canvas:
        """A canvas for what belongs to the background, in its kind of line."""
        return Canvas(self.pixels, self.matrix, self.light, self.unit, BACKGROUNDS)

    def to_pixels(self, points: Points) -> np.ndarray:
        return np.asarray(points, float) @ self.matrix[:, :2].T + self.matrix[:, 2]

    @property
    def scale(self) -> float:
        """Pixels per drawing unit."""
        (a, b), (c, d) = self.matrix[:, :2].tolist()
        return math.sqrt(abs(a * d - b * c))

    def shape(
        self,
        points: Points,
        fill: Colour | None,
        width: float | None = None,
        ink: Colour | None = None,
    ) -> None:
        """Paint a closed shape and ink its outline; width 0 leaves it without."""
        if fill is not None and width == 0:
            self._paint(self.to_pixels(points), fill)
            return
        trembling = self._tremble(points)
        if fill is not None:
            self._paint(trembling, fill)
        self._ink(np.concatenate((trembling, trembling[:1])), self._swell(trembling, width), ink)

    def line(
        self,
        points: Points,
        width: float | None = None,
        ink: Colour | None = None,
        taper: bool = True,
    ) -> None:
        """Ink an open line, thinner towards its ends."""
        trembling = self._tremble(points)
        count = len(trembling) - 1
        along = (np.arange(count) + 0.5) / count
        profile = 0.35 + 0.75 * np.sin(np.pi * along) ** 0.7 if taper else np.ones(count)
        self._ink(trembling, profile * self._nib(width), ink)

    def tube(
        self,
        points: Points,
        start: float,
        end: float,
        fill: Colour,
        width: float | None = None,
        ink: Colour | None = None,
    ) -> None:
        """Paint a limb or a rope along a line: its thickness goes from `start` to `end`."""
        path = self.to_pixels(points)
        count = len(path) - 1
        thick = np.linspace(start, end, count) * self.scale
        if width != 0:
            self._ink(path, thick + 1.9 * self._nib(width), ink)
        self._ink(path, thick, fill)

    def union(
        self,
        shapes: Iterable[np.ndarray],
        fill: Colour,
        width: float | None = None,
        ink: Colour | None = None,
    ) -> None:
        """Paint shapes that overlap, and ink the outline that they have together."""
        paths = [self._tremble(shape) for shape in shapes]
        for path in paths:
            closed = np.concatenate((path, path[:1]))
            self._ink(closed, 2 * self._swell(path, width), ink)
        for path in paths:
            self._paint(path, fill)

    def shade(self, points: Points, strength: float) -> None:
        """Darken what is already drawn inside a closed shape by a share of its brightness."""
        path = self.to_pixels(points)
        height, width = self.pixels.shape[:2]
        left, top = np.maximum(np.floor(path.min(axis=0)).astype(int), 0)
        right, bottom = np.minimum(np.ceil(path.max(axis=0)).astype(int) + 1, (width, height))
        if left >= right or top >= bottom:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, [_fixed(path - (left, top))], int(255 * strength), *_SMOOTH)
        part = self.pixels[top:bottom, left:right]
        keep = cv2.cvtColor(255 - mask, cv2.COLOR_GRAY2RGB)
        cv2.multiply(part, keep, part, 1 / 255)

    def _tremble(self, points: Points) -> np.ndarray:
        """The points in pixels, moved a little as by a hand."""
        points = np.asarray(points, float)
        first = points[0] * (7.3, 3.1)
        which = int(abs(first[0] + first[1]) + len(points)) % len(_TREMBLE)
        path = self.to_pixels(points)
        size = np.ptp(path, axis=0).max()
        amount = min(0.55 * self._nib(1.0), 0.012 * size)
        return path + amount * (_sines(len(points)) @ _TREMBLE[which])

    def _nib(self, width: float | None) -> float:
        """A line's width in pixels: lines of small things are less thin than they are small."""
        width = self.pen.width if width is None else width
        return width * self.unit * (self.scale / self.unit) ** 0.7

    def _swell(self, path: np.ndarray, width: float | None) -> np.ndarray:
        """The width of the outline of a closed shape, segment by segment."""
        along = np.roll(path, -1, axis=0) - path
        x, y = path.T
        clockwise = np.sign(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
        outwards = np.stack((along[:, 1], -along[:, 0]), axis=1) * clockwise
        length = np.hypot(*along.T) + 1e-9
        facing = np.clip(outwards @ _NIB / length, 0, 1)
        return self._nib(width) * (0.72 + 0.6 * facing)

    def _paint(self, path: np.ndarray, fill: Colour) -> None:
        cv2.fillPoly(self.pixels, [_fixed(path)], self.light(fill), *_SMOOTH)

    def _ink(self, path: np.ndarray, widths: np.ndarray, ink: Colour | None) -> None:
        """Draw the line in runs of one thickness."""
        colour = self.light(ink or self.pen.ink)
        fixed = _fixed(path)
        thick = np.maximum(np.rint(widths), 1).astype(int)
        breaks = (np.flatnonzero(np.diff(thick)) + 1).tolist()
        for start, end in zip([0, *breaks], [*breaks, len(thick)]):
            run = fixed[start : end + 1]
            cv2.polylines(self.pixels, [run], False, colour, int(thick[start]), *_SMOOTH)


_SMOOTH = (cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(path: np.ndarray) -> np.ndarray:
    """Pixels as whole numbers of their sixteenths, as OpenCV takes them."""
    return np.rint(path * (1 << _SUBPIXEL_BITS)).astype(np.int32)


@lru_cache
def _hermite(steps: int) -> np.ndarray:
    """Weights (steps, 4) of a segment's two ends and the slopes there."""
    t = np.arange(steps)[:, None] / steps
    rising = t * t * (3 - 2 * t)
    return np.concatenate((1 - rising, rising, t * (1 - t) ** 2, t * t * (t - 1)), axis=1)


@lru_cache
def _circle(count: int) -> np.ndarray:
    angles = np.arange(count) * (2 * np.pi / count)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1)


@lru_cache(maxsize=512)
def _sines(count: int) -> np.ndarray:
    angles = np.arange(count)[:, None] * (2 * np.pi / count) * np.arange(1, _WAVES + 1)
    return np.concatenate((np.sin(angles), np.cos(angles)), axis=1)

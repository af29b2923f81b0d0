"""WindowData's source: foreground and background windows of pictures.

A window (x1, y1, x2, y2) is given in pixels, its last row and column included.
"""

import math
from collections.abc import Iterator
from itertools import islice
from operator import length_hint
from typing import NamedTuple

import cv2
import numpy as np

from . import sources
from .blob import MAX_COUNT, checked_shape
from .data_transformer import read_mean
from .errors import CaffeError
from .streams import numpy_generator

EXPECTED = "a list of pictures: `# number`, path, channels, height, width, count, then windows"


class Window(NamedTuple):
    """One line of a window file, with the picture that it is of."""

    path: str
    label: int
    overlap: float
    box: tuple


def read_windows(path: str, root: str) -> list:
    """All windows of a file."""
    numbered = [
        (number, word)
        for number, line in sources.read_lines(path, EXPECTED)
        for word in line.split()
    ]
    words = iter([word for _, word in numbered])
    windows: list[Window] = []
    for mark in words:
        begin = len(numbered) - length_hint(words) - 1  # of the picture, then of the window
        try:
            if mark != "#":
                raise ValueError
            _, picture, _, _, _, count = islice(words, 6)
            for _ in range(int(count)):
                begin = len(numbered) - length_hint(words)
                windows.append(_window(root + picture, words))
        except ValueError:
            number, _ = numbered[min(begin, len(numbered) - 1)]
            raise CaffeError(f"{path}:{number}: expected {EXPECTED}") from None
    return windows


def _window(path: str, words: Iterator) -> Window:
    label, overlap, *box = islice(words, 6)
    x1, y1, x2, y2 = map(int, box)
    if max(map(abs, (int(label), x1, y1, x2, y2))) > MAX_COUNT:
        raise ValueError
    return Window(path, int(label), float(overlap), (x1, y1, x2, y2))


def rounded(value: float) -> int:
    """The nearest integer, halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def with_context(box: tuple, size: int, pad: int, square: bool) -> tuple:
    """The box with so much around it that `pad` of `size` pixels on each side are context.

    `square` makes its sides equal first. The box may then reach out of the picture.
    """
    x1, y1, x2, y2 = box
    half = [(x2 - x1 + 1) / 2, (y2 - y1 + 1) / 2]
    center = x1 + half[0], y1 + half[1]
    if square:
        half = [max(half)] * 2
    scale = size / (size - 2 * pad)
    near = [rounded(c - h * scale) for c, h in zip(center, half)]
    far = [rounded(c + h * scale) for c, h in zip(center, half)]
    return *near, *far


def place(first: int, last: int, length: int, size: int) -> tuple:
    """Along one axis: what of first..last is inside `length`, and where `size` pixels get it.

    Returns the slice of the picture, and the start, the end and the far margin in the result.
    """
    before, behind = max(0, -first), max(0, last - length + 1)
    scale = size / (last - first + 1)
    inside = slice(first + before, last - behind + 1)
    start = rounded(before * scale)
    count = min(rounded((inside.stop - inside.start) * scale), size - start)
    return inside, start, count, rounded(behind * scale)


class WindowSource:
    """Batches of windows drawn by chance: backgrounds first, then `fg_fraction` of foreground."""

    def __init__(self, param, transform):
        self._param, self._transform = param, transform
        self._size = transform.crop_size
        self._check()
        shape = checked_shape((param.batch_size, 3, self._size, self._size))
        self.shapes = [shape, shape[:1]]
        self._mean = self._read_mean()
        windows = read_windows(param.source, param.root_folder)
        self._foreground = [w for w in windows if w.overlap >= param.fg_threshold]
        self._background = [
            w._replace(label=0)
            for w in windows
            if w.overlap < min(param.bg_threshold, param.fg_threshold)
        ]
        self._counts = self._share_out()

    def _check(self) -> None:
        if not self._size:
            raise CaffeError("transform_param has no crop_size, expected the windows' size")
        if 2 * self._param.context_pad >= self._size:
            raise CaffeError(
                f"context_pad is {self._param.context_pad}, expected less than half of "
                f"crop_size {self._size}"
            )
        if not 0 <= self._param.fg_fraction <= 1:
            raise CaffeError(f"fg_fraction is {self._param.fg_fraction:g}, expected 0 to 1")
        if self._param.crop_mode not in ("warp", "square"):
            raise CaffeError(f'crop_mode is "{self._param.crop_mode}", expected warp or square')

    def _read_mean(self) -> np.ndarray:
        values = np.array(self._transform.mean_value or [0], np.float32)
        if not self._transform.HasField("mean_file"):
            if len(values) not in (1, 3):
                raise CaffeError(f"mean_value is given {len(values)} times, expected 1 or 3")
            return np.broadcast_to(values[:, None, None], (3, self._size, self._size))
        mean = read_mean(self._transform.mean_file)
        room = mean.shape[2] - self._size
        if mean.shape[0] != 3 or mean.shape[1] != mean.shape[2] or room < 0:
            raise CaffeError(
                f"{self._transform.mean_file}: is {mean.shape}, expected 3 square planes of at "
                f"least {self._size}"
            )
        inside = slice(room // 2, room // 2 + self._size)
        return mean[:, inside, inside]

    def _share_out(self) -> list:
        """Of each kind of window: its name, the windows and how many of them a batch has."""
        batch = self._param.batch_size
        count = int(batch * np.float32(self._param.fg_fraction))
        kinds = [
            ("background", self._background, batch - count),
            ("foreground", self._foreground, count),
        ]
        for name, windows, wanted in kinds:
            if wanted and not windows:
                raise CaffeError(f"{self._param.source}: has no {name} windows")
        return kinds

    def batch(self, seed: int, index: int) -> list:
        """The windows and labels of batch `index`."""
        draws = numpy_generator(seed, "windows", index)
        drawn = [
            windows[i]
            for _, windows, count in self._counts
            for i in draws.integers(len(windows), size=count)
        ]
        mirrored = draws.random(len(drawn)) < (0.5 if self._transform.mirror else 0)
        data = np.stack([self._cut(*pair) for pair in zip(drawn, mirrored)])
        return [data, np.array([window.label for window in drawn], np.float32)]

    def _cut(self, window: Window, mirrored: bool) -> np.ndarray:
        """The (3, size, size) pixels of a window less the mean; 0 outside of the picture."""
        planes = sources.read_planes(window.path, True)
        box, param, size = window.box, self._param, self._size
        for first, last, length in zip(box, box[2:], planes.shape[:0:-1]):
            if not (first <= last and first < length and last >= 0):
                raise CaffeError(f"{window.path}: window {box} lies outside")
        if param.context_pad or param.crop_mode == "square":
            box = with_context(box, size, param.context_pad, param.crop_mode == "square")
        try:
            columns, left, width, right = place(box[0], box[2], planes.shape[2], size)
            rows, top, height, _ = place(box[1], box[3], planes.shape[1], size)
            cut = np.ascontiguousarray(planes[:, rows, columns].transpose(1, 2, 0))
            cut = cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR)
        except cv2.error:
            raise CaffeError(f"{window.path}: window {window.box} has no pixel left") from None
        if mirrored:
            cut, left = cut[:, ::-1], min(right, size - width)
        result = np.zeros((3, size, size), np.float32)
        inside = (slice(None), slice(top, top + height), slice(left, left + width))
        result[inside] = (cut.transpose(2, 0, 1) - self._mean[inside]) * self._transform.scale
        return result

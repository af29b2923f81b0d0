"""The pictures of a comparison: originals and results beside each other, and as files.

for sight in sights(Path("test"), {"plain": Path("out/plain")}):
    sight.label, sight.original, sight.grey, sight.results["plain"]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from colorization.comparison import GREY, Mismatch, ResultSet, Stream, is_film
from colorization.images import ImageError, Picture, eight_bits, write_image
from colorization.inference import lightness, without_colour
from colorization.inputs import find_inputs
from colorization.resizing import bounded
from colorization.video import VideoError

ORIGINAL = "ground truth"
FOLDER = "pictures"  # in the folder of the report
LONGEST_SIDE = 640  # of a written picture, in pixels


@dataclass(frozen=True)
class Sight:
    """Picture `number` of a ground truth, and those results that there are of it.

    RGB (H, W, 3), uint8 or uint16, all of one size; `frame` counts from 0 in a film.
    """

    number: int
    file: str
    frame: int | None
    original: np.ndarray
    results: Mapping[str, np.ndarray]

    @property
    def label(self) -> str:
        return self.file if self.frame is None else f"{self.file}, frame {self.frame}"

    @cached_property
    def grey(self) -> np.ndarray:
        return without_colour(lightness(self.original), self.original.dtype.type)

    def columns(self, sets: Sequence[str]) -> list[tuple[str, np.ndarray | None]]:
        """Return captions and pictures: grey, the results (None where there is none), truth."""
        results = [(name, self.results.get(name)) for name in sets]
        return [(GREY, self.grey), *results, (ORIGINAL, self.original)]


def sights(
    truth: Path, sets: Mapping[str, Path], size: int | None = None, fit: bool = False
) -> Iterator[Sight]:
    """Yield what `Comparison(truth, sets, size)` compares, in its order, with what was left out.

    With `fit` instead of a size, originals keep their own and results are brought to it.
    """
    found = {name: ResultSet(name, path, truth) for name, path in sets.items()}
    number = 0
    for source, place in find_inputs([str(truth)]).items():
        with ExitStack() as stack:
            results = {}
            for name, result_set in found.items():
                try:
                    stream = Stream(result_set.find(source, place), size, fit)
                except Mismatch:
                    continue  # the comparison has told of it
                results[name] = stack.enter_context(closing(stream))
            pictures = _pictures(stack.enter_context(closing(Stream(source, size))))
            for count, original in enumerate(pictures):
                frame = count if is_film(source) else None
                read = _read(results, original, count)
                yield Sight(number, place.as_posix(), frame, original, read)
                number += 1


def _pictures(stream: Stream) -> Iterator[np.ndarray]:
    """Yield pictures as far as they can be read."""
    try:
        while (rgb := stream.read()) is not None:
            yield rgb
    except (ImageError, VideoError):
        return


def _read(results: dict[str, Stream], original: np.ndarray, number: int) -> dict:
    """Read one picture of each result; those that have none are taken out of them."""
    read = {}
    for name in list(results):
        try:
            read[name] = results[name].read_as(original, number)
        except (ImageError, VideoError, Mismatch):
            del results[name]
    return read


def even_sample(total: int, count: int) -> set[int]:
    """Return `count` numbers below `total`, evenly spread; all where there are no more.

    >>> sorted(even_sample(10, 3))
    [1, 5, 8]
    """
    if count >= total:
        return set(range(total))
    return {int((i + 0.5) * total / count) for i in range(count)}


def shown(rgb: np.ndarray) -> np.ndarray:
    """Return a picture as it is shown: 8 bits, no larger than LONGEST_SIDE."""
    return bounded(eight_bits(rgb), LONGEST_SIDE)


@dataclass(frozen=True)
class Cell:
    """A picture in a row of the page; without a file there is no such result."""

    caption: str
    file: str | None


@dataclass(frozen=True)
class Strip:
    """A row of the page: one picture in all columns, and its size in pixels."""

    label: str
    cells: Sequence[Cell]
    width: int
    height: int


def write_strip(folder: Path, sight: Sight, sets: Sequence[str]) -> Strip:
    """Write a sight's pictures below `folder`; return the row that shows them.

    Files are named by number and column, as the names of sets may hold anything.
    """
    cells = []
    for column, (caption, rgb) in enumerate(sight.columns(sets)):
        file = None if rgb is None else picture_file(sight.number, column)
        if rgb is not None and file is not None:
            write_image(folder / file, Picture(shown(rgb)))
        cells.append(Cell(caption, file))
    H, W = shown(sight.original).shape[:2]
    return Strip(sight.label, cells, W, H)


def picture_file(number: int, column: int) -> str:
    """Return where a picture of the page lies below the report's folder."""
    return f"{FOLDER}/{number:06d}_{column}.jpg"

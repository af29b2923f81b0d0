"""Sets of results measured against one ground truth, image by image (thesis, section 8.1).

    comparison = Comparison(Path("test"), {"plain": Path("out/plain"), "L2": Path("out/l2")})
    for row in comparison.rows():
        print(row.method, row.file, row.rmse)
    print(comparison.tallies["plain"].rmse.value)

A set is a folder whose files are named as those of the ground truth, or one image or film. Images
and frames are read one by one and forgotten: memory does not grow with their number.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from colorization import metrics
from colorization.colour import sRGB_to_Lab
from colorization.errors import ColorizationError
from colorization.formats import FILM_SUFFIXES
from colorization.images import ImageError, read_image
from colorization.inference import without_colour
from colorization.inputs import InputError, find_inputs
from colorization.resizing import resized
from colorization.video import VideoError, open_video

GREY = "grey"  # the baseline: the ground truth with ab = 0
BIN = 0.01  # width of the bins in which errors are counted
BINS = round(metrics.LARGEST_ERROR / BIN)
NAMES_IN_A_LINE = 3


class Mismatch(ColorizationError):
    """Files that cannot be compared: one line."""


@dataclass(frozen=True)
class Row:
    """How one image of a method came out; `frame` counts from 0 in a film."""

    method: str
    file: str
    frame: int | None
    rmse: float
    psnr: float
    pa: float
    colourfulness: float


class Mean:
    """The mean of those numbers that are finite; where none is, the last one."""

    def __init__(self) -> None:
        self.count = 0
        self._sum, self._last = 0.0, math.nan

    def add(self, number: float) -> None:
        self._last = number
        if math.isfinite(number):
            self.count += 1
            self._sum += number

    @property
    def value(self) -> float:
        return self._sum / self.count if self.count else self._last


def _zeros(*shape: int) -> np.ndarray:
    return field(default_factory=lambda: np.zeros(shape, np.int64))


@dataclass
class Tally:
    """What is known of a set after some of its images.

    `pixel_errors` and `image_errors` count errors (equation 8.1) of pixels and of images in bins of
    the width BIN; `ab` and `original_ab` are sums of `metrics.ab_histogram`.
    """

    images: int = 0
    rmse: Mean = field(default_factory=Mean)
    psnr: Mean = field(default_factory=Mean)
    pa: Mean = field(default_factory=Mean)
    colourfulness: Mean = field(default_factory=Mean)
    pixel_errors: np.ndarray = _zeros(BINS)
    image_errors: np.ndarray = _zeros(BINS)
    ab: np.ndarray = _zeros(2, metrics.AB_BINS)
    original_ab: np.ndarray = _zeros(2, metrics.AB_BINS)

    def add(self, result: Measured, original: Measured) -> dict[str, float]:
        """Measure one image; return its figures."""
        errors = metrics.pixel_errors(result.sRGB, original.sRGB)
        figures = {
            "rmse": float(errors.mean(dtype=np.float64)),
            "psnr": metrics.psnr(result.sRGB, original.sRGB),
            "pa": metrics.perceivable_artifacts(result.ab, original.ab),
            "colourfulness": result.colourfulness,
        }
        for name, value in figures.items():
            getattr(self, name).add(value)
        self.images += 1
        self.pixel_errors += _binned(errors)
        self.image_errors += _binned(np.array([figures["rmse"]]))
        self.ab += result.ab_histogram
        self.original_ab += original.ab_histogram
        return figures

    @property
    def intersections(self) -> tuple[float, float]:
        """Return the histogram intersections of a and of b; NaN before the first image."""
        if not self.images:
            return math.nan, math.nan
        a, b = metrics.histogram_intersection(self.ab, self.original_ab)
        return float(a), float(b)


class Measured:
    """An image, and what is computed once however many others it is compared with."""

    def __init__(self, rgb: np.ndarray):
        self.rgb = rgb
        self.sRGB = metrics.as_sRGB(rgb)

    @cached_property
    def Lab(self) -> np.ndarray:
        return sRGB_to_Lab(self.sRGB)

    @property
    def ab(self) -> np.ndarray:
        return self.Lab[:, :, 1:]

    @cached_property
    def ab_histogram(self) -> np.ndarray:
        return metrics.ab_histogram(self.ab)

    @cached_property
    def colourfulness(self) -> float:
        return metrics.colourfulness(self.sRGB)


class Comparison:
    """Measures sets of results, name -> folder or file, and the grey baseline.

    With `size` all images are brought to size x size pixels first; without it those of a pair must
    have one size. What cannot be compared is left out and told to `complain`, one line each.
    InputError for a set that is not there, and for the name of the baseline.
    """

    def __init__(
        self,
        truth: Path,
        sets: Mapping[str, Path],
        size: int | None = None,
        complain: Callable[[str], object] = print,
    ):
        if GREY in sets:
            raise InputError(f'"{GREY}" is the name of the baseline: choose another')
        if not truth.exists():
            raise InputError(f"ground truth: {truth} does not exist")
        self.size = size
        self.tallies = {name: Tally() for name in (*sets, GREY)}
        self.original_colourfulness = Mean()
        self._complain = complain
        self._files = find_inputs([str(truth)])
        self._sets = {name: ResultSet(name, path, truth) for name, path in sets.items()}

    def __len__(self) -> int:
        """Return about how many images and frames the ground truth has; 0 if a film hides it."""
        lengths = [_length(source) for source in self._files]
        return sum(lengths) if all(lengths) else 0

    def rows(self) -> Iterator[Row]:
        """Measure everything, once; for each image the rows of the sets, then that of GREY."""
        for source, place in self._files.items():
            results = {}
            for name, result_set in self._sets.items():
                try:
                    results[name] = Stream(result_set.find(source, place), self.size)
                except Mismatch as error:
                    self._complain(f"{name}: {error}")
            try:
                yield from self._compare(source, place, results)
            except (ImageError, VideoError) as error:
                self._complain(f"ground truth: {error}")
            finally:
                for stream in results.values():
                    stream.close()
        for name, result_set in self._sets.items():
            if unused := result_set.unused():
                self._complain(f"{name}: without ground truth: {unused}")

    def _compare(self, source: Path, place: Path, results: dict[str, Stream]) -> Iterator[Row]:
        count = 0
        with closing(Stream(source, self.size)) as truth:
            while (rgb := truth.read()) is not None:
                frame = count if is_film(source) else None
                for name, figures in self._measure(rgb, count, results):
                    yield Row(method=name, file=place.as_posix(), frame=frame, **figures)
                count += 1
        for name, stream in results.items():
            if stream.goes_on():
                self._complain(
                    f"{name}: {stream.path}: goes on after the {count} frames of the truth"
                )

    def _measure(
        self, rgb: np.ndarray, number: int, results: dict[str, Stream]
    ) -> Iterator[tuple[str, dict[str, float]]]:
        """Measure picture `number` of all results; those that have none are taken out of them."""
        original = Measured(rgb)
        self.original_colourfulness.add(original.colourfulness)
        for name in list(results):
            try:
                result = results[name].read_as(rgb, number)
            except (ImageError, VideoError, Mismatch) as error:
                self._complain(f"{name}: {error}")
                results.pop(name).close()
            else:
                yield name, self.tallies[name].add(Measured(result), original)
        grey = Measured(without_colour(original.Lab[:, :, 0], rgb.dtype.type))
        yield GREY, self.tallies[GREY].add(grey, original)


class ResultSet:
    """The files of a set, found by the names of the ground truth."""

    def __init__(self, name: str, path: Path, truth: Path):
        if not path.exists():
            raise InputError(f"{name}: {path} does not exist")
        if truth.is_dir() and not path.is_dir():
            raise InputError(f"{name}: {path} is one file, and the ground truth is a folder")
        self._path = path
        self._files = {place: source for source, place in find_inputs([str(path)]).items()}
        self._unused = set(self._files)
        self._by_stem = defaultdict(list)
        for place in self._files:
            self._by_stem[place.with_suffix("")].append(place)

    def find(self, source: Path, place: Path) -> Path:
        """Return the file of the same place, or one that differs by its suffix alone."""
        if not self._path.is_dir():
            candidates = list(self._files)
        elif place in self._files:
            candidates = [place]
        else:  # a.jpg was written as a.jpg.png, or as a.png
            candidates = self._by_stem.get(place) or self._by_stem.get(place.with_suffix(""), [])
        candidates = [place for place in candidates if is_film(place) == is_film(source)]
        if len(candidates) != 1:
            names = " and ".join(map(str, candidates))
            trouble = f"{names} may both be the result" if candidates else "no result"
            raise Mismatch(f"{self._path}: {trouble} for {place}")
        self._unused.discard(candidates[0])
        return self._files[candidates[0]]

    def unused(self) -> str:
        """Return the names of some files that were not asked for, and how many more there are."""
        names = sorted(str(self._files[place]) for place in self._unused)
        rest = len(names) - NAMES_IN_A_LINE
        more = f" and {rest} more" if rest > 0 else ""
        return ", ".join(names[:NAMES_IN_A_LINE]) + more


class Stream:
    """The pictures of a file, one by one: of an image one, of a film its frames.

    With `fit`, those of another size than the original are brought to it.
    """

    def __init__(self, path: Path, size: int | None, fit: bool = False):
        self.path = path
        self._frames = _frames(path)
        self._size = size
        self._fit = fit

    def read(self) -> np.ndarray | None:
        rgb = next(self._frames, None)
        return rgb if rgb is None or self._size is None else resized(rgb, self._size, self._size)

    def read_as(self, original: np.ndarray, number: int) -> np.ndarray:
        """Return picture `number`, which must be there, at the size of the original."""
        rgb = self.read()
        if rgb is None:
            raise Mismatch(f"{self.path}: ends after {number} frames, before the ground truth")
        if self._fit and rgb.shape != original.shape:
            return resized(rgb, *original.shape[1::-1])
        if rgb.shape != original.shape:
            (H, W, _), (H_0, W_0, _) = rgb.shape, original.shape
            sizes = f"{W}x{H} pixels, where the ground truth has {W_0}x{H_0}"
            raise Mismatch(f"{self.path}: {sizes}; give a size to compare them at")
        return rgb

    def goes_on(self) -> bool:
        try:
            return next(self._frames, None) is not None
        except VideoError:  # there is something, if only something broken
            return True

    def close(self) -> None:
        self._frames.close()


def _frames(path: Path) -> Generator[np.ndarray, None, None]:
    if is_film(path):
        with open_video(path) as film:
            for frame, _ in film:
                yield frame
    else:
        yield read_image(path).rgb


def _length(path: Path) -> int:
    if not is_film(path):
        return 1
    try:
        with open_video(path) as film:
            return len(film)
    except VideoError:
        return 0


def is_film(path: Path) -> bool:
    return path.suffix.lower() in FILM_SUFFIXES


def _binned(errors: np.ndarray) -> np.ndarray:
    """Return how many errors are in each bin [i BIN, (i + 1) BIN)."""
    bins = np.minimum(errors / BIN, BINS - 1).astype(np.int64)
    return np.bincount(bins.ravel(), minlength=BINS)

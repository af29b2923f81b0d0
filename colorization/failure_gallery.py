"""The worst images of each set of results, by the metrics and by the thesis' forms of failure.

    gallery = Gallery(["plain", "L2"], apart=10)
    for row in gallery.watched(comparison.rows()):     # the metrics, while they are computed
        ...
    for sight in sights(truth, sets):                  # the forms, and the pictures
        gallery.offer(sight)
    gallery.groups()

Only the worst are kept, as encoded pictures: memory does not grow with the number of images.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from colorization.comparison import GREY, Measured, Row, Tally
from colorization.comparison_pictures import Sight, shown
from colorization.failure_forms import (
    BORDER,
    CONTRAST,
    REACH,
    SIDE,
    STILL,
    bleeding,
    deficiency,
    edge_pollution,
    flicker,
    inconsistency,
)
from colorization.resizing import bounded

WORST = 3  # pictures of each group and set


@dataclass(frozen=True)
class Group:
    """A reason to be shown; `text` formats what was measured; the greater `badness`, the worse."""

    key: str
    title: str
    meaning: str
    text: str
    sign: int = 1  # badness = sign * value


METRICS = (
    Group("psnr", "Lowest PSNR", "The largest errors in RGB (8.3).", "PSNR {:.2f} dB", sign=-1),
    Group("rmse", "Highest RMSE", "The largest errors of the colours (8.1).", "RMSE {:.4f}"),
    Group("pa", "Most perceivable artifacts", "The highest PA (8.4).", "PA {:.4f}"),
)
FORMS = (
    Group(
        "inconsistency",
        "Inconsistent colouring",
        "In the thesis: objects contain spatially inconsistent colours, such as colour shifts or "
        "artifacts. Measured: by how many units of ab the error wanders inside areas that have one "
        "colour in the ground truth.",
        "{:.1f} units of ab within areas",
    ),
    Group(
        "edge_pollution",
        "Edge pollution",
        "In the thesis: inconsistent colour around the edges of the image. Measured: by how many "
        f"units of ab the outer {BORDER} pixels are more wrong than the inside; an object there "
        "that has the wrong colour counts as well.",
        "border {:.1f} units of ab worse",
    ),
    Group(
        "bleeding",
        "Colour bleeding",
        "In the thesis: an object's colour boundary spills over its intended edges. Measured: the "
        f"share of the pixels at colour edges (a change of more than {CONTRAST:g} units of ab "
        f"within {REACH} pixels) that have the colour from beyond the edge; small objects that "
        "were coloured as what is behind them count as well.",
        "{:.1%} of the pixels at edges",
    ),
    Group(
        "deficiency",
        "Colour deficiency",
        "In the thesis: colours too desaturated or too uniform across the entire image. Measured: "
        "the share of the ground truth's colourfulness that is missing.",
        "{:.0%} of the colourfulness missing",
    ),
    Group(
        "flicker",
        "Flicker",
        "Not one of the four, but what the thesis sees in sequences (8.4): colours that change "
        "from frame to frame. Measured: the mean change of ab since the frame before, where the "
        f"ground truth changed by at most {STILL:g} units of Lab.",
        "{:.2f} units of ab since the frame before",
    ),
)
HOW_MEASURED = (
    "The thesis finds the forms of failure by eye. Here a figure stands in for each, measured at "
    f"no more than {SIDE} pixels a side: it finds candidates, it does not judge. Images that lie "
    "close to one that is shown are left out."
)


@dataclass(frozen=True)
class Example:
    """A bad result beside its original, as JPEG of one size, with all its figures."""

    number: int
    label: str
    figures: Mapping[str, float]
    result: bytes
    original: bytes
    width: int
    height: int


class Worst:
    """Keeps the few numbers of the greatest badness, at least `apart` from one another."""

    def __init__(self, apart: int = 1, count: int = WORST):
        self._apart, self._count = apart, count
        self._kept: dict[int, float] = {}

    def add(self, number: int, badness: float) -> bool:
        """Keep this one in place of those near it, or of the least bad; tell whether it is."""
        near = [each for each in self._kept if abs(each - number) < self._apart]
        if not math.isfinite(badness) or any(badness <= self._kept[each] for each in near):
            return False
        for each in near:
            del self._kept[each]
        self._kept[number] = badness
        if len(self._kept) > self._count:
            del self._kept[min(reversed(self._kept), key=self._kept.__getitem__)]
        return number in self._kept

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers, the worst first."""
        return iter(sorted(self._kept, key=self._kept.__getitem__, reverse=True))

    def __contains__(self, number: int) -> bool:
        return number in self._kept


@dataclass
class _Before:
    """What flicker is measured against: the Lab of the frame before."""

    number: int = -2
    original: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 3)))
    results: dict[str, np.ndarray] = field(default_factory=dict)


class Gallery:
    """Finds and keeps the worst images of sets of results; see the module."""

    def __init__(self, sets: Sequence[str], apart: int = 1, count: int = WORST):
        self._worst = {
            (group.key, name): Worst(apart, count) for group in (*METRICS, *FORMS) for name in sets
        }
        self._examples: dict[str, dict[int, Example]] = {name: {} for name in sets}
        self._before = _Before()

    def watched(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass rows on, and remember those that are worst by a metric."""
        number = 0
        for row in rows:
            if row.method == GREY:
                number += 1
            else:
                for group in METRICS:
                    badness = group.sign * getattr(row, group.key)
                    self._worst[group.key, row.method].add(number, badness)
            yield row

    def offer(self, sight: Sight) -> None:
        """Measure the forms of failure of one picture of all sets, and keep what is worst."""
        original = Measured(bounded(sight.original, SIDE))
        before, now = self._before, _Before(sight.number, original.Lab)
        for name, rgb in sight.results.items():
            result = Measured(bounded(rgb, SIDE))
            now.results[name] = result.Lab
            figures = _forms(result, original)
            if before.number == sight.number - 1 and name in before.results:
                figures["flicker"] = flicker(
                    result.Lab, before.results[name], original.Lab, before.original
                )
            self._keep(sight, name, figures)
        self._before = now

    def _keep(self, sight: Sight, name: str, figures: dict[str, float]) -> None:
        """Keep a picture if it is one of the worst, and forget those that are no longer."""
        for group in FORMS:
            if (badness := figures.get(group.key, math.nan)) > 0:
                self._worst[group.key, name].add(sight.number, badness)
        worst = [self._worst[group.key, name] for group in (*METRICS, *FORMS)]
        examples = self._examples[name]
        if any(sight.number in each for each in worst):
            examples[sight.number] = _example(sight, name, figures)
            for number in [n for n in examples if not any(n in each for each in worst)]:
                del examples[number]

    def groups(self) -> Iterator[tuple[Group, dict[str, list[Example]]]]:
        """Yield the groups that have examples: for each set the worst, the worst first."""
        for group in (*METRICS, *FORMS):
            found = {
                name: [examples[n] for n in self._worst[group.key, name] if n in examples]
                for name, examples in self._examples.items()
            }
            if any(found.values()):
                yield group, found


def _forms(result: Measured, original: Measured) -> dict[str, float]:
    return {
        "inconsistency": inconsistency(result.Lab, original.Lab),
        "edge_pollution": edge_pollution(result.Lab, original.Lab),
        "bleeding": bleeding(result.Lab, original.Lab),
        "deficiency": deficiency(result.colourfulness, original.colourfulness),
    }


def _example(sight: Sight, name: str, forms: Mapping[str, float]) -> Example:
    """Return a result with all its figures: the metrics at its own size, the forms as they are."""
    result = sight.results[name]
    metrics = Tally().add(Measured(result), Measured(sight.original))
    small, original = shown(result), shown(sight.original)
    H, W = small.shape[:2]
    return Example(
        sight.number, sight.label, {**metrics, **forms}, _jpeg(small), _jpeg(original), W, H
    )


def _jpeg(rgb: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=95, subsampling=0)
    return stream.getvalue()

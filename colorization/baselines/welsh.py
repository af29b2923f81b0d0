"""Colours by matching lightness and texture (Welsh, Ashikhmin and Mueller 2002).

T. Welsh, M. Ashikhmin, K. Mueller: "Transferring color to greyscale images", ACM Transactions on
Graphics 21(3), 2002; one of the two methods that the thesis compares with (section 8.3). The
method without swatches: a person gives nothing but the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from colorization.baselines.features import local_deviation
from colorization.baselines.working_size import enlarge, reference_Lab, working_size
from colorization.inference import shrink

SAMPLES = 200  # of each reference, about
PIXELS = 2**20  # a larger image is matched at about so many


@dataclass(frozen=True)
class Samples:
    """Pixels of one reference, and the mean and standard deviation of all its L."""

    L: np.ndarray  # (n,), 0..100
    deviation: np.ndarray  # (n,), of L in 5x5 pixels
    ab: np.ndarray  # (n, 2)
    mean: float
    spread: float

    def remapped(self, mean: float, spread: float) -> tuple[np.ndarray, np.ndarray]:
        """Return L and deviation, mapped so that the whole reference has this mean and spread.

        L' = (L - mean_r) spread / spread_r + mean; deviations are multiplied by spread / spread_r.
        A reference of a single lightness is only moved.
        """
        ratio = spread / self.spread if self.spread > 0 else 1.0
        return (self.L - self.mean) * ratio + mean, self.deviation * ratio


class Welsh:
    """Colours L by the nearest samples of references (H, W, 3), uint8 or uint16.

    A reference gives about `count` samples, one at a place drawn in each cell of a grid. ValueError
    without references.
    """

    def __init__(self, references: Sequence[np.ndarray], count: int = SAMPLES, seed: int = 0):
        if not len(references):
            raise ValueError("references: expected one or more images to learn the colours from")
        random = np.random.default_rng(seed)
        planes = [reference_Lab(rgb, PIXELS) for rgb in references]
        self.samples = [take_samples(Lab, count, random) for Lab in planes]

    def __call__(self, L: np.ndarray) -> np.ndarray:
        """Return ab (2, H, W), float32, of L (H, W)."""
        small = shrink(L, working_size(L.shape, PIXELS))
        ab = np.concatenate([samples.ab for samples in self.samples])[self.match(small)]
        return enlarge(np.moveaxis(ab, -1, 0), L.shape)

    def match(self, L: np.ndarray) -> np.ndarray:
        """Return for each pixel the number (H, W) of the best sample, counted through references.

        The best has the least
            |L - L'| / (2 spread(L)) + |d - d'| / (2 spread(d)),
        where d is the standard deviation of L in 5x5 pixels, L' and d' are a sample's, remapped,
        and the spread is the standard deviation over the target. Welsh et al. give both halves the
        same weight without saying in which units: divided by their spreads, they move the choice
        alike. A plane without any spread is left as it is.
        """
        planes = np.stack([L.astype(np.float64), local_deviation(L)], axis=-1)
        spreads = planes.std(axis=(0, 1))
        spreads[spreads < 1e-6] = 1  # rounding alone
        mean, spread = planes[..., 0].mean(), planes[..., 0].std()
        remapped = [np.stack(each.remapped(mean, spread), -1) for each in self.samples]
        tree = cKDTree(np.concatenate(remapped) / (2 * spreads))
        return tree.query(planes / (2 * spreads), p=1)[1]


def take_samples(Lab: np.ndarray, count: int, random: np.random.Generator) -> Samples:
    """Return about `count` pixels of Lab (3, H, W)."""
    L, ab = Lab[0].astype(np.float64), Lab[1:]
    rows, columns = jittered_grid(L.shape, count, random)
    deviation = local_deviation(L)[rows, columns]
    return Samples(L[rows, columns], deviation, ab[:, rows, columns].T, L.mean(), L.std())


def jittered_grid(
    size: tuple[int, int], count: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns (n,) of pixels: one, drawn evenly, in each cell of a grid.

    The grid has about `count` cells, as square as they come, and no more than pixels in a row or a
    column.
    """
    H, W = size
    down = min(H, max(1, round((count * H / W) ** 0.5)))
    across = min(W, max(1, round(count / down)))
    y, x = (axis.ravel() for axis in np.mgrid[:down, :across])
    rows = (y + random.random(y.size)) * (H / down)
    columns = (x + random.random(x.size)) * (W / across)
    return rows.astype(int).clip(0, H - 1), columns.astype(int).clip(0, W - 1)

"""A plane at a smaller size by means over areas, compiled."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from colorization.compiled_colour import read_only


def area_means(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a plane (H, W) float32 at a `size` (h, w) of at most its own, float32.

    A pixel is the mean over its area, in which those cut by its border count by their share. The
    numbers are those of OpenCV's INTER_AREA, in a third of its time where sides are no multiples.
    """
    means = np.empty(size, np.float32)
    rows, columns = (_shares(*lengths) for lengths in zip(plane.shape, size))
    _sum_shares(read_only(plane, np.float32), rows, columns, means)
    return means


@lru_cache(maxsize=32)
def _shares(length: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Return of each part of a length the first pixel (parts), and the shares from it on, float32.

    All have equally many shares (parts, n), some of which are 0; first + n is within the length.
    """
    side = length / parts
    borders = np.arange(parts + 1) * side
    count = min(int(np.ceil(side)) + 1, length)
    first = np.minimum(borders[:-1].astype(np.int64), length - count)
    pixels = first[:, None] + np.arange(count)
    begins = np.maximum(borders[:-1, None], pixels)
    covered = (np.minimum(borders[1:, None], pixels + 1) - begins).clip(0)
    return first, (covered / side).astype(np.float32)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _sum_shares(
    plane: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    columns: tuple[np.ndarray, np.ndarray],
    means: np.ndarray,
) -> None:
    """Set the means: of each a row of sums over the rows, and then the sums over its columns."""
    (top, heights), (left, widths) = rows, columns
    summed = np.empty(plane.shape[1], np.float32)
    for i in range(len(top)):
        summed[:] = 0
        for k in range(heights.shape[1]):
            share, row = heights[i, k], plane[top[i] + k]
            if share:
                for x in range(len(summed)):
                    summed[x] += share * row[x]
        for j in range(len(left)):
            total = np.float32(0)
            for k in range(widths.shape[1]):
                total += widths[j, k] * summed[left[j] + k]
            means[i, j] = total

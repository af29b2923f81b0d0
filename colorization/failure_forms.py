"""How badly an image failed in each of the forms that the thesis names (section 8.2.1).

The thesis finds these forms by eye. The figures here are stand-ins that can be computed where the
original is known: each answers to one form, and to other faults as well. They choose pictures to
look at; they do not judge a method.

Images are Lab (H, W, 3), float32 or float64, a result beside its original, both of one size; they
are meant for sides of about SIDE pixels, as REACH and BORDER are given in pixels. What cannot be
told of an image is NaN. The greater a figure, the worse.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from colorization import metrics

SIDE = 256  # the longer side, at the most, at which the forms are measured
REACH = 4  # pixels over which a colour may spill
BORDER = 16  # width in pixels of the border of an image
CONTRAST = 10.0  # distance in ab from which on two neighbouring colours are different ones
LEAST_COLOURFULNESS = 5.0  # of an original of which colours can be missing
LEAST_AREA = 64  # pixels of an area of one colour
STILL = 2.0  # distance in Lab up to which a pixel of the original has not changed
LEAST_STILL = 0.01  # share of the pixels that must be still


def inconsistency(result: np.ndarray, original: np.ndarray) -> float:
    """Return by how many units of ab a colour wanders inside areas of one colour.

    The areas A are those connected pixels that are `metrics.even` in the original, with at least
    LEAST_AREA pixels. With d = ab - ab_0 it is sqrt(mean over their pixels of |d - mean_A d|^2):
    one wrong colour all over an area counts nothing, two colours in it do.
    """
    areas, _ = ndimage.label(metrics.even(original[..., 1:]))
    size = np.bincount(areas.ravel())
    size[0] = 0  # what is not even
    large = size >= LEAST_AREA
    if not large.any():
        return math.nan
    variance = sum(
        _variances(difference, areas, size)
        for difference in np.moveaxis(_errors(result, original), -1, 0)
    )
    return float(np.sqrt((variance * size)[large].sum() / size[large].sum()))


def _errors(result: np.ndarray, original: np.ndarray) -> np.ndarray:
    return result[..., 1:].astype(np.float64) - original[..., 1:]


def _variances(values: np.ndarray, areas: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the variance of the values in each area."""
    count = np.maximum(size, 1)
    means = np.bincount(areas.ravel(), values.ravel()) / count
    deviations = (values - means[areas]) ** 2
    return np.bincount(areas.ravel(), deviations.ravel()) / count


def edge_pollution(result: np.ndarray, original: np.ndarray) -> float:
    """Return by how many units of ab the border of the image is more wrong than its inside.

    It is the mean of |ab - ab_0| within BORDER pixels of the image's edges, less the mean inside;
    negative where the border is the better part, NaN for an image without an inside.
    """
    error = np.linalg.norm(_errors(result, original), axis=-1)
    inside = error[BORDER:-BORDER, BORDER:-BORDER]
    if inside.size == 0:
        return math.nan
    border = (error.sum() - inside.sum()) / (error.size - inside.size)
    return float(border - inside.mean())


def bleeding(result: np.ndarray, original: np.ndarray) -> float:
    """Return the share of the pixels at a colour edge that have the colour from beyond it.

    A pixel p lies at a colour edge where a pixel q, REACH away in one of the eight directions, has
    another colour in the original: |ab_0(p) - ab_0(q)| = c > CONTRAST. Its colour has come from
    beyond when |ab(p) - ab_0(q)| < min(c, |ab_0(q)|) / 2 for such a q. It is then nearer to that
    colour than to its own and than to grey, which does not spill.
    """
    H, W = original.shape[:2]
    at_edge, spilt = np.zeros((2, H, W), bool)
    for rows, columns in _directions():
        here, there = _shifted(H, rows), _shifted(H, -rows)
        left, right = _shifted(W, columns), _shifted(W, -columns)
        beyond = original[there, right, 1:]
        contrast = np.linalg.norm(original[here, left, 1:] - beyond, axis=-1)
        nearest = np.minimum(contrast, np.linalg.norm(beyond, axis=-1)) / 2
        distance = np.linalg.norm(result[here, left, 1:] - beyond, axis=-1)
        different = contrast > CONTRAST
        at_edge[here, left] |= different
        spilt[here, left] |= different & (distance < nearest)
    return float(spilt.sum() / at_edge.sum()) if at_edge.any() else math.nan


def _directions() -> list[tuple[int, int]]:
    steps = (-REACH, 0, REACH)
    return [(rows, columns) for rows in steps for columns in steps if rows or columns]


def _shifted(length: int, step: int) -> slice:
    """Return the places i of an axis for which i + step is on it too."""
    return slice(max(0, -step), max(0, length - max(0, step)))


def deficiency(colourfulness: float, original: float) -> float:
    """Return the share of the original's colourfulness (`metrics.colourfulness`) that is missing.

    It falls with the saturation as well as with the variety of colours: the form "too desaturated
    or too uniform". Negative where there is more colour; NaN for an original without colours.
    """
    return 1 - colourfulness / original if original >= LEAST_COLOURFULNESS else math.nan


def flicker(
    result: np.ndarray, before: np.ndarray, original: np.ndarray, original_before: np.ndarray
) -> float:
    """Return by how many units of ab a result changes where the original stands still.

    It is the mean of |ab_t - ab_(t - 1)| over the pixels with |Lab_0,t - Lab_0,(t - 1)| <= STILL.
    NaN where too few pixels stand still, as at a cut, and between images that are no film.
    """
    if original.shape != original_before.shape:
        return math.nan
    still = np.linalg.norm(original - original_before, axis=-1) <= STILL
    if still.mean() < LEAST_STILL:
        return math.nan
    return float(np.linalg.norm(_errors(result, before), axis=-1)[still].mean())

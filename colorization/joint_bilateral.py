"""Joint bilateral upsampling of the network's colours: they keep to the edges of L.

An alternative to the spline of `upsampling.py`, after J. Kopf, M. Cohen, D. Lischinski and
M. Uyttendaele 2007, "Joint bilateral upsampling".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from colorization.array_namespace import Array, array_namespace, asarray_like, floating_namespace
from colorization.upsampling import STRIDE, shrink

SIGMA_RANGE = 6.0  # in units of L
SIGMA_SPATIAL = 0.55  # in samples of ab
FLOOR = 0.01  # weight of a sample with quite another L, against 1 with the same
SHIFTS = np.arange(-2, 3)  # 5x5 samples have a say in a pixel
PIXELS_AT_ONCE = 2**20  # of tensors, which bounds the memory

_Axis = tuple[np.ndarray, np.ndarray]  # samples and their weights, (5, pixels) each


def joint_bilateral_upsample(
    ab: Array,
    L: np.ndarray,
    seen: tuple[int, int],
    sigma_range: float = SIGMA_RANGE,
    sigma_spatial: float = SIGMA_SPATIAL,
    floor: float = FLOOR,
    rows: slice = slice(None),
) -> Array:
    """Return ab (2, h, w) interpolated to the `rows` of the image whose L (H, W) leads it.

    Pixel p takes the mean of the 5x5 samples i about it, weighted by nearness in place and in L:

        ab_p = sum_i w_i ab_i / sum_i w_i
        w_i = g(|p - i|, sigma_spatial) (floor + g(L_p - L_i, sigma_range))
        g(x, sigma) = exp(-x^2 / (2 sigma^2))

    The places are those of `upsample`: sample i of ab belongs to the centre of pixel 4 i of the
    size `seen` (H_w, W_w), and both sizes show the same picture. L_i is L as the network saw it
    there. `sigma_spatial` counts in samples, `sigma_range` in units of L. Where no sample has the
    pixel's L, the `floor`, which the paper has not, lets place alone decide. Beyond the outermost
    samples their colour goes on.

    ab is a numpy array or a torch tensor, float32 or float64, and so is the result; L is a numpy
    array, 0..100; `rows` have the step 1. ValueError for shapes that do not belong together and for
    sigmas or a floor not above 0.
    """
    xp = floating_namespace(ab, "ab")
    _check_positive(sigma_range=sigma_range, sigma_spatial=sigma_spatial, floor=floor)
    samples = xp.concatenate((_guide(L, seen, ab), ab))
    y, x = (_axis(*sizes, sigma_spatial) for sizes in zip(L.shape, seen))
    near_x = _like(x, ab)
    factor = -0.5 / float(sigma_range) ** 2
    means = []
    for band in _bands(y[0], L.shape[1], range(*rows.indices(len(L))), xp is np):
        near_y, plane = _like(_part(y, band), ab), asarray_like(L[band], ab)
        means.append(_mean(plane, samples, near_y, near_x, factor, float(floor)))
    return xp.concatenate(means, 1)


def _mean(L: Array, samples: Array, y: tuple, x: tuple, factor: float, floor: float) -> Array:
    """Return the weighted mean (2, n, W) for a band of L (n, W) of samples L, a, b (3, h, w).

    `y` and `x` are the axes' samples and weights: (5, 1) or (5, n) and (5, n), and (5, W) twice.
    """
    xp = array_namespace(L)
    total, a, b = (xp.zeros_like(L) for _ in range(3))
    for i, near_y in zip(*y):
        lines = samples[:, i]
        for j, near_x in zip(*x):
            L_i, a_i, b_i = lines[:, :, j]
            weight = xp.exp((L - L_i) ** 2 * factor) + floor
            weight *= near_y[:, None] * near_x
            total += weight
            a += weight * a_i
            b += weight * b_i
    return xp.stack((a / total, b / total))


def _axis(pixels: int, working: int, sigma: float) -> _Axis:
    """Return the samples near each pixel along one axis, as indices, and their weights in place.

    The weights are divided by that of the nearest sample, so that not all of them vanish.
    """
    samples = -(-working // STRIDE)
    position = ((np.arange(pixels) + 0.5) * (working / pixels) - 0.5) / STRIDE
    indices = np.rint(position).astype(np.int64) + SHIFTS[:, None]
    squared = (indices - position) ** 2
    weights = np.exp((squared.min(0) - squared) / (2 * sigma**2))
    return indices.clip(0, samples - 1), weights


def _part(axis: _Axis, band: slice) -> _Axis:
    """Return a band of an axis; the samples once if they are the same for all of its pixels."""
    indices, weights = (values[:, band] for values in axis)
    if (indices == indices[:, :1]).all():
        indices = indices[:, :1]
    return indices, weights


def _like(axis: _Axis, x: Array) -> tuple[Array, Array]:
    return asarray_like(axis[0], x), asarray_like(axis[1], x)


def _bands(indices: np.ndarray, W: int, rows: range, cached: bool) -> Iterator[slice]:
    """Cut rows into slices: those of one row of samples if `cached`, else of PIXELS_AT_ONCE.

    On a CPU, rows that share their samples need no copies of them and fit into its cache.
    """
    if cached:
        changes = np.flatnonzero(np.diff(indices[:, rows.start : rows.stop]).any(0))
        ends = [rows.start + int(change) + 1 for change in changes] + [rows.stop]
    else:
        step = max(1, PIXELS_AT_ONCE // W)
        ends = [min(end, rows.stop) for end in range(rows.start + step, rows.stop + step, step)]
    return (slice(start, end) for start, end in zip([rows.start, *ends], ends))


def _guide(L: np.ndarray, seen: tuple[int, int], ab: Array) -> Array:
    """Return L (1, h, w) where the samples of ab (2, h, w) are, in the library of ab."""
    guide = shrink(L, seen)[None, ::STRIDE, ::STRIDE]
    if tuple(ab.shape) != (2, *guide.shape[1:]):
        expected = (2, *guide.shape[1:])
        raise ValueError(f"ab: expected {expected} for the size {seen}, got {tuple(ab.shape)}")
    return asarray_like(guide, ab)


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name}: expected a number above 0, got {value}")

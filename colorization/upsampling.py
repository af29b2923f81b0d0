"""From an image's size to the network's and back, by spline interpolation (thesis, section 5.2)."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from scipy import ndimage

from colorization.area_means import area_means
from colorization.array_namespace import Array, asarray_like

STRIDE = 4  # pixels of the network's input from one sample of its output to the next
BEYOND = 12  # samples that go on beyond the borders, as scipy has them


def shrink(L: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return L (H, W) at another size (H, W): mean over areas, or linear along axes that grow."""
    smaller = (min(size[0], L.shape[0]), min(size[1], L.shape[1]))
    if L.shape != smaller:
        L = area_means(L, smaller)
    return L if smaller == size else cv2.resize(L, size[::-1], interpolation=cv2.INTER_LINEAR)


def upsample(
    ab: Array,
    size: tuple[int, int],
    working_size: tuple[int, int],
    order: int = 3,
    rows: slice = slice(None),
) -> Array:
    """Return ab (..., h, w) interpolated by a B-spline to the `rows` of `size` (H, W).

    `working_size` (H_w, W_w) is the size of the network's input. The training targets are every
    fourth pixel of it, the first included, so that sample i of ab belongs to the centre of pixel
    4 i. Both sizes show the same picture: pixel x of W has its centre at (x + 1/2) W_w / W - 1/2
    pixels of the working size, which is a fourth of that in samples. Beyond the outermost samples
    their colour goes on (mode `nearest`): mirroring would fold gradients back at two borders.

    The numbers are those of `scipy.ndimage.map_coordinates`. As the spline is separable and linear
    in ab, it is a product with one matrix for each axis: R ab C^T. Of the rows, only the splines
    that reach them are summed.

    numpy arrays and torch tensors alike, float32 or float64; `order` 0 to 5, 3 being cubic.
    """
    (h, w), (H, W), (H_w, W_w) = ab.shape[-2:], size, working_size
    basis = _basis(h, H, H_w, order)[rows]
    reaching = basis.any(0).nonzero()[0]
    part = slice(reaching[0], reaching[-1] + 1)
    factors = (basis[:, part], _prefilter(h, order)[part], spline_matrix(w, W, W_w, order))
    B, P, C = (asarray_like(factor, ab) for factor in factors)
    return B @ (P @ ab @ C.T)


def separated(
    ab: np.ndarray, size: tuple[int, int], working_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `upsample` with order 3 sums for each row: coefficients, the first, weights.

    ab (2, h, w) at `size` (H, W) is sum_k weights[y, k] coefficients[:, first[y] + k] in row y:
    coefficients (2, n, W) of the dtype of ab, first (H) integers, and weights (H, 4).
    """
    (h, w), (H, W), (H_w, W_w) = ab.shape[-2:], size, working_size
    P, C = (np.asarray(m, ab.dtype) for m in (_prefilter(h, 3), spline_matrix(w, W, W_w)))
    return P @ ab @ C.T, *_reaching(h, H, H_w)


@lru_cache(maxsize=8)
def _reaching(samples: int, pixels: int, working: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of the four cubic B-splines that reach each pixel, and their values."""
    basis = _basis(samples, pixels, working, 3)
    first = (basis != 0).argmax(1)
    return first, np.take_along_axis(basis, first[:, None] + np.arange(4), 1)


@lru_cache(maxsize=8)
def spline_matrix(samples: int, pixels: int, working: int, order: int = 3) -> np.ndarray:
    """Return the matrix (pixels, samples) that interpolates along one axis, float64, read-only.

    It is the product of two: samples are turned into the coefficients of B-splines, and each pixel
    is a sum of the few splines that reach it.
    """
    matrix = _basis(samples, pixels, working, order) @ _prefilter(samples, order)
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=8)
def _basis(samples: int, pixels: int, working: int, order: int) -> np.ndarray:
    """Return the matrix (pixels, coefficients): of each B-spline, its value at each pixel."""
    position = BEYOND + ((np.arange(pixels) + 0.5) * (working / pixels) - 0.5) / STRIDE
    matrix = np.empty((pixels, samples + 2 * BEYOND))
    for i, coefficients in enumerate(np.eye(samples + 2 * BEYOND)):
        matrix[:, i] = ndimage.map_coordinates(
            coefficients, [position], order=order, mode="nearest", prefilter=False
        )
    return matrix


@lru_cache(maxsize=8)
def _prefilter(samples: int, order: int) -> np.ndarray:
    """Return the matrix (coefficients, samples), with coefficients BEYOND both ends."""
    going_on = np.pad(np.eye(samples), ((BEYOND, BEYOND), (0, 0)), mode="edge")
    if order < 2:
        return going_on
    return ndimage.spline_filter1d(going_on, order, axis=0, mode="nearest")

"""Between colours ab and histograms over the 313 ab pairs (thesis, section 5.2).

ab is (N, 2, H, W), within -110..110; a histogram is (N, 313, H, W): for each pixel a distribution
over the pairs, which sums to 1. Both are float32 or float64, numpy arrays or torch tensors;
results keep the library, the dtype and the device of the argument. A wrong shape is a ValueError,
another dtype a TypeError.

>>> ab = np.array([40.0, -20.0]).reshape(1, 2, 1, 1)
>>> histogram = soft_encode(ab)
>>> histogram.shape
(1, 313, 1, 1)
>>> expectation(histogram).ravel()
array([ 40., -20.])
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import numpy as np

from colorization.array_namespace import (
    Array,
    array_namespace,
    asarray_like,
    constant,
    floating_namespace,
    put_along_channels,
)
from colorization.defaults import TEMPERATURE
from colorization.resources import shared_resources

Q = 313  # bins of the histogram, one for each ab pair
LIMIT = 110.0  # a and b lie in -LIMIT..LIMIT
CELL = 5.0  # side of the squares for which the nearest pairs are tabulated: half the grid's step
CELLS = round(2 * LIMIT / CELL)  # squares along a, and along b
ROUNDING = 1e-3  # how far rounding may carry a point out of the square it is looked up in


@lru_cache
def ab_pairs() -> np.ndarray:
    """Return the 313 pairs (313, 2) in float32, read-only, by ascending a, then b.

    They are the points of a grid with step 10 in the ab plane's sRGB gamut, widened by a box of
    10 to each side and made convex (Zhang et al. 2016; thesis, section 5.2).

    >>> ab_pairs()[[0, 312]]
    array([[-90.,  50.],
           [100.,   0.]], dtype=float32)
    """
    pairs = np.load(shared_resources() / "ab_pairs.npy", allow_pickle=False)
    pairs.setflags(write=False)
    return pairs


def subsample(ab: Array, stride: int = 4, average: bool = False) -> Array:
    """Return every `stride`-th pixel of (N, C, H, W), the first included, as Zhang et al. do.

    The result is (N, C, ceil(H / stride), ceil(W / stride)). With `average` it is the mean of each
    block of stride x stride pixels, and H and W must be multiples of the stride (ValueError).
    """
    if stride < 1:
        raise ValueError(f"stride: expected 1 or more, got {stride}")
    if not average:
        return ab[:, :, ::stride, ::stride]
    N, C, H, W = ab.shape
    if H % stride or W % stride:
        raise ValueError(f"ab: {H}x{W} pixels do not divide into blocks of {stride}x{stride}")
    return ab.reshape(N, C, H // stride, stride, W // stride, stride).mean(axis=(3, 5))


def soft_encode(ab: Array, k: int = 5, sigma: float = 5.0) -> Array:
    """Return the histogram (N, 313, H, W) that stands for each colour of ab (N, 2, H, W).

    The k nearest pairs q_i get the weights exp(-|ab - q_i|^2 / (2 sigma^2)), divided by their sum;
    the others 0. Of pairs equally near, those of lower index come first. Values beyond +-110 are
    clipped to it. (Thesis, section 5.2; Zhang et al. 2016, section 2.1, with k = 10 in their code.)
    """
    pairs, weights = soft_encode_sparse(ab, k, sigma)
    N, _, H, W = ab.shape
    return put_along_channels((N, Q, H, W), pairs, weights)


def soft_encode_sparse(ab: Array, k: int = 5, sigma: float = 5.0) -> tuple[Array, Array]:
    """Return `soft_encode` as indices (int64) and weights of S >= k pairs, both (N, S, H, W).

    A pixel's indices are distinct and ascend. All but its k nearest pairs have the weight 0.
    """
    xp = _namespace(ab, 2, "ab")
    if not 1 <= k <= Q:
        raise ValueError(f"k: expected 1 to {Q} pairs, got {k}")
    if not sigma > 0:
        raise ValueError(f"sigma: expected a number above 0, got {sigma}")
    ab = ab.clip(-LIMIT, LIMIT)
    cells = xp.asarray((ab + LIMIT) / CELL, dtype=xp.int64).clip(0, CELLS - 1)
    indices = constant(_near_pairs, ab, k)[:, cells[:, 0] * CELLS + cells[:, 1]]
    q = constant(ab_pairs, ab)
    squared = (ab[:, 0] - q[:, 0][indices]) ** 2 + (ab[:, 1] - q[:, 1][indices]) ** 2
    # Relative to the nearest pair, so that far from all pairs the weights do not vanish together.
    weights = xp.exp((xp.amin(squared, 0) - squared) / (2 * sigma**2))
    weights = weights * _among_smallest(squared, k)
    return xp.moveaxis(indices, 0, 1), xp.moveaxis(weights / weights.sum(0), 0, 1)


def expectation(histogram: Array) -> Array:
    """Return ab = sum_i p_i q_i (thesis, equation 5.1), which is what the deploy nets compute."""
    xp = _namespace(histogram, Q, "histogram")
    N, _, H, W = histogram.shape
    q = constant(ab_pairs, histogram)
    return xp.matmul(q.T, histogram.reshape(N, Q, H * W)).reshape(N, 2, H, W)


def mode(histogram: Array) -> Array:
    """Return the ab pair of each pixel's largest probability; of equals, that of lower index."""
    _namespace(histogram, Q, "histogram")
    return _pick(histogram, histogram.argmax(1))


def sample(histogram: Array, seed: int) -> Array:
    """Return an ab pair drawn for each pixel from its histogram, independently.

    The draws depend on `seed` and the shape alone, not on the library or the device.
    """
    xp = _namespace(histogram, Q, "histogram")
    N, _, H, W = histogram.shape
    cumulated = xp.cumsum(histogram, 1)
    # Kept a little below 1, so that no rounding passes the last pair with a probability.
    uniform = np.random.default_rng(seed).random((N, 1, H, W)) * (1 - 1e-6)
    thresholds = asarray_like(uniform, histogram) * cumulated[:, -1:]
    return _pick(histogram, (cumulated <= thresholds).sum(1).clip(0, Q - 1))


def annealed_mean(histogram: Array, temperature: float = TEMPERATURE) -> Array:
    """Return the expectation of softmax(log p / T), T > 0 (ValueError otherwise).

    T = 1 is `expectation`; as T goes to 0 the result goes to `mode`. Zhang et al. 2016 take 0.38.
    Computed as (p / max p) ** (1 / T), normalised: the same, and defined where p is 0.
    """
    xp = _namespace(histogram, Q, "histogram")
    if not temperature > 0:
        raise ValueError(f"temperature: expected a number above 0, got {temperature}")
    sharpened = (histogram / xp.amax(histogram, 1, keepdims=True)) ** (1 / temperature)
    return expectation(sharpened) / sharpened.sum(1, keepdims=True)


def decode(
    histogram: Array, method: str = "annealed_mean", temperature: float = TEMPERATURE, seed: int = 0
) -> Array:
    """Return ab (N, 2, H, W) of a histogram (N, 313, H, W).

    `method` names one of the functions `expectation`, `mode`, `sample` (which takes `seed`) and
    `annealed_mean` (which takes `temperature`); another name is a ValueError.
    """
    methods = {
        "expectation": expectation,
        "mode": mode,
        "sample": lambda p: sample(p, seed),
        "annealed_mean": lambda p: annealed_mean(p, temperature),
    }
    if method not in methods:
        raise ValueError(f'method: expected one of {", ".join(methods)}, got "{method}"')
    return methods[method](histogram)


def _near_pairs(k: int) -> np.ndarray:
    """Return for each square of the ab plane the S pairs (S, squares) that may be k-nearest in it.

    Let c be a square's centre, h half its diagonal and r the distance from c to its k-th nearest
    pair. From every point of the square, k pairs lie within r + h, and a pair farther than
    r + 2 h from c lies beyond r + h: it is never among the k nearest.
    """
    centres = (np.arange(CELLS) + 0.5) * CELL - LIMIT
    a, b = (axis.reshape(-1, 1) for axis in np.meshgrid(centres, centres, indexing="ij"))
    distances = np.hypot(a - ab_pairs()[:, 0], b - ab_pairs()[:, 1])
    order = np.argsort(distances, axis=1, kind="stable")
    distances = np.take_along_axis(distances, order, axis=1)
    reach = distances[:, k - 1 : k] + CELL * np.sqrt(2) + ROUNDING
    slots = (distances <= reach).sum(axis=1).max()
    return np.sort(order[:, :slots], axis=1).T


def _among_smallest(x: Array, k: int) -> Array:
    """Return where an element is among the k smallest along axis 0; the first of equals wins."""
    ahead = [(x[:i] <= x[i]).sum(0) + (x[i + 1 :] < x[i]).sum(0) for i in range(len(x))]
    return array_namespace(x).stack(ahead) < k


def _pick(histogram: Array, indices: Array) -> Array:
    """Return the ab pairs (N, 2, H, W) of indices (N, H, W)."""
    q = constant(ab_pairs, histogram)
    return array_namespace(q).moveaxis(q.T[:, indices], 0, 1)


def _namespace(x: Array, channels: int, name: str) -> ModuleType:
    xp = floating_namespace(x, name)
    if x.ndim != 4 or x.shape[1] != channels:
        raise ValueError(f"{name}: expected (N, {channels}, H, W), got {tuple(x.shape)}")
    return xp

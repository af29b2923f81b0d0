"""How near a result is to the original (thesis, section 8.1).

Images are (H, W, 3): sRGB in [0, 1], float32 or float64, or integers of which the largest is 1.
ab is (H, W, 2), float32 or float64, as in `sRGB_to_Lab(image)[..., 1:]`. numpy arrays and torch
tensors alike; a number comes back as a Python float.

A set of images is measured by the mean over its images, but for `histogram_intersection`, which
compares the colours of the whole set.
"""

from __future__ import annotations

import math

from colorization.array_namespace import Array, array_namespace, floating_namespace
from colorization.histogram import LIMIT

EPSILON = 1e-4  # keeps alpha and beta finite in black (thesis, equation 8.2)
LARGEST_ERROR = 6.0  # between pure red and pure green in the plane of alpha and beta
THRESHOLD = 2.0  # of neighbours in ab (thesis, Table 8.1)
AB_BINS = 2 * int(LIMIT) + 1  # one around each integer


def as_sRGB(image: Array) -> Array:
    """Return integers as float32 in [0, 1], and floating point as it is."""
    xp = array_namespace(image)
    if image.dtype in (xp.float32, xp.float64):
        return image
    return xp.asarray(image, dtype=xp.float32) / xp.iinfo(image.dtype).max


def opponents(image: Array) -> tuple[Array, Array]:
    """Return alpha and beta, each (H, W), the plane in which errors are measured (equation 8.2).

    alpha = (B - (R + G) / 2) / (L + eps), beta = (R - G) / (L + eps), L = (R + G + B) / 3,
    eps = 1e-4. Red is near (-1.5, 3), green (-1.5, -3), blue (3, 0), every grey (0, 0).

    >>> import numpy as np
    >>> alpha, beta = opponents(np.array([[[0.75, 0.5, 0.25]]]))
    >>> alpha.round(3), beta.round(3)
    (array([[-0.75]]), array([[0.5]]))
    """
    sRGB = as_sRGB(image)
    R, G, B = (sRGB[..., channel] for channel in range(3))
    L = (R + G + B) / 3 + EPSILON
    return (B - (R + G) / 2) / L, (R - G) / L


def pixel_errors(result: Array, original: Array) -> Array:
    """Return the distance (H, W) of two images in alpha and beta, 0 to LARGEST_ERROR.

    It is the summand of equation 8.1. Images of two shapes are a ValueError.
    """
    _check_shapes(result, original)
    xp = array_namespace(result)
    (alpha, beta), (alpha_0, beta_0) = opponents(result), opponents(original)
    return xp.hypot(alpha - alpha_0, beta - beta_0)


def rmse(result: Array, original: Array) -> float:
    """Return the mean of `pixel_errors` (equation 8.1), which the thesis calls RMSE.

    The root is taken of each pixel's square, before the mean, as the equation has it.
    """
    return float(_mean(pixel_errors(result, original)))


def psnr(result: Array, original: Array) -> float:
    """Return the peak signal-to-noise ratio in dB of two RGB images.

    PSNR = 10 log10(1 / MSE) with RGB in [0, 1] and the mean over all pixels and channels
    (equation 8.3); infinite for equal images. Images of two shapes are a ValueError.

    >>> import numpy as np
    >>> round(psnr(np.zeros((2, 3, 3), np.uint8), np.full((2, 3, 3), 51, np.uint8)), 2)
    13.98
    """
    _check_shapes(result, original)
    mean_square = float(_mean((as_sRGB(result) - as_sRGB(original)) ** 2))
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)


def even(ab: Array, threshold: float = THRESHOLD) -> Array:
    """Return where (H, W), bool, a colour goes on into all its neighbours.

    A pixel is even when a and b of its neighbours above, below, left and right each differ from
    its own by no more than the threshold. At a border only the neighbours inside the image count.
    """
    xp = floating_namespace(ab, "ab")
    result = xp.ones_like(ab[..., 0], dtype=bool)
    for channel in range(2):
        plane = ab[..., channel]
        near = xp.abs(plane[1:] - plane[:-1]) <= threshold
        result[1:] &= near
        result[:-1] &= near
        near = xp.abs(plane[:, 1:] - plane[:, :-1]) <= threshold
        result[:, 1:] &= near
        result[:, :-1] &= near
    return result


def perceivable_artifacts(
    result_ab: Array, original_ab: Array, threshold: float = THRESHOLD
) -> float:
    """Return PA: of the pixels `even` in the original, the share that is not so in the result.

    PA = 1 - |E and E_0| / |E_0| with the sets E, E_0 of even pixels of the result and the original.
    The text of section 8.1 says so; equation 8.4 as it is printed gives 1 - PA. Uneven pixels in
    new places count, other colours do not. NaN where no pixel of the original is even. Planes of
    two shapes are a ValueError.
    """
    _check_shapes(result_ab, original_ab)
    expected = even(original_ab, threshold)
    broken = expected & ~even(result_ab, threshold)
    count = int(expected.sum())
    return int(broken.sum()) / count if count else math.nan


def colourfulness(image: Array) -> float:
    """Return how colourful an image is: 0 for grey, about 15 slightly, 59 quite, 109 extremely.

    M = sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2) with rg = R - G and
    yb = (R + G) / 2 - B, RGB in 0..255 (Hasler and Suesstrunk 2003, "Measuring colourfulness in
    natural images", where the words for the numbers are from as well).
    """
    sRGB = as_sRGB(image) * 255
    R, G, B = (sRGB[..., channel] for channel in range(3))
    planes = (R - G, (R + G) / 2 - B)
    means = [float(_mean(plane)) for plane in planes]
    variances = [float(_mean((plane - mean) ** 2)) for plane, mean in zip(planes, means)]
    return math.sqrt(sum(variances)) + 0.3 * math.hypot(*means)


def ab_histogram(ab: Array) -> Array:
    """Return how many pixels have each a, and each b: counts (2, 221), int64, -110 to 110.

    A bin goes from half an integer to the next, so that the rounding of greys, which lie about 0,
    stays in one bin.
    """
    xp = floating_namespace(ab, "ab")
    bins = xp.asarray(xp.round(ab).clip(-LIMIT, LIMIT) + LIMIT, dtype=xp.int64)
    counts = [xp.bincount(bins[..., i].reshape(-1), minlength=AB_BINS) for i in range(2)]
    return xp.stack(counts)


def histogram_intersection(counts: Array, original: Array) -> Array:
    """Return what two histograms (..., bins) have in common, 0 to 1, along the last axis.

    sum_i min(p_i, q_i) of the histograms divided by their sums (Swain and Ballard 1991). With
    `ab_histogram` summed over all images of two sets it tells whether the set as a whole has the
    colours of the originals, wherever they are (Isola et al. 2017, "Image-to-image translation
    with conditional adversarial networks"; the width of the bins is ours).

    >>> import numpy as np
    >>> histogram_intersection(np.array([6, 2, 0]), np.array([1, 1, 2])).item()
    0.5
    """
    p, q = (x / x.sum(-1)[..., None] for x in (counts, original))
    return array_namespace(counts).minimum(p, q).sum(-1)


def _mean(x: Array) -> Array:
    return x.mean(dtype=array_namespace(x).float64)


def _check_shapes(result: Array, original: Array) -> None:
    if result.shape != original.shape:
        expected, got = tuple(original.shape), tuple(result.shape)
        raise ValueError(f"result: expected {expected} as the original, got {got}")

"""Scribbles: those that a person painted, and those taken from a network (thesis, section 8.4)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from colorization.baselines.levin import ScribbleError
from colorization.colour import Lab_to_sRGB, sRGB_to_Lab
from colorization.histogram import annealed_mean
from colorization.upsampling import STRIDE

DIFFERENCE = 0.01  # of the largest value, in any channel: a pixel that differs by more was painted
SLIGHT = 0.03  # likewise: where most grey ones differ by less, it is the noise of JPEG
CHROMA = 0.06  # the length of (Cb, Cr), of a stroke in such a file; skin has 0.1
FULL = 0.85  # of the largest chroma about it, of a pixel inside of a stroke
ABOUT = 7  # pixels: the side of that square
TOGETHER = 3  # such pixels at least in a square of 3x3
MOST = 0.9  # of the pixels may differ from the target; more cannot be scribbles on it
DISTANCE = 4  # samples of the network's output between two peaks
SMOOTHING = 1.0  # samples, the sigma of the Gaussian over the confidence
RADIUS = 2.0  # of the discs, in pixels of the network's input


def painted(L: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ab (2, H, W), float32, and the mask (H, W) of the scribbles in an image.

    `image` is RGB (H, W, 3) or with alpha (H, W, 4), uint8 or uint16, for L (H, W). With alpha, a
    scribble is where alpha is above 0. Without, and where alpha is full everywhere and tells
    nothing, it is where the image differs from L shown in grey, as Levin et al. have it. In a file
    with the noise of JPEG everything differs; there it is the inside of what has a clear colour,
    without the rim, in which JPEG mixes it with grey.
    ScribbleError for an image of another size, and where nothing or nearly everything is painted.
    """
    if image.shape[:2] != L.shape:
        (h, w), (H, W) = image.shape[:2], L.shape
        raise ScribbleError(f"scribbles: expected {W}x{H} as the target, got {w}x{h}")
    top = np.iinfo(image.dtype).max
    sRGB = image[..., :3].astype(np.float32) / top
    seen_through = image.shape[2] == 4 and bool((image[..., 3] < top).any())
    ab = np.moveaxis(sRGB_to_Lab(sRGB)[..., 1:], -1, 0)
    mask = image[..., 3] > 0 if seen_through else _strokes(L, sRGB)
    _check(mask, seen_through)
    return ab, mask


def automatic_scribbles(
    L: np.ndarray,
    histogram: np.ndarray,
    seen: tuple[int, int] | None = None,
    distance: int = DISTANCE,
    radius: float = RADIUS,
) -> tuple[np.ndarray, np.ndarray]:
    """Return ab (2, H, W), float32, and the mask (H, W) of scribbles where a network is sure.

    `histogram` (313, h, w) is what it says of L (H, W), which it saw at the size `seen`, four times
    h and w if that is not given. Confidence is the largest probability of a pixel, under a Gaussian
    of SMOOTHING. Each of its peaks becomes a disc with the annealed mean of the histogram there;
    where discs overlap, the nearer centre colours. `radius` is in pixels of `seen`; a disc has its
    centre pixel at least.
    """
    confidence = ndimage.gaussian_filter(histogram.max(0), SMOOTHING, mode="nearest")
    rows, columns = peaks(confidence, distance)
    colours = annealed_mean(histogram[None, :, rows, columns][..., None])[0, :, :, 0]
    h, w = confidence.shape
    seen = seen or (STRIDE * h, STRIDE * w)
    y, x = (_pixel(samples, s, S) for samples, s, S in zip((rows, columns), seen, L.shape))
    owner, mask = _discs(L.shape, y, x, radius * L.shape[0] / seen[0])
    return colours[:, owner].astype(np.float32), mask


def peaks(confidence: np.ndarray, distance: int = DISTANCE) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the local maxima of confidence (h, w), the largest first.

    A peak is the largest value of the square of 2 `distance` + 1 about it, as far as it lies in the
    image. Where two of one height share a square, the first by rows and columns is kept, so that no
    two peaks are as near as `distance` along both axes.
    """
    highest = ndimage.maximum_filter(confidence, 2 * distance + 1, mode="nearest")
    rows, columns = np.nonzero(confidence == highest)
    order = np.argsort(-confidence[rows, columns], kind="stable")
    free = np.ones(confidence.shape, bool)
    kept = []
    for row, column in zip(rows[order], columns[order]):
        if free[row, column]:
            kept.append((row, column))
            top, left = max(row - distance, 0), max(column - distance, 0)
            free[top : row + distance + 1, left : column + distance + 1] = False
    return tuple(np.array(kept).T)


def _strokes(L: np.ndarray, sRGB: np.ndarray) -> np.ndarray:
    """Return where an image without alpha was painted."""
    grey = Lab_to_sRGB(np.stack([L, *np.zeros((2, *L.shape), L.dtype)], axis=-1))
    difference = np.abs(sRGB - grey).max(-1)
    chroma = _chroma(sRGB)
    differs = difference > DIFFERENCE
    grey_ones = difference[differs & (chroma < CHROMA)]
    noisy = (grey_ones < SLIGHT).sum() > len(grey_ones) / 2
    return _coloured(chroma) if noisy else differs


def _chroma(sRGB: np.ndarray) -> np.ndarray:
    """Return the length of (Cb, Cr), which JPEG stores (BT.601), and its noise in Y' leaves."""
    R, G, B = np.moveaxis(sRGB, -1, 0)
    Y = 0.299 * R + 0.587 * G + 0.114 * B
    return np.hypot((B - Y) / 1.772, (R - Y) / 1.402)


def _coloured(chroma: np.ndarray) -> np.ndarray:
    largest = ndimage.maximum_filter(chroma, ABOUT, mode="nearest")
    inside = (chroma > CHROMA) & (chroma >= FULL * largest)
    neighbours = ndimage.uniform_filter(inside.astype(np.float32), 3, mode="constant")
    return inside & (neighbours > (TOGETHER - 0.5) / 9)


def _check(mask: np.ndarray, seen_through: bool) -> None:
    if not mask.any():
        how = "alpha is 0 everywhere" if seen_through else "no pixel differs from the grey target"
        raise ScribbleError(f"scribbles: none found, {how}")
    if not seen_through and mask.mean() > MOST:
        raise ScribbleError(
            f"scribbles: {100 * mask.mean():.0f} % of the pixels differ from the grey target; "
            "paint on a grey copy of it, or on a transparent layer"
        )


def _pixel(samples: np.ndarray, seen: int, full: int) -> np.ndarray:
    """Return the pixels, of `full`, that lie where samples of the network's output do.

    Sample i belongs to the centre of pixel STRIDE i of `seen`, see `upsample`.
    """
    return ((STRIDE * samples + 0.5) * full / seen).astype(int).clip(0, full - 1)


def _discs(
    size: tuple[int, int], rows: np.ndarray, columns: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each pixel the number of the nearest centre, and where one is within `radius`."""
    numbers = np.zeros(size, int)
    numbers[rows, columns] = np.arange(len(rows))
    away = np.ones(size, bool)
    away[rows, columns] = False
    distance, (y, x) = ndimage.distance_transform_edt(away, return_indices=True)
    return numbers[y, x], distance <= radius

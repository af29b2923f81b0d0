"""An image's L cut into regions of one lightness (thesis, section 8.4.1).

Labels are (H, W), int32: the number of a pixel's region, from 0, or -1 where it belongs to none.
"""

from __future__ import annotations

import cv2
import numpy as np
from skimage import segmentation

from colorization.refinement import region_growing

TOLERANCE = 3 / 51  # of the range of L
FARTHEST = 4  # pixels that a pixel may stay away from all regions
LARGEST_SIDE = region_growing.LARGEST_SIDE

# For drawings: chosen on frames of a cartoon of 704x528.
SCALE, SIGMA = 100.0, 0.5
SMALLEST_SHARE = 1 / 2000  # of the image: what a region has at least
PIXELS = 2**18  # that are cut at most: the time grows with them


def scaled(L: np.ndarray) -> np.ndarray:
    """Return L (H, W) stretched to [0, 1], float32; zeros where all of L is one value.

    A scene that fades out keeps its regions that way. ValueError unless L is (H, W), finite, with
    sides from 1 to LARGEST_SIDE.
    """
    if L.ndim != 2 or not 0 < min(L.shape) <= max(L.shape) <= LARGEST_SIDE:
        raise ValueError(f"L: expected (H, W), sides 1 to {LARGEST_SIDE}, got shape {L.shape}")
    L = L.astype(np.float32)
    low, high = float(L.min()), float(L.max())
    if not np.isfinite(high - low):
        raise ValueError("L: expected finite values, got infinity or NaN")
    return (L - np.float32(low)) / np.float32(high - low) if high > low else np.zeros_like(L)


def grow_regions(
    L: np.ndarray, tolerance: float = TOLERANCE, farthest: float = FARTHEST
) -> np.ndarray:
    """Return the labels of regions that grow one after the other from seeds.

    With L scaled to [0, 1], a region grows breadth first: its pixels are taken in the order in
    which they joined, and each looks at its neighbours above, left, right and below, in this order.
    A neighbour that is in no region joins while

        |L - mean of the region so far| <= tolerance,

    and moves the mean at once. One that was too different is asked again by its other neighbours
    in the region, and by later regions. The first seed is pixel (0, 0); the next one is the pixel
    whose Euclidean distance to the nearest pixel of any region is largest, of several the first in
    reading order. It ends when no pixel is farther than `farthest` from all regions; what is in
    none by then, outlines above all, stays -1.

    A region is 4-connected; regions are numbered in the order of their growth.
    """
    return region_growing.grow_all(scaled(L), tolerance, int(farthest**2))


def felzenszwalb(
    L: np.ndarray, scale: float = SCALE, sigma: float = SIGMA, min_size: int | None = None
) -> np.ndarray:
    """Return labels by Felzenszwalb and Huttenlocher (IJCV 2004), as scikit-image has it.

    For pictures whose edges are softer than a drawing's. Every pixel has a region. L is scaled to
    [0, 1] first; `scale` grows with the size of the regions, `sigma` smooths L beforehand, and
    regions smaller than `min_size` pixels, or SMALLEST_SHARE of the image, join a neighbour. An
    image of more than PIXELS is cut at a smaller size, on which all these count.
    """
    plane = scaled(L)
    shrink = (PIXELS / L.size) ** 0.5
    if shrink < 1:
        plane = cv2.resize(plane, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    if min_size is None:
        min_size = round(plane.size * SMALLEST_SHARE)
    labels = segmentation.felzenszwalb(plane, scale, sigma, min_size).astype(np.int32)
    return cv2.resize(labels, L.shape[::-1], interpolation=cv2.INTER_NEAREST)

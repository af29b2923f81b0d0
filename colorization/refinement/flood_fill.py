"""Each region of an image filled with one colour (thesis, section 8.4.1)."""

from __future__ import annotations

import cv2
import numpy as np

from colorization.refinement.clustering import cluster_regions

LEFTOVERS = ("keep", "nearest")


def flood_fill(
    ab: np.ndarray, labels: np.ndarray, clusters: int | str = 2, leftover: str = "keep"
) -> np.ndarray:
    """Return new ab (2, H, W), float32, in which each region has the colour of most of its pixels.

    In each region of `labels` (H, W) ab is clustered (`cluster_regions`, which explains
    `clusters`), and the centroid of the largest cluster colours the region. Pixels of label -1 are
    the `leftover`: they "keep" their colour, or take that of the "nearest" region.
    """
    check_planes(ab, labels, "labels")
    check_leftover(leftover)
    return fill(ab, labels, cluster_regions(ab, labels, clusters).largest(), leftover)


def fill(
    ab: np.ndarray, labels: np.ndarray, colours: np.ndarray, leftover: str = "keep"
) -> np.ndarray:
    """Return new ab (2, H, W), float32, with region i in the colour `colours[i]` (n, 2)."""
    if leftover == "nearest":
        labels = spread(labels)
    table = np.zeros((2, len(colours) + 1), np.float32)  # -1 reads the last column
    table[:, :-1] = colours.T
    return np.where(labels < 0, ab.astype(np.float32, copy=False), table[:, labels])


def spread(labels: np.ndarray) -> np.ndarray:
    """Return labels in which the pixels of label -1 have that of the nearest region.

    Distances are those of OpenCV's 5x5 mask, within about 2 % of Euclidean ones. Without any
    region nothing changes.
    """
    empty = labels < 0
    if empty.all() or not empty.any():
        return labels
    mode = cv2.DIST_LABEL_PIXEL
    _, site = cv2.distanceTransformWithLabels(
        empty.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=mode
    )
    table = np.empty(site.max() + 1, labels.dtype)
    table[site[~empty]] = labels[~empty]
    return table[site]


def check_leftover(leftover: str) -> None:
    """Raise ValueError unless `leftover` is one of LEFTOVERS."""
    if leftover not in LEFTOVERS:
        names = ", ".join(LEFTOVERS)
        raise ValueError(f'leftover: expected one of {names}, got "{leftover}"')


def check_planes(ab: np.ndarray, plane: np.ndarray, name: str) -> None:
    """Raise ValueError unless ab is (2, H, W) and the argument `name` is (H, W)."""
    if plane.ndim != 2 or ab.shape != (2, *plane.shape):
        raise ValueError(
            f"ab: expected (2, H, W) with {name} (H, W), got {ab.shape}, {plane.shape}"
        )

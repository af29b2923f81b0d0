"""Each region of an image filled with one colour (thesis, section 8.4.1)."""

from __future__ import annotations

import numpy as np

from colorization.refinement.clustering import cluster_regions


def flood_fill(ab: np.ndarray, labels: np.ndarray, clusters: int | str = 2) -> np.ndarray:
    """Return new ab (2, H, W), float32, in which each region has the colour of most of its pixels.

    In each region of `labels` (H, W) ab is clustered (`cluster_regions`, which explains
    `clusters`), and the centroid of the largest cluster colours the region. Pixels of label -1 keep
    their colour (ours).
    """
    check_planes(ab, labels, "labels")
    return fill(ab, labels, cluster_regions(ab, labels, clusters).largest())


def fill(ab: np.ndarray, labels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return new ab (2, H, W), float32, with region i in the colour `colours[i]` (n, 2)."""
    table = np.zeros((2, len(colours) + 1), np.float32)  # -1 reads the last column
    table[:, :-1] = colours.T
    return np.where(labels < 0, ab.astype(np.float32, copy=False), table[:, labels])


def check_planes(ab: np.ndarray, plane: np.ndarray, name: str) -> None:
    """Raise ValueError unless ab is (2, H, W) and the argument `name` is (H, W)."""
    if plane.ndim != 2 or ab.shape != (2, *plane.shape):
        raise ValueError(
            f"ab: expected (2, H, W) with {name} (H, W), got {ab.shape}, {plane.shape}"
        )

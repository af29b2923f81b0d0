"""A region's colour kept from frame to frame of a film.

The thesis (section 8.5) saw colours flicker where the two clusters of a region are of nearly one
size, so that now one, now the other is the larger. How that is prevented is our own.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from colorization.optical_flow import as_grey, optical_flow
from colorization.refinement.clustering import Clusters

OVERLAP = 0.5  # share of a region that must come from one region of the last frame
SIMILAR = 0.5  # a cluster at least so large, against the largest, may be chosen for its colour
STEP = 0.25  # of the way from the last colour to the new one that a region goes in a frame


class ColourTracker:
    """Gives the regions of successive frames colours that do not flicker.

    A region is the continuation of that region of the last frame with which it shares most
    pixels, once the last labels have been brought to their new places along the optical flow; less
    than OVERLAP of its pixels make it a new one. New regions take the colour of their largest
    cluster. A continued one, whose colour was c, takes of its clusters that have at least SIMILAR
    of the largest one's pixels the nearest to c, c*, and its colour is now

        c + STEP (c* - c),

    so that after n frames (1 - STEP)^n of a difference is left: 10 % after 8 frames.
    """

    def __init__(self) -> None:
        self._grey: np.ndarray | None = None
        self._labels = np.empty((0, 0), np.int32)
        self._colours = np.empty((0, 2))

    def __call__(
        self, L: np.ndarray, labels: np.ndarray, clusters: Clusters, flow: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the colours (n, 2) of a frame's n regions.

        `flow` (H, W, 2) leads back: the pixel (x, y) of this frame was at (x, y) + flow[y, x] in
        the last one, x first. Without it, it is computed from the two L. A frame of another size
        begins anew.
        """
        colours = clusters.largest()
        grey = as_grey(L)
        if self._grey is not None and self._grey.shape == grey.shape:
            if flow is None:
                flow = optical_flow(grey, self._grey, "fast")
            warped = warped_labels(self._labels, flow)
            colours = self._continued(matches(labels, warped, len(colours)), clusters, colours)
        self._grey, self._labels, self._colours = grey, labels, colours
        return colours

    def reset(self) -> None:
        """Forget the last frame, as at a cut."""
        self._grey = None

    def _continued(self, last: np.ndarray, clusters: Clusters, colours: np.ndarray) -> np.ndarray:
        """Return the colours of the regions, given the number of each in the last frame or -1."""
        found = last >= 0
        c = self._colours[last[found]]
        chosen = _nearest(Clusters(clusters.centroids[found], clusters.sizes[found]), c)
        colours = colours.copy()
        colours[found] = c + STEP * (chosen - c)
        return colours


def warped_labels(labels: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Return the labels (H, W) read at the places that the flow leads to; -1 outside the image."""
    H, W = labels.shape
    if flow.shape != (H, W, 2):
        raise ValueError(f"flow: expected ({H}, {W}, 2), got {flow.shape}")
    x = np.rint(np.arange(W) + flow[:, :, 0]).astype(np.int32)
    y = np.rint(np.arange(H)[:, None] + flow[:, :, 1]).astype(np.int32)
    inside = (x >= 0) & (x < W) & (y >= 0) & (y < H)
    return np.where(inside, labels[y.clip(0, H - 1), x.clip(0, W - 1)], -1)


def matches(labels: np.ndarray, warped: np.ndarray, n: int) -> np.ndarray:
    """Return for each of n regions that of `warped` with the largest overlap (n,), or -1.

    Of equal overlaps the region with the smaller number counts.
    """
    both = (labels >= 0) & (warped >= 0)
    shape = (n, int(warped.max(initial=0)) + 1)
    ones = np.ones(int(both.sum()), np.int32)
    overlaps = sparse.coo_array((ones, (labels[both], warped[both])), shape).tocsr().tocoo()
    order = np.lexsort((-overlaps.col, overlaps.data))  # the best comes last, and stays
    last, best = np.full(n, -1), np.zeros(n)
    last[overlaps.row[order]] = overlaps.col[order]
    best[overlaps.row[order]] = overlaps.data[order]
    sizes = np.bincount(labels[labels >= 0], minlength=n)
    return np.where(best >= OVERLAP * sizes, last, -1)


def _nearest(clusters: Clusters, colours: np.ndarray) -> np.ndarray:
    """Return of the large clusters of each region the centroid (n, 2) nearest to its colour."""
    distance = ((clusters.centroids - colours[:, None]) ** 2).sum(2)
    large = clusters.sizes >= SIMILAR * clusters.sizes.max(1, keepdims=True, initial=1)
    chosen = np.where(large, distance, np.inf).argmin(1)
    return clusters.centroids[np.arange(len(chosen)), chosen]

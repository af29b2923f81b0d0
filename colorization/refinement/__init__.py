"""Refinement of a network's colours: even regions, each filled with one (thesis, section 8.4.1).

    refiner = Refiner(film=True)
    for L, ab in frames:
        ab = refiner(L, ab)

A frame's L is cut into regions (`segmentation`), the network's ab is clustered in each of them
(`clustering`), and the colour of the largest cluster fills the region (`flood_fill`). In a film a
region keeps its colour from frame to frame (`tracking`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from colorization.refinement.clustering import check_clusters, cluster_regions
from colorization.refinement.flood_fill import check_planes, fill, flood_fill
from colorization.refinement.segmentation import felzenszwalb, grow_regions
from colorization.refinement.tracking import ColourTracker

__all__ = ["SEGMENTATIONS", "Refiner", "felzenszwalb", "flood_fill", "grow_regions"]

SEGMENTATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "growing": grow_regions,
    "felzenszwalb": felzenszwalb,
}


class Refiner:
    """Evens out the colours of images, or of the frames of one film in their order.

    `segmentation` is one of SEGMENTATIONS; `clusters` is that of `flood_fill`; with `film` the
    colour of a region follows it from frame to frame (`ColourTracker`).
    """

    def __init__(
        self,
        segmentation: str = "growing",
        clusters: int | str = 2,
        film: bool = False,
    ):
        if segmentation not in SEGMENTATIONS:
            names = ", ".join(SEGMENTATIONS)
            raise ValueError(f'segmentation: expected one of {names}, got "{segmentation}"')
        check_clusters(clusters)
        self._segment = SEGMENTATIONS[segmentation]
        self._clusters = clusters
        self._tracker = ColourTracker() if film else None

    def __call__(self, L: np.ndarray, ab: np.ndarray) -> np.ndarray:
        """Return new ab (2, H, W), float32, of L (H, W), 0..100, and ab of the same size."""
        check_planes(ab, L, "L")
        labels = self._segment(L)
        found = cluster_regions(ab, labels, self._clusters)
        colours = found.largest() if self._tracker is None else self._tracker(L, labels, found)
        return fill(ab, labels, colours)

    def reset(self) -> None:
        """Forget the frames so far: the next one begins a new shot."""
        if self._tracker is not None:
            self._tracker.reset()

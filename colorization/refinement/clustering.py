"""k-means on the colours of every region of an image, all regions at once (section 8.4.1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

ELBOW = "elbow"
LARGEST_K = 5  # of the curve in which the elbow is looked for
EVEN = 1.0  # ab: a region that spreads no more (root mean square) is of one colour
STEPS = 20
REST = 0.01  # ab: a region is done when none of its centroids moves farther in a step


class Clusters(NamedTuple):
    """The clusters of n regions: `centroids` (n, k, 2) in ab, and `sizes` (n, k) in pixels.

    A cluster that has lost all its pixels, or that the elbow has not chosen, has size 0.
    """

    centroids: np.ndarray
    sizes: np.ndarray

    def largest(self) -> np.ndarray:
        """Return the centroid (n, 2) of each region's largest cluster, of equal ones the first."""
        chosen = self.sizes.argmax(1)
        return self.centroids[np.arange(len(chosen)), chosen]


def check_clusters(clusters: int | str) -> None:
    """Raise ValueError unless `clusters` is a number from 1 or "elbow"."""
    if clusters != ELBOW and not (isinstance(clusters, int) and clusters >= 1):
        raise ValueError(f'clusters: expected 1, 2, ... or "{ELBOW}", got {clusters!r}')


def cluster_regions(ab: np.ndarray, labels: np.ndarray, clusters: int | str = 2) -> Clusters:
    """Return clusters of ab (2, H, W) in each region of labels (H, W); -1 belongs to none.

    `clusters` is k, or "elbow" for one k per region: with W_k the within-cluster sum of squares,
    the k from 2 to LARGEST_K - 1 with the largest |W_{k-1} - 2 W_k + W_{k+1}|, the smallest of
    several (section 8.4.1: the largest second derivative); 1 where the region spreads by at most
    EVEN, a case that the second derivative cannot find.
    """
    check_clusters(clusters)
    if clusters != ELBOW:
        return k_means(ab, labels, int(clusters))[0]
    tried, spreads = zip(*(k_means(ab, labels, k) for k in range(1, LARGEST_K + 1)))
    W = np.stack(spreads, 1)
    k = 2 + np.abs(np.diff(W, 2, axis=1)).argmax(1)
    k[W[:, 0] <= EVEN**2 * tried[0].sizes[:, 0]] = 1
    return _choose(tried, k)


def k_means(ab: np.ndarray, labels: np.ndarray, k: int) -> tuple[Clusters, np.ndarray]:
    """Return k clusters of each region, and the sums of squares (n,) within them.

    Lloyd's steps until no centroid of a region moves by more than REST, at most STEPS. They start
    on the region's principal axis v, where k-means would put them if the colours were spread
    evenly along it: mean + v sqrt(3 variance) (2 j + 1 - k) / k for j = 0 .. k - 1. A pixel as near
    to two centroids goes to the first. Nothing is random.
    """
    flat, labels = np.array(ab, np.float32).reshape(2, -1), np.array(labels, np.int32).ravel()
    moments = _moments(flat, labels, int(labels.max(initial=-1)) + 1)
    centroids = _start(moments, k)
    sums = np.zeros((*centroids.shape[:2], 3))
    moving = np.ones(len(moments), bool)
    for _ in range(STEPS):
        _accumulate(flat, labels, centroids, moving, sums)
        means = np.where(
            sums[:, :, :1] > 0, sums[:, :, 1:] / sums[:, :, :1].clip(1, None), centroids
        )
        moving = (np.abs(means - centroids) > REST).any((1, 2))
        centroids = means
        if not moving.any():
            break
    within = moments[:, 3] + moments[:, 5] - _squares(sums)
    return Clusters(centroids, sums[:, :, 0].astype(np.int64)), within.clip(0, None)


def _start(moments: np.ndarray, k: int) -> np.ndarray:
    """Return the first centroids (n, k, 2) from count, sums and sums of products (n, 6)."""
    count = moments[:, 0].clip(1, None)
    a, b, aa, ab, bb = (moments[:, 1:] / count[:, None]).T
    p, q, r = aa - a * a, ab - a * b, bb - b * b  # the covariance matrix [[p, q], [q, r]]
    variance = (p + r) / 2 + np.hypot((p - r) / 2, q)
    angle = np.arctan2(2 * q, p - r) / 2
    axis = np.sqrt(3 * variance.clip(0, None)) * (np.cos(angle), np.sin(angle))
    places = (2 * np.arange(k) + 1 - k) / k
    return np.stack((a, b), 1)[:, None] + axis.T[:, None] * places[:, None]


def _squares(sums: np.ndarray) -> np.ndarray:
    """Return sum_j n_j |mean_j|^2 (n,) of the counts and sums (n, k, 3) of clusters."""
    return ((sums[:, :, 1:] ** 2).sum(2) / sums[:, :, 0].clip(1, None)).sum(1)


def _choose(tried: tuple[Clusters, ...], k: np.ndarray) -> Clusters:
    """Return of each region the clusters for its own k, with sizes 0 behind the k-th."""
    n = len(k)
    centroids, sizes = np.zeros((n, len(tried), 2)), np.zeros((n, len(tried)), np.int64)
    for number, found in enumerate(tried, start=1):
        rows = k == number
        centroids[rows, :number] = found.centroids[rows]
        sizes[rows, :number] = found.sizes[rows]
    return Clusters(centroids, sizes)


@njit(cache=True)
def _moments(flat: np.ndarray, labels: np.ndarray, n: int) -> np.ndarray:
    """Return count, sum of a, b, aa, ab and bb (n, 6) of each region."""
    moments = np.zeros((n, 6))
    for i in range(len(labels)):
        if labels[i] >= 0:
            a, b = np.float64(flat[0, i]), np.float64(flat[1, i])
            row = moments[labels[i]]
            row[0] += 1
            row[1] += a
            row[2] += b
            row[3] += a * a
            row[4] += a * b
            row[5] += b * b
    return moments


@njit(cache=True)
def _accumulate(
    flat: np.ndarray,
    labels: np.ndarray,
    centroids: np.ndarray,
    moving: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Set the sums (n, k, 3) of count, a and b over the nearest pixels of moving regions."""
    for region in range(len(moving)):
        if moving[region]:
            sums[region] = 0
    for i in range(len(labels)):
        region = labels[i]
        if region >= 0 and moving[region]:
            a, b = np.float64(flat[0, i]), np.float64(flat[1, i])
            best, nearest = np.inf, 0
            for j in range(centroids.shape[1]):
                distance = (a - centroids[region, j, 0]) ** 2 + (b - centroids[region, j, 1]) ** 2
                if distance < best:
                    best, nearest = distance, j
            row = sums[region, nearest]
            row[0] += 1
            row[1] += a
            row[2] += b

"""Clusters and fill of all regions at once, against loops over regions, clusters and pixels."""

import numpy as np
import pytest

from colorization.refinement import SEGMENTATIONS, Refiner
from colorization.refinement.clustering import (
    EVEN,
    LARGEST_K,
    REST,
    STEPS,
    Clusters,
    cluster_regions,
    k_means,
)
from colorization.refinement.flood_fill import flood_fill


def naive_k_means(points, k):
    """Follow the docstring of `k_means` for the points (m, 2) of one region."""
    points = points.astype(np.float64)
    mean = points.mean(0)
    variances, axes = np.linalg.eigh(np.cov(points.T, bias=True))
    axis = axes[:, 1] * (np.sign(axes[0, 1]) or 1)  # angles from -90 to 90 degrees
    centroids = [mean + axis * np.sqrt(3 * variances[1]) * (2 * j + 1 - k) / k for j in range(k)]
    for _ in range(STEPS):
        nearest = np.array([np.argmin([((p - c) ** 2).sum() for c in centroids]) for p in points])
        old = centroids
        centroids = [points[nearest == j].mean(0) if j in nearest else old[j] for j in range(k)]
        if max(np.abs(c - o).max() for c, o in zip(centroids, old)) <= REST:
            break
    members = [points[nearest == j] for j in range(k)]
    within = sum(((m - m.mean(0)) ** 2).sum() for m in members if len(m))
    return np.array(centroids), [len(m) for m in members], within


@pytest.fixture
def labels():
    """Five regions of unequal sizes, and pixels in none."""
    return np.random.default_rng(1).choice(6, (19, 27), p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05]) - 1


@pytest.fixture
def ab(labels):
    """Two or three clouds of colours in each region."""
    rng = np.random.default_rng(2)
    clouds = rng.uniform(-80, 80, (6, 3, 2))
    which = rng.choice(3, labels.shape, p=[0.5, 0.3, 0.2])
    colours = clouds[labels, which] + rng.normal(0, 6, (*labels.shape, 2))
    return colours.transpose(2, 0, 1).astype(np.float32)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_clusters_are_those_of_a_loop_over_the_regions(ab, labels, k):
    clusters, within = k_means(ab, labels, k)
    for region in range(5):
        centroids, sizes, spread_ = naive_k_means(ab[:, labels == region].T, k)
        assert clusters.centroids[region] == pytest.approx(centroids, abs=1e-6)
        assert clusters.sizes[region].tolist() == sizes
        assert within[region] == pytest.approx(spread_)


def test_elbow_is_the_largest_second_difference(ab, labels):
    clusters = cluster_regions(ab, labels, "elbow")
    chosen = set()
    for region in range(5):
        points = ab[:, labels == region].T
        W = [np.inf, *(naive_k_means(points, k)[2] for k in range(1, LARGEST_K + 1))]
        k = max(range(2, LARGEST_K), key=lambda k: abs(W[k - 1] - 2 * W[k] + W[k + 1]))
        centroids, sizes, _ = naive_k_means(points, k)
        chosen.add(k)
        assert clusters.sizes[region].tolist() == sizes + [0] * (LARGEST_K - k)
        assert clusters.centroids[region, :k] == pytest.approx(centroids, abs=1e-6)
    assert len(chosen) > 1


def test_elbow_leaves_an_even_region_whole(labels):
    noise = np.random.default_rng(3).normal(0, 1, (2, *labels.shape))
    quiet, loud = (cluster_regions(noise * EVEN * s, labels, "elbow").sizes for s in (0.6, 1.5))
    assert (np.count_nonzero(quiet, axis=1) == 1).all()
    assert (np.count_nonzero(loud, axis=1) >= 2).all()


def test_the_larger_cluster_colours_the_region():
    labels = np.zeros((3, 4), np.int32)
    labels[2] = -1
    ab = np.empty((2, 3, 4), np.float32)
    ab[:] = np.array([30, -20])[:, None, None]
    ab[:, 0, :3] = -50
    ab[:, 2] = 7
    result = flood_fill(ab, labels)
    assert result.dtype == np.float32
    assert result[0, :2] == pytest.approx(30) and result[1, :2] == pytest.approx(-20)
    assert (result[:, 2] == 7).all()
    assert (ab[:, 0, :3] == -50).all()


def test_every_region_becomes_even_and_the_rest_stays(ab, labels):
    ab.setflags(write=False)
    result = flood_fill(ab, labels)
    clusters, _ = k_means(ab, labels, 2)
    for region in range(5):
        expected = clusters.centroids[region, np.argmax(clusters.sizes[region])]
        assert np.ptp(result[:, labels == region], axis=1).tolist() == [0, 0]
        assert result[:, labels == region][:, 0] == pytest.approx(expected, abs=1e-5)
    assert (result[:, labels < 0] == ab[:, labels < 0]).all()


def test_one_colour_has_no_second_cluster():
    clusters, within = k_means(np.full((2, 3, 5), 12.5, np.float32), np.zeros((3, 5), int), 2)
    assert clusters.sizes.tolist() == [[15, 0]] and within.tolist() == [0]
    assert clusters.centroids[0, 0].tolist() == [12.5, 12.5]


def test_of_equal_clusters_the_first_is_taken():
    clusters = Clusters(np.arange(12.0).reshape(2, 3, 2), np.array([[4, 4, 1], [0, 3, 3]]))
    assert clusters.largest().tolist() == [[0, 1], [8, 9]]


def test_numbers_without_pixels_do_no_harm():
    labels = np.array([[3, 3, -1]])
    ab = np.array([[[8.0, 8, 1]], [[9, 9, 2]]])
    assert flood_fill(ab, labels)[:, 0].tolist() == [[8, 8, 1], [9, 9, 2]]


def test_without_regions_everything_stays(ab, labels):
    assert (flood_fill(ab, np.full_like(labels, -1)) == ab).all()


@pytest.mark.parametrize("clusters", [0, -1, 2.5, "knee"])
def test_unknown_numbers_of_clusters_are_refused(ab, labels, clusters):
    with pytest.raises(
        ValueError, match=f'clusters: expected 1, 2, ... or "elbow", got {clusters!r}'
    ):
        flood_fill(ab, labels, clusters)


def test_shapes_that_do_not_agree_are_refused(ab, labels):
    with pytest.raises(ValueError, match=r"expected \(2, H, W\) with labels \(H, W\), got \(2, 19"):
        flood_fill(ab, labels[1:])
    with pytest.raises(ValueError, match=r"expected \(2, H, W\) with L \(H, W\), got \(2, 18"):
        Refiner()(labels.astype(float), ab[:, 1:])


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match='expected one of growing, felzenszwalb, got "snakes"'):
        Refiner("snakes")
    with pytest.raises(ValueError, match="clusters: expected 1, 2, "):
        Refiner(clusters=0)


@pytest.mark.parametrize("film", [False, True])
@pytest.mark.parametrize("segmentation", SEGMENTATIONS)
def test_refiner_evens_out_two_areas(segmentation, film):
    """Bleeding over the edge between two areas goes away, in images and in a film's first frame."""
    L = np.full((40, 62), 30, np.float32)
    L[:, 25:] = 75
    ab = np.where(L < 50, -30.0, 40.0)[None] * np.array([1, 0.5])[:, None, None]
    bleeding = ab.copy()
    bleeding[:, :, 22:25], bleeding[:, 5:20, 25:30] = 35, -28
    result = Refiner(segmentation, film=film)(L, bleeding)
    certain = np.r_[:24, 26:62]  # `felzenszwalb` smooths L over the edge
    assert result[:, :, certain] == pytest.approx(ab[:, :, certain], abs=0.5)
    assert result.dtype == np.float32

"""Regions followed through a film whose motion is known."""

import numpy as np
import pytest
from scipy import ndimage

from colorization.refinement import Refiner, flood_fill
from colorization.refinement.clustering import Clusters
from colorization.refinement.tracking import (
    OVERLAP,
    STEP,
    ColourTracker,
    matches,
    warped_labels,
)

H, W = 48, 70


def still(dx=0, dy=0):
    """Return the flow of a picture that has moved by (-dx, -dy) since the last frame."""
    return np.broadcast_to(np.float32([dx, dy]), (H, W, 2))


def clusters(*regions):
    """Return clusters of regions, each a list of (a, b, size)."""
    numbers = np.array(regions, float)
    return Clusters(numbers[:, :, :2], numbers[:, :, 2].astype(int))


@pytest.fixture
def L():
    rng = np.random.default_rng(1)
    texture = ndimage.gaussian_filter(rng.normal(size=(H, W)), 2)
    return (50 + 15 * texture / texture.std()).clip(0, 100).astype(np.float32)


@pytest.fixture
def halves():
    return np.broadcast_to(np.where(np.arange(W) < 30, 0, 1), (H, W)).astype(np.int32)


def test_a_region_keeps_its_colour_when_its_clusters_change_places(L, halves):
    track = ColourTracker()
    one = [(10, 20, 60), (-30, 0, 40)], [(0, 0, 9), (1, 1, 1)]
    other = [(-30, 0, 60), (10, 20, 40)], [(0, 0, 9), (1, 1, 1)]
    for found in (one, other, one, other):
        assert track(L, halves, clusters(*found), still()).tolist() == [[10, 20], [0, 0]]


def test_a_clearly_larger_cluster_wins_step_by_step(L, halves):
    track = ColourTracker()
    start = track(L, halves, clusters([(8, 4, 90), (0, 0, 10)], [(5, 5, 9), (0, 0, 1)]), still())
    new = clusters([(8, 4, 10), (0, 0, 90)], [(5, 5, 9), (0, 0, 1)])
    for step in range(1, 5):
        colours = track(L, halves, new, still())
        assert colours[0] == pytest.approx(start[0] * (1 - STEP) ** step)
        assert colours[1].tolist() == [5, 5]


def test_an_empty_cluster_is_never_chosen(L, halves):
    track = ColourTracker()
    track(L, halves, clusters([(8, 4, 9), (0, 0, 1)], [(8, 4, 9), (0, 0, 1)]), still())
    empty = clusters([(0, 0, 10), (8, 4, 0)], [(0, 0, 0), (8, 4, 0)])
    assert track(L, halves, empty, still())[0] == pytest.approx(np.array([8, 4]) * (1 - STEP))


def test_colours_follow_the_numbers_along_the_flow(L, halves):
    """The edge moves by 25 pixels, and the regions change their numbers."""
    track = ColourTracker()
    track(L, halves, clusters([(10, 0, 9)], [(0, 10, 9)]), still())
    moved = np.broadcast_to(np.where(np.arange(W) < 55, 1, 0), (H, W)).astype(np.int32)
    grey = clusters([(0, 0, 9)], [(0, 0, 9)])
    with_flow = track(L, moved, grey, still(dx=-25))
    assert with_flow == pytest.approx(np.array([[0, 10], [10, 0]]) * (1 - STEP))


def test_the_tracker_finds_the_motion_itself(L):
    """A square moves down and right over an even ground; only the flow keeps its two halves."""
    track = ColourTracker()
    frames = []
    for x in (10, 13):
        frame, labels = np.full((H, W), 20, np.float32), np.zeros((H, W), np.int32)
        frame[8 + x : 32 + x, x : x + 24] = L[:24, :24]
        labels[8 + x : 32 + x, x : x + 3], labels[8 + x : 32 + x, x + 3 : x + 24] = 1, 2
        frames.append((frame, labels))
    colours = track(*frames[0], clusters([(0, 0, 9)], [(50, 0, 9)], [(0, 50, 9)]))
    same = track(*frames[1], Clusters(colours[:, None], np.full((3, 1), 9)))
    assert same == pytest.approx(colours)


def test_reset_begins_anew(L, halves):
    track = ColourTracker()
    track(L, halves, clusters([(8, 4, 9)], [(8, 4, 9)]), still())
    track.reset()
    assert (track(L, halves, clusters([(0, 0, 9)], [(1, 2, 9)])) == [[0, 0], [1, 2]]).all()


def test_another_size_begins_anew(L, halves):
    track = ColourTracker()
    track(L, halves, clusters([(8, 4, 9)], [(8, 4, 9)]), still())
    assert (
        track(L[:30], halves[:30], clusters([(0, 0, 9)], [(1, 2, 9)])) == [[0, 0], [1, 2]]
    ).all()


def test_labels_are_read_where_the_flow_leads():
    rng = np.random.default_rng(2)
    labels = rng.integers(-1, 9, (6, 11))
    flow = rng.uniform(-4, 4, (6, 11, 2))
    expected = np.full((6, 11), -1)
    for y in range(6):
        for x in range(11):
            u, v = round(x + flow[y, x, 0]), round(y + flow[y, x, 1])
            if 0 <= u < 11 and 0 <= v < 6:
                expected[y, x] = labels[v, u]
    assert (warped_labels(labels, flow) == expected).all()
    assert (expected == -1).any() and (expected >= 0).any()


def test_matches_are_those_of_a_loop():
    rng = np.random.default_rng(3)
    labels, warped = rng.integers(-1, 6, (5, 9)) // 2, rng.integers(-1, 4, (5, 9))
    warped[labels == 1], warped[labels == 2] = 3, -1
    expected = []
    for region in range(4):  # there is no region 3
        inside = warped[labels == region]
        counts = [(inside == other).sum() for other in range(4)]
        enough = len(inside) and max(counts) >= OVERLAP * len(inside)
        expected.append(int(np.argmax(counts)) if enough else -1)
    assert matches(labels, warped, 4).tolist() == expected
    assert expected[1:] == [3, -1, -1]


def test_of_equal_overlaps_the_smaller_number_counts():
    labels, warped = np.zeros((2, 4), int), np.array([[7, 7, 7, 7], [2, 2, 2, 2]])
    assert matches(labels, warped, 1).tolist() == [2]


def test_a_flow_of_another_shape_is_refused(L, halves):
    track = ColourTracker()
    found = clusters([(0, 0, 9)], [(1, 2, 9)])
    track(L, halves, found)
    with pytest.raises(ValueError, match=r"flow: expected \(48, 70, 2\), got \(70, 48, 2\)"):
        track(L, halves, found, still().transpose(1, 0, 2))


def test_a_refiner_for_films_does_not_flicker():
    """Half of a region's pixels are of each of two colours; one more or less decides."""
    L = np.full((20, 31), 60, np.float32)
    L[:, 12] = 0
    colours = np.array([[40, 0], [-40, 30]], np.float32)
    frames = [colours[(np.arange(31) < 20 + odd).astype(int)] for odd in (0, 4, 0, 4)]
    frames = [np.broadcast_to(row.T[:, None], (2, 20, 31)) for row in frames]
    film, images = Refiner(film=True), Refiner()
    steady, flickering = ([f(L, ab)[:, 5, 20] for ab in frames] for f in (film, images))
    assert np.ptp(steady, axis=0) == pytest.approx([0, 0], abs=1)
    assert np.ptp(flickering, axis=0) == pytest.approx([80, 30], abs=1)
    film.reset()
    expected = flood_fill(frames[1], np.where(L > 0, np.arange(31) > 12, -1).astype(np.int32))
    assert film(L, frames[1]) == pytest.approx(expected)

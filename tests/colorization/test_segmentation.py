"""Region growing against a naive loop with a full distance transform after each region."""

import numpy as np
import pytest
from scipy import ndimage

from colorization.refinement.segmentation import felzenszwalb, grow_regions, scaled

TOLERANCE = 3 / 51


def naively(L, tolerance=TOLERANCE, farthest=4):
    """Follow the docstring of `grow_regions` word by word."""
    L = scaled(L)
    H, W = L.shape
    labels = np.full((H, W), -1)
    seed, region = (0, 0), 0
    while True:
        labels[seed], queue, total, count = region, [seed], float(L[seed]), 1
        for y, x in queue:
            for v, u in ((y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)):
                if not (0 <= v < H and 0 <= u < W) or labels[v, u] >= 0:
                    continue
                if abs(float(L[v, u]) - total / count) <= tolerance:
                    labels[v, u] = region
                    queue.append((v, u))
                    total, count = total + float(L[v, u]), count + 1
        distance = ndimage.distance_transform_edt(labels < 0)
        if distance.max() <= farthest:
            return labels
        seed, region = np.unravel_index(distance.argmax(), (H, W)), region + 1


def drawing(seed, H, W, blur, noise):
    """Return smooth hills and valleys with a dark outline between two heights, and noise."""
    rng = np.random.default_rng(seed)
    L = ndimage.gaussian_filter(rng.normal(size=(H, W)), blur)
    L = 50 + 20 * L / L.std()
    L[np.abs(L - 50) < 2] = 0
    return (L + noise * rng.normal(size=(H, W))).clip(0, 100).astype(np.float32)


@pytest.mark.parametrize("noise", [0, 2, 30])
@pytest.mark.parametrize("blur", [1, 4, 9])
@pytest.mark.parametrize(("H", "W"), [(61, 83), (97, 40)])
def test_labels_are_those_of_the_naive_loop(H, W, blur, noise):
    L = drawing(blur + noise, H, W, blur, noise)
    assert (grow_regions(L) == naively(L)).all()


@pytest.mark.parametrize(("H", "W"), [(1, 1), (1, 70), (50, 1), (2, 3), (33, 65)])
def test_odd_shapes_of_noise(H, W):
    L = np.random.default_rng(W).uniform(0, 100, (H, W)).astype(np.float32)
    assert (grow_regions(L) == naively(L)).all()


@pytest.mark.parametrize("farthest", [0, 1, 1.5, 7, 30])
def test_another_distance_and_tolerance(farthest):
    L = drawing(3, 37, 58, 2, 10)
    assert (grow_regions(L, 0.15, farthest) == naively(L, 0.15, farthest)).all()


def test_seeds_at_equal_distances_come_in_reading_order():
    """Isolated pixels on a checkerboard, so that the same distance is found again and again."""
    L = np.indices((30, 44)).sum(0) % 2 * 100.0
    assert (grow_regions(L) == naively(L)).all()


def test_even_areas_parted_by_an_outline():
    L = np.full((20, 31), 80, np.float32)
    L[:, 10] = 0
    L[:, 11:] = 60
    labels = grow_regions(L)
    assert labels.dtype == np.int32
    assert (labels[:, :10] == 0).all() and (labels[:, 10] == -1).all()
    assert (labels[:, 11:] == 1).all()


def test_regions_are_connected_and_numbered_without_gaps():
    labels = grow_regions(drawing(5, 90, 71, 3, 5))
    numbers = np.unique(labels)
    assert (numbers == np.arange(-1, len(numbers) - 1)).all() and len(numbers) > 10
    assert all(ndimage.label(labels == i)[1] == 1 for i in numbers[1:])


def test_the_range_of_L_does_not_matter():
    L = drawing(6, 40, 55, 3, 0)
    assert (grow_regions(L) == grow_regions(L / 4 + 10)).mean() > 0.99  # but for rounding


def test_one_lightness_is_one_region():
    L = np.full((7, 9), 33, np.float32)
    assert (grow_regions(L) == 0).all() and (scaled(L) == 0).all()


def test_scaled_fills_the_range_and_leaves_its_argument():
    L = np.array([[20, 30, 60]], np.float32)
    L.setflags(write=False)
    assert scaled(L) == pytest.approx(np.array([[0, 0.25, 1]], np.float32))


def test_L_of_any_layout_and_precision():
    L = drawing(7, 26, 35, 2, 3)
    expected = grow_regions(L)
    for other in (L.astype(np.float64), np.asfortranarray(L), np.repeat(L, 2, 1)[:, ::2]):
        assert (grow_regions(other) == expected).all()


@pytest.mark.parametrize("shape", [(3, 4, 5), (6,), (0, 4), (2, 16385)])
def test_what_is_no_plane_is_refused(shape):
    with pytest.raises(ValueError, match=r"L: expected \(H, W\), sides 1 to 16384, got shape"):
        grow_regions(np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    L = np.zeros((4, 5), np.float32)
    L[1, 2] = value
    with pytest.raises(ValueError, match="L: expected finite values"):
        grow_regions(L)


def test_felzenszwalb_finds_two_halves():
    rng = np.random.default_rng(8)
    L = np.full((40, 61), 30, np.float32)
    L[:, 25:] = 70
    labels = felzenszwalb(L + rng.normal(0, 1, L.shape), min_size=50)
    assert labels.dtype == np.int32 and labels.shape == L.shape
    assert set(np.unique(labels)) == {0, 1}
    assert len(np.unique(labels[:, :25])) == len(np.unique(labels[:, 25:])) == 1


def test_felzenszwalb_joins_what_is_smaller_than_a_share_of_the_image():
    L = np.full((80, 100), 30, np.float32)  # 1/2000 of them are 4 pixels
    L[20, 20:23] = L[50, 50:55] = 90
    assert felzenszwalb(L, sigma=0).max() + 1 == 2
    assert felzenszwalb(L, sigma=0, min_size=1).max() + 1 == 3


def test_felzenszwalb_cuts_large_images_at_a_smaller_size(monkeypatch):
    L = np.where(np.arange(270) < 90, 20, 80) * np.ones((180, 1), np.float32)
    whole = felzenszwalb(L)
    monkeypatch.setattr("colorization.refinement.segmentation.PIXELS", 60 * 90)
    labels = felzenszwalb(L)
    assert labels.shape == L.shape and labels.dtype == np.int32
    for columns in (slice(0, 84), slice(96, 270)):  # the edge may move by a small pixel
        np.testing.assert_array_equal(labels[:, columns], whole[:, columns])

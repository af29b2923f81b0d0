"""Means over areas, against OpenCV's and a mean that is written out."""

import cv2
import numpy as np
import pytest

from colorization.area_means import area_means


def noise(*shape):
    return np.random.default_rng(3).random(shape, np.float32) * 100


@pytest.mark.parametrize(
    "own, size",
    [
        ((72, 128), (22, 22)),
        ((33, 21), (32, 20)),
        ((40, 60), (20, 15)),
        ((5, 7), (5, 3)),
        ((1, 9), (1, 1)),
        ((7, 7), (7, 7)),
    ],
)
def test_the_numbers_are_those_of_opencv(own, size):
    plane = noise(*own)
    expected = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA)
    means = area_means(plane, size)
    assert means.shape == size and means.dtype == np.float32
    np.testing.assert_allclose(means, expected, atol=1e-4)


def test_pixels_on_a_border_count_by_their_share():
    means = area_means(np.float32([[1, 2, 4, 8, 16]]), (1, 2))
    np.testing.assert_allclose(means, [[(1 + 2 + 2) / 2.5, (2 + 8 + 16) / 2.5]], rtol=1e-6)


@pytest.mark.parametrize("part", [np.s_[::2, 1::3], np.s_[::-1], np.s_[:, :]])
def test_any_layout_will_do(part):
    plane = noise(24, 36)
    plane.setflags(write=False)
    expected = area_means(plane[part].copy(), (6, 6))
    np.testing.assert_array_equal(area_means(plane[part], (6, 6)), expected)


def test_pixels_that_do_not_belong_to_an_area_do_not_count():
    plane = noise(7, 30)
    plane[0, 0] = np.nan
    assert np.isnan(area_means(plane, (3, 4))).sum() == 1
